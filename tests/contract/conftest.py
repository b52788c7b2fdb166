"""The servers of MongoDB's wire protocol that the suites of the store and of the task queue share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.state.ferretdb import CANNOT, FerretDb
from tests.contract.state.secantus import Secantus
from tests.contract.state.wire_server import WireServer
from tests.peers.tools import ToolMissing

WIRE_SERVERS = ["secantus", pytest.param("ferretdb", marks=pytest.mark.slow)]
"""FerretDB has to be built first and is ten times slower: `make test-mongo` does that."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = CANNOT.get(getattr(item, "originalname", item.name))
        if reason is not None and "[ferretdb" in item.name:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(scope="session")
def secantus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WireServer]:
    with Secantus(tmp_path_factory.mktemp("secantus")) as server:
        yield server


@pytest.fixture(scope="session")
def ferretdb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WireServer]:
    try:
        server = FerretDb.built(tmp_path_factory.mktemp("ferretdb"))
    except ToolMissing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture(params=WIRE_SERVERS)
def mongo_wire(request: pytest.FixtureRequest) -> WireServer:
    """Each of them in turn."""
    server: WireServer = request.getfixturevalue(f"{request.param}_server")
    return server
