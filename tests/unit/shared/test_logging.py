"""What the logs say, and above all what they do not."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from shared.logging import configure_logging
from shared.model.credential import Credential
from shared.model.pipeline import Notification, SinkType
from tests.builders import T0

SECRET = "iAmTheSecretKey0"


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """What is written to standard output by the real configuration, which is undone afterwards."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in list(root.manager.loggerDict)}
    before, handlers, level = structlog.get_config(), list(root.handlers), root.level
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, write_through=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    configure_logging("test")
    yield written
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in list(root.manager.loggerDict):
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


def fails(secret_key: str) -> None:
    credential = Credential(id="AKID1", secret_key=secret_key, tenant="1", created_at=T0)
    notification = Notification(
        sink=SinkType.HTTP, target="http://x", key=secret_key, as_given={"NotifyKey": secret_key}
    )
    raise RuntimeError(f"about {credential!r} and {notification!r}")


def logged(out: io.BytesIO) -> tuple[str, dict[str, Any]]:
    text = out.getvalue().decode()
    return text, json.loads(text)


def test_traceback_of_our_own_logger_shows_frames_but_no_local_variables(out: io.BytesIO) -> None:
    try:
        fails(SECRET)
    except RuntimeError:
        structlog.get_logger("any").exception("it failed")
    text, line = logged(out)
    assert SECRET not in text
    (exception,) = line["exception"]
    assert exception["exc_type"] == "RuntimeError"
    assert [frame["name"] for frame in exception["frames"]][-1] == "fails"


def test_traceback_of_a_librarys_logger_has_the_same_form_and_no_local_variables(out: io.BytesIO) -> None:
    try:
        fails(SECRET)
    except RuntimeError:
        logging.getLogger("some.library").exception("it failed")
    text, line = logged(out)
    assert SECRET not in text
    assert (line["event"], line["logger"]) == ("it failed", "some.library")
    assert [frame["name"] for frame in line["exception"][0]["frames"]][-1] == "fails"


def test_broken_credential_is_described_without_its_key() -> None:
    with pytest.raises(ValidationError) as refused:
        Credential.model_validate({"id": "AKID1", "secret_key": SECRET})
    assert SECRET not in str(refused.value)
