from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.unit.workers.kinds import Bench


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Rendering a traceback for the console takes a quarter of a second."""
    with capture_logs():
        yield


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "scratch")
    yield made
    made.scratch.close()
