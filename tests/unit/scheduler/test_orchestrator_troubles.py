"""A store that is away, a run that cannot be advanced or written: the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduler import orchestrator as orchestrator_module
from services.scheduler.app import sweep_forever
from services.scheduler.domain.events import Event
from services.scheduler.orchestrator import Orchestrator
from services.scheduler.settings import SchedulerSettings
from shared.clock import SystemClock
from shared.model.run import OutboxEntry, Run, RunState
from shared.ports.state import Doc, StateError, StateStore, StateUnavailable
from tests.eventually import eventually
from tests.unit.scheduler.world import World
from tests.unit.shared.fakes import HookedStore


async def test_store_that_is_away_raises_and_the_same_news_works_later(world: World) -> None:
    broken = True

    async def hook(_method: str, collection: str, done: bool) -> None:
        if broken and collection == "runs" and not done:
            raise StateUnavailable("no answer")

    orchestrator = world.another(HookedStore(world.records.store, hook))  # type: ignore[arg-type]
    request = await world.requested()
    with pytest.raises(StateUnavailable):
        await orchestrator.requested([request])
    broken = False
    await orchestrator.requested([request])
    assert (await world.run()).state is RunState.RUNNING


async def test_sweeping_goes_on_after_the_store_was_away(world: World) -> None:
    failures = 3

    async def hook(_method: str, collection: str, done: bool) -> None:
        nonlocal failures
        if collection == "tasks" and not done and failures:
            failures -= 1
            raise StateUnavailable("no answer")

    await world.requested()
    orchestrator = world.another(HookedStore(world.records.store, hook))  # type: ignore[arg-type]
    sweeping = asyncio.create_task(sweep_forever(orchestrator, SchedulerSettings(sweep_interval_s=0.001)))
    try:

        async def is_running() -> bool:
            return (await world.run()).state is RunState.RUNNING

        await eventually(is_running)
    finally:
        sweeping.cancel()
        await asyncio.wait({sweeping})


async def test_run_that_the_rules_choke_on_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [await world.requested(run_id=run_id) for run_id in ("run-1", "poison", "run-2")]
    real = orchestrator_module.advance

    def choking(run: Run, event: Event, now: datetime) -> tuple[Run, tuple[OutboxEntry, ...]]:
        if run.id == "poison":
            raise ZeroDivisionError
        return real(run, event, now)

    monkeypatch.setattr(orchestrator_module, "advance", choking)
    await world.orchestrator.requested(requests)
    world.clock.advance(timedelta(minutes=1))
    await world.orchestrator.sweep(100)
    states = {run_id: (await world.run(run_id)).state for run_id in ("run-1", "poison", "run-2")}
    assert states == {"run-1": RunState.RUNNING, "poison": RunState.REQUESTED, "run-2": RunState.RUNNING}
    poison = await world.run("poison")
    assert poison.due_at is not None
    assert poison.due_at > world.clock.now()


async def test_run_that_the_store_refuses_harms_no_other(world: World) -> None:
    """On MongoDB: a document over 16 MB."""
    requests = [await world.requested(run_id=run_id) for run_id in ("run-1", "huge", "run-2")]

    class Refusing:
        def __init__(self, inner: StateStore) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        async def replace(self, collection: str, doc: Doc) -> bool:
            self._refuse(doc)
            return await self._inner.replace(collection, doc)

        async def replace_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
            done = [await self._inner.replace(collection, doc) for doc in docs if not self._huge(doc)]
            for doc in docs:
                self._refuse(doc)
            return done

        @staticmethod
        def _huge(doc: Doc) -> bool:
            return bool(doc["_id"] == "huge" and doc.get("state") == RunState.RUNNING.value)

        def _refuse(self, doc: Doc) -> None:
            if self._huge(doc):
                raise StateError("the document is too large")

    orchestrator = world.another(Refusing(world.records.store))
    await orchestrator.requested(requests)
    world.clock.advance(timedelta(seconds=10))
    await orchestrator.sweep(100)
    states = {run_id: (await world.run(run_id)).state for run_id in ("run-1", "huge", "run-2")}
    assert states == {"run-1": RunState.RUNNING, "huge": RunState.REQUESTED, "run-2": RunState.RUNNING}
    assert sorted(task.run_id for task in await world.records.tasks.find({})) == ["run-1", "run-2"]
    assert [(await world.run(run_id)).outbox for run_id in ("run-1", "run-2")] == [(), ()]
    huge = await world.run("huge")
    assert huge.due_at is not None
    assert huge.due_at > world.clock.now()


async def test_leases_are_spared_right_after_the_store_was_away() -> None:
    calls: list[str] = []

    class Shaky(Orchestrator):
        def __init__(self) -> None:
            """Only what sweeping calls."""

        async def now(self) -> datetime:
            return SystemClock().now()

        async def take_back_leases(self) -> int:
            calls.append("leases")
            return 0

        async def sweep(self, limit: int) -> int:
            calls.append("sweep")
            if calls.count("sweep") == 2:
                raise StateUnavailable("away")
            return 0

    settings = SchedulerSettings(sweep_interval_s=0.01, lease_s=0.5)
    sweeping = asyncio.create_task(sweep_forever(Shaky(), settings))
    await eventually(lambda: calls.count("leases") >= 4)
    sweeping.cancel()
    before = calls[: calls.index("sweep", calls.index("sweep") + 1) + 1]
    assert before == ["leases", "sweep", "leases", "sweep"]
    after = calls[len(before) :]
    spared = after[: after.index("leases")]
    assert len(spared) >= 5, "leases were taken back before their holders could renew them"
