"""A worker process as it tells of itself, every few seconds: for people, never for decisions. Leases decide."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from shared.model.base import Document, Instant, Value

MINUTES = 15
"""For how many minutes a worker counts what it has done."""


class LaneLoad(Value):
    """One lane of a worker. `ended` and `failed` are how many attempts ended, and how many of them failed, in each of
    the last `MINUTES` minutes, the present one first."""

    slots: int
    busy: int
    ended: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()


class WorkerRecord(Document):
    """One worker process. `worker` is its name, `owner` is this very process in the tasks that it holds. `load` is the
    machine's, the average of a minute. `draining` says that it takes nothing more: because it stops, or because
    `drain` is set, which is somebody's wish. A process that ends takes its record away; of one that died it stays until
    another worker finds it `STALE`."""

    worker: str
    owner: str
    host: str
    pid: int
    cores: int
    load: float
    program: str
    started_at: Instant
    seen_at: Instant
    every_s: float
    lanes: dict[str, LaneLoad] = Field(default_factory=dict)
    draining: bool = False
    drain: bool = False


STALE = timedelta(hours=1)


def live(record: WorkerRecord, now: Instant) -> bool:
    """Whether the process is there: it has missed less than three of its own beats."""
    return (now - record.seen_at).total_seconds() < 3 * record.every_s
