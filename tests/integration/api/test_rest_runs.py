"""Runs over REST: list, look, command."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Obey
from shared.ids import run_id
from shared.messages.messages import RunRequested
from shared.model.commands import MAX_PENDING
from shared.model.failure import ErrCode, Failure
from shared.model.run import Command, CommandKind, NodeState, Run, RunState
from shared.model.task import NodeResult, TaskState
from shared.ports.publisher import Outgoing
from tests.builders import a_diamond, a_media, a_run, ended
from tests.integration.api.stand import TENANT, Stand
from tests.integration.api.test_rest_face import problem


async def put_run(stand: Stand, name: str = "one", **members: Any) -> Run:
    """A requested run in the store."""
    run = a_run(a_diamond(), run_id=run_id(TENANT, name), now=stand.store_clock.now(), **members)
    await stand.records.runs.insert(run)
    return run


async def put_running(stand: Stand, name: str = "one") -> Run:
    """A run whose probe has succeeded; its first node has failed for good, two are queued."""
    run = await put_run(stand, name)
    now = stand.store_clock.now()
    run, entries = advance(run, Begin(), now)
    probe = next(entry.task for entry in entries if entry.task)
    run, entries = advance(run, Ended(ended(probe, result=NodeResult(metadata={"Duration": 5}))), now)
    tasks = [entry.task for entry in entries if entry.task]
    await stand.records.tasks.insert_many(tasks)
    broken = Failure(code=ErrCode.INVALID_INPUT, message="no such bucket")
    run, _ = advance(run, Ended(ended(tasks[0], TaskState.FAILED, failure=broken)), now)
    saved = await stand.records.runs.replace(run)
    assert saved is not None
    return saved


async def obey(stand: Stand, run: Run) -> Run:
    """What the scheduler does when it is rung."""
    now = stand.store_clock.now()
    stored = await stand.records.runs.get(run.id)
    assert stored is not None
    after = stored
    for event in (Begin(), Obey()):
        after, _ = advance(after, event, now)
    saved = await stand.records.runs.replace(after)
    assert saved is not None
    return saved


# -- looking ------------------------------------------------------------------------------------------------------


async def test_list_is_newest_first_page_by_page(stand: Stand, rest: httpx.AsyncClient) -> None:
    made = []
    for number in range(7):
        # Two of a moment each: the cursor must not lose one of them.
        stand.store_clock.advance(timedelta(seconds=number % 2))
        made.append((await put_run(stand, f"run-{number}")).id)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await rest.get("/runs", params=params)).json()
        seen += [run["id"] for run in page["runs"]]
        await put_run(stand, f"meanwhile-{len(seen)}")  # moves nothing
        cursor = page["cursor"]
        if cursor is None:
            break
    by_age = [await stand.records.runs.get(one) for one in seen]
    assert sorted(seen[1:]) == sorted(set(made) - {seen[0]})
    assert [run.created_at for run in by_age if run] == sorted((run.created_at for run in by_age if run), reverse=True)


async def test_list_is_filtered(stand: Stand, rest: httpx.AsyncClient) -> None:
    start = stand.store_clock.now()
    first = await put_run(stand, "first", pipeline_id="1")
    stand.store_clock.advance(timedelta(hours=1))
    second = await put_run(stand, "second", pipeline_id="2", state=RunState.FAILED)
    stand.store_clock.advance(timedelta(hours=1))
    third = await put_run(stand, "third", pipeline_id="1", state=RunState.PAUSED)

    async def ids(**params: Any) -> list[str]:
        answer = await rest.get("/runs", params=params)
        assert answer.status_code == 200, answer.text
        return [run["id"] for run in answer.json()["runs"]]

    def moment(hours: float) -> str:
        return (start + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")

    assert await ids() == [third.id, second.id, first.id]
    assert await ids(pipeline_id="1") == [third.id, first.id]
    assert await ids(state="failed") == [second.id]
    assert await ids(state=["failed", "paused"]) == [third.id, second.id]
    assert await ids(**{"from": moment(1)}) == [third.id, second.id]
    assert await ids(to=moment(1)) == [first.id]
    assert await ids(**{"from": moment(0.5), "to": moment(1.5)}) == [second.id]
    assert await ids(**{"from": "9999-12-31T23:59:59Z"}) == []
    answer = await rest.get("/runs", params={"to": "9999-12-31T23:59:59-14:00"})
    assert problem(answer, 422, "invalid")["detail"] == "to: a time beyond what can be told in UTC"


async def test_search_by_name_and_object(stand: Stand, rest: httpx.AsyncClient) -> None:
    film = await put_run(stand, "film", pipeline_name="Films_转码", source=a_media("in/2026/film.mp4"))
    clip = await put_run(stand, "clip", pipeline_name="clips", source=a_media("in/clip.mp4", bucket=f"b-{TENANT}"))

    async def ids(**params: Any) -> set[str]:
        answer = await rest.get("/runs", params=params)
        assert answer.status_code == 200, answer.text
        return {run["id"] for run in answer.json()["runs"]}

    assert await ids(name="film") == await ids(name="转码") == {film.id}
    assert await ids(name="S") == {film.id, clip.id}
    assert await ids(key_prefix="in/") == {film.id, clip.id}
    assert await ids(key_prefix="in/2026/") == await ids(key_prefix="in/2026/film.mp4") == {film.id}
    assert await ids(key_prefix="2026") == await ids(name=".*") == set()
    assert await ids(bucket=f"b-{TENANT}", key_prefix="in/", name="clip", state="requested") == {clip.id}
    assert problem(await rest.get("/runs", params={"name": ""}), 422, "invalid")


@pytest.mark.parametrize("cursor", ["x", "e30=", "W10=", "%%%", "WzEsMl0="])
async def test_cursor_of_nobody_is_refused(rest: httpx.AsyncClient, cursor: str) -> None:
    assert problem(await rest.get("/runs", params={"cursor": cursor}), 422, "invalid")["errors"] == [
        {"field": "cursor", "rule": "is not a cursor of an earlier answer"}
    ]


async def test_detail_shows_every_node(stand: Stand, rest: httpx.AsyncClient) -> None:
    run = await put_running(stand)
    [second] = await stand.records.tasks.find({"node": 2})
    started = stand.store_clock.now()
    working = second.with_changes(state=TaskState.RUNNING, claimed_at=started, progress=40, worker="w", owner="o")
    assert await stand.records.tasks.replace(working)
    shown = (await rest.get(f"/runs/{run.id}")).json()
    assert (shown["state"], shown["epoch"], shown["rerun_of"], shown["root"]) == ("running", 0, None, None)
    nodes = shown["nodes"]
    assert [node["state"] for node in nodes] == ["succeeded", "failed", "running", "queued", "pending", "pending"]
    assert [node["progress"] for node in nodes] == [100, 0, 40, 0, 0, 0]
    assert [node["kind"] for node in nodes] == ["input", "noop", "noop", "noop", "noop", "output"]
    assert nodes[1]["failure"]["message"] == "no such bucket"
    assert nodes[2]["started_at"]
    assert nodes[0]["successors"] == [1, 2, 3]
    assert [event["type"] for event in shown["history"]] == [event.type.value for event in run.history]
    assert (shown["commands"], shown["nodes_by_state"]["queued"]) == ([], 2)
    assert shown["input"]["key"] == run.input.key


# -- commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "node"),
    [
        ("cancel", CommandKind.CANCEL, None),
        ("pause", CommandKind.PAUSE, None),
        ("nodes/1/retry", CommandKind.RETRY_NODE, 1),
    ],
)
async def test_command_is_written_and_rung_for(
    stand: Stand, rest: httpx.AsyncClient, path: str, kind: CommandKind, node: int | None
) -> None:
    run = await put_running(stand)
    stand.store_clock.advance(timedelta(seconds=5))
    now = stand.store_clock.now()
    answer = await rest.post(f"/runs/{run.id}/{path}")
    assert answer.status_code == 202
    assert answer.json()["commands"][0]["kind"] == kind.value
    stored = await stand.records.runs.get(run.id)
    assert stored is not None
    assert (stored.commands, stored.due_at) == ((Command(kind=kind, at=now, node=node),), now)
    assert stored.with_changes(commands=(), due_at=run.due_at, version=run.version) == run
    assert stand.publisher.sent == [Outgoing("reelway.runs.v1", RunRequested(run_id=run.id))]


async def test_command_is_written_although_the_bus_is_down(stand: Stand, rest: httpx.AsyncClient) -> None:
    run = await put_running(stand)
    stand.publisher.down = True
    assert (await rest.post(f"/runs/{run.id}/cancel")).status_code == 202
    assert (await obey(stand, run)).state is RunState.CANCELLED


async def test_the_same_wish_is_not_written_twice(stand: Stand, rest: httpx.AsyncClient) -> None:
    run = await put_running(stand)
    for path in ("pause", "pause", "resume", "resume", "pause"):
        assert (await rest.post(f"/runs/{run.id}/{path}")).status_code == 202
        stand.store_clock.advance(timedelta(seconds=1))
    stored = await stand.records.runs.get(run.id)
    assert stored is not None
    assert [command.kind.value for command in stored.commands] == ["pause", "resume", "pause"]
    assert (await obey(stand, run)).state is RunState.PAUSED


async def test_many_callers_at_once_write_one_command(stand: Stand, rest: httpx.AsyncClient) -> None:
    run = await put_running(stand)
    answers = await asyncio.gather(*(rest.post(f"/runs/{run.id}/cancel") for _ in range(8)))
    assert [answer.status_code for answer in answers] == [202] * 8
    stored = await stand.records.runs.get(run.id)
    assert stored is not None
    assert len(stored.commands) == 1


@pytest.mark.parametrize(
    ("state", "path", "reason"),
    [
        (RunState.SUCCEEDED, "cancel", "the run has ended (succeeded)"),
        (RunState.FAILED, "pause", "the run has ended (failed)"),
        (RunState.CANCELLED, "resume", "the run has ended (cancelled)"),
        (RunState.FAILED, "nodes/1/retry", "the run has ended (failed)"),
        (RunState.PAUSED, "pause", "the run is paused already"),
        (RunState.RUNNING, "resume", "the run is not paused"),
        (RunState.RUNNING, "nodes/2/retry", "node 2 is queued: only one that has failed"),
        (RunState.RUNNING, "nodes/17/retry", "node 17 does not exist: the run has nodes 0 to 5"),
    ],
)
async def test_command_that_does_not_fit_changes_nothing(
    stand: Stand, rest: httpx.AsyncClient, state: RunState, path: str, reason: str
) -> None:
    run = await stand.records.runs.replace((await put_running(stand)).with_changes(state=state))
    assert run is not None
    body = problem(await rest.post(f"/runs/{run.id}/{path}"), 409, "command_refused")
    assert str(body["detail"]).startswith(reason)
    assert body["state"] == state.value
    assert await stand.records.runs.get(run.id) == run
    assert stand.publisher.sent == []


async def test_command_behind_a_waiting_cancel_is_refused(stand: Stand, rest: httpx.AsyncClient) -> None:
    run = await put_running(stand)
    await rest.post(f"/runs/{run.id}/cancel")
    problem(await rest.post(f"/runs/{run.id}/pause"), 409, "command_refused")


async def test_commands_do_not_pile_up(stand: Stand, rest: httpx.AsyncClient) -> None:
    run = await put_running(stand)
    for number in range(MAX_PENDING):
        assert (await rest.post(f"/runs/{run.id}/{('pause', 'resume')[number % 2]}")).status_code == 202
    problem(await rest.post(f"/runs/{run.id}/pause"), 409, "too_many_commands")


async def test_unknown_run_is_not_there(rest: httpx.AsyncClient) -> None:
    for answer in (await rest.get("/runs/nothing"), await rest.post("/runs/nothing/cancel")):
        problem(answer, 404, "not_found")


async def test_wait_returns_when_the_command_is_taken_in(stand: Stand, rest: httpx.AsyncClient) -> None:
    run = await put_running(stand)
    waiting = asyncio.create_task(rest.post(f"/runs/{run.id}/cancel", params={"wait": 20}, timeout=30))
    async with asyncio.timeout(10):
        while not stand.publisher.sent:
            await asyncio.sleep(0.01)
        assert not waiting.done()
        await obey(stand, run)
        shown = (await waiting).json()
    assert (shown["state"], shown["commands"]) == ("cancelled", [])
    assert shown["nodes"][2]["state"] == NodeState.CANCELLED.value


async def test_wait_ends_although_nobody_takes_the_command_in(stand: Stand, rest: httpx.AsyncClient) -> None:
    run = await put_running(stand)
    shown = (await rest.post(f"/runs/{run.id}/cancel", params={"wait": 0.2})).json()
    assert (shown["state"], len(shown["commands"])) == ("running", 1)
