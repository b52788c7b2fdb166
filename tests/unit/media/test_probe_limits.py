"""What the probe of an output may use."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from services.workers.media import probe
from services.workers.media.process import PROBE_LIMITS, Ended, Limits

FACTS = {"format": "hls", "size": 1, "bit_rate": 0, "duration": 60.0, "video": [], "audio": []}


@pytest.mark.parametrize(("size_bytes", "wanted_s"), [(1, 120), (20_000_000, 121), (12_000_000_000, 720)])
async def test_probe_of_an_output_has_time_for_its_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size_bytes: int, wanted_s: int
) -> None:
    """It reads every segment of a playlist, and is silent until the end."""
    seen: list[Limits] = []

    async def run(_: Sequence[str], __: Path, on_line: Callable[[str], bool], limits: Limits) -> Ended:
        seen.append(limits)
        on_line(json.dumps(FACTS | {"rotation": 0, "decoded": True}))
        return Ended(0, "")

    monkeypatch.setattr(probe, "run", run)
    await probe.probe_output(tmp_path / "a.m3u8", size_bytes)
    [limits] = seen
    assert (limits.cpu_s, limits.wall_s, limits.stall_s) == (wanted_s, wanted_s, wanted_s)
    assert limits.address_space_bytes == PROBE_LIMITS.address_space_bytes
