"""`Idempotency-Key`: a POST that may be repeated without being done twice.

A router whose POSTs take the header is made with `route_class=RepeatableRoute`. Not for calls whose answer is a secret:
answers are kept as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute

from services.api.domain.problems import invalid
from services.api.repeats import Told, fingerprint, told_once
from services.api.rest.authentication import authenticate

HEADER = "idempotency-key"
REPEATED = "idempotency-replayed"
_MAX_LENGTH = 255
_KEPT_HEADERS = ("content-type", "location", "etag")


def _documented(
    _: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=_MAX_LENGTH,
            description="A text of the caller's own, such as a UUID. For 24 hours the same call with the same key is "
            "answered as the first time and done once; another call with this key is refused.",
        ),
    ] = None,
) -> None:
    """Shows the header in the OpenAPI document; the route itself reads it."""


class RepeatableRoute(APIRoute):
    """A route whose POST is done once for each Idempotency-Key of a tenant."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            given = list(options.get("dependencies") or ())
            if not any(one.dependency is _documented for one in given):
                options["dependencies"] = [*given, Depends(_documented)]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the question whether the call was answered already."""
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if request.method != "POST" or key is None:
                return await handle(request)
            if not 1 <= len(key) <= _MAX_LENGTH:
                raise invalid("Idempotency-Key", f"must have 1 to {_MAX_LENGTH} characters")
            context = await authenticate(request)
            mark = fingerprint(request.method, request.url.path, request.url.query, await request.body())

            async def work() -> Told:
                response = await handle(request)
                headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                return Told(response.status_code, bytes(response.body).decode(), headers)

            told = await told_once(key, mark, work, context)
            more = {REPEATED: "true"} if told.repeated else {}
            return Response(told.body, told.status, {**told.headers, **more})

        return once
