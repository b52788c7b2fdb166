"""Calls made from the OpenAPI document, good and bad: none ends in a 5xx, and answers are as the document says.

Seeded and bounded. What a client of another kind sends is not asked here; the walk and the tests of each route do that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.api.rest.router import new_application
from tests.integration.api.stand import SECRET_ID, SECRET_KEY, Stand, running_stand

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = frozenset({"follow_all_runs", "follow_one_run"})
EXAMPLES, MORE_EXAMPLES = 4, 150

schema = schemathesis.openapi.from_dict(new_application().openapi())
OPERATIONS = {
    operation.ok().definition.raw["operationId"]: operation.ok()
    for operation in schema.get_all_operations()
    if operation.ok().definition.raw["operationId"] not in ENDLESS
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server in a thread with a loop of its own: the calls here are not asynchronous."""
    ready, over = threading.Event(), threading.Event()
    found: list[Stand] = []

    async def serve() -> None:
        async with running_stand() as stand:
            found.append(stand)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield found[0].url
    over.set()
    thread.join()


def check(operation: Any, url: str, examples: int) -> None:
    """Raises what is wrong, with the call as a curl command."""
    modes = [GenerationMode.POSITIVE]
    if operation.body or operation.query or operation.path_parameters:
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:

        @seed(20261126)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: Any) -> None:
            case.call_and_validate(base_url=url, auth=(SECRET_ID, SECRET_KEY), checks=CHECKS, timeout=30)

        holds()


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_call_breaks_the_server(server: str, name: str) -> None:
    check(OPERATIONS[name], server, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_call_of_many_breaks_the_server(server: str, name: str) -> None:
    check(OPERATIONS[name], server, MORE_EXAMPLES)
