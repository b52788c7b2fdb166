"""Every action and every route says which role it needs and whether it changes anything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from services.api.actions.registry import ACTIONS
from services.api.domain.access import READS
from services.api.rest.access import access_of
from services.api.rest.authentication import _caller
from services.api.rest.router import new_application
from shared.model.credential import Role

READING_VERBS = ("Describe", "Parse")
OPEN = {"open_session", "close_session"}
"""Routes that need no credential: they make or end what stands for one."""


def routes() -> Iterator[tuple[str, APIRoute]]:
    """All of REST, with the method of each."""
    found: list[BaseRoute] = [*new_application().routes]
    while found:
        route = found.pop()
        if isinstance(route, APIRoute):
            yield from ((method, route) for method in sorted(route.methods))
        elif (inner := getattr(route, "original_router", None)) is not None:
            found += inner.routes


ROUTES = {f"{method} {route.name}": (method, route) for method, route in routes()}


def test_all_routes_are_looked_at() -> None:
    document = new_application().openapi()
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert sorted(operations) == sorted(name.split()[1] for name in ROUTES)


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_a_route_declares_its_role_and_what_it_changes(name: str) -> None:
    method, route = ROUTES[name]
    if route.name in OPEN:
        return
    access = access_of(route.endpoint, method)
    assert access is not None, f"{name}: say @changes(kind) or @reads() below @router"
    assert any(dependency.call is _caller for dependency in route.dependant.dependencies), f"{name} takes no Caller"
    if method == "GET":
        assert access.changes is None, f"{name}: a GET changes nothing"


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_declares_its_role_and_what_it_changes(name: str) -> None:
    access = ACTIONS[name].access
    if name == "DescribeMediaMetaData":
        assert access.role is Role.VIEWER
    elif name.startswith(READING_VERBS):
        assert access == READS
    else:
        assert access.role.covers(Role.EDITOR)
        assert access.changes
