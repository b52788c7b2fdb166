"""One server per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.api.stand import Stand, running_stand


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with running_stand() as running:
        yield running


@pytest.fixture
async def rest(stand: Stand) -> AsyncIterator[httpx.AsyncClient]:
    async with stand.rest() as client:
        yield client
