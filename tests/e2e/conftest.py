"""One stack per kind of state store, shared by the whole suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.state.ferretdb import FerretDb
from tests.contract.state.secantus import Secantus
from tests.e2e.stack import Callbacks, Stack
from tests.peers.tools import ToolMissing

# Each suite takes minutes on each store: `make test` runs the default one, `make test-mongo` the others.
ASKED = os.environ.get("REELWAY_TEST_STATE")
STATES = (
    ASKED.split(",")
    if ASKED
    else ["sqlite", *(pytest.param(state, marks=pytest.mark.slow) for state in ("mongo", "ferretdb"))]
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """FerretDB v1 reads a whole collection for every question: only the short form is run on it."""
    here = Path(__file__).parent
    left_out = [
        item
        for item in items
        if here in item.path.parents and "[ferretdb" in item.name and item.get_closest_marker("short") is None
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", params=STATES)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    base = tmp_path_factory.mktemp(f"e2e-{request.param}")
    with ExitStack() as resources:
        running = Stack(base / "data")
        match request.param:
            case "mongo":
                running.mongo = Secantus(base / "mongo")
            case "ferretdb":
                try:
                    running.mongo = FerretDb.built(base / "ferretdb")
                except ToolMissing as missing:
                    pytest.skip(str(missing))
        if running.mongo is not None:
            resources.enter_context(running.mongo)
            running.arguments = (*running.arguments, "--state-url", running.mongo.url("reelway"))
        resources.callback(running.stop)
        running.start()
        yield running


@pytest.fixture(scope="session")
def callbacks() -> Iterator[Callbacks]:
    server = Callbacks()
    yield server
    server.close()
