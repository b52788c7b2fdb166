"""How runs look on the wire: golden files, the official SDK, and the same body however late."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
from tencentcloud.mps.v20190612 import models

from shared.model.run import NodeState, Run
from shared.model.task import Lane, OutputTarget, Task
from shared.mps.render import mps_task, task_event
from tests.unit.notifier.builders import (
    DAMAGED,
    KEY,
    LATE,
    PICTURE_NODES,
    SOURCE,
    START,
    Story,
    requested,
    whole_story,
    with_node,
)

GOLDEN = Path(__file__).parent / "golden"


def broken_story() -> Story:
    """The transcode fails, its follower is skipped, the other branch succeeds."""
    return Story(requested()).started().succeeded(0, 1, 2).failed(1, LATE, 3).succeeded(2).finished()


def source_story() -> Story:
    return Story(requested()).started().failed(0, DAMAGED, 1, 2, 3).finished()


def picture_story() -> Story:
    """A sprite and a moving picture."""
    run = requested(nodes=PICTURE_NODES)
    return Story(run).started().succeeded(0, 1, 2).succeeded(1).succeeded(2).finished()


STORIES = {
    "pictures": picture_story(),
    "succeeded": whole_story(requested()),
    "node-failed": broken_story(),
    "source-failed": source_story(),
}
EVENTS = [(name, sequence) for name, story in STORIES.items() for sequence in range(1, story.run.sequence + 1)]


def event_of(run: Run, up_to: int, key: str | None = KEY) -> dict[str, Any]:
    return task_event(run, up_to=up_to, notify_key=key, now=START)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("name", "sequence"), EVENTS)
def test_event_is_golden(name: str, sequence: int) -> None:
    event = event_of(STORIES[name].run, sequence)
    path = GOLDEN / f"{name}-{sequence}.json"
    text = json.dumps(event, ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("REELWAY_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(("name", "sequence"), EVENTS)
def test_event_goes_through_the_official_sdk_without_loss(name: str, sequence: int) -> None:
    event = event_of(STORIES[name].run, sequence)
    parsed = models.ParseNotificationResponse()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed.from_json_string(json.dumps(event))
    assert without_nulls(json.loads(parsed.to_json_string())) == without_nulls(event)


@pytest.mark.parametrize(("name", "sequence"), EVENTS)
def test_event_is_the_same_however_late_it_is_rendered(name: str, sequence: int) -> None:
    story = STORIES[name]
    assert event_of(story.stages[sequence], sequence) == event_of(story.run, sequence)


@pytest.mark.parametrize("name", STORIES)
def test_last_event_is_what_the_finished_task_shows(name: str) -> None:
    run = STORIES[name].run
    assert mps_task(run, up_to=run.sequence) == mps_task(run)
    assert mps_task(run)["Status"] == "FINISH"


def states(task: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for item in task["ActivityResultSet"]:
        (member,) = [member for member in item["ActivityResItem"].values() if member is not None]
        found.append((item["ActivityType"], member["Status"]))
    return found


def test_change_events_show_what_ran_at_that_moment() -> None:
    run = STORIES["succeeded"].run
    assert [states(mps_task(run, up_to=sequence)) for sequence in range(1, 7)] == [
        [],
        [("Transcode", "PROCESSING"), ("SampleSnapshot", "PROCESSING")],
        [("Transcode", "SUCCESS"), ("SampleSnapshot", "PROCESSING"), ("SnapshotByTimeOffset", "PROCESSING")],
        [("Transcode", "SUCCESS"), ("SampleSnapshot", "SUCCESS"), ("SnapshotByTimeOffset", "PROCESSING")],
        [("Transcode", "SUCCESS"), ("SampleSnapshot", "SUCCESS"), ("SnapshotByTimeOffset", "SUCCESS")],
        [("Transcode", "SUCCESS"), ("SampleSnapshot", "SUCCESS"), ("SnapshotByTimeOffset", "SUCCESS")],
    ]


def test_failed_node_is_inside_and_skipped_one_does_not_appear() -> None:
    task = mps_task(STORIES["node-failed"].run)
    assert task["ErrCode"] == 0
    assert states(task) == [("Transcode", "FAIL"), ("SampleSnapshot", "SUCCESS")]
    failed = task["ActivityResultSet"][0]["ActivityResItem"]["TranscodeTask"]
    assert failed["ErrCodeExt"] == "InvalidInput.InvalidTimeOffset"
    assert failed["ErrCode"] == 30010
    assert failed["Message"] == LATE.message


def test_failed_source_is_told_on_the_task_with_code_and_step() -> None:
    task = mps_task(STORIES["source-failed"].run)
    assert task["ErrCode"] == 40000
    assert task["Message"].startswith("SourceFileError: step input")
    assert task["Message"].endswith(DAMAGED.message)
    assert task["ActivityResultSet"] == []
    assert mps_task(STORIES["source-failed"].run, up_to=1)["ErrCode"] == 0


def task_of(run: Run, node: int, **changes: Any) -> Task:
    return Task(
        id=f"{run.id}:{node}",
        tenant=run.tenant,
        run_id=run.id,
        pipeline_id=run.pipeline_id,
        node=node,
        attempt=1,
        kind=run.nodes[node].kind,
        lane=Lane.MEDIA,
        original=SOURCE,
        source=SOURCE,
        target=OutputTarget(bucket="b", region="r", dir="/"),
        queued_at=START,
    ).with_changes(**changes)


def test_live_task_shows_progress_of_claimed_work_only() -> None:
    run = STORIES["succeeded"].stages[2]
    claimed = task_of(run, 1, claimed_at=START, progress=42)
    task = mps_task(run, {1: claimed, 2: task_of(run, 2)})
    assert task["Status"] == "PROCESSING"
    assert states(task) == [("Transcode", "PROCESSING")]
    assert task["ActivityResultSet"][0]["ActivityResItem"]["TranscodeTask"]["Progress"] == 42
    assert mps_task(run)["ActivityResultSet"] == []


def test_live_node_that_waits_for_a_retry_is_in_progress() -> None:
    run = with_node(STORIES["succeeded"].stages[2], 1, state=NodeState.WAITING)
    assert states(mps_task(run)) == [("Transcode", "PROCESSING")]


def test_skipped_probe_has_no_metadata_and_queues_at_the_start() -> None:
    run = Story(requested(skip_probe=True)).started().run
    run = with_node(run, 0, state=NodeState.SUCCEEDED, attempt=0)
    run = with_node(run, 1, state=NodeState.QUEUED, attempt=1)
    task = mps_task(run, up_to=1)
    assert task["MetaData"] is None
    assert states(task) == [("Transcode", "PROCESSING")]


def test_event_without_key_is_not_signed() -> None:
    event = event_of(STORIES["succeeded"].run, 6, key=None)
    assert "Sign" not in event
    assert "Timestamp" not in event
    assert list(event) == ["EventType", "ScheduleTaskEvent", "SessionId", "SessionContext"]


def test_event_carries_the_session() -> None:
    run = whole_story(requested(session_id="s-1", session_context="谁")).run
    assert (event_of(run, 6)["SessionId"], event_of(run, 6)["SessionContext"]) == ("s-1", "谁")


def test_s3_input_is_written_as_s3() -> None:
    info = mps_task(requested(input_type="AWS-S3"))["InputInfo"]
    assert info["Type"] == "AWS-S3"
    assert info["S3InputInfo"]["S3Object"] == "/in/clip 片.mp4"
