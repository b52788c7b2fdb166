"""All of REST, and its OpenAPI document `docs/reference/openapi.json`.

Other programs depend on the document, so it is checked in and a test compares. Write it anew with
`python -m services.api.rest.router docs/reference/openapi.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.api.rest import (
    audit,
    buckets,
    credentials,
    deliveries,
    dry_runs,
    events,
    kinds,
    libraries,
    limits,
    operations,
    pipeline_files,
    pipeline_versions,
    pipelines,
    process,
    replays,
    reruns,
    run_files,
    runs,
    session,
    sinks,
    subscriptions,
    templates,
    uploads,
)
from services.api.rest.answers import MEDIA_TYPE, ProblemDetails, on_refusal

_REFUSED: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused; nothing was changed.", "model": ProblemDetails},
    "5XX": {"description": "Not done, or done in part.", "model": ProblemDetails},
}
DESCRIPTION = """Management of Reelway. Authentication is HTTP Basic with SecretId and SecretKey, or a session.

Refusals are `application/problem+json` (RFC 9457) with a stable `code`. What belongs to another tenant is not there."""


def new_application() -> FastAPI:
    """An application with the REST routes, without its dependencies."""
    app = FastAPI(
        title="Reelway",
        version="1",
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url="/api/v1/docs",
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    # Before `/runs/{run_id}/...`: a fixed name goes before a run's id.
    everything = APIRouter(prefix="/api/v1", responses=_REFUSED)
    for module in (
        reruns,
        runs,
        run_files,
        pipeline_files,
        dry_runs,
        pipelines,
        templates,
        kinds,
        libraries,
        uploads,
        buckets,
        events,
        operations,
        limits,
        credentials,
        session,
        audit,
        deliveries,
        replays,
        subscriptions,
        sinks,
        pipeline_versions,
        process,
    ):
        everything.include_router(module.router)
    app.include_router(everything)
    app.add_exception_handler(RequestValidationError, on_refusal)
    app.add_exception_handler(HTTPException, on_refusal)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with refusals under the media type that they have."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        for path in document["paths"].values():
            for operation in path.values():
                for status in _REFUSED:
                    content = operation["responses"][status]["content"]
                    content[MEDIA_TYPE] = content.pop("application/json")
        app.openapi_schema = document
    return app.openapi_schema


def document() -> str:
    """The document as indented JSON."""
    return json.dumps(new_application().openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document())
