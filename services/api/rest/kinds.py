"""What there is to build with: kinds of node and kinds of template, with JSON Schema and presets."""

from __future__ import annotations

import functools
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from services.api.domain.problems import not_found
from services.api.rest.authentication import Caller
from shared.model.kinds import traits
from shared.model.pipeline import INPUT, OUTPUT, RULES
from shared.model.task import Lane
from shared.model.template import TemplateKind
from shared.mps.describing import schema_of
from shared.mps.kinds import BY_KIND
from shared.mps.presets import CATALOGUES, PARAMETERS

router = APIRouter(tags=["kinds"])

_MARKED = (TemplateKind.WATERMARK,)
_TEMPLATES: dict[str, tuple[TemplateKind, ...]] = {
    "transcode": (TemplateKind.TRANSCODE, *_MARKED),
    "adaptive_streaming": (TemplateKind.ADAPTIVE_STREAMING, *_MARKED),
    "snapshot_by_time": (TemplateKind.SNAPSHOT_BY_TIME, *_MARKED),
    "sample_snapshot": (TemplateKind.SAMPLE_SNAPSHOT, *_MARKED),
    "image_sprite": (TemplateKind.IMAGE_SPRITE,),
    "animated_graphics": (TemplateKind.ANIMATED_GRAPHICS,),
    "quality_control": (TemplateKind.QUALITY_CONTROL,),
}
_ABOUT = {
    INPUT: "The file that was uploaded. Every graph begins with it; running it reads the metadata.",
    OUTPUT: "The end of every graph; does no work.",
    RULES: "Chooses among its successors by conditions on the file and on earlier results.",
    "transcode": "Makes another file: container, picture, sound, watermarks, mosaics, subtitles, enhancement.",
    "adaptive_streaming": "Makes a ladder of renditions for HLS or DASH.",
    "snapshot_by_time": "Pictures at given moments.",
    "sample_snapshot": "Pictures at regular distances.",
    "image_sprite": "Small pictures in a grid, with a WebVTT index for players.",
    "animated_graphics": "A moving picture without sound: GIF or WebP.",
    "quality_control": "Looks for faults in picture, sound and container.",
}


class PresetView(BaseModel):
    """A system template: what nodes name by its number."""

    definition: int
    params: dict[str, Any]


class TemplateKindView(BaseModel):
    """A kind of template: what its `params` take, and the system's own."""

    kind: TemplateKind
    params_schema: dict[str, Any] = Field(description="JSON Schema (2020-12).")
    presets: list[PresetView]


class NodeKindView(BaseModel):
    """A kind of node: what its `params` take, and how it is run if the node says nothing else."""

    kind: str
    about: str
    activity: str = Field(description="The contract's ActivityType.")
    lane: Lane | None = Field(description="Which workers take it; null if none has to.")
    max_attempts: int | None
    queued_s: float | None = Field(description="Longest wait for a worker.")
    running_s: float | None = Field(description="Longest time at work.")
    stalled_s: float | None = Field(description="Longest time without progress.")
    params_schema: dict[str, Any] | None = Field(description="JSON Schema (2020-12); null if it takes no params.")
    template_kinds: list[TemplateKind] = Field(description="Kinds of template that its params can name.")
    presets: list[PresetView] = Field(description="System templates that `Definition` can name.")


class NodeKindList(BaseModel):
    """Every kind that this version can run."""

    kinds: list[NodeKindView]


class TemplateKindList(BaseModel):
    """Every kind of template."""

    kinds: list[TemplateKindView]


KindName = Annotated[str, Path(max_length=64, description="The kind's name.")]


@router.get("/node-kinds")
async def list_node_kinds(_: Caller) -> NodeKindList:
    """All kinds of node, with the JSON Schema of their params and the presets."""
    return NodeKindList(kinds=list(_node_kinds().values()))


@router.get("/node-kinds/{kind}")
async def show_node_kind(_: Caller, kind: KindName) -> NodeKindView:
    """One kind of node."""
    found = _node_kinds().get(kind)
    if found is None:
        raise not_found("kind of node", kind)
    return found


@router.get("/template-kinds")
async def list_template_kinds(_: Caller) -> TemplateKindList:
    """All kinds of template, with the JSON Schema of their params and the presets."""
    return TemplateKindList(kinds=[_template_kind(kind) for kind in CATALOGUES])


@router.get("/template-kinds/{kind}")
async def show_template_kind(_: Caller, kind: TemplateKind) -> TemplateKindView:
    """One kind of template."""
    return _template_kind(kind)


@functools.cache
def _node_kinds() -> dict[str, NodeKindView]:
    return {kind: _node_kind(kind) for kind in (INPUT, *PARAMETERS, OUTPUT)}


@functools.cache
def _template_kind(kind: TemplateKind) -> TemplateKindView:
    catalogue = CATALOGUES[kind]
    return TemplateKindView(kind=kind, params_schema=schema_of(catalogue.model), presets=_presets(kind))


def _presets(kind: TemplateKind) -> list[PresetView]:
    system = CATALOGUES[kind].system
    return [PresetView(definition=number, params=system[number].to_wire()) for number in sorted(system)]


def _node_kind(kind: str) -> NodeKindView:
    works = kind not in (OUTPUT, RULES)
    how = traits("probe" if kind == INPUT else kind)
    names = BY_KIND.get(kind)
    templates = _TEMPLATES.get(kind, ())
    return NodeKindView(
        kind=kind,
        about=_ABOUT[kind],
        activity=names.activity if names else kind,
        lane=how.lane if works else None,
        max_attempts=how.retry.max_attempts if works else None,
        queued_s=how.limits.queued.total_seconds() if works else None,
        running_s=how.limits.running.total_seconds() if works else None,
        stalled_s=how.limits.stalled.total_seconds() if works else None,
        params_schema=schema_of(PARAMETERS[kind]) if kind in PARAMETERS else None,
        template_kinds=list(templates),
        presets=_presets(templates[0]) if templates else [],
    )
