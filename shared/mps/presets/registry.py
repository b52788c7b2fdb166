"""Which kinds of node the API can make, which templates there are, and which of them a node names.

A new kind of node adds a line to `PARAMETERS`; a new kind of template a module of this package, a line in `CATALOGUES`
and, for every kind of node that names it, a case in `references`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.model.pipeline import RULES
from shared.model.template import TemplateKind
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.animated_graphics import AnimatedGraphicTaskInput
from shared.mps.base import MpsModel
from shared.mps.image_sprite import ImageSpriteTaskInput
from shared.mps.presets.adaptive import ADAPTIVE_TEMPLATES, adaptive_ladder
from shared.mps.presets.ai import ANALYSIS_TEMPLATES, RECOGNITION_TEMPLATES, REVIEW_TEMPLATES
from shared.mps.presets.catalogue import NO_OWN, Catalogue, OwnTemplates, Reference
from shared.mps.presets.images import ANIMATED_GRAPHICS_TEMPLATES, IMAGE_SPRITE_TEMPLATES
from shared.mps.presets.quality_control import QUALITY_CONTROL_TEMPLATES
from shared.mps.presets.snapshots import SAMPLE_SNAPSHOT_TEMPLATES, SNAPSHOT_BY_TIME_TEMPLATES
from shared.mps.presets.transcode import TRANSCODE_TEMPLATES, check_fits, resolve
from shared.mps.presets.watermarks import WATERMARK_TEMPLATES, resolve_watermarks, watermark_references
from shared.mps.quality_control import AiQualityControlTaskInput
from shared.mps.rules import ExecRulesTask
from shared.mps.snapshot import SampleSnapshotTaskInput, SnapshotByTimeOffsetTaskInput
from shared.mps.transcode import TranscodeTaskInput

PARAMETERS: Mapping[str, type[MpsModel]] = {
    "transcode": TranscodeTaskInput,
    "snapshot_by_time": SnapshotByTimeOffsetTaskInput,
    "sample_snapshot": SampleSnapshotTaskInput,
    "image_sprite": ImageSpriteTaskInput,
    "animated_graphics": AnimatedGraphicTaskInput,
    "quality_control": AiQualityControlTaskInput,
    "adaptive_streaming": AdaptiveDynamicStreamingTaskInput,
    RULES: ExecRulesTask,
}
"""The parameter model of each node kind that the API can make."""

CATALOGUES: Mapping[TemplateKind, Catalogue[Any]] = {
    catalogue.kind: catalogue
    for catalogue in (
        TRANSCODE_TEMPLATES,
        WATERMARK_TEMPLATES,
        SNAPSHOT_BY_TIME_TEMPLATES,
        SAMPLE_SNAPSHOT_TEMPLATES,
        IMAGE_SPRITE_TEMPLATES,
        ANIMATED_GRAPHICS_TEMPLATES,
        QUALITY_CONTROL_TEMPLATES,
        ADAPTIVE_TEMPLATES,
        REVIEW_TEMPLATES,
        ANALYSIS_TEMPLATES,
        RECOGNITION_TEMPLATES,
    )
}
"""The templates of each kind that this version has."""


def references(params: MpsModel) -> Iterator[Reference]:
    """Every template that a node names, the system's too; a number 0 stands for none."""
    match params:
        case TranscodeTaskInput():
            if params.definition:
                yield Reference(TemplateKind.TRANSCODE, params.definition)
            yield from watermark_references(params.watermark_set)
        case SnapshotByTimeOffsetTaskInput():
            yield Reference(TemplateKind.SNAPSHOT_BY_TIME, params.definition)
            yield from watermark_references(params.watermark_set)
        case SampleSnapshotTaskInput():
            yield Reference(TemplateKind.SAMPLE_SNAPSHOT, params.definition)
            yield from watermark_references(params.watermark_set)
        case ImageSpriteTaskInput():
            yield Reference(TemplateKind.IMAGE_SPRITE, params.definition)
        case AnimatedGraphicTaskInput():
            yield Reference(TemplateKind.ANIMATED_GRAPHICS, params.definition)
        case AiQualityControlTaskInput():
            yield Reference(TemplateKind.QUALITY_CONTROL, params.definition)
        case AdaptiveDynamicStreamingTaskInput():
            yield Reference(TemplateKind.ADAPTIVE_STREAMING, params.definition)
            yield from watermark_references(params.watermark_set)
        case _:
            return


def check_templates(params: MpsModel, own: OwnTemplates = NO_OWN) -> None:
    """Whether the templates that a node names exist and its overrides fit: for the moment a pipeline is saved.

    Raises UnknownTemplate, TemplateMisfit, and pydantic.ValidationError for overrides that do not fit.
    """
    for named in references(params):
        CATALOGUES[named.kind].find(named.definition, own, named.field)
    if isinstance(params, TranscodeTaskInput):
        check_fits(params, resolve(params, own))
        resolve_watermarks(params.watermark_set, own)
    if isinstance(params, SnapshotByTimeOffsetTaskInput | SampleSnapshotTaskInput):
        resolve_watermarks(params.watermark_set, own, still=True)
    if isinstance(params, AdaptiveDynamicStreamingTaskInput):
        adaptive_ladder(params, own)
        resolve_watermarks(params.watermark_set, own)
