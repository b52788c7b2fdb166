"""Keeps a document per sink that says how it does, without a write per attempt."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from services.notifier.domain.notice import Report
from shared.errors import ReelwayError
from shared.ids import digest
from shared.model.delivery import Delivery
from shared.model.pipeline import SinkType
from shared.model.sink_health import SinkHealth, SinkState
from shared.ports.state import DuplicateKey
from shared.state.records import Records

log = structlog.get_logger(__name__)

FLUSH_EVERY_S = 2.0
SAME_EVERY_S = 30.0
"""How often the document of a sink is written that does as it did."""
MAX_SINKS = 10_000
"""Remembered between two writes, and for whether anything changed; those beyond are not told of."""

Key = tuple[str, SinkType, str]


@dataclass
class _Met:
    """What attempts met since the last write."""

    state: SinkState
    at: datetime
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    status: int | None = None
    error: str | None = None
    failures: int = 0


class SinkStates:
    """Notes what attempts met. Any number of processes may write: the newest attempt decides."""

    def __init__(self, records: Records) -> None:
        self._sinks = records.sink_health
        self._met: dict[Key, _Met] = {}
        self._written: dict[Key, tuple[SinkState, float]] = {}

    def note(self, delivery: Delivery, report: Report, at: datetime) -> None:
        """Notes one attempt; test events count as well."""
        key = (delivery.tenant, delivery.sink, delivery.target)
        state = SinkState.HEALTHY if report.delivered else SinkState.FAILING if report.answered else SinkState.SILENT
        met = self._met.get(key)
        if met is None:
            if len(self._met) >= MAX_SINKS:
                return
            met = self._met[key] = _Met(state, at)
        met.state, met.at, met.status = state, at, report.status
        if report.delivered:
            met.succeeded_at, met.failures, met.error = at, 0, None
        else:
            met.failed_at, met.error, met.failures = at, report.error, met.failures + 1

    async def run(self) -> None:
        """Writes until cancelled; a store that is away costs the newest state only."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self.flush()
            except ReelwayError as error:
                log.warning("states of sinks were not written", error=str(error), code=error.code)

    async def flush(self) -> None:
        """Writes what changed, and what has been the same for a while. Raises StateError."""
        moment = asyncio.get_running_loop().time()
        for key, met in list(self._met.items()):
            state, written_at = self._written.get(key, (None, 0.0))
            if state is met.state and moment - written_at < SAME_EVERY_S:
                continue
            await self._write(key, met)
            self._met.pop(key, None) if self._met.get(key) is met else None
            if len(self._written) >= MAX_SINKS:
                self._written.clear()
            self._written[key] = (met.state, moment)

    async def _write(self, key: Key, met: _Met) -> None:
        tenant, sink, target = key
        identity = digest(tenant, sink.value, target)
        changed = await self._sinks.change(identity, lambda found: _after(found, met))
        if changed is not None:
            return
        new = SinkHealth(id=identity, tenant=tenant, sink=sink, target=target, state=met.state, since=met.at)
        try:
            await self._sinks.insert(_after(new, met))
        except DuplicateKey:
            await self._sinks.change(identity, lambda found: _after(found, met))


def _after(found: SinkHealth, met: _Met) -> SinkHealth:
    newest = max(filter(None, (found.last_success_at, found.last_failure_at)), default=None)
    state = found.state if newest is not None and newest > met.at else met.state
    return found.with_changes(
        state=state,
        since=found.since if state is found.state else met.at,
        last_success_at=met.succeeded_at or found.last_success_at,
        last_failure_at=met.failed_at or found.last_failure_at,
        last_status=met.status,
        last_error=met.error if met.failed_at else found.last_error,
        failures=met.failures if met.succeeded_at else found.failures + met.failures,
    )
