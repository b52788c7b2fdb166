"""Watermark templates: the contract has no system templates of this kind (MPS_API §12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.model.template import TemplateKind
from shared.mps.presets.catalogue import NO_OWN, Catalogue, OwnTemplates, Reference, TemplateMisfit
from shared.mps.watermark import AnyMark, WatermarkInput, WatermarkTemplate, check_contents

WATERMARK_TEMPLATES: Catalogue[WatermarkTemplate] = Catalogue(TemplateKind.WATERMARK, WatermarkTemplate, {})


@dataclass(frozen=True, slots=True)
class ResolvedMark:
    """A watermark of a node with its complete template; `field` is its path within the node's parameters."""

    field: str
    wanted: WatermarkInput
    template: AnyMark


def watermark_references(wanted: Sequence[WatermarkInput] | None) -> Iterator[Reference]:
    """The templates that watermarks name."""
    for index, mark in enumerate(wanted or ()):
        if mark.definition:
            yield Reference(TemplateKind.WATERMARK, mark.definition, f"WatermarkSet[{index}].Definition")


def resolve_watermarks(
    wanted: Sequence[WatermarkInput] | None, own: OwnTemplates = NO_OWN, *, still: bool = False
) -> tuple[ResolvedMark, ...]:
    """Every watermark with its template. With `still` only pictures of templates are taken: that is all that the
    contract has for snapshots. Raises UnknownTemplate, TemplateMisfit, pydantic.ValidationError."""
    found: list[ResolvedMark] = []
    for index, mark in enumerate(wanted or ()):
        field = f"WatermarkSet[{index}]"
        template: AnyMark
        if mark.definition:
            template = WATERMARK_TEMPLATES.find(mark.definition, own, f"{field}.Definition")
        else:
            assert mark.raw_parameter is not None
            template = mark.raw_parameter
        try:
            check_contents(mark, template)
        except ValueError as error:
            raise TemplateMisfit(field, str(error)) from None
        if still:
            _check_still(field, mark, template)
        found.append(ResolvedMark(field, mark, template))
    return tuple(found)


def _check_still(field: str, mark: WatermarkInput, template: AnyMark) -> None:
    if mark.raw_parameter is not None:
        raise TemplateMisfit(f"{field}.RawParameter", "must be absent for pictures; use a template")
    if template.type != "image":
        raise TemplateMisfit(f"{field}.Definition", f"must be of type image for pictures, not {template.type}")
    if mark.start_time_offset or mark.end_time_offset:
        raise TemplateMisfit(f"{field}.StartTimeOffset", "must be absent for pictures")
