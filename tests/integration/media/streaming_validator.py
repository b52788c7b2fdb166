"""Checks a ladder as a player would meet it, knowing nothing of how it was made: every segment is read by itself.

Raises AssertionError with what is wrong; returns what it has seen, for further assertions.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import av
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

AGREE_S = 0.1
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
_PROFILES = {66: "Baseline", 77: "Main", 100: "High", 110: "High 10"}
_FAMILIES = {"avc1": "h264", "hvc1": "hevc", "av01": "av1", "mp4a.40.2": "aac", "mp4a.40.34": "mp3"} | {
    "ac-3": "ac3",
    "ec-3": "eac3",
    "opus": "opus",
    "flac": "flac",
}


@dataclass(frozen=True)
class Segment:
    """`start` and `ends` are timestamps of its picture, or of its sound if it has none."""

    start: float
    ends: float
    claimed: float
    size: int
    frames: int


@dataclass
class Rendition:
    """One playlist or representation, all of it decoded."""

    uri: str
    segments: list[Segment]
    size: tuple[int, int] = (0, 0)
    frame_s: float = 0.0
    video: Any = None
    audio: Any = None
    frames: int = 0
    audio_start: float | None = None
    attributes: dict[str, str] | None = None
    encrypted: bool = False

    @property
    def duration(self) -> float:
        return self.segments[-1].ends - self.segments[0].start

    @property
    def rates(self) -> tuple[float, float]:
        """Peak and average in bits per second."""
        longest = max(each.claimed for each in self.segments)
        peak = max(each.size * 8 / each.claimed for each in self.segments if each.claimed >= longest / 2)
        return peak, sum(each.size for each in self.segments) * 8 / sum(each.claimed for each in self.segments)


def attributes(line: str) -> dict[str, str]:
    """Of a tag, without quotation marks."""
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.split(":", 1)[1])}


def validate_hls(root: Path, key: str, aes_key: bytes | None = None) -> tuple[list[Rendition], list[Rendition]]:
    """Variants and audio renditions of a master playlist that lies at `key` below `root`."""
    lines = (root / key).read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    folder = (root / key).parent
    sounds: dict[str, Rendition] = {}
    for line in lines:
        if line.startswith("#EXT-X-MEDIA:TYPE=AUDIO"):
            members = attributes(line)
            sounds[members["GROUP-ID"]] = _playlist(folder, members["URI"], aes_key)
            sounds[members["GROUP-ID"]].attributes = members
    variants = []
    groups = {"", *(members["GROUP-ID"] for members, _ in subtitles(root, key))}
    for tag, uri in pairwise(lines):
        if not tag.startswith("#EXT-X-STREAM-INF:"):
            continue
        members = attributes(tag)
        variant = _playlist(folder, uri, aes_key)
        variant.attributes = members
        beside = sounds[members["AUDIO"]] if "AUDIO" in members else None
        _check_attributes(variant, members, beside)
        if beside:
            assert beside.segments[0].start == _near(variant.segments[0].start, 0.07), (
                "sound and picture begin together"
            )
            assert beside.duration == _near(variant.duration, AGREE_S)
        assert members.get("SUBTITLES", "") in groups
        assert bool(members.get("SUBTITLES")) is (len(groups) > 1 and variant.video is not None)
        variants.append(variant)
    assert variants, "a master playlist without variants"
    check_alignment(variants)
    return variants, list(sounds.values())


def subtitles(root: Path, key: str) -> list[tuple[dict[str, str], str]]:
    """The tracks of subtitles of a master playlist: attributes and WebVTT, which must be as long as it says."""
    found = []
    for line in (root / key).read_text().splitlines():
        if line.startswith("#EXT-X-MEDIA:TYPE=SUBTITLES"):
            members = attributes(line)
            playlist = (root / key).parent / unquote(members["URI"])
            lines = playlist.read_text().splitlines()
            assert lines[0] == "#EXTM3U"
            assert lines[-1] == "#EXT-X-ENDLIST"
            (uri,) = (each for each in lines if not each.startswith("#"))
            text = (playlist.parent / unquote(uri)).read_text()
            assert text.startswith("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:")
            found.append((members, text))
    return found


def _check_attributes(variant: Rendition, members: dict[str, str], beside: Rendition | None) -> None:
    peak, average = variant.rates
    if beside:
        peak, average = peak + beside.rates[0], average + beside.rates[1]
    assert peak <= float(members["BANDWIDTH"]) + 1 <= max(peak, average) * 1.02 + 2, "BANDWIDTH is not the peak"
    assert float(members["AVERAGE-BANDWIDTH"]) == _near(average, average * 0.02)
    if variant.video:
        assert members["RESOLUTION"] == f"{variant.size[0]}x{variant.size[1]}"
        assert float(members["FRAME-RATE"]) * variant.frame_s == _near(1, 0.5)
    heard = variant.audio or (beside.audio if beside else None)
    check_codecs(members["CODECS"].split(","), variant.video, heard)


def check_codecs(names: list[str], video: Any, audio: Any) -> None:
    """Whether the names are of what was decoded, and there is one for each stream."""
    found = {_family(name): name for name in names}
    assert set(found) == {stream.codec.canonical_name for stream in (video, audio) if stream}, names
    if video and video.codec.canonical_name == "h264":
        profile, _, level = bytes.fromhex(found["h264"].split(".")[1])
        assert level == video.level
        assert video.profile in (_PROFILES[profile], "Constrained Baseline")


def _family(name: str) -> str:
    return next(family for prefix, family in _FAMILIES.items() if name.startswith(prefix))


def check_alignment(renditions: Iterable[Rendition]) -> None:
    """Pictures' segments begin together and last as long, within one frame; all renditions last as long."""
    pictures = [each for each in renditions if each.video]
    for each in pictures:
        first = pictures[0]
        assert len(each.segments) == len(first.segments), (each.uri, first.uri)
        for own, other in zip(each.segments, first.segments, strict=True):
            assert own.start == _near(other.start, first.frame_s), (each.uri, own, other)
        assert each.duration == _near(first.duration, AGREE_S)


def _playlist(folder: Path, uri: str, aes_key: bytes | None) -> Rendition:
    path = folder / unquote(uri)
    lines = path.read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    found = Rendition(uri, [])
    init, crypt, seconds, part = b"", None, 0.0, ""
    target = 0
    for line in lines:
        if line.startswith("#EXT-X-TARGETDURATION:"):
            target = int(line.split(":")[1])
        elif line.startswith("#EXT-X-MAP:"):
            members = attributes(line)
            init = _part(path.parent / unquote(members["URI"]), members.get("BYTERANGE", ""))
            assert crypt is None, "the initialisation segment is readable"
        elif line.startswith("#EXT-X-KEY:"):
            crypt = attributes(line)
            found.encrypted = True
        elif line.startswith("#EXTINF:"):
            seconds = float(line.split(":")[1].rstrip(","))
            assert round(seconds) <= target
        elif line.startswith("#EXT-X-BYTERANGE:"):
            part = line.split(":")[1]
        elif line and not line.startswith("#"):
            data = _part(path.parent / unquote(line), part)
            size = len(data)
            if crypt:
                assert aes_key is not None
                data = _decrypted(data, aes_key, crypt, len(found.segments))
            _read(found, init, data, seconds, size)
            part = ""
    _check_times(found)
    return found


def _check_times(found: Rendition) -> None:
    for own, following in pairwise(found.segments):
        slack = max(found.frame_s, 0.05)
        assert following.start == _near(own.start + own.claimed, slack), f"{found.uri}: EXTINF is not the distance"


def _part(path: Path, text: str) -> bytes:
    data = path.read_bytes()
    if not text:
        return data
    length, _, first = text.partition("@")
    assert int(first) + int(length) <= len(data)
    return data[int(first) : int(first) + int(length)]


def _decrypted(data: bytes, key: bytes, tag: dict[str, str], sequence: int) -> bytes:
    assert tag["METHOD"] == "AES-128"
    vector = bytes.fromhex(tag["IV"].removeprefix("0x")) if "IV" in tag else sequence.to_bytes(16, "big")
    cipher = Cipher(AES(key), CBC(vector)).decryptor()
    plain = cipher.update(data) + cipher.finalize()
    assert 1 <= plain[-1] <= 16, "the padding of PKCS 7"
    return plain[: -plain[-1]]


def _read(found: Rendition, init: bytes, data: bytes, claimed: float, size: int) -> None:
    """Decodes one segment by itself."""
    with av.open(io.BytesIO(init + data)) as container:
        video = container.streams.video[0] if container.streams.video else None
        first = next(packet for packet in container.demux(video or container.streams.audio[0]) if packet.size)
        assert first.is_keyframe, f"{found.uri}: segment {len(found.segments)} does not begin with a key frame"
    times: list[float] = []
    sounds: list[float] = []
    last_s = 0.0
    with av.open(io.BytesIO(init + data)) as container:
        for frame in container.decode():
            assert frame.time is not None
            if isinstance(frame, av.VideoFrame):
                times.append(frame.time)
                found.size = (frame.width, frame.height)
            else:
                sounds.append(frame.time)
                last_s = frame.samples / frame.sample_rate
        if container.streams.video:
            found.video = container.streams.video[0].codec_context
        if container.streams.audio:
            found.audio = container.streams.audio[0].codec_context
    assert times or sounds, f"{found.uri}: a segment without frames"
    if found.audio_start is None and sounds:
        found.audio_start = min(sounds)
    if times:
        steps = sorted(second - first for first, second in pairwise(sorted(times)))
        found.frame_s = found.frame_s or (steps[len(steps) // 2] if steps else claimed)
        start, ends = min(times), max(times) + found.frame_s
        found.frames += len(times)
    else:
        start, ends = min(sounds), max(sounds) + last_s
        found.frames += len(sounds)
    found.segments.append(Segment(start, ends, claimed, size, len(times or sounds)))


def validate_dash(root: Path, key: str) -> list[Rendition]:
    """All representations of a manifest that lies at `key` below `root`."""
    space = {"d": "urn:mpeg:dash:schema:mpd:2011"}
    tree = ElementTree.parse(root / key).getroot()  # noqa: S314 -- ours
    assert tree.get("type") == "static"
    lasts = float((tree.get("mediaPresentationDuration") or "").removeprefix("PT").removesuffix("S"))
    found = []
    for group in tree.iterfind(".//d:AdaptationSet", space):
        for member in group.iterfind("d:Representation", space):
            if group.get("contentType") == "text":
                text = ((root / key).parent / unquote(member.findtext("d:BaseURL", "", space))).read_text()
                assert text.startswith("WEBVTT\n")
                continue
            each = _representation((root / key).parent, member, space)
            check_codecs([member.get("codecs") or ""], each.video, each.audio)
            assert (each.video is not None) is (group.get("contentType") == "video")
            assert each.rates[0] == _near(float(member.get("bandwidth") or 0), each.rates[0] * 0.02)
            assert each.duration == _near(lasts, AGREE_S)
            if each.video:
                assert each.size == (int(member.get("width") or 0), int(member.get("height") or 0))
                numerator, denominator = (member.get("frameRate") or "").split("/")
                assert int(numerator) / int(denominator) * each.frame_s == _near(1, 0.5)
            found.append(each)
    check_alignment(found)
    first = next((each for each in found if each.video), None)
    for each in found:
        if first and not each.video:
            assert each.segments[0].start == _near(first.segments[0].start, 0.07), "sound beside picture"
    return found


def _representation(folder: Path, member: ElementTree.Element, space: dict[str, str]) -> Rendition:
    data = (folder / unquote(member.findtext("d:BaseURL", "", space))).read_bytes()
    base = member.find("d:SegmentBase", space)
    assert base is not None
    first, last = (int(text) for text in (base.get("indexRange") or "").split("-"))
    initialisation = base.find("d:Initialization", space)
    assert initialisation is not None
    init = data[: int((initialisation.get("range") or "").split("-")[1]) + 1]
    found = Rendition(member.get("id") or "", [])
    at = last + 1
    for seconds, size in _sidx(data[first : last + 1]):
        assert data[at + 4 : at + 8] in (b"moof", b"styp"), "a segment begins with its header"
        _read(found, init, data[at : at + size], seconds, size)
        at += size
    assert at == len(data), "the index is of the whole file"
    _check_times(found)
    return found


def _sidx(box: bytes) -> list[tuple[float, int]]:
    assert box[4:8] == b"sidx"
    assert struct.unpack(">I", box[:4])[0] == len(box)
    timescale = struct.unpack_from(">I", box, 16)[0]
    entries = box[32 if box[8] == 0 else 40 :]
    return [(ticks / timescale, size & 0x7FFFFFFF) for size, ticks, _ in struct.iter_unpack(">III", entries)]


class _Near:
    def __init__(self, wanted: float, within: float) -> None:
        self.wanted, self.within = wanted, within

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and abs(other - self.wanted) <= self.within + 1e-6

    def __repr__(self) -> str:
        return f"{self.wanted:.3f} ± {self.within:.3f}"


def _near(wanted: float, within: float) -> Any:
    return _Near(wanted, within)
