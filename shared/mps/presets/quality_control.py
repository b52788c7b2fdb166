"""Templates of the quality-control node: the system's (MPS_API §12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.model.template import TemplateKind
from shared.mps.presets.catalogue import NO_OWN, Catalogue, OwnTemplates
from shared.mps.quality_control import CHECKED, DIAGNOSES, SEEN, QualityControlItemConfig, QualityControlTemplate

_SCORE = "LowEvaluation"


def _all_of(names: Iterable[str]) -> QualityControlTemplate:
    return QualityControlTemplate(
        quality_control_item_set=[QualityControlItemConfig(type=name) for name in sorted(names)]
    )


QUALITY_CONTROL: Mapping[int, QualityControlTemplate] = {
    10: _all_of(CHECKED),
    20: _all_of(DIAGNOSES),
    30: _all_of([_SCORE]),
    40: _all_of(SEEN.keys() - DIAGNOSES - {_SCORE}),
}
"""All items, format diagnosis, score, picture quality: of each, what this version can look for."""
QUALITY_CONTROL_TEMPLATES = Catalogue(TemplateKind.QUALITY_CONTROL, QualityControlTemplate, QUALITY_CONTROL)


def quality_control_template(definition: int, own: OwnTemplates = NO_OWN) -> QualityControlTemplate:
    """Raises UnknownTemplate."""
    return QUALITY_CONTROL_TEMPLATES.find(definition, own)
