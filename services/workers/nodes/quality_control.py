"""Quality control: looks at a source, listens to it, and says what is wrong with it (MPS_API §10.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from services.workers.media import ffmpeg
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.quality import container, measuring
from services.workers.media.quality.checks import check_of
from services.workers.media.quality.measuring import WINDOW_S, Sample, sample_distance
from services.workers.media.quality.score import opinion, score
from services.workers.media.quality.segments import Segment, segments, standing
from services.workers.nodes.base import NodeContext, NodeOutcome
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.place import read_source
from shared.model.failure import SourceFileError
from shared.model.task import Lane
from shared.mps.base import MpsModel
from shared.mps.media import MediaMetaData
from shared.mps.presets import quality_control_template
from shared.mps.quality_control import (
    DIAGNOSES,
    HEARD,
    SEEN,
    AiQualityControlTaskInput,
    QualityControlData,
    QualityControlItem,
    QualityControlItemConfig,
    QualityControlResult,
)

_PACKETS_SHARE = 10.0
"""Per cent of the progress that reading the packets is worth; decoding is the rest."""
_SCORE = "LowEvaluation"
_LAGS_S = {"LowVoice": 0.15, "HighVoice": 0.15}
"""Momentary loudness looks back over 400 ms: the middle of that is so much earlier than its sample."""
_LOOKS = SEEN.keys() | {"VideoDecodeFailed"}
_LISTENS = HEARD.keys() | {"AudioDecodeFailed"}
"""What needs the one or the other decoded."""

Items = Mapping[str, QualityControlItemConfig]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one pass over a source told."""

    pictures: Sequence[Sample] = ()
    sounds: Sequence[Sample] = ()
    complaints: str = ""
    broken: bool = False
    """The decoder gave up."""


class QualityControl:
    """Reports; writes no file and fails only if there is nothing that can be read."""

    name: ClassVar[str] = "quality_control"
    lane: ClassVar[Lane] = Lane.MEDIA
    params: ClassVar[type[MpsModel]] = AiQualityControlTaskInput

    def __init__(self, tools: MediaTools) -> None:
        self._tools = tools

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises NodeError."""
        with as_invalid_input():
            params = AiQualityControlTaskInput.model_validate(context.task.params)
            wanted = quality_control_template(params.definition, context.task.templates).items
        path, source = await read_source(context)
        packets = container.Packets()
        if DIAGNOSES & wanted.keys():
            packets = await container.examine(path, source.size, context.scratch)
        context.report_progress(_PACKETS_SHARE)
        measured = await _measure(self._tools, context, path, source, wanted)
        return NodeOutcome(echo=params.echo(), payload=report(source, wanted, packets, measured).to_wire())


async def _measure(
    tools: MediaTools, context: NodeContext, path: Path, source: MediaMetaData, wanted: Items
) -> Measured:
    """Runs the pass; a source that breaks off in the middle is measured as far as it goes."""
    sampling = [item.interval_time / 1000 for item in wanted.values() if item.interval_time]
    distance_s = sample_distance(source.duration, min(sampling, default=None))

    def on_time(at_s: float) -> None:
        if source.duration:
            context.report_progress(_PACKETS_SHARE + (100 - _PACKETS_SHARE) * min(at_s / source.duration, 1))

    files = [context.scratch / name for name in ("pictures.txt", "sounds.txt")]
    complaints, broken = "", False
    with files[0].open("ab") as pictures, files[1].open("ab") as sounds:
        fds = (pictures.fileno(), sounds.fileno())
        arguments = measuring.arguments(
            path,
            source,
            distance_s,
            picture_fd=fds[0] if wanted.keys() & _LOOKS else None,
            sound_fd=fds[1] if wanted.keys() & _LISTENS else None,
            threads=tools.threads,
        )
        try:
            if arguments:
                complaints = await ffmpeg.call(tools, arguments, context.scratch, on_time, pass_fds=fds)
        except SourceFileError as error:
            complaints, broken = error.failure.message, True
    seen, heard = await asyncio.to_thread(lambda: [_samples(file) for file in files])
    return Measured(seen, heard, complaints, broken)


def _samples(file: Path) -> list[Sample]:
    """Blocks."""
    with file.open() as lines:
        return list(measuring.read(lines))


def report(source: MediaMetaData, wanted: Items, packets: container.Packets, measured: Measured) -> QualityControlData:
    """`Output` of the node. Pure."""
    width, height = source.shown_size
    results: list[QualityControlResult] = []
    moments: dict[str, Sequence[float]] = {}
    found_score = score(measured.pictures) if _SCORE in wanted else None
    for name in (*SEEN, *HEARD):
        if name not in wanted:
            continue
        found = _segments(wanted[name], source, measured, width, height)
        if name == _SCORE and found_score is not None and found_score < wanted[name].limit:
            found = [Segment(0.0, round(_end(measured.pictures, source.video_duration), 3), 1 - found_score / 100)]
        if not found:
            continue
        results.append(QualityControlResult(type=name, quality_control_items=[_item(each) for each in found]))
        if name in DIAGNOSES:
            moments[name] = [each.start_s for each in found]
    faults = dict(container.diagnose(source, packets, measured.complaints, moments))
    if measured.broken and not {"VideoDecodeFailed", "AudioDecodeFailed"} & faults.keys():
        faults["VideoDecodeFailed" if source.video else "AudioDecodeFailed"] = []
    return QualityControlData(
        no_audio=source.audio is None,
        no_video=source.video is None,
        quality_evaluation_score=None if found_score is None else round(found_score),
        quality_evaluation_mean_opinion_score=None if found_score is None else opinion(found_score),
        quality_control_result_set=results,
        container_diagnose_result_set=container.items(faults, wanted),
    )


def _segments(
    item: QualityControlItemConfig, source: MediaMetaData, measured: Measured, width: int, height: int
) -> list[Segment]:
    check = check_of(item.type, item.limit, width, height)
    if check is None:
        return []
    if item.type in HEARD:
        end_s = _end(measured.sounds, source.audio_duration, WINDOW_S)
        return segments(measured.sounds, check, item.lasting_s, end_s, lag_s=_LAGS_S.get(item.type, 0.0))
    end_s = _end(measured.pictures, source.video_duration)
    if item.type == "VideoDuplicatedFrame":
        return standing(measured.pictures, check, item.lasting_s, end_s)
    return segments(measured.pictures, check, item.lasting_s, end_s)


def _end(samples: Sequence[Sample], stream_s: float, window_s: float = 0.0) -> float:
    """Where the last sample ends."""
    return max(stream_s, samples[-1].at_s + window_s) if samples else stream_s


def _item(segment: Segment) -> QualityControlItem:
    return QualityControlItem(
        confidence=round(100 * segment.confidence),
        start_time_offset=segment.start_s,
        end_time_offset=segment.end_s,
        area_coord_set=list(segment.area or ()),
    )
