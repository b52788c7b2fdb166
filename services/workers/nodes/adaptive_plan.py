"""What an adaptive streaming node runs and what must come out: all renditions from one decoder. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from services.workers.media.canvas import Canvas
from services.workers.media.encoding import STATISTICS, addressed, in_two_passes, video_arguments
from services.workers.media.geometry import geometry
from services.workers.media.ladder import Pictures, Rung, canvas, pictures, rungs
from services.workers.media.rate import rate_of
from services.workers.media.segments import Segments, segments_for
from services.workers.media.sound import audio_arguments, stream_tags
from services.workers.media.watermarks import Drawn
from shared.model.failure import InvalidInput
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.adaptive_template import TEXT_EXTENSION, AdaptiveTemplate, Packaging
from shared.mps.facts import AudioFacts
from shared.mps.media import MediaMetaData
from shared.mps.naming import OutputNames
from shared.mps.transcode import AudioTemplateInfo, VideoTemplateInfo

MANIFEST = "manifest"
"""Name of the local manifest, without extension."""
_COMMON = ("-map_chapters", "-1", "-sn", "-dn", "-max_muxing_queue_size", "4096")


@dataclass(frozen=True, slots=True)
class SubStream:
    """One playlist with its segments, or one file of DASH. `number` is the contract's {subStreamNumber}, `key` the
    object; `beside` is the sound that plays with it out of another sub-stream; `variant` says that players may choose
    it by itself. `expected_s` is how long it lasts (0 if that cannot be known)."""

    number: int
    key: str
    video: VideoTemplateInfo | None
    audio: AudioTemplateInfo | None
    beside: AudioTemplateInfo | None
    variant: bool
    expected_s: float

    def local(self, packaging: Packaging, position: int) -> str:
        """Its file as the encoder names it, by its position among the plan's."""
        return f"stream_{position}.{packaging.sub_stream_extension}"


@dataclass(frozen=True, slots=True)
class TextStream:
    """A sub-stream of subtitles: WebVTT, in HLS with a playlist before it. `segment_key` is that of the text."""

    number: int
    key: str
    segment_key: str


@dataclass(frozen=True, slots=True)
class AdaptivePlan:
    """What to run and what must come out. `before`, `inputs`, `after` and `first_pass` are ffmpeg's arguments before
    and behind the source, as in TranscodePlan. `segment_template` names the segments of HLS."""

    before: tuple[str, ...]
    inputs: tuple[str, ...]
    after: tuple[str, ...]
    first_pass: tuple[str, ...]
    streams: tuple[SubStream, ...]
    texts: tuple[TextStream, ...]
    packaging: Packaging
    segments: Segments
    key: str
    segment_template: str
    expected_s: float
    clock_s: float = 0.0

    @property
    def keys(self) -> list[str]:
        """The objects whose number is known before: the manifest and the sub-streams."""
        return [self.key, *(stream.key for stream in self.streams), *(text.key for text in self.texts)]

    def segment_key(self, names: OutputNames, stream: SubStream, index: int) -> str:
        """The object of a segment. Raises NamingError."""
        extension = self.packaging.segment_extension
        name = names.sibling("SegmentObjectName", self.segment_template, extension, index, stream.number)
        return str(PurePosixPath(self.key).parent / name)

    def init_key(self, stream: SubStream) -> str:
        """The object of an initialisation segment, beside the playlist."""
        return str(PurePosixPath(stream.key).with_name(f"{PurePosixPath(stream.key).stem}_init.mp4"))


def plan(
    params: AdaptiveDynamicStreamingTaskInput,
    ladder: AdaptiveTemplate,
    source: MediaMetaData,
    names: OutputNames,
    threads: int = 0,
    overlays: Sequence[Sequence[Drawn]] = (),
) -> AdaptivePlan:
    """Decides everything. `ladder` is what `params` asks for, complete; `overlays` are those of each picture (on its
    canvas, see `canvases`). Raises InvalidInput, SourceFileError,
    NamingError."""
    packaging = ladder.packaging
    made = rungs(ladder, source)
    _check_copies(made, packaging, source)
    key = names.key("OutputObjectPath", params.path, packaging.manifest_extension)
    streams = _sub_streams(ladder, made, source, params, names, str(PurePosixPath(key).parent))
    videos = [stream.video for stream in streams if stream.video]
    segments = segments_for(
        videos[0] if videos else None,
        source,
        extension=packaging.segment_extension,
        fragmented=packaging.fragmented,
        byte_ranges=packaging.byte_ranges,
    )
    raw_times = bool(videos and videos[0].raw_pts)
    drawn = pictures(videos, source, overlays) if videos else Pictures("")
    encodes = _Encodes(videos, source, segments, packaging, threads, drawn.graph)
    return AdaptivePlan(
        before=(*(("-threads", str(threads)) if threads else ()), *(("-copyts",) if raw_times else ())),
        inputs=drawn.inputs,
        after=(
            *_COMMON,
            *encodes.arguments(2),
            *_sounds(streams, source, packaging, raw_times),
            *_muxer(streams, segments, packaging),
        ),
        first_pass=(*_COMMON, *encodes.arguments(1), "-an", "-f", "null", "-") if encodes.two_passes else (),
        streams=tuple(streams),
        texts=tuple(
            _text(number, params, names, packaging, PurePosixPath(key).parent)
            for number, _ in enumerate(params.add_on_subtitles or (), start=ladder.next_number)
        ),
        packaging=packaging,
        segments=segments,
        key=key,
        segment_template=params.segment_path,
        expected_s=max(stream.expected_s for stream in streams),
        clock_s=source.facts.start if raw_times and source.facts else 0.0,
    )


def canvases(ladder: AdaptiveTemplate, source: MediaMetaData) -> list[Canvas]:
    """What is drawn on, of each picture. Raises InvalidInput, SourceFileError."""
    made = rungs(ladder, source)
    heard_s = 0.0 if ladder.packaging.audio_apart else source.audio_duration
    lasts_s = max(source.video_duration, heard_s)
    return [canvas(rung.video, source, lasts_s) for rung in made if rung.video]


def _text(
    number: int,
    params: AdaptiveDynamicStreamingTaskInput,
    names: OutputNames,
    packaging: Packaging,
    folder: PurePosixPath,
) -> TextStream:
    extension = TEXT_EXTENSION if packaging.dash else packaging.sub_stream_extension
    name = names.sibling("SubStreamObjectName", params.sub_stream_path, extension, sub_stream=number)
    if packaging.dash:
        return TextStream(number, str(folder / name), str(folder / name))
    segment = names.sibling("SegmentObjectName", params.segment_path, TEXT_EXTENSION, 0, number)
    return TextStream(number, str(folder / name), str(folder / segment))


def _sub_streams(
    ladder: AdaptiveTemplate,
    made: Sequence[Rung],
    source: MediaMetaData,
    params: AdaptiveDynamicStreamingTaskInput,
    names: OutputNames,
    folder: str,
) -> list[SubStream]:
    """In the order in which the encoder numbers them: with the audio apart, pictures before sounds."""
    apart = ladder.packaging.audio_apart

    def stream(
        number: int,
        video: VideoTemplateInfo | None,
        audio: AudioTemplateInfo | None,
        beside: AudioTemplateInfo | None = None,
        *,
        variant: bool = True,
    ) -> SubStream:
        name = names.sibling(
            "SubStreamObjectName",
            params.sub_stream_path,
            ladder.packaging.sub_stream_extension,
            sub_stream=number,
        )
        lasts = max(source.video_duration if video else 0.0, source.audio_duration if audio else 0.0)
        return SubStream(number, str(PurePosixPath(folder) / name), video, audio, beside, variant, lasts)

    if not apart:
        return [stream(rung.number, rung.video, rung.audio) for rung in made]
    alone = {rung.number for rung in made if rung.video is None}
    heard = [rung.audio for rung in made if rung.audio]
    return [
        *(stream(rung.number, rung.video, None, rung.audio) for rung in made if rung.video),
        *(
            stream(number, None, audio, variant=number in alone)
            for audio, number in ladder.sounds_apart
            if audio in heard
        ),
    ]


class _Encodes:
    """The arguments of all pictures, the same for both passes but for the pass."""

    def __init__(
        self,
        videos: Sequence[VideoTemplateInfo],
        source: MediaMetaData,
        segments: Segments,
        packaging: Packaging,
        threads: int,
        graph: str,
    ) -> None:
        self._graph = graph
        self._videos, self._source, self._packaging, self._threads = videos, source, packaging, threads
        raw_times = bool(videos and videos[0].raw_pts)
        self._key_frames = segments.key_frames(raw_times=raw_times)
        self._twice = [in_two_passes(video.codec, rate_of(video, source)) for video in videos]

    @property
    def two_passes(self) -> bool:
        """Whether there is a first pass."""
        return any(self._twice)

    def arguments(self, pass_number: int) -> list[str]:
        """Mapping, filters and encoders. In a first pass those that need none are not encoded, but keep their places:
        what is learnt is found again by number."""
        if not self._videos:
            return []
        found = ["-filter_complex", self._graph]
        for number, (video, twice) in enumerate(zip(self._videos, self._twice, strict=True)):
            found += ["-map", f"[v{number}]"]
            if pass_number == 1 and not twice:
                found += [f"-c:v:{number}", "wrapped_avframe"]
                continue
            frame = geometry(video, self._source)
            arguments = video_arguments(
                video,
                self._source,
                hevc_tag=self._packaging.fragmented,
                key_frames=self._key_frames,
                size=(frame.width, frame.height),
                threads=self._threads,
                pass_number=pass_number if twice else 0,
                statistics=f"{STATISTICS}{number}",
            )
            found += addressed(arguments, f"v:{number}")
        return found


def _sounds(streams: Sequence[SubStream], source: MediaMetaData, packaging: Packaging, raw_times: bool) -> list[str]:
    """Mapping, filters, encoders and tags of all sounds."""
    if source.audio is None:
        return []
    own = source.facts.audio[0] if source.facts and source.facts.audio else AudioFacts()
    container = "mp4" if packaging.fragmented else "ts"
    found: list[str] = []
    for number, audio in enumerate(stream.audio for stream in streams if stream.audio):
        found += ["-map", "0:a:0"]
        found += audio_arguments(audio, source.audio, container=container, raw_times=raw_times, index=number)
        found += [f"-map_metadata:s:a:{number}", "-1", *stream_tags(audio, own, number)]
    return found


def _muxer(streams: Sequence[SubStream], segments: Segments, packaging: Packaging) -> list[str]:
    """One muxer for all, so that all timestamps are moved alike: with one for each, sounds in files of their own begin
    before their pictures by the reordering of frames."""
    if packaging.dash:
        sets = " ".join(f"id={position},streams={position}" for position in range(len(streams)))
        found = ["-f", "dash", "-dash_segment_type", "mp4", "-seg_duration", f"{segments.seconds:g}"]
        found += ["-adaptation_sets", sets]
        found += ["-single_file", "1", "-single_file_name", "stream_$RepresentationID$.mp4", "-global_sidx", "1"]
        return [*found, f"file:{MANIFEST}.mpd"]
    variants: list[str] = []
    videos = audios = 0
    for stream in streams:
        members = []
        if stream.video:
            members.append(f"v:{videos}")
            videos += 1
        if stream.audio:
            members.append(f"a:{audios}")
            audios += 1
        variants.append(",".join(members))
    return [
        *segments.arguments(independent=True, several=True),
        "-var_stream_map",
        " ".join(variants),
        f"file:stream_%v.{packaging.sub_stream_extension}",
    ]


def _check_copies(made: Sequence[Rung], packaging: Packaging, source: MediaMetaData) -> None:
    fitting = _COPIED_IN_MP4 if packaging.fragmented else _COPIED_IN_TS
    for rung in made:
        if rung.audio and rung.audio.codec == "copy" and source.audio and source.audio.codec not in fitting:
            raise InvalidInput(
                f"StreamInfos[{rung.number}]: audio of codec {source.audio.codec} cannot be copied into "
                f"{'fragmented MP4' if packaging.fragmented else 'transport streams'}; encode it"
            )


_COPIED_IN_TS = frozenset({"aac", "mp3", "ac3", "eac3"})
_COPIED_IN_MP4 = _COPIED_IN_TS | {"opus", "flac"}
