"""A sink that said that it wants nothing any more (HTTP 410): nothing new is sent to it until somebody opens it."""

from __future__ import annotations

from shared.ids import digest
from shared.model.base import Document, Instant
from shared.model.pipeline import SinkType


def closed_sink_id(tenant: str, sink: SinkType, target: str) -> str:
    """One per tenant and target: another tenant's subscription to the same URL is that tenant's business."""
    return digest("closed-sink", tenant, sink.value, target)


class ClosedSink(Document):
    """Made by the notifier; removed when a pipeline that tells this sink is saved or enabled, or when a replayed
    delivery or a test event is taken."""

    tenant: str
    sink: SinkType
    target: str
    closed_at: Instant
    delivery_id: str
    """The delivery that was answered so."""
    run_id: str
