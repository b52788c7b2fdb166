"""One stack per kind of state store, shared by the whole suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contract.state.secantus import secantus
from tests.e2e.stack import Callbacks, Stack


# Each suite takes minutes on each store: `make test` runs the default one, `make test-mongo` the other.
@pytest.fixture(scope="session", params=["sqlite", pytest.param("mongo", marks=pytest.mark.slow)])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    only = os.environ.get("REELWAY_TEST_STATE")
    if only and only != request.param:
        pytest.skip(f"REELWAY_TEST_STATE={only}")
    base = tmp_path_factory.mktemp(f"e2e-{request.param}")
    with ExitStack() as resources:
        running = Stack(base / "data")
        if request.param == "mongo":
            running.mongo = resources.enter_context(secantus(base / "mongo"))
            running.arguments = ("--state-url", running.mongo.url("reelway"))
        resources.callback(running.stop)
        running.start()
        yield running


@pytest.fixture(scope="session")
def callbacks() -> Iterator[Callbacks]:
    server = Callbacks()
    yield server
    server.close()
