"""The HTTP application over its ports."""

from __future__ import annotations

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.api.dependencies import Dependencies
from services.api.mps_face import MpsFace
from services.api.rest.boundary import RestBoundary
from services.api.rest.router import new_application


def create_app(deps: Dependencies) -> FastAPI:
    """The API. It starts and stops nothing: whoever made the dependencies ends them."""
    app = new_application()
    app.state.deps = deps
    app.add_middleware(RestBoundary, new_id=deps.new_id)
    face = MpsFace(deps)

    async def healthz(_: Request) -> Response:
        """200 when this service and its peers are ready, 503 with the reasons otherwise."""
        ready, checks = await deps.health.report()
        peers = await deps.peers.report()
        ready = ready and all(state == "ok" for state in peers.values())
        body = {"service": deps.health.service, "ready": ready, "checks": checks, "peers": peers}
        return JSONResponse(body, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        """Prometheus text."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def mps(request: Request) -> Response:
        """The MPS face."""
        return await face.handle(request)

    async def mps_with_path(request: Request) -> Response:
        """An SDK whose endpoint has a path calls there; anything else gets the ordinary 404."""
        if "x-tc-action" not in request.headers:
            raise HTTPException(404, f"there is nothing at {request.url.path}")
        return await face.handle(request)

    app.add_route("/healthz", healthz, methods=["GET"], include_in_schema=False)
    app.add_route("/metrics", metrics, methods=["GET"], include_in_schema=False)
    app.add_route("/", mps, methods=["GET", "POST"], include_in_schema=False)
    app.add_route("/{path:path}", mps_with_path, methods=["GET", "POST"], include_in_schema=False)
    return app
