"""What an adaptive streaming node has made becomes objects: names, keys of encryption, manifests."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from services.workers.media import hls, webvtt
from services.workers.media.containers import SEGMENT_TYPES
from services.workers.media.dash import Index, Representation, manifest
from services.workers.media.encryption import encrypt_segment, encrypted_bytes, vector_of
from services.workers.media.master import Pace, Sound, Text, Variant, master_playlist, pace
from services.workers.media.sound import stream_language, stream_name
from services.workers.nodes.adaptive_plan import MANIFEST, AdaptivePlan, SubStream, TextStream
from services.workers.nodes.base import OutputFile, UploadOrder
from services.workers.nodes.place import Place
from shared.mps.adaptive import SimpleAesDrm
from shared.mps.adaptive_template import TEXT_EXTENSION
from shared.mps.facts import AudioFacts
from shared.mps.media import MediaMetaData
from shared.mps.naming import OutputNames
from shared.mps.subtitle import AddOnSubtitle
from shared.mps.transcode import AudioTemplateInfo

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
MPD_TYPE = "application/dash+xml"
TEXT_TYPE = "text/vtt"
FALLBACK_NAME = "audio"


@dataclass(frozen=True, slots=True)
class Made:
    """One sub-stream on this machine. `path` is its playlist, or its file with an `index`; `parts` are the files beside
    the playlist; `segments` are (seconds, bytes)."""

    stream: SubStream
    path: Path
    parts: tuple[Path, ...]
    segments: tuple[tuple[float, int], ...]
    found: MediaMetaData
    index: Index | None = None

    @property
    def codecs(self) -> tuple[str, ...]:
        """RFC 6381, the picture's first; empty texts for what cannot be named."""
        video, audio = self.found.video, self.found.audio
        return (*((video.codecs,) if video else ()), *((audio.codecs,) if audio else ()))


@dataclass(frozen=True, slots=True)
class Subtitles:
    """The text of one track, times counted from the first picture."""

    stream: TextStream
    track: AddOnSubtitle
    text: str


@dataclass(frozen=True, slots=True)
class Packer:
    """Turns what was made into what is uploaded."""

    work: AdaptivePlan
    names: OutputNames
    place: Place
    source: MediaMetaData
    encryption: SimpleAesDrm | None = None
    subtitles: Sequence[Subtitles] = ()

    def pack(self, made: Sequence[Made]) -> list[OutputFile]:
        """All objects, the manifest last. Blocks. Raises NamingError."""
        local = made[0].path.with_name(f"{MANIFEST}.{self.work.packaging.manifest_extension}")
        if self.work.packaging.dash:
            local.write_text(self._mpd(made))
            files = [self._file(each.path, each.stream.key, "video/mp4") for each in made]
            files += [self._text(each, each.text, local.parent) for each in self.subtitles]
            return [*files, self._file(local, self.work.key, MPD_TYPE, UploadOrder.MANIFEST)]
        files = [file for each in made for file in self._stream(each)]
        files += [file for each in self.subtitles for file in self._texts(each, made, local.parent)]
        local.write_text(self._master(made))
        return [*files, self._file(local, self.work.key, PLAYLIST_TYPE, UploadOrder.MASTER)]

    def _file(self, path: Path, key: str, kind: str, order: UploadOrder = UploadOrder.DATA) -> OutputFile:
        return OutputFile(path, self.place.bucket, self.place.region, key, kind, order)

    def _text(self, subtitles: Subtitles, text: str, folder: Path) -> OutputFile:
        path = folder / f"text_{subtitles.stream.number}.{TEXT_EXTENSION}"
        path.write_text(text, "utf-8")
        return self._file(path, subtitles.stream.segment_key, TEXT_TYPE)

    def _texts(self, subtitles: Subtitles, made: Sequence[Made], folder: Path) -> Iterator[OutputFile]:
        """A text with its playlist."""
        picture = next(each for each in made if each.stream.video)
        begins_s = picture.found.facts.start if picture.found.facts else 0.0
        yield self._text(subtitles, webvtt.timed(subtitles.text, begins_s), folder)
        stream = subtitles.stream
        lasts_s = sum(seconds for seconds, _ in picture.segments)
        path = folder / f"text_{stream.number}.m3u8"
        path.write_text(webvtt.playlist(hls.uri(_relative(stream.segment_key, stream.key)), lasts_s), "utf-8")
        yield self._file(path, stream.key, PLAYLIST_TYPE, UploadOrder.MANIFEST)

    def _stream(self, made: Made) -> Iterator[OutputFile]:
        """A playlist and its segments."""
        text = made.path.read_text()
        media = list(dict.fromkeys(hls.segment_names(text)))
        relative: dict[str, str] = {}
        for part in made.parts:
            if part.name in media:
                sequence = media.index(part.name)
                key = self.work.segment_key(self.names, made.stream, sequence)
                if self.encryption:
                    vector = vector_of(sequence, self.encryption.vector)
                    encrypt_segment(part, bytes.fromhex(self.encryption.key), vector)
            else:
                key = self.work.init_key(made.stream)
            relative[part.name] = _relative(key, made.stream.key)
            yield self._file(part, key, SEGMENT_TYPES[part.suffix[1:]])
        text = hls.renamed(text, relative)
        if self.encryption:
            text = hls.with_key(text, self.encryption.uri, self.encryption.vector)
        made.path.write_text(text)
        yield self._file(made.path, made.stream.key, PLAYLIST_TYPE, UploadOrder.MANIFEST)

    def _master(self, made: Sequence[Made]) -> str:
        beside = {_group(number): each for number, each in enumerate(self._sounds(made))}
        sounds = [self._sound(group, each) for group, each in beside.items()]
        variants = []
        for each in made:
            if not each.stream.variant:
                continue
            group = next((name for name, other in beside.items() if other.stream.audio == each.stream.beside), "")
            rate, codecs = self._pace(each), each.codecs
            if group:
                rate, codecs = rate + self._pace(beside[group]), (*codecs, *beside[group].codecs)
            video = each.found.video
            variants.append(
                Variant(
                    uri=self._uri(each),
                    pace=rate,
                    codecs=codecs,
                    width=video.width if video else 0,
                    height=video.height if video else 0,
                    frame_rate=each.found.frame_rate,
                    transfer=video.color_transfer if video else "",
                    audio_group=group,
                )
            )
        texts = [
            Text(
                each.track.subtitle_name or each.track.subtitle_language or "subtitles",
                hls.uri(_relative(each.stream.key, self.work.key)),
                each.track.subtitle_language,
                each.track.default_track,
            )
            for each in self.subtitles
        ]
        return master_playlist(variants, sounds, texts, fragmented=self.work.packaging.fragmented)

    def _pace(self, made: Made) -> Pace:
        """As it is transferred."""
        segments = made.segments
        if self.encryption:
            segments = tuple((seconds, encrypted_bytes(size)) for seconds, size in segments)
        return pace(segments)

    def _sounds(self, made: Sequence[Made]) -> list[Made]:
        """Those that play beside pictures."""
        wanted = [each.stream.beside for each in made if each.stream.beside]
        return [each for each in made if each.stream.video is None and each.stream.audio in wanted]

    def _sound(self, group: str, made: Made) -> Sound:
        audio = made.stream.audio
        assert audio is not None
        return Sound(
            group=group,
            name=stream_name(audio, self._own) or FALLBACK_NAME,
            uri=self._uri(made),
            language=stream_language(audio, self._own),
            channels=made.found.audio.channel if made.found.audio else 0,
        )

    @property
    def _own(self) -> AudioFacts:
        facts = self.source.facts
        return facts.audio[0] if facts and facts.audio else AudioFacts()

    def _uri(self, made: Made) -> str:
        return hls.uri(_relative(made.stream.key, self.work.key))

    def _mpd(self, made: Sequence[Made]) -> str:
        lasts = max(sum(seconds for seconds, _ in each.segments) for each in made)
        texts = [
            Representation(
                str(each.stream.number),
                f"text {each.stream.number}",
                hls.uri(_relative(each.stream.key, self.work.key)),
                "",
                max(round(len(each.text.encode()) * 8 / lasts) if lasts else 0, 1),
                None,
                language=each.track.subtitle_language,
                label=each.track.subtitle_name,
                default=each.track.default_track,
            )
            for each in self.subtitles
        ]
        return manifest([*(self._representation(each) for each in made), *texts], lasts)

    def _representation(self, made: Made) -> Representation:
        video, audio = made.found.video, made.found.audio
        assert made.index is not None
        rate: Pace = pace(made.segments)
        facts = made.found.facts
        common = (self._uri(made), "".join(made.codecs[:1]), rate.peak_bps, made.index)
        if video is not None:
            return Representation(
                str(made.stream.number),
                f"video {video.codec}",
                *common,
                width=video.width,
                height=video.height,
                sar=f"{facts.sar_numerator}:{facts.sar_denominator}" if facts else "1:1",
                frame_rate=Fraction(video.fps_numerator, video.fps_denominator or 1),
            )
        template = made.stream.audio
        assert audio is not None
        assert template is not None
        return Representation(
            str(made.stream.number),
            f"audio {audio.codec} {_switched(template)}",
            *common,
            sampling_rate=audio.sampling_rate,
            channels=audio.channel,
            language=stream_language(template, self._own),
            label=stream_name(template, self._own),
            default=bool(template.default_track),
        )


def _switched(audio: AudioTemplateInfo) -> str:
    """Sounds that a player may switch between without the listener's noticing have the same."""
    return f"{audio.audio_language}/{audio.audio_name}"


def _group(number: int) -> str:
    return f"audio{number}"


def _relative(key: str, beside: str) -> str:
    return posixpath.relpath("/" + key, "/" + posixpath.dirname(beside))
