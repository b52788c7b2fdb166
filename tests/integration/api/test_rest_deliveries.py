"""Deliveries over REST and on the command line, next to a notifier: the log, replays, test events, secrets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.notifier.domain.notice import Report
from services.notifier.service import NotifierService
from services.notifier.settings import NotifierSettings
from shared.model.delivery import Delivery
from shared.model.pipeline import NotifyMode, SinkType
from shared.model.run import Run
from shared.mps.signing import sign
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, Stand
from tests.integration.api.test_cli import reelway, reelway_json
from tests.integration.api.test_rest_face import problem
from tests.unit.notifier.builders import KEY, RUN_ID, ScriptedSink, notification, requested, until, whole_story

DEAD = Report(delivered=False, status=403, error="HTTP 403", response="no", gone=True)
FINE = Report(delivered=True, status=200, response="ok")
FAILED = Report(delivered=False, status=500, error="HTTP 500")
TOLD = {"NotifyType": "URL", "NotifyUrl": "http://cb.example/hook", "NotifyKey": KEY}


class Notified:
    """A notifier on the stand's store whose sink answers what it is told to."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.sink = ScriptedSink(FINE)
        self.service = NotifierService(
            stand.records,
            {SinkType.HTTP: self.sink, SinkType.QUEUE: self.sink},
            NotifierSettings(sweep_interval_s=0.02),
            owner="me",
            clock=stand.store_clock,
            rng=random.Random(1),
        )

    async def told(self, run_id: str = RUN_ID, mode: NotifyMode = NotifyMode.CHANGE) -> list[Delivery]:
        """Deliveries of a finished run, once all are final."""
        run: Run = whole_story(requested(notification(mode=mode), run_id)).run
        await self.stand.records.runs.insert(run.with_changes(notify_due_at=self.stand.store_clock.now()))
        await until(lambda: self.final(run_id), "all final")
        self.stand.store_clock.advance(timedelta(seconds=1))
        return await self.of(run_id)

    async def of(self, run_id: str) -> list[Delivery]:
        return await self.stand.records.deliveries.find({"run_id": run_id}, sort=[])

    async def final(self, run_id: str) -> bool:
        found = await self.of(run_id)
        return bool(found) and all(one.due_at is None for one in found)


@pytest.fixture
async def notified(stand: Stand) -> AsyncIterator[Notified]:
    made = Notified(stand)
    task = asyncio.create_task(made.service.run())
    yield made
    await made.service.stop()
    task.cancel()
    await asyncio.wait([task])


async def listed(rest: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await rest.get("/deliveries", params=params)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["deliveries"]]


async def test_log_shows_request_attempts_and_answers_and_no_secret(
    notified: Notified, rest: httpx.AsyncClient
) -> None:
    notified.sink.reports = [DEAD]
    await notified.told(mode=NotifyMode.FINISH)
    answer = await rest.get(f"/deliveries/{RUN_ID}:6:URL")
    one = answer.json()
    assert (one["state"], one["subscription"], one["last_status"]) == ("dead", "default", 403)
    assert one["next_attempt_at"] is None
    (attempt,) = one["tried"]
    assert (attempt["number"], attempt["status"], attempt["response"]) == (1, 403, "no")
    assert one["request"]["headers"]["webhook-id"] == one["id"]
    assert one["request"]["headers"]["webhook-signature"] == "v1,***"
    sent = notified.sink.notices[0].body.decode()
    assert one["request"]["body"]["ScheduleTaskEvent"]["TaskId"] == RUN_ID
    assert one["request"]["body"]["Sign"] == "***"
    assert str(one["request"]["body"]["Timestamp"]) in sent
    assert KEY not in answer.text


async def test_list_is_searched_and_paged(notified: Notified, rest: httpx.AsyncClient) -> None:
    await notified.told()
    notified.sink.reports = [DEAD]
    await notified.told("1250000000-ScheduleTask-b")
    assert len(await listed(rest, run_id=RUN_ID)) == 6
    assert len(await listed(rest, state="dead")) == 6
    assert len(await listed(rest, state=["dead", "delivered"])) == 12
    assert await listed(rest, pipeline_id="none") == []
    assert len(await listed(rest, pipeline_id="7", sink="URL", subscription="default")) == 12
    assert len(await listed(rest, target="http://cb.local/mps", test=False)) == 12
    now = notified.stand.store_clock.now()
    assert await listed(rest, **{"from": now.isoformat()}) == []
    assert len(await listed(rest, to=now.isoformat())) == 12
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await rest.get("/deliveries", params={"limit": 5} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [one["id"] for one in page["deliveries"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 12
    async with notified.stand.rest(OTHER_ID, OTHER_KEY) as other:
        assert await listed(other) == []
        problem(await other.get(f"/deliveries/{RUN_ID}:1:URL"), 404, "not_found")
        problem(await other.post(f"/deliveries/{RUN_ID}:1:URL/replay"), 404, "not_found")


async def test_one_is_replayed_with_its_id(notified: Notified, rest: httpx.AsyncClient) -> None:
    notified.sink.reports = [DEAD]
    await notified.told(mode=NotifyMode.FINISH)
    notified.sink.reports = [FINE]
    answer = await rest.post(f"/deliveries/{RUN_ID}:6:URL/replay")
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "pending"
    notified.service.wake()
    await until(lambda: notified.final(RUN_ID), "sent again")
    assert [one.id for one in notified.sink.notices] == [f"{RUN_ID}:6:URL"] * 2
    shown = (await rest.get(f"/deliveries/{RUN_ID}:6:URL")).json()
    assert [one["status"] for one in shown["tried"]] == [403, 200]
    assert shown["replayed_at"] is not None


async def test_delivery_that_is_being_sent_is_not_put_back(notified: Notified, rest: httpx.AsyncClient) -> None:
    held = notified.sink.hold["http://cb.local/mps"] = asyncio.Event()
    run = whole_story(requested(notification(mode=NotifyMode.FINISH))).run
    await notified.stand.records.runs.insert(run.with_changes(notify_due_at=notified.stand.store_clock.now()))
    await until(lambda: notified.sink.notices, "an attempt")
    problem(await rest.post(f"/deliveries/{RUN_ID}:6:URL/replay"), 409, "being_sent")
    held.set()
    await until(lambda: notified.final(RUN_ID), "sent")


async def test_many_are_replayed_by_filter_once_per_key(notified: Notified, rest: httpx.AsyncClient) -> None:
    notified.sink.reports = [DEAD]
    await notified.told()
    notified.sink.reports = [FINE]
    notified.sink.notices.clear()
    asked = [
        (await rest.post("/replays", json={"run_id": RUN_ID}, headers={"Idempotency-Key": "k1"})).json()
        for _ in range(2)
    ]
    assert asked[0]["id"] == asked[1]["id"]
    await until(lambda: delivered(rest, asked[0]["id"], 6), "all delivered")
    assert notified.sink.sequences() == [1, 2, 3, 4, 5, 6]
    shown = (await rest.get(f"/replays/{asked[0]['id']}")).json()
    assert (shown["state"], shown["delivered"], shown["dead"]) == ("done", 6, 0)
    assert shown["chosen"] == {"state": "dead", "run_id": RUN_ID}
    assert [one["id"] for one in (await rest.get("/replays")).json()["replays"]] == [shown["id"]]
    problem(await rest.post(f"/replays/{shown['id']}/cancel"), 409, "replay_ended")
    async with notified.stand.rest(OTHER_ID, OTHER_KEY) as other:
        problem(await other.get(f"/replays/{shown['id']}"), 404, "not_found")


async def delivered(rest: httpx.AsyncClient, replay: str, count: int) -> bool:
    found = (await rest.get(f"/replays/{replay}")).json()
    return bool(found["delivered"] == count and found["state"] == "done")


@pytest.mark.parametrize(
    "wish",
    [
        {"state": "pending"},
        {"subscription": "default"},
        {"from": "2026-11-24T00:00:00Z", "to": "2026-11-23T00:00:00Z"},
        {"unknown": 1},
        {"sink": "PIGEON"},
    ],
)
async def test_bad_wish_is_refused(rest: httpx.AsyncClient, wish: dict[str, Any]) -> None:
    problem(await rest.post("/replays", json=wish), 422, "invalid")


async def test_test_event_is_sent_once_and_shows_what_came_of_it(
    notified: Notified, stand: Stand, rest: httpx.AsyncClient
) -> None:
    pipeline = await stand.create(TaskNotifyConfig=TOLD)
    path = f"/pipelines/{pipeline}/subscriptions/default/test"
    good = (await rest.post(path)).json()
    assert (good["state"], good["test"], good["last_status"]) == ("delivered", True, 200)
    body = good["request"]["body"]
    assert body["EventType"] == "ScheduleTask"
    assert (body["SessionId"], body["ScheduleTaskEvent"]["Status"]) == ("reelway-test", "FINISH")
    assert notified.sink.notices[0].key == (KEY,)
    notified.sink.reports = [FAILED]
    bad = (await rest.post(path)).json()
    assert (bad["state"], bad["last_error"], bad["attempts"]) == ("dead", "HTTP 500", 1)
    assert await listed(rest, test=True) == [bad["id"], good["id"]] or len(await listed(rest, test=True)) == 2
    assert await stand.records.runs.find({}) == []
    problem(await rest.post(f"/pipelines/{pipeline}/subscriptions/none/test"), 404, "not_found")
    problem(await rest.post("/pipelines/1/subscriptions/default/test"), 404, "not_found")


async def test_secret_is_rotated_while_the_pipeline_is_enabled(
    notified: Notified, stand: Stand, rest: httpx.AsyncClient
) -> None:
    pipeline = await stand.create(TaskNotifyConfig=TOLD)
    await stand.call("EnableSchedule", {"ScheduleId": pipeline})
    path = f"/pipelines/{pipeline}/subscriptions/default"
    answer = (await rest.post(f"{path}/rotate-secret", json={"keep_previous_s": 60})).json()
    assert answer["secret"].startswith("whsec_")
    shown = (await rest.post(f"{path}/test")).json()
    assert shown["request"]["headers"]["webhook-signature"] == "v1,*** v1,***"
    notice = notified.sink.notices[0]
    assert notice.key == (answer["secret"], KEY)
    stamp = shown["request"]["body"]["Timestamp"]
    assert sign(stamp, answer["secret"]) in notice.body.decode()
    problem(await rest.post(f"{path}/rotate-secret", json={"secret": answer["secret"]}), 409, "same_secret")
    audit = await stand.records.audit.find({})
    assert answer["secret"] not in repr(audit)
    assert KEY not in repr(audit)


async def test_subscription_without_secret_has_none_to_rotate(stand: Stand, rest: httpx.AsyncClient) -> None:
    pipeline = await stand.create(TaskNotifyConfig={**TOLD, "NotifyKey": ""})
    problem(await rest.post(f"/pipelines/{pipeline}/subscriptions/default/rotate-secret", json={}), 409, "no_secret")


async def test_sinks_say_how_they_do(notified: Notified, rest: httpx.AsyncClient) -> None:
    notified.sink.reports = [DEAD]
    await notified.told()
    await notified.service.states.flush()
    (sink,) = (await rest.get("/sinks")).json()["sinks"]
    assert (sink["state"], sink["target"], sink["dead"], sink["pending"]) == ("failing", "http://cb.local/mps", 6, 0)
    assert sink["last_error"] == "HTTP 403"
    assert (await rest.get("/sinks", params={"state": "healthy"})).json()["sinks"] == []
    detail = await notified.service.sweeper.detail()
    assert (detail["dead"], [one["state"] for one in detail["sinks"]]) == (6, ["failing"])
    async with notified.stand.rest(OTHER_ID, OTHER_KEY) as other:
        assert (await other.get("/sinks")).json()["sinks"] == []


async def test_command_line_does_the_same(notified: Notified, stand: Stand) -> None:
    notified.sink.reports = [DEAD]
    await notified.told()
    said = (await reelway(stand, "deliveries", "list", "--state", "dead", "--run", RUN_ID)).stdout
    assert f"{RUN_ID}:6:URL" in said
    assert "HTTP 403" in said
    shown = (await reelway(stand, "deliveries", "show", f"{RUN_ID}:6:URL", "--body")).stdout
    assert '"ScheduleTaskEvent"' in shown
    assert KEY not in shown
    notified.sink.reports = [FINE]
    await reelway(stand, "deliveries", "replay", exit_code=2)
    await reelway(stand, "deliveries", "replay", f"{RUN_ID}:1:URL")
    await until(lambda: notified.final(RUN_ID), "one sent again")
    replay = await reelway_json(stand, "deliveries", "replay", "--all", "--run", RUN_ID)
    await until(lambda: notified.final(RUN_ID), "the others too")
    assert "delivered" in (await reelway(stand, "deliveries", "progress", replay["id"])).stdout
    pipeline = str(await stand.create(TaskNotifyConfig=TOLD))
    assert "test event" in (await reelway(stand, "deliveries", "test", pipeline)).stdout
    notified.sink.reports = [FAILED]
    assert "HTTP 500" in (await reelway(stand, "deliveries", "test", pipeline, exit_code=1)).stdout
    assert "whsec_" in (await reelway(stand, "deliveries", "rotate-secret", pipeline)).stdout
    await notified.service.states.flush()
    assert "http://cb.example/hook" in (await reelway(stand, "deliveries", "sinks")).stdout
