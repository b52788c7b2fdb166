from __future__ import annotations

from pathlib import Path

from shared.bus.asyncapi import document, topic_table
from shared.messages.messages import ALL_MESSAGES
from shared.messages.topics import Topics

CHECKED_IN = Path(__file__).resolve().parents[3] / "docs" / "reference" / "asyncapi.json"


def test_checked_in_document_is_what_the_models_say() -> None:
    assert CHECKED_IN.read_text() == document(), "python -m shared.bus.asyncapi docs/reference/asyncapi.json"


def test_every_message_has_a_topic() -> None:
    assert {message for _, message, _ in topic_table(Topics())} == set(ALL_MESSAGES)
