"""Templates of both snapshot nodes: the system's (MPS_API §12)."""

from __future__ import annotations

from collections.abc import Mapping

from shared.model.template import TemplateKind
from shared.mps.presets.catalogue import NO_OWN, Catalogue, OwnTemplates
from shared.mps.snapshot import SampleSnapshotTemplate, SnapshotTemplate

SNAPSHOT_BY_TIME: Mapping[int, SnapshotTemplate] = {10: SnapshotTemplate(fill_type="stretch")}
SAMPLE_SNAPSHOT: Mapping[int, SampleSnapshotTemplate] = {
    10: SampleSnapshotTemplate(sample_type="Percent", sample_interval=10, fill_type="stretch")
}
SNAPSHOT_BY_TIME_TEMPLATES = Catalogue(TemplateKind.SNAPSHOT_BY_TIME, SnapshotTemplate, SNAPSHOT_BY_TIME)
SAMPLE_SNAPSHOT_TEMPLATES = Catalogue(TemplateKind.SAMPLE_SNAPSHOT, SampleSnapshotTemplate, SAMPLE_SNAPSHOT)


def snapshot_by_time_template(definition: int, own: OwnTemplates = NO_OWN) -> SnapshotTemplate:
    """Raises UnknownTemplate."""
    return SNAPSHOT_BY_TIME_TEMPLATES.find(definition, own)


def sample_snapshot_template(definition: int, own: OwnTemplates = NO_OWN) -> SampleSnapshotTemplate:
    """Raises UnknownTemplate."""
    return SAMPLE_SNAPSHOT_TEMPLATES.find(definition, own)
