"""The API's start."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from services.api import app
from services.api.settings import ApiSettings
from shared import runtime
from shared.clock import ManualClock
from shared.health import Health
from shared.messages.topics import Topics
from shared.ports.state import StateError, StateUnavailable
from tests.builders import T0


class AwayStore:
    """A credential book whose store is away a few times."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.ensured = 0

    async def seal_all(self) -> None:
        return None

    async def ensure(self, *_: str) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        self.ensured += 1
        return True


def a_runtime() -> Any:
    settings = ApiSettings(state_url="memory://", bootstrap_secret_id="AKIDlocal", bootstrap_secret_key="key")
    bus = SimpleNamespace(topics=Topics("reelway."), declare_topics=lambda *_: None)
    return runtime.Runtime("api", settings, ManualClock(T0), None, None, None, bus, Health("api"))  # type: ignore[arg-type]


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return

    monkeypatch.setattr(asyncio, "sleep", at_once)


@pytest.mark.usefixtures("_no_pause")
async def test_store_that_is_away_at_the_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    book = AwayStore(StateUnavailable("gone"), StateUnavailable("still gone"))
    monkeypatch.setattr(app, "CredentialBook", lambda *_: book)
    built = a_runtime()
    await app.build(built)
    assert book.ensured == 1
    for work in built.background:
        work.close()
    for callback in built.on_stop:
        await callback()


@pytest.mark.usefixtures("_no_pause")
async def test_error_that_no_repetition_cures_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "CredentialBook", lambda *_: AwayStore(StateError("broken")))
    with pytest.raises(StateError):
        await app.build(a_runtime())
