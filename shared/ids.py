"""Ids. What can be derived from its cause is derived, so that making it twice makes one thing."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def digest(*parts: str, size: int = 40) -> str:
    """A hex digest of several texts, with no two different lists alike (parts are length-prefixed)."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:size]


def run_id(tenant: str, *cause: str, task_type: str = "ScheduleTask") -> str:
    """The id of the run that this cause starts: `<account>-<task type>-<hex>tt0` (contract MPS_API §9; consumers may
    split it at `-` into three parts)."""
    return f"{tenant}-{task_type}-{digest(tenant, *cause)}tt0"


def task_id(run: str, node: int, attempt: int, epoch: int = 0) -> str:
    """The id of one attempt at one node."""
    return f"{run}:{epoch}.{node}:{attempt}"


def delivery_id(run: str, sequence: int, sink: str) -> str:
    """The id of one notification to one sink; also the `webhook-id` that consumers deduplicate on."""
    return f"{run}:{sequence}:{sink}"


def new_pipeline_id(now: datetime) -> int:
    """A positive integer below 2^53 that grows with time: milliseconds since 2020 and ten random bits."""
    return (int((now - _EPOCH).total_seconds() * 1000) << 10) | secrets.randbits(10)
