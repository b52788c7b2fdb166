"""Nudges and hints through a named pipe."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from shared.bus.nudge import Nudged, Nudges
from tests.eventually import eventually

TOPIC = "news"


async def test_a_hint_says_what_it_is_about_and_is_no_nudge(tmp_path: Path) -> None:
    heard: list[str] = []
    nudged = Nudged(tmp_path, TOPIC, heard.extend)
    nudges = Nudges(tmp_path)
    nudged.forget()
    for number in range(100):
        nudges.hint(TOPIC, f"任务:{number}")

    async def all_heard() -> bool:
        return len(heard) == 100

    await eventually(all_heard, within_s=5)
    assert heard == [f"任务:{number}" for number in range(100)]
    assert not nudged._event.is_set()
    nudges.nudge([TOPIC])
    await asyncio.wait_for(nudged._event.wait(), 5)
    nudges.close()
    nudged.close()


async def test_a_full_pipe_loses_hints_but_cuts_none(tmp_path: Path) -> None:
    heard: list[Sequence[str]] = []
    nudged = Nudged(tmp_path, TOPIC, heard.append)
    nudges = Nudges(tmp_path)
    for _ in range(500):  # without a pause: nobody reads meanwhile
        nudges.hint(TOPIC, "x" * 400)
    nudges.nudge([TOPIC])

    async def some_heard() -> bool:
        return bool(heard)

    await eventually(some_heard, within_s=5)
    lines = [line for batch in heard for line in batch]
    assert 100 < len(lines) < 500
    assert set(lines) == {"x" * 400}
    nudges.close()
    nudged.close()


async def test_what_would_not_fit_into_a_line_is_not_hinted_at(tmp_path: Path) -> None:
    heard: list[str] = []
    nudged = Nudged(tmp_path, TOPIC, heard.extend)
    nudges = Nudges(tmp_path)
    for text in ("x" * 600, "two\nlines", "good"):
        nudges.hint(TOPIC, text)

    async def good_heard() -> bool:
        return "good" in heard

    await eventually(good_heard, within_s=5)
    assert heard == ["good"]
    nudges.close()
    nudged.close()
