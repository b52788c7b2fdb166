from __future__ import annotations

from pathlib import Path

import pytest

from services.notifier.domain import cloudevent
from services.notifier.domain.notice import Notice
from shared.bus.asyncapi import EVENT_HEADERS, SIGNATURE_HEADERS, Notified, document, topic_table
from shared.messages.messages import ALL_MESSAGES
from shared.messages.topics import Topics
from shared.model.pipeline import TaskType
from shared.mps.render import task_event
from tests.unit.notifier.builders import KEY, START, notification, requested, whole_story

CHECKED_IN = Path(__file__).resolve().parents[3] / "docs" / "reference" / "asyncapi.json"


def test_checked_in_document_is_what_the_models_say() -> None:
    assert CHECKED_IN.read_text() == document(), "python -m shared.bus.asyncapi docs/reference/asyncapi.json"


def test_every_message_has_a_topic() -> None:
    assert {message for _, message, _ in topic_table(Topics())} == set(ALL_MESSAGES)


@pytest.mark.parametrize("task_type", TaskType)
def test_every_member_and_header_of_a_notification_is_described(task_type: TaskType) -> None:
    run = whole_story(requested(notification(), task_type=task_type, session_id="s", session_context="c")).run
    event = task_event(run, up_to=6, notify_key=KEY, now=START)
    assert Notified.model_validate(event).EventType is task_type
    notice = Notice("run:6:URL", run.id, "q", b"{}", KEY, START, traceparent="00-1-2-01")
    assert set(cloudevent.headers(notice, "ce_")) - {"content-type"} == set(EVENT_HEADERS | SIGNATURE_HEADERS)
