"""Messages come a hundred times, in reverse order, or mean nothing, in the middle of runs: nothing happens twice."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from shared.model.base import Document
from shared.state.records import Records
from tests.e2e.stack import Callbacks, wait_for
from tests.fault.rig import Rig
from tests.fault.tap import GROUPS, TOPICS, Said, Tap
from tests.fault.work import Work

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

TIMES = 100
RUNS = 3


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    running = Rig(tmp_path_factory.mktemp("messages") / "data")
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def tap(rig: Rig) -> Tap:
    return Tap(rig.ready["kafka"])


def uploaded(rig: Rig, key: str) -> Said:
    """What a producer says of an upload."""
    body = json.dumps({"bucket": rig.bucket, "key": key}).encode()
    return Said(TOPICS.uploads, f"{rig.bucket}/{key}".encode(), body)


def wait_read(rig: Rig, tap: Tap) -> None:
    """Until the services have taken in all there is."""
    wait_for("everything read", lambda: rig.background.do(tap.unread()) == 0, within_s=90)


def repeated(rig: Rig, tap: Tap) -> bool:
    """Whether every message on every topic was said a hundred times more."""
    said = Counter(message.topic for message in rig.background.do(tap.hear()))
    with_echoes = Counter(message.topic for message in rig.background.do(tap.hear(echoes=True)))
    assert set(said) == set(GROUPS) - {TOPICS.uploads}, "uploads are told by us alone, the rest by the services"
    return with_echoes == {topic: count * (TIMES + 1) for topic, count in said.items()} | {TOPICS.uploads: RUNS * TIMES}


def everything(rig: Rig, work: Work) -> list[Document]:
    """Every document about these runs, with its version."""
    ids = [run.id for run in work.runs()]

    async def look(records: Records) -> list[Document]:
        found: list[Any] = list((await records.runs.get_many(ids)).values())
        for repository in (records.tasks, records.deliveries, records.outputs):
            found += await repository.find({"run_id": {"$in": ids}}, limit=1000)
        found += await records.uploads.find({"key": {"$in": work.keys}}, limit=1000)
        return sorted(found, key=lambda document: document.id)

    return rig.state(look)


def test_every_message_a_hundred_times_while_runs_are_under_way(rig: Rig, tap: Tap, callbacks: Callbacks) -> None:
    work = Work(rig, callbacks, "hundred")
    echoing = rig.background.begin(tap.echo(TIMES))
    try:
        work.upload(RUNS)
        rig.background.do(tap.say([uploaded(rig, key) for key in work.keys], TIMES))
        work.wait_ended()
        wait_for("echo of the end", lambda: repeated(rig, tap), within_s=60)
        wait_read(rig, tap)
    finally:
        rig.background.end(echoing)
    work.check()
    assert {(task.attempt, task.fence, task.lost) for task in work.tasks()} == {(1, 1, 0)}, "each task was done once"
    assert all(len(callbacks.of(run.id)) == 5 for run in work.runs()), "each change was told once"


def test_the_story_of_runs_told_backwards(rig: Rig, tap: Tap, callbacks: Callbacks) -> None:
    """First while other runs go on, so that late news of the one stands among the news of the others."""
    first, second = Work(rig, callbacks, "backwards"), Work(rig, callbacks, "meanwhile")
    first.upload(RUNS)
    first.check()
    first.wait_settled()
    wait_read(rig, tap)
    before = everything(rig, first)
    assert {type(document).__name__ for document in before} == {
        "Run",
        "Task",
        "Delivery",
        "OutputRecord",
        "UploadRecord",
    }
    told = len(callbacks.received)
    story = [
        *rig.background.do(tap.hear()),
        *(uploaded(rig, key) for key in first.keys),
    ]
    assert {message.topic for message in story} == set(GROUPS)
    second.upload(RUNS)
    for _ in range(3):
        rig.background.do(tap.say(reversed(story)))
    second.check()
    wait_read(rig, tap)
    assert everything(rig, first) == before, "not one document was even written"
    ids = {run.id for run in first.runs()}
    assert [body for _, body in callbacks.received[told:] if body["ScheduleTaskEvent"]["TaskId"] in ids] == []
    assert {(task.attempt, task.fence, task.lost) for task in second.tasks()} == {(1, 1, 0)}


BODIES: tuple[bytes | None, ...] = (
    b"\xff\xfe no text at all",
    b"",
    None,
    b"{}",
    b"null",
    b"[" * 100_000,
    b'{"run_id": 7, "task_id": [], "bucket": {}, "key": null}',
    b'{"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]}',
    b"x" * 900_000,
)
"""No service can make anything of these, whatever the topic."""
HEADERS = (("ce_id", b"\xff\xfe"), ("traceparent", b"\x00"))


def test_poison_on_every_topic_while_runs_are_under_way(rig: Rig, tap: Tap, callbacks: Callbacks) -> None:
    rig.wait_healthy()
    pids = rig.ready["pids"]
    work = Work(rig, callbacks, "poisoned")
    work.upload(RUNS)
    work.wait_begun()
    poison = [
        Said(topic, f"poison-{number}".encode(), body, HEADERS)
        for topic in GROUPS
        for number, body in enumerate(BODIES)
    ]
    rig.background.do(tap.say(poison))
    work.upload(RUNS)
    work.check()
    wait_read(rig, tap)
    letters = [
        letter
        for message in rig.background.do(tap.hear([TOPICS.dead_letters]))
        if (letter := json.loads(message.body or b""))["key"].startswith("poison-")
    ]
    kept = Counter((letter["topic"], base64.b64decode(letter["body"])) for letter in letters)
    assert kept == Counter((message.topic, (message.body or b"")[: 512 * 1024]) for message in poison)
    assert all(letter["reason"] and letter["service"] == GROUPS[letter["topic"]] for letter in letters)
    assert {letter["body_bytes"] for letter in letters} == {len(body or b"") for body in BODIES}
    rig.refresh()
    assert rig.ready["pids"] == pids, "nobody died of it"
    assert {(task.attempt, task.lost) for task in work.tasks()} == {(1, 0)}
