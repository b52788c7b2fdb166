"""What every fault test needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.stack import Callbacks


@pytest.fixture(scope="session")
def callbacks() -> Iterator[Callbacks]:
    server = Callbacks()
    yield server
    server.close()
