"""Which objects the nodes of a pipeline would write: no two nodes may write the same one (contract MPS_API §8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from services.api.domain.errors import invalid
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.adaptive_template import TEXT_EXTENSION
from shared.mps.animated_graphics import ANIMATED_PATH, AnimatedGraphicTaskInput
from shared.mps.base import MpsModel
from shared.mps.image_sprite import MAX_TILES, SPRITE_PATH, WEB_VTT_NAME, ImageSpriteTaskInput
from shared.mps.image_task import MAX_PICTURES
from shared.mps.naming import NUMBER_VARIABLES, NumberFormat, OutputNames
from shared.mps.presets import (
    NO_OWN,
    OwnTemplates,
    adaptive_ladder,
    animated_graphics_template,
    image_sprite_template,
    resolve,
    sample_snapshot_template,
    snapshot_by_time_template,
)
from shared.mps.snapshot import (
    BY_TIME_PATH,
    SAMPLED_PATH,
    SampleSnapshotTaskInput,
    Sampling,
    SnapshotByTimeOffsetTaskInput,
)
from shared.mps.transcode import TRANSCODE_PATH, TranscodeTaskInput

INPUT_DIR = "/{inputDir}/"
"""Stands for the directory of the input, where outputs go if a pipeline names none."""

_ANY_INPUT = "{inputName}.{inputFormat}"
NUMBER = "\x00"  # where a path has its number; no path of a user may have this character


@dataclass(frozen=True, slots=True)
class NodeParameters:
    """The checked parameters of one activity, and the wire path that they stand at."""

    index: int
    field: str
    params: MpsModel

    @property
    def owner(self) -> str:
        """What has the parameters: `Activities[1]`, or their own path if they stand in no activity."""
        return self.field.partition(".ActivityPara.")[0]


@dataclass(frozen=True, slots=True)
class Written:
    """One object, or all segments of a stream, in which only the input's name is open. `member` can change it."""

    member: str
    path: str


def check_outputs(
    nodes: Iterable[NodeParameters], bucket: str, directory: str | None, own: OwnTemplates = NO_OWN
) -> None:
    """Raises ApiError naming both activities if two of them would write the same object for the same input.

    `bucket` and `directory` are the pipeline's. All nodes of a run name their outputs after the run's input, so it
    does not matter where in the graph they stand.
    """
    writers: dict[tuple[str, str], NodeParameters] = {}
    for node in nodes:
        storage = getattr(node.params, "output_storage", None)
        place = (storage.bucket if storage else None) or bucket
        for written in written_by(node.params, directory or INPUT_DIR, own):
            first = writers.setdefault((place, written.path), node)
            if first is not node:
                shown = written.path.replace(NUMBER, "{number}")
                raise invalid(
                    f"{node.field}.{written.member}",
                    f"must be another than that of {first.owner}: "
                    f"{first.owner} and {node.owner} would both write {shown} in {place}",
                )


def written_by(
    params: MpsModel, directory: str, own: OwnTemplates = NO_OWN, input_key: str = _ANY_INPUT
) -> Iterator[Written]:
    """What a node writes, for any input unless its key is given. Numbers of pictures are written out; segments are one
    path for all, because how many there will be is not known. Raises UnknownTemplate and pydantic.ValidationError like
    `check_templates`."""
    match params:
        case TranscodeTaskInput():
            yield from _transcoded(params, directory, own, input_key)
        case SnapshotByTimeOffsetTaskInput():
            extension = snapshot_by_time_template(params.definition, own).format
            path = params.output_object_path or BY_TIME_PATH
            names = OutputNames(input_key, params.definition, directory)
            yield from _pictures(names.shown(_marked(path), extension), len(params.offsets), params.numbers)
        case SampleSnapshotTaskInput():
            template = sample_snapshot_template(params.definition, own)
            path = params.output_object_path or SAMPLED_PATH
            names = OutputNames(input_key, params.definition, directory)
            shown = names.shown(_marked(path), template.format)
            yield from _pictures(shown, _most_samples(template, MAX_PICTURES), params.numbers)
        case ImageSpriteTaskInput():
            yield from _sprite(params, directory, own, input_key)
        case AnimatedGraphicTaskInput():
            moving = animated_graphics_template(params.definition, own)
            names = OutputNames(input_key, params.definition, directory)
            yield Written("OutputObjectPath", names.shown(params.output_object_path or ANIMATED_PATH, moving.format))
        case AdaptiveDynamicStreamingTaskInput():
            yield from _streamed(params, directory, own, input_key)
        case _:
            return


def _transcoded(params: TranscodeTaskInput, directory: str, own: OwnTemplates, input_key: str) -> Iterator[Written]:
    template = resolve(params, own)
    names = OutputNames(input_key, params.definition, directory)
    main = names.shown(params.output_object_path or TRANSCODE_PATH, template.extension)
    yield Written("OutputObjectPath", main)
    if template.container != "hls":
        return
    folder = PurePosixPath(main).parent
    segment = names.shown_sibling(_marked(params.segment_path), template.segment_extension)
    yield Written("SegmentObjectName", str(folder / segment))
    if template.fragmented:
        yield Written("OutputObjectPath", str(folder / f"{PurePosixPath(main).stem}_init.mp4"))


def _sprite(params: ImageSpriteTaskInput, directory: str, own: OwnTemplates, input_key: str) -> Iterator[Written]:
    template = image_sprite_template(params.definition, own)
    names = OutputNames(input_key, params.definition, directory)
    sheets = names.shown(_marked(params.output_object_path or SPRITE_PATH), template.format)
    most = min(-(-_most_samples(template, MAX_TILES) // template.tiles), MAX_PICTURES)
    yield from _pictures(sheets, most, params.numbers)
    folder = PurePosixPath(sheets.replace(NUMBER, params.numbers.render(0))).parent
    beside = names.shown_sibling(params.web_vtt_object_name or WEB_VTT_NAME, "vtt")
    yield Written("WebVttObjectName", str(folder / beside))


def _streamed(
    params: AdaptiveDynamicStreamingTaskInput, directory: str, own: OwnTemplates, input_key: str
) -> Iterator[Written]:
    """With every rendition of the ladder, though a small source may get fewer."""
    ladder = adaptive_ladder(params, own)
    packaging = ladder.packaging
    names = OutputNames(input_key, params.definition, directory)
    main = names.shown(params.path, packaging.manifest_extension)
    yield Written("OutputObjectPath", main)
    folder = PurePosixPath(main).parent
    for number in ladder.sub_stream_numbers:

        def name(path: str, extension: str, number: int = number) -> str:
            return str(folder / names.shown_sibling(_marked(path), extension, number))

        playlist = name(params.sub_stream_path, packaging.sub_stream_extension)
        yield Written("SubStreamObjectName", playlist)
        if packaging.dash:
            continue
        yield Written("SegmentObjectName", name(params.segment_path, packaging.segment_extension))
        if packaging.fragmented and not packaging.byte_ranges:
            yield Written("SubStreamObjectName", f"{playlist.removesuffix('.m3u8')}_init.mp4")
    for number, _ in enumerate(params.add_on_subtitles or (), start=ladder.next_number):
        extension = TEXT_EXTENSION if packaging.dash else packaging.sub_stream_extension
        text = names.shown_sibling(_marked(params.sub_stream_path), extension, number)
        yield Written("SubStreamObjectName", str(folder / text))
        if not packaging.dash:
            segment = params.segment_path.replace("{segmentNumber}", "0").replace("{number}", "0")
            yield Written("SegmentObjectName", str(folder / names.shown_sibling(segment, TEXT_EXTENSION, number)))


def _marked(path: str) -> str:
    for variable in NUMBER_VARIABLES:
        path = path.replace(f"{{{variable}}}", NUMBER)
    return path


def _pictures(marked: str, count: int, numbers: NumberFormat) -> Iterator[Written]:
    for index in range(count):
        yield Written("OutputObjectPath", marked.replace(NUMBER, numbers.render(index)))


def _most_samples(template: Sampling, at_most: int) -> int:
    """Pictures of a long source; a short one has fewer."""
    return -(-100 // template.sample_interval) if template.sample_type == "Percent" else at_most
