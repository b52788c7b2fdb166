"""What a transcode runs and what must come out. Pure.

What a source lacks: without audio the output has none; without video only a stream copy into a video container is
made (audio alone), an encode is refused as NoVideoMedia because whoever asks for 720p wants a picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from services.workers.media.added_sounds import added_sounds
from services.workers.media.canvas import Canvas
from services.workers.media.containers import ContainerFormat, container_format
from services.workers.media.effects import NO_EFFECTS, Effects, joined
from services.workers.media.encoding import in_two_passes, video_arguments
from services.workers.media.geometry import geometry
from services.workers.media.hdr import made_hdr10, static_metadata
from services.workers.media.joining import Joining
from services.workers.media.rate import rate_of
from services.workers.media.segments import Segments, segments_of
from services.workers.media.shaping import HD_HEIGHT, pixel_format, shaped_picture
from services.workers.media.sound import audio_arguments, stream_tags
from services.workers.media.speech import RawSound
from services.workers.media.subtitle_tracks import subtitle_tracks
from services.workers.media.winding import is_still, jump_s
from shared.model.failure import ErrCode, InvalidInput, SourceFileError
from shared.mps.facts import AudioFacts
from shared.mps.media import MediaMetaData
from shared.mps.naming import OutputNames
from shared.mps.transcode import (
    TRANSCODE_PATH,
    AudioTemplateInfo,
    RawTranscodeParameter,
    TranscodeTaskInput,
    VideoTemplateInfo,
)

END_SLACK_S = 0.5
"""An end offset may lie this far behind the end: durations are rounded by whoever writes them down."""
_COMMON = ("-map_chapters", "-1", "-sn", "-dn", "-max_muxing_queue_size", "4096")


@dataclass(frozen=True, slots=True)
class TranscodePlan:
    """What to run and what must come out.

    `before` and `after` are ffmpeg's arguments before and behind the inputs, `inputs` opens those beside the source;
    `first_pass` stands in the place of `after` in a call that goes before, if there is one. `output` is the local
    file, in the working folder. `key` is the object, `expected_s` how long it lasts (0 if that cannot be known),
    `clock_s` what ffmpeg's clock shows when it begins.
    `segments` and `segment_template` are set for HLS.
    """

    before: tuple[str, ...]
    inputs: tuple[str, ...]
    after: tuple[str, ...]
    output: str
    key: str
    shown_path: str
    expected_s: float
    clock_s: float
    copied: bool
    with_picture: bool
    format: ContainerFormat
    first_pass: tuple[str, ...] = ()
    segments: Segments | None = None
    segment_template: str | None = None
    segment_extension: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of the source that is wanted: where it starts, how much to write (0 for all), how long to expect it (0
    if that cannot be known), in seconds.

    Reading begins `lead_s` before, for a key frame to lie between, and filters take that away: a jump in MPEG-TS lands
    somewhere, and there would be no picture up to the next key frame. `clock_s` is where filters see the start then.
    """

    start_s: float
    length_s: float
    expected_s: float
    raw_times: bool = False
    lead_s: float = 0.0
    clock_s: float = 0.0

    @property
    def before(self) -> tuple[str, ...]:
        """Input options."""
        jump = self.start_s - self.lead_s
        return (
            *(("-copyts",) if self.raw_times else ()),
            *(("-noaccurate_seek",) if self.lead_s and jump else ()),
            *(("-ss", f"{jump:.3f}") if jump else ()),
        )

    @property
    def taking_lead_away(self) -> Effects:
        """Filters on picture and sound before all others."""
        if not self.lead_s:
            return NO_EFFECTS
        start = f"start={self.clock_s:.6f}"
        back = [] if self.raw_times else [f"setpts=PTS-{self.clock_s:.6f}/TB"]
        sound = (f"atrim={start}", *(f"a{text}" for text in back))
        return Effects(before_size=(f"trim={start}", *back), before_mix=sound)

    @property
    def length(self) -> tuple[str, ...]:
        """Output options."""
        # With the source's timestamps ffmpeg counts it from 0, wherever the part begins.
        until = self.length_s + (self.clock_s if self.raw_times else 0.0)
        return ("-t", f"{until:.3f}") if self.length_s else ()


def cut(params: TranscodeTaskInput, template: RawTranscodeParameter, source: MediaMetaData) -> Cut:
    """Raises InvalidInput, SourceFileError."""
    with_video, with_audio = _streams(template, source)
    raw_times = bool(with_video and template.video_template and template.video_template.raw_pts)
    part = Cut(*_cut(params, source, with_video=with_video, with_audio=with_audio), raw_times)
    if raw_times:
        part = replace(part, clock_s=part.start_s + (source.facts.start if source.facts else 0.0))
    video, audio = template.video_template if with_video else None, template.audio_template if with_audio else None
    if any(each and each.codec == "copy" for each in (video, audio)):
        return part
    lead_s = jump_s(source, part.start_s)
    return replace(part, lead_s=lead_s, clock_s=part.clock_s if raw_times else lead_s)


def plan(
    params: TranscodeTaskInput,
    template: RawTranscodeParameter,
    source: MediaMetaData,
    names: OutputNames,
    effects: Effects = NO_EFFECTS,
    threads: int = 0,
    speech: RawSound | None = None,
) -> TranscodePlan:
    """Decides everything. `template` is what `params` asks for, complete; `threads` is for decoder and encoder each, 0
    leaves it to them. `speech` is taken in place of the source's sound, already cut.

    Raises InvalidInput, SourceFileError, NamingError."""
    with_video, with_audio = _streams(template, source)
    video = template.video_template if with_video else None
    audio = template.audio_template if with_audio else None
    written = container_format(template.container, template.segment_type)
    part = cut(params, template, source)
    lead = part.taking_lead_away
    # Speech without noise was cut when it was made.
    effects = joined(replace(lead, before_mix=()) if speech else lead, effects)
    joining = _joining(effects, source, part, with_picture=with_video)
    if joining and not template.remove_audio and joining.any_sound:
        audio = template.audio_template
    _check_copies(template, source, written, with_video=with_video, with_audio=with_audio)
    _check_changes(video, audio, effects)
    segments = segments_of(template, source)
    raw_times = part.raw_times

    picture = _Picture(
        template, video, source, written, segments, effects, threads, raw_times, part.expected_s, joining
    )
    inputs = (*picture.inputs, *(speech.arguments if speech and audio else ()))
    heard = f"{inputs.count('-i')}:a:0" if speech else "0:a:0"
    sound = (
        _sound(template, audio, source, written, effects, raw_times, heard, joining, picture.clips_at) if audio else []
    )
    if effects.sounds and template.audio_template and not template.remove_audio:
        added = added_sounds(
            effects.sounds,
            template.audio_template,
            template.container,
            first_input=1 + inputs.count("-i"),
            first_stream=1 if audio else 0,
            start_s=part.start_s,
            lasts_s=part.expected_s,
        )
        inputs, sound = (*inputs, *added.inputs), [*sound, *added.arguments]
    path = params.output_object_path or TRANSCODE_PATH
    output = f"output.{written.extension}"
    copied_video = video is not None and video.codec == "copy"
    muxer = segments.arguments(independent=not copied_video) if segments else []
    two = picture.in_two_passes
    tracks = subtitle_tracks(effects.tracks, template.container, 1 + inputs.count("-i"))
    length = () if joining else part.length
    common = tuple(argument for argument in _COMMON if argument != "-sn") if tracks.arguments else _COMMON
    return TranscodePlan(
        before=(
            *(("-threads", str(threads)) if threads else ()),
            *part.before,
            *(("-t", f"{part.lead_s + part.length_s:.3f}") if joining and part.length_s else ()),
        ),
        inputs=(*inputs, *tracks.inputs),
        after=(
            *(*common, *picture.arguments(2 if two else 0), *sound, *tracks.arguments),
            *(*length, *muxer, *written.arguments),
            f"file:{output}",
        ),
        first_pass=(*_COMMON, *picture.arguments(1), "-an", *length, "-f", "null", "-") if two else (),
        output=output,
        key=names.key("OutputObjectPath", path, written.extension),
        shown_path=names.shown(path, written.extension),
        expected_s=joining.lasts_s if joining else part.expected_s,
        clock_s=part.clock_s,
        copied=(video is None or copied_video) and (audio is None or audio.codec == "copy"),
        with_picture=video is not None,
        format=written,
        segments=segments,
        segment_template=_segment_template(params, path) if segments else None,
        segment_extension=segments.extension if segments else "",
    )


class _Picture:
    """The picture's arguments, the same for both passes but for the pass."""

    def __init__(
        self,
        template: RawTranscodeParameter,
        video: VideoTemplateInfo | None,
        source: MediaMetaData,
        written: ContainerFormat,
        segments: Segments | None,
        effects: Effects,
        threads: int,
        raw_times: bool,
        lasts_s: float,
        joining: Joining | None = None,
    ) -> None:
        self.inputs: tuple[str, ...] = ()
        self.clips_at = 1
        """The number of the first clip's input."""
        self.in_two_passes = False
        self._template, self._video, self._source, self._written = template, video, source, written
        self._threads = threads
        self._static = static_metadata(video.codec) if video and made_hdr10(effects.to_hdr) else []
        self._key_frames = segments.key_frames(raw_times=raw_times) if segments else ""
        self._size = (0, 0)
        self._mapped: tuple[str, ...] = ("-map", "0:V:0")
        if video is not None and video.codec != "copy":
            graph = shaped_picture(video, source, effects, template.container)
            self.inputs = tuple(graph.inputs)
            self.clips_at += self.inputs.count("-i")
            if joining:
                self._mapped = tuple(joining.picture(graph, video, template.container, self.clips_at))
            else:
                self._mapped = tuple(graph.arguments())
            frame = geometry(video, source)
            self._size = (frame.width, frame.height)
            rate = rate_of(video, source, template.tehd_config)
            self.in_two_passes = in_two_passes(video.codec, rate, lasts_s)
        if joining:
            self.inputs = (*self.inputs, *joining.inputs)

    def arguments(self, pass_number: int) -> list[str]:
        """Mapping, filters and encoder; none without a picture."""
        if self._video is None:
            return []
        return [
            *self._mapped,
            *video_arguments(
                self._video,
                self._source,
                hevc_tag=self._written.hevc_tag,
                tehd=self._template.tehd_config,
                key_frames=self._key_frames,
                size=self._size,
                threads=self._threads,
                pass_number=pass_number,
                static=self._static,
            ),
        ]


def _sound(
    template: RawTranscodeParameter,
    audio: AudioTemplateInfo,
    source: MediaMetaData,
    written: ContainerFormat,
    effects: Effects,
    raw_times: bool,
    heard: str,
    joining: Joining | None,
    clips_at: int,
) -> list[str]:
    """Mapping, filters, encoder and tags of the sound, `heard` being its stream specifier. A copy takes all
    tracks that the container can carry."""
    if audio.codec == "copy":
        fitting = [
            index
            for index, stream in enumerate(source.audio_stream_set)
            if written.copy_audio is None or stream.codec in written.copy_audio
        ]
        maps = [argument for index in fitting for argument in ("-map", f"0:a:{index}")]
        return [*maps, "-c:a", "copy", *(stream_tags(audio, AudioFacts()) if len(fitting) == 1 else [])]
    own = joining.any_sound if joining else source.audio
    assert own is not None
    arguments = audio_arguments(audio, own, effects, container=template.container, raw_times=raw_times)
    mapped = ["-map", heard]
    if joining:
        # The filters stand in the graph that joins.
        mapped, arguments = joining.sound(audio, effects, template.container, heard, clips_at), arguments[2:]
    known = source.facts.audio[0] if source.facts and source.facts.audio else AudioFacts()
    # Tags of the source's own stream (bit rates, statistics) would be wrong for ours.
    return [
        *mapped,
        *arguments,
        "-map_metadata:s:a:0",
        "-1",
        *stream_tags(audio, known),
        "-disposition:a:0",
        "default",
    ]


def _streams(template: RawTranscodeParameter, source: MediaMetaData) -> tuple[bool, bool]:
    with_video = not template.audio_only and source.video is not None
    with_audio = not template.remove_audio and source.audio is not None
    wanted = template.video_template
    if not template.audio_only and not with_video and not (with_audio and wanted and wanted.codec == "copy"):
        raise SourceFileError("the source has no video; use a template for audio alone", ErrCode.NO_VIDEO)
    if not with_video and not with_audio:
        raise SourceFileError("the source has no audio, and the output would have nothing else")
    return with_video, with_audio


def canvas_of(params: TranscodeTaskInput, template: RawTranscodeParameter, source: MediaMetaData) -> Canvas:
    """What the node draws on: the finished picture. Raises InvalidInput, SourceFileError."""
    with_video, with_audio = _streams(template, source)
    video = template.video_template
    if not with_video or video is None or source.video is None:
        raise SourceFileError("the source has no video to draw on", ErrCode.NO_VIDEO)
    start_s, _, lasts_s = _cut(params, source, with_video=with_video, with_audio=with_audio)
    frame = geometry(video, source)
    pixels = pixel_format(video)
    high = min(frame.width, frame.height) >= HD_HEIGHT
    return Canvas(
        frame,
        lasts_s=lasts_s,
        begins_s=start_s + (source.facts.start if source.facts else 0.0) if video.raw_pts else 0.0,
        cut_s=start_s,
        chroma="422" if "422" in pixels else "420",
        deep=pixels.endswith("10le"),
        hdr=source.video.hdr_type if video.bit_depth == 10 else "",
        assumed="bt709" if high and not source.video.color_space else "",
    )


def _joining(effects: Effects, source: MediaMetaData, part: Cut, *, with_picture: bool) -> Joining | None:
    """The clips of an output with the film between them; None if there are none. Raises InvalidInput."""
    if not effects.heads and not effects.tails:
        return None
    if not part.expected_s:
        raise InvalidInput("HeadTailParameter: it is not known how long the source lasts")
    found = Joining(effects.heads, effects.tails, source, part.expected_s, with_picture)
    # Whatever a clip lacks is said before anything is made of it.
    assert found.lasts_s > 0
    return found


def _check_copies(
    template: RawTranscodeParameter,
    source: MediaMetaData,
    written: ContainerFormat,
    *,
    with_video: bool,
    with_audio: bool,
) -> None:
    """A copied stream must fit the container; the message says what to do instead."""
    video, audio = template.video_template, template.audio_template
    if with_video and video and video.codec == "copy" and source.video and written.copy_video is not None:
        codec = source.video.codec
        if codec not in written.copy_video:
            raise InvalidInput(f"video of codec {codec} cannot be copied into {template.container}; encode it")
    if with_audio and audio and audio.codec == "copy" and source.audio and written.copy_audio is not None:
        codec = source.audio.codec
        if codec not in written.copy_audio:
            raise InvalidInput(f"audio of codec {codec} cannot be copied into {template.container}; encode it")


def _check_changes(video: VideoTemplateInfo | None, audio: AudioTemplateInfo | None, effects: Effects) -> None:
    """A copied stream is not decoded, so that nothing can be done to it."""
    if video and video.codec == "copy" and effects.on_picture:
        raise InvalidInput("VideoTemplate.Codec is copy: nothing can be drawn on or changed in a copied picture")
    if audio and audio.codec == "copy" and effects.on_sound:
        raise InvalidInput("AudioTemplate.Codec is copy: a copied sound cannot be changed")


def _cut(
    params: TranscodeTaskInput, source: MediaMetaData, *, with_video: bool, with_audio: bool
) -> tuple[float, float, float]:
    """Start, length to write (0 for all) and the length to expect, in seconds."""
    lasts = max(source.video_duration if with_video else 0.0, source.audio_duration if with_audio else 0.0)
    wanted_start, wanted_end = params.start_time_offset or 0.0, params.end_time_offset or 0.0
    if not wanted_start and not wanted_end:
        return 0.0, 0.0, lasts
    if is_still(source) and wanted_start > 0:
        raise _bad_offset(f"StartTimeOffset {wanted_start:g} is beyond the end of the source, which is one picture")
    if not source.duration:
        if wanted_start < 0 or wanted_end < 0:
            raise _bad_offset("negative offsets need a source whose duration is known")
        if wanted_end and wanted_end <= wanted_start:
            raise _bad_offset("EndTimeOffset is not after StartTimeOffset")
        return wanted_start, max(wanted_end - wanted_start, 0.0), 0.0
    start = wanted_start if wanted_start >= 0 else source.duration + wanted_start
    end = wanted_end if wanted_end > 0 else source.duration + wanted_end
    if start < 0 or end < 0:
        raise _bad_offset(f"an offset from the end is longer than the source ({source.duration:g} s)")
    if start >= lasts:
        raise _bad_offset(f"StartTimeOffset {start:g} is beyond the end of the source ({lasts:g} s)")
    if end > source.duration + END_SLACK_S:
        raise _bad_offset(f"EndTimeOffset {end:g} is beyond the end of the source ({source.duration:g} s)")
    if end <= start:
        raise _bad_offset("EndTimeOffset is not after StartTimeOffset")
    return start, end - start if wanted_end else 0.0, min(end, lasts) - start


def _bad_offset(message: str) -> InvalidInput:
    return InvalidInput(message, ErrCode.INVALID_TIME_OFFSET)


def _segment_template(params: TranscodeTaskInput, path: str) -> str:
    """The contract's default with the default path; with another path named after it, so that two streams of one
    input do not write over each other's segments [OURS]."""
    if params.segment_object_name:
        return params.segment_object_name
    return PurePosixPath(path).name.removesuffix(".{format}") + "_{number}.{format}"
