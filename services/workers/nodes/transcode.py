"""Transcode: one output of one template, or a remux (MPS_API §7).

What a source lacks: without audio the output has none; without video only a stream copy into a video container is
made (audio alone), an encode is refused as NoVideoMedia because whoever asks for 720p wants a picture.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from services.workers.media import ffmpeg, hls
from services.workers.media.containers import SEGMENT_TYPES, ContainerFormat, container_format
from services.workers.media.effects import NO_EFFECTS, Effects
from services.workers.media.encoding import audio_arguments, video_arguments
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.probe import probe_output
from services.workers.media.shaping import shaped_picture
from services.workers.media.verify import check_duration
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile, UploadOrder
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.place import Place, md5_of, names_of, read_source
from shared.model.failure import ErrCode, InternalError, InvalidInput, SourceFileError
from shared.model.task import Lane
from shared.mps.base import MpsModel
from shared.mps.media import MediaMetaData, MediaTranscodeItem
from shared.mps.naming import OutputNames
from shared.mps.presets import resolve
from shared.mps.transcode import (
    TRANSCODE_PATH,
    AudioTemplateInfo,
    RawTranscodeParameter,
    TranscodeTaskInput,
    VideoTemplateInfo,
)

DEFAULT_SEGMENT_S = 6
END_SLACK_S = 0.5
"""An end offset may lie this far behind the end: durations are rounded by whoever writes them down."""


@dataclass(frozen=True, slots=True)
class TranscodePlan:
    """What to run and what must come out.

    `before` and `after` are ffmpeg's arguments before and behind the inputs, `inputs` opens those beside the source;
    `output` is the local file, in the working folder. `key` is the object, `expected_s` how long it lasts (0 if that
    cannot be known). `segment_template` is set for HLS.
    """

    before: tuple[str, ...]
    inputs: tuple[str, ...]
    after: tuple[str, ...]
    output: str
    key: str
    shown_path: str
    expected_s: float
    copied: bool
    format: ContainerFormat
    segment_template: str | None = None
    segment_extension: str = ""


def plan(
    params: TranscodeTaskInput,
    template: RawTranscodeParameter,
    source: MediaMetaData,
    names: OutputNames,
    effects: Effects = NO_EFFECTS,
) -> TranscodePlan:
    """Decides everything. `template` is what `params` asks for, complete. Raises InvalidInput, SourceFileError,
    NamingError."""
    with_video, with_audio = _streams(template, source)
    segments = template.container == "hls"
    video = template.video_template if with_video else None
    audio = template.audio_template if with_audio else None
    segment_type = (template.video_template.segment_type or 0) if template.video_template else 0
    written = container_format(template.container, segment_type)
    _check_copies(template, source, written, with_video=with_video, with_audio=with_audio)
    _check_changes(video, audio, effects)
    start_s, length_s, expected_s = _cut(params, source, with_video=with_video, with_audio=with_audio)

    segment_s = (template.video_template and template.video_template.hls_time) or DEFAULT_SEGMENT_S
    after = ["-map_chapters", "-1", "-sn", "-dn", "-max_muxing_queue_size", "4096"]
    inputs: tuple[str, ...] = ()
    if video and video.codec == "copy":
        after += ["-map", "0:V:0"]
    elif video:
        graph = shaped_picture(video, source, effects)
        inputs = tuple(graph.inputs)
        after += graph.arguments()
    if video:
        after += video_arguments(video, source, hevc_tag=written.hevc_tag, segment_s=segment_s if segments else 0)
    if audio and source.audio:
        after += ["-map", "0:a:0", *audio_arguments(audio, source.audio, effects)]
    if length_s:
        after += ["-t", f"{length_s:.3f}"]
    copied = (video is None or video.codec == "copy") and (audio is None or audio.codec == "copy")
    path = params.output_object_path or TRANSCODE_PATH
    output = f"output.{written.extension}"
    extension = "m4s" if segment_type == 7 else "ts"
    if segments:
        after += _hls_arguments(segment_s, extension, independent=not (video and video.codec == "copy"))
    return TranscodePlan(
        before=("-ss", f"{start_s:.3f}") if start_s else (),
        inputs=inputs,
        after=(*after, *written.arguments, f"file:{output}"),
        output=output,
        key=names.key("OutputObjectPath", path, written.extension),
        shown_path=names.shown(path, written.extension),
        expected_s=expected_s,
        copied=copied,
        format=written,
        segment_template=_segment_template(params, path) if segments else None,
        segment_extension=extension if segments else "",
    )


def _streams(template: RawTranscodeParameter, source: MediaMetaData) -> tuple[bool, bool]:
    with_video = not template.audio_only and source.video is not None
    with_audio = not template.remove_audio and source.audio is not None
    wanted = template.video_template
    if not template.audio_only and not with_video and not (with_audio and wanted and wanted.codec == "copy"):
        raise SourceFileError("the source has no video; use a template for audio alone", ErrCode.NO_VIDEO)
    if not with_video and not with_audio:
        raise SourceFileError("the source has no audio, and the output would have nothing else")
    return with_video, with_audio


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


def _hls_arguments(segment_s: int, extension: str, *, independent: bool) -> list[str]:
    fragmented = extension == "m4s"
    arguments = ["-f", "hls", "-hls_time", str(segment_s), "-hls_playlist_type", "vod", "-hls_list_size", "0"]
    arguments += ["-hls_segment_type", "fmp4" if fragmented else "mpegts"]
    if fragmented:
        arguments += ["-hls_fmp4_init_filename", "init.mp4"]
    if independent:
        arguments += ["-hls_flags", "independent_segments"]
    return [*arguments, "-hls_segment_filename", f"segment_%06d.{extension}"]


def _segment_template(params: TranscodeTaskInput, path: str) -> str:
    """The contract's default with the default path; with another path named after it, so that two streams of one
    input do not write over each other's segments [OURS]."""
    if params.segment_object_name:
        return params.segment_object_name
    return PurePosixPath(path).name.removesuffix(".{format}") + "_{number}.{format}"


class Transcode:
    """Runs a plan: encodes, checks that nothing is missing, names the files."""

    name: ClassVar[str] = "transcode"
    lane: ClassVar[Lane] = Lane.MEDIA
    params: ClassVar[type[MpsModel]] = TranscodeTaskInput

    def __init__(self, tools: MediaTools) -> None:
        self._tools = tools

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises NodeError."""
        task = context.task
        with as_invalid_input():
            params = TranscodeTaskInput.model_validate(task.params)
            template = resolve(params)
        place = Place.of(task, params.output_storage)
        names = names_of(task, params.definition, params.numbers)
        path, source = await read_source(context)
        with as_invalid_input():
            work = plan(params, template, source, names)
        place.check(task, [work.key])

        def on_time(written_s: float) -> None:
            if work.expected_s:
                context.report_progress(min(100 * written_s / work.expected_s, 100))

        folder = context.scratch / "transcode"
        folder.mkdir()
        arguments = [*ffmpeg.source(path, *work.before), *work.inputs, *work.after]
        complaints = await ffmpeg.call(self._tools, arguments, folder, on_time)
        produced = folder / work.output
        if not produced.is_file() or produced.stat().st_size == 0:
            raise SourceFileError("the source is damaged: nothing of it could be decoded")
        local = await asyncio.to_thread(_parts, produced, work)
        made = await probe_output(produced, sum(part.stat().st_size for part in (produced, *local)))
        check_duration(source, made.duration, work.expected_s, complaints)
        with as_invalid_input():
            files = await asyncio.to_thread(_files, produced, local, work, names, place)
        place.check(task, [file.key for file in files])
        manifest = len(files) - 1
        size = sum(file.path.stat().st_size for file in files)
        payload = MediaTranscodeItem(
            output_storage=place.storage,
            path="/" + work.key,
            definition=params.definition,
            bitrate=made.bitrate,
            height=made.height,
            width=made.width,
            size=size,
            duration=made.duration,
            container=made.container,
            md5=await asyncio.to_thread(md5_of, files[manifest].path),
            audio_stream_set=made.audio_stream_set,
            video_stream_set=made.video_stream_set,
        )
        segment = names.shown_sibling(work.segment_template, work.segment_extension) if work.segment_template else ""
        return NodeOutcome(
            files=tuple(files),
            # A playlist is no file that the next node could read by itself: it reads what we read.
            media=None if work.segment_template else manifest,
            echo=params.echo(place.storage, work.shown_path, segment),
            payload=payload.to_wire(),
        )


def _parts(playlist: Path, work: TranscodePlan) -> list[Path]:
    """The local files beside a playlist, in its order; none for a single file."""
    if work.segment_template is None:
        return []
    parts = [playlist.with_name(name) for name in hls.local_names(playlist.read_text())]
    if not parts or not all(part.is_file() for part in parts):
        raise InternalError("the encoder named segments that it did not write")
    return parts


def _files(
    produced: Path, parts: Sequence[Path], work: TranscodePlan, names: OutputNames, place: Place
) -> list[OutputFile]:
    """All outputs, the main one last. A playlist is rewritten for its place in the bucket."""
    order = UploadOrder.DATA
    files: list[OutputFile] = []
    if work.segment_template is not None:
        base = PurePosixPath(work.key).parent
        relative = _relative_names(parts, work, names)
        files = [
            OutputFile(
                part, place.bucket, place.region, str(base / relative[part.name]), SEGMENT_TYPES[part.suffix[1:]]
            )
            for part in parts
        ]
        produced.write_text(hls.renamed(produced.read_text(), relative))
        order = UploadOrder.MANIFEST
    return [
        *files,
        OutputFile(produced, place.bucket, place.region, work.key, work.format.content_type, order),
    ]


def _relative_names(parts: Sequence[Path], work: TranscodePlan, names: OutputNames) -> dict[str, str]:
    template = work.segment_template or ""
    found: dict[str, str] = {}
    number = 0
    for part in parts:
        if part.suffix == ".mp4":
            found[part.name] = f"{PurePosixPath(work.key).stem}_init.mp4"
            continue
        found[part.name] = names.sibling("SegmentObjectName", template, work.segment_extension, number)
        number += 1
    return found
