"""`/healthz` and `/metrics` of a service process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.errors import ReelwayError

CHECK_TIMEOUT_S = 3.0
Check = Callable[[], Awaitable[None]]
Detail = Callable[[], Awaitable[dict[str, Any]]]
log = structlog.get_logger(__name__)


class Health:
    """What a service needs to do its work. A check passes by returning and fails by raising a ReelwayError."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._checks: dict[str, Check] = {}
        self._detail: Detail | None = None

    def add(self, name: str, check: Check) -> None:
        """Adds a check; its failure makes the service not ready."""
        self._checks[name] = check

    def tell(self, detail: Detail) -> None:
        """What `/healthz` tells beside the checks; it makes no service unready, and is left out if it cannot be had."""
        self._detail = detail

    async def _details(self) -> dict[str, Any]:
        if self._detail is None:
            return {}
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return {"detail": await self._detail()}
        except (TimeoutError, ReelwayError):
            return {}

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Whether all checks pass, and `ok` or the reason for each."""
        names = list(self._checks)
        results = await asyncio.gather(*(self._run(self._checks[name]) for name in names))
        checks = dict(zip(names, results, strict=True))
        return all(result == "ok" for result in results), checks

    @staticmethod
    async def _run(check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await check()
        except TimeoutError:
            return f"no answer in {CHECK_TIMEOUT_S:g} s"
        except ReelwayError as error:
            return f"{error.code}: {error}"
        return "ok"

    async def healthz(self, _: Request) -> Response:
        """200 when ready, 503 with the reasons otherwise."""
        ready, checks = await self.report()
        body = {"service": self.service, "ready": ready, "checks": checks, **await self._details()}
        return JSONResponse(body, status_code=200 if ready else 503)

    @staticmethod
    async def metrics(_: Request) -> Response:
        """Prometheus text."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def serve(self, host: str, port: int) -> None:
        """Answers until cancelled."""
        app = Starlette(routes=[Route("/healthz", self.healthz), Route("/metrics", self.metrics)])
        await serve_app(app, host, port)


class _QuietServer(uvicorn.Server):
    """Uvicorn without its own signal handling: the service's runtime has that."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


async def serve_app(app: object, host: str, port: int) -> None:
    """Runs an ASGI application on a port until cancelled; open requests get a few seconds to end."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=30,
    )
    server = _QuietServer(config)
    serving = asyncio.create_task(server.serve(), name=f"http-{port}")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=5)
        raise
