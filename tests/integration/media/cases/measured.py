"""What a file really has, by its packets and frames; headers are asked only for what nothing else tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

B_FRAME = 3
"""AV_PICTURE_TYPE_B."""


@dataclass
class Track:
    """One stream by its packets, in the order of presentation. Times in seconds."""

    codec: str
    profile: str = ""
    times: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    size_bytes: int = 0
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def start_s(self) -> float:
        """A decoder throws away what lies before 0."""
        return max(self.times[0], 0.0)

    @property
    def seconds(self) -> float:
        return max(self.ends) - self.start_s

    @property
    def kbps(self) -> float:
        return self.size_bytes * 8 / self.seconds / 1000

    @property
    def fps(self) -> float:
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])

    @property
    def gops(self) -> list[int]:
        """Distances between key frames, in frames."""
        return [later - earlier for earlier, later in zip(self.keys, self.keys[1:], strict=False)]

    @property
    def key_times(self) -> list[float]:
        return [self.times[index] for index in self.keys]


@dataclass
class Measured:
    """A whole file, all of its picture decoded."""

    container: str
    video: Track | None = None
    audio: Track | None = None
    size: tuple[int, int] = (0, 0)
    sar: tuple[int, int] = (1, 1)
    pixels: str = ""
    level: int = 0
    b_frames: int = 0
    transfer: int = 0
    rotation: int = 0
    frames: int = 0
    channels: int = 0
    layout: str = ""
    rate: int = 0
    audio_streams: int = 0


def measure(path: Path) -> Measured:
    """Reads everything. Raises what PyAV raises if a part cannot be decoded."""
    with av.open(str(path)) as container:
        found = Measured(container.format.name, audio_streams=len(container.streams.audio))
        streams: list[Any] = [*container.streams.video[:1], *container.streams.audio[:1]]
        packets: dict[int, list[Any]] = {stream.index: [] for stream in streams}
        for packet in container.demux(streams):
            if packet.pts is not None and packet.size:
                packets[packet.stream_index].append(packet)
        if container.streams.video:
            stream = container.streams.video[0]
            found.video = _track(stream, packets[stream.index])
            ratio = stream.sample_aspect_ratio
            found.sar = (ratio.numerator, ratio.denominator) if ratio else (1, 1)
            found.level = stream.codec_context.level or 0
        if container.streams.audio:
            sound = container.streams.audio[0]
            found.audio = _track(sound, packets[sound.index])
            context = sound.codec_context
            found.channels, found.layout, found.rate = context.channels, context.layout.name, context.sample_rate
    if found.video:
        _decode(path, found)
    return found


def _track(stream: Any, packets: Sequence[Any]) -> Track:
    base = float(stream.time_base)
    track = Track(stream.codec_context.codec.canonical_name, str(stream.codec_context.profile or ""))
    track.tags = dict(stream.metadata)
    ordered = sorted(packets, key=lambda packet: packet.pts)
    rate = float(stream.average_rate) if stream.type == "video" and stream.average_rate else 0.0
    for index, packet in enumerate(ordered):
        track.times.append(packet.pts * base)
        length = packet.duration * base if packet.duration else 1 / rate if rate else 0.0
        track.ends.append(packet.pts * base + length)
        track.size_bytes += packet.size
        if packet.is_keyframe:
            track.keys.append(index)
    return track


def _decode(path: Path, found: Measured) -> None:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if not found.frames:
                found.size, found.pixels = (frame.width, frame.height), frame.format.name
                found.transfer, found.rotation = int(frame.color_trc or 0), frame.rotation
            found.frames += 1
            found.b_frames += int(frame.pict_type) == B_FRAME
