"""The list of actions in the documentation is that of the registry, and knows every action of the official SDK."""

from pathlib import Path

import pytest
from tencentcloud.mps.v20190612.mps_client import MpsClient

from services.api.actions.not_implemented import NOT_IMPLEMENTED
from services.api.actions.reference import document
from services.api.actions.registry import ACTIONS, VERSION, find_action
from services.api.domain.errors import ApiError

CHECKED_IN = Path(__file__).resolve().parents[3] / "docs" / "reference" / "mps-actions.md"


def test_the_document_is_up_to_date():
    assert CHECKED_IN.read_text() == document(), (
        "python -m services.api.actions.reference docs/reference/mps-actions.md"
    )


def test_every_action_of_the_sdk_is_there_or_has_a_reason():
    of_the_sdk = {name for name in vars(MpsClient) if name[0].isupper()}
    assert len(of_the_sdk) > 200
    assert set(ACTIONS) | set(NOT_IMPLEMENTED) == of_the_sdk
    assert not set(ACTIONS) & set(NOT_IMPLEMENTED)


def test_every_action_says_what_it_does():
    rows = [line for line in document().splitlines() if line.startswith("| `")]
    assert len(rows) == len(ACTIONS)
    assert all(row.split(" | ")[1] for row in rows)


def test_an_action_that_is_not_there_is_refused_with_the_reason():
    with pytest.raises(ApiError, match="live streams") as caught:
        find_action("ProcessLiveStream", VERSION)
    assert caught.value.wire_code == "InvalidAction"
