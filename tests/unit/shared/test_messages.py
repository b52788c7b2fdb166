"""The messages as they stand on the bus. A golden file that no longer fits means: make a new version of the type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.ids import task_id
from shared.messages.codec import MessageError, decode, encode, headers
from shared.messages.messages import (
    ALL_MESSAGES,
    DeadLetter,
    Message,
    RunChanged,
    RunRequested,
    TaskEnded,
    TaskReady,
    UploadCreated,
)
from shared.messages.topics import Topics
from shared.model.task import Lane
from tests.unit.shared.samples import AT, RUN, SAMPLES

GOLDEN = Path(__file__).parent / "golden"


def golden(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{kind}.json").read_text())
    return found


def test_every_message_type_has_a_sample_and_a_golden_file() -> None:
    assert {type(sample) for sample in SAMPLES} == set(ALL_MESSAGES)
    assert {path.stem for path in GOLDEN.iterdir()} == {message.kind for message in ALL_MESSAGES}


def test_samples_set_every_member() -> None:
    for sample in SAMPLES:
        assert set(json.loads(encode(sample))) == set(type(sample).model_fields), type(sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
def test_message_is_written_as_its_golden_file(sample: Message) -> None:
    body = encode(sample)
    assert json.loads(body) == golden(sample.kind)
    assert b"\\u" not in body, "text stays UTF-8"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
def test_golden_file_is_read_as_the_message(sample: Message) -> None:
    assert decode(type(sample), json.dumps(golden(sample.kind)).encode()) == sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
def test_members_of_a_later_writer_are_ignored(sample: Message) -> None:
    later = golden(sample.kind) | {"new_member": {"deep": [1, 2]}}
    if "event" in later:
        later["event"] = later["event"] | {"new_member": 1}
    assert decode(type(sample), json.dumps(later).encode()) == sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
def test_headers_are_cloudevents_of_the_message(sample: Message) -> None:
    found = headers(sample, source="scheduler", now=AT)
    assert {name: found[name] for name in found if name not in ("ce_id", "ce_subject", "traceparent")} == {
        "ce_specversion": "1.0",
        "ce_type": sample.kind,
        "ce_source": "/reelway/scheduler",
        "ce_time": "2026-03-04T05:06:07.000089Z",
        "content-type": "application/json",
    }
    assert (found["ce_id"], found["ce_subject"]) == (sample.message_id, sample.subject)
    assert found.get("traceparent") == getattr(sample, "traceparent", None)


def test_message_without_a_trace_has_no_trace_header_and_no_member() -> None:
    message = RunRequested(run_id=RUN)
    assert "traceparent" not in headers(message, source="x", now=AT)
    assert json.loads(encode(message)) == {"run_id": RUN}


def test_ids_and_keys_follow_from_what_a_message_is_about() -> None:
    ids = {type(sample): (sample.message_id, sample.subject) for sample in SAMPLES}
    upload_id = ids[UploadCreated][0]
    assert ids == {
        RunRequested: (f"{RUN}:requested", RUN),
        TaskReady: (f"{RUN}:0.3:1:ready", f"{RUN}:0.3:1"),
        TaskEnded: (f"{RUN}:0.3:2:ended", RUN),
        RunChanged: (f"{RUN}:4", RUN),
        UploadCreated: (upload_id, "media-1250000000/in/视频 1+1.mp4"),
        DeadLetter: ("reelway.uploads.v1:2:17", "media-1250000000/in/a.mp4"),
    }
    assert SAMPLES[4].message_id == SAMPLES[4].model_copy(update={"traceparent": None, "size": 1}).message_id
    assert SAMPLES[4].message_id != SAMPLES[4].model_copy(update={"version_id": "v2"}).message_id
    assert task_id(RUN, 3, 1) == SAMPLES[1].subject


def test_dead_letter_without_a_key_goes_by_its_topic() -> None:
    assert SAMPLES[5].model_copy(update={"key": None}).subject == "reelway.uploads.v1"


@pytest.mark.parametrize(
    ("model", "body", "text"),
    [
        (RunRequested, b"", "reelway.run.requested.v1: message: "),
        (RunRequested, b"{", "reelway.run.requested.v1: message: "),
        (RunRequested, b"[]", "reelway.run.requested.v1: message: "),
        (RunRequested, b"\xff", "reelway.run.requested.v1: message: "),
        (RunRequested, b"{}", "reelway.run.requested.v1: run_id: Field required"),
        (RunRequested, b'{"run_id": 5}', "reelway.run.requested.v1: run_id: "),
        (TaskReady, b'{"task_id":"t","run_id":"r","lane":"gpu"}', "reelway.task.ready.v1: lane: "),
        (TaskEnded, b'{"task_id":"t","run_id":"r","state":"dead"}', "reelway.task.ended.v1: state: "),
        (UploadCreated, b'{"bucket":"b","key":"k","at":"2026-01-01T00:00:00"}', "at: Value error, a time needs a zone"),
    ],
)
def test_message_that_is_not_understood_says_where(model: type[Message], body: bytes, text: str) -> None:
    with pytest.raises(MessageError) as caught:
        decode(model, body)
    assert text in str(caught.value)
    assert not caught.value.retryable


def test_reason_does_not_quote_the_message() -> None:
    with pytest.raises(MessageError) as caught:
        decode(TaskReady, b'{"task_id":"t","run_id":["a-secret"],"lane":"light"}')
    assert "a-secret" not in str(caught.value)


def test_time_that_cannot_be_turned_into_utc_is_not_understood() -> None:
    with pytest.raises(MessageError):
        decode(UploadCreated, b'{"bucket":"b","key":"k","at":"0001-01-01T00:00:00+14:00"}')


def test_topics_have_the_prefix() -> None:
    topics = Topics("x.")
    assert [topics.uploads, topics.runs, topics.task_events, topics.run_events, topics.dead_letters] == [
        "x.uploads.v1",
        "x.runs.v1",
        "x.task-events.v1",
        "x.run-events.v1",
        "x.dead-letters.v1",
    ]
    assert [topics.tasks(lane) for lane in Lane] == ["x.tasks.light.v1", "x.tasks.media.v1", "x.tasks.ai.v1"]
    assert topics.notify("orders") == "x.notify.orders"
    assert topics.group("worker", topics.tasks(Lane.AI)) == "x.worker.tasks.ai.v1"
    assert Topics().uploads == "reelway.uploads.v1"
