"""Server-sent events: nothing is missed, whoever follows, falls away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from services.api import following
from services.api.following import entries
from services.api.rest import events
from services.api.streams import Streams
from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Obey
from shared.model.run import Command, CommandKind, Run
from shared.model.task import TaskState
from tests.builders import a_diamond, a_run, ended
from tests.eventually import eventually
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, Stand
from tests.integration.api.test_rest_face import problem


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.02)


@dataclass
class Event:
    """One event as a browser sees it; `id` is the last id so far."""

    kind: str
    id: str
    data: Any


async def read(answer: httpx.Response) -> AsyncIterator[Event]:
    """Events by the rules of the HTML standard."""
    last_id, kind, data = "", "message", ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        match name:
            case "event":
                kind = value
            case "data":
                data += value
            case "id":
                last_id = value
            case "" if not line:
                if data:
                    yield Event(kind, last_id, orjson.loads(data))
                kind, data = "message", ""


@contextlib.asynccontextmanager
async def following_of(
    rest: httpx.AsyncClient, path: str, mark: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    headers = {} if mark is None else {"last-event-id": mark}
    async with asyncio.timeout(20), rest.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield read(answer)


class Player:
    """The scheduler and a worker, step by step."""

    def __init__(self, stand: Stand, name: str, **members: Any) -> None:
        self._stand = stand
        self.run = a_run(a_diamond(), run_id=name, now=stand.store_clock.now(), **members)

    async def begin(self) -> None:
        await self._stand.records.runs.insert(self.run)
        await self._take(Begin())

    async def _take(self, event: Any) -> None:
        self._stand.store_clock.advance(timedelta(milliseconds=10))
        after, messages = advance(self.run, event, self._stand.store_clock.now())
        saved = await self._stand.records.runs.replace(after)
        assert saved is not None
        self.run = saved
        await self._stand.records.tasks.insert_many([entry.task for entry in messages if entry.task])

    async def step(self) -> None:
        """One queued task ends."""
        [task, *_] = await self._stand.records.tasks.find({"run_id": self.run.id, "state": "queued"})
        done = await self._stand.records.tasks.replace(ended(task))
        assert done is not None
        await self._take(Ended(done))

    async def play(self) -> None:
        """To its end."""
        await self.begin()
        while not self.run.state.final:
            await self.step()

    async def cancel(self) -> None:
        command = Command(kind=CommandKind.CANCEL, at=self._stand.store_clock.now())
        self.run = self.run.with_changes(commands=(command,))
        await self._take(Obey())


def sequences(found: list[Event]) -> list[int]:
    return [one.data["event"]["sequence"] for one in found if one.kind == "history"]


async def test_a_run_is_followed_to_its_end(stand: Stand, rest: httpx.AsyncClient) -> None:
    player = Player(stand, "run-1")
    await player.begin()
    found: list[Event] = []
    async with following_of(rest, "/runs/run-1/events") as told:
        async for event in told:
            found.append(event)
            if event.kind == "progress" and not player.run.state.final:
                await player.step()
    assert sequences(found) == list(range(player.run.sequence + 1))
    assert [one.id for one in found if one.kind == "history"] == [str(n) for n in range(player.run.sequence + 1)]
    assert found[0].data["event"]["type"] == "run.requested"
    assert found[-1].kind == "end"
    assert found[-1].data == {"run_id": "run-1", "state": "succeeded"}
    assert stand.deps.streams.count == 0


async def test_progress_is_told_without_an_id(stand: Stand, rest: httpx.AsyncClient) -> None:
    player = Player(stand, "run-1")
    await player.begin()
    [task] = await stand.records.tasks.find({"run_id": "run-1"})
    async with following_of(rest, "/runs/run-1/events") as told:
        seen = [await anext(told) for _ in range(3)]
        assert [one.kind for one in seen] == ["history", "history", "progress"]
        assert (seen[2].data["nodes"], seen[2].id) == (
            [{"node": 0, "state": "queued", "attempt": 1, "progress": 0, "worker": None}],
            "1",
        )
        working = task.with_changes(state=TaskState.RUNNING, worker="w", progress=40)
        assert await stand.records.tasks.replace(working)
        [node] = (await anext(told)).data["nodes"]
        assert (node["state"], node["progress"], node["worker"]) == ("running", 40, "w")


async def test_whoever_comes_back_to_a_run_misses_nothing_and_hears_nothing_twice(
    stand: Stand, rest: httpx.AsyncClient
) -> None:
    player = Player(stand, "run-1")
    await player.play()
    whole = player.run.sequence
    for last in range(whole):
        async with following_of(rest, "/runs/run-1/events", str(last)) as told:
            assert sequences([event async for event in told]) == list(range(last + 1, whole + 1))
    async with following_of(rest, f"/runs/run-1/events?after={whole - 1}") as told:
        assert sequences([event async for event in told]) == [whole]
    assert (await rest.get("/runs/run-1/events", headers={"last-event-id": str(whole)})).status_code == 204


@pytest.mark.parametrize("mark", ["x", "-1", "1.5", "²"])
async def test_an_id_of_nobody_is_refused(stand: Stand, rest: httpx.AsyncClient, mark: str) -> None:
    await stand.records.runs.insert(a_run())
    for path in ("/runs/run-1/events", "/events"):
        problem(await rest.get(path, params={"after": mark}), 422, "invalid")


async def test_runs_of_a_tenant_are_followed_through_broken_connections(stand: Stand, rest: httpx.AsyncClient) -> None:
    """Runs go on all the time; the connection breaks after every few events, and some were written late."""
    players = [Player(stand, f"run-{number}") for number in range(12)]
    await Player(stand, "foreign", tenant="1260000000").play()
    late = Player(stand, "late")

    async def go_on() -> None:
        for player in players:
            await player.play()
            await asyncio.sleep(0.03)
        # The clock of its writer said this half a minute ago.
        stand.store_clock.advance(timedelta(seconds=-30))
        await late.play()
        stand.store_clock.advance(timedelta(seconds=30))

    playing = asyncio.create_task(go_on())
    told_of: dict[str, list[int]] = {}
    mark: str | None = None

    def complete() -> bool:
        last = {player.run.id: player.run.sequence for player in (*players, late)}
        return playing.done() and {name: max(found) for name, found in told_of.items()} == last

    async with asyncio.timeout(30):
        while not complete():
            with contextlib.suppress(TimeoutError):
                async with following_of(rest, "/events", mark) as events, asyncio.timeout(0.3):
                    async for event in events:
                        found = told_of.setdefault(event.data["run_id"], [])
                        sequence = event.data["event"]["sequence"]
                        # In order: nothing is told whose predecessor was not.
                        assert sequence <= max(found, default=-1) + 1
                        found.append(sequence)
                        mark = event.id or mark
    await playing
    for player in (*players, late):
        assert set(told_of[player.run.id]) == set(range(player.run.sequence + 1))


async def test_a_mark_of_long_ago_means_to_read_everything_anew(stand: Stand, rest: httpx.AsyncClient) -> None:
    await Player(stand, "run-1").play()
    stand.store_clock.advance(timedelta(days=2))
    async with following_of(rest, "/events", "2026-11-23T10:00:00Z") as told:
        assert (await anext(told)).kind == "reset"
        await Player(stand, "run-2").begin()
        assert (await anext(told)).data["run_id"] == "run-2"


async def test_a_mark_of_the_future_is_one_of_now(stand: Stand, rest: httpx.AsyncClient) -> None:
    async with following_of(rest, "/events", "9999-01-01T00:00:00Z") as told:
        await Player(stand, "run-1").begin()
        assert (await anext(told)).data["run_id"] == "run-1"


async def test_streams_are_counted_and_given_back(stand: Stand, rest: httpx.AsyncClient) -> None:
    object.__setattr__(stand.deps, "streams", Streams(per_tenant=2))
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            told = await stack.enter_async_context(following_of(rest, "/events"))
            assert told is not None
        refused = problem(await rest.get("/events"), 429, "too_many_streams")
        assert refused["detail"].startswith("at most 2 streams")
        async with stand.rest(OTHER_ID, OTHER_KEY) as other, following_of(other, "/events"):
            assert stand.deps.streams.count == 3

    async def given_back() -> bool:
        return stand.deps.streams.count == 0

    await eventually(given_back)


async def test_a_quiet_stream_has_heartbeats(
    stand: Stand, rest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)
    async with rest.stream("GET", "/events") as answer, asyncio.timeout(5):
        lines = answer.aiter_lines()
        beats = 0
        while beats < 4:
            beats += (await anext(lines)) == ": still here"


async def test_a_stop_ends_streams_at_once(stand: Stand, rest: httpx.AsyncClient) -> None:
    await Player(stand, "run-1").begin()
    async with following_of(rest, "/events") as all_of_them, following_of(rest, "/runs/run-1/events") as one:
        assert (await anext(one)).kind == "history"
        began = time.monotonic()
        await stand.deps.streams.end()
        assert all(event.kind != "end" for event in [event async for event in one])
        assert all(event.kind == "history" for event in [event async for event in all_of_them])
        assert time.monotonic() - began < 10


async def test_a_cancelled_run_ends_its_stream(stand: Stand, rest: httpx.AsyncClient) -> None:
    player = Player(stand, "run-1")
    await player.begin()
    async with following_of(rest, "/runs/run-1/events") as told:
        await anext(told)
        await player.cancel()
        found = [event async for event in told]
    assert found[-1].data["state"] == "cancelled"


def test_entries_are_those_behind_and_since() -> None:
    run: Run = a_run()
    assert [one["event"]["sequence"] for one in entries(run)] == [0]
    assert entries(run, after=0) == []
    assert entries(run, since=run.created_at) == []
