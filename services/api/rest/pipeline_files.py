"""Pipelines as files: check, export, import, and the JSON Schema of them (docs/reference/pipeline.schema.json).

Write the schema anew with `python -m services.api.rest.pipeline_files docs/reference/pipeline.schema.json`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError

from services.api import pipelines
from services.api.domain.access import changing
from services.api.domain.pipeline_document import PipelineBody, document_of
from services.api.domain.problems import Problem, invalid_fields
from services.api.domain.yaml_documents import read_document, without_defaults, write_yaml
from services.api.entering import admit
from services.api.lookup import living_pipeline
from services.api.pipelines import Applied
from services.api.rest.access import changes, reads
from services.api.rest.answers import FieldError, field_errors
from services.api.rest.authentication import Caller
from services.api.rest.etags import etag_of
from services.api.rest.idempotency import RepeatableRoute
from services.api.rest.parameters import PipelineId
from services.api.rest.pipeline_views import PipelineDetail
from services.api.rest.pipelines import made, shown
from shared.model.pipeline import Pipeline

router = APIRouter(tags=["pipelines"], route_class=RepeatableRoute)
YAML = "application/yaml"
_DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PipelineBody"}},
            YAML: {"schema": {"type": "string"}},
        },
    }
}


class Verdict(BaseModel):
    """Whether a document could be saved now. `errors` say why it could not."""

    valid: bool
    errors: list[FieldError]
    document: PipelineBody | None = Field(description="As it would be saved, if it is valid; secrets are hidden.")


class Imported(BaseModel):
    """What an import did."""

    outcome: Applied
    pipeline: PipelineDetail


@router.post("/pipelines/validate", openapi_extra=_DOCUMENT)
@reads()
async def validate_pipeline(
    caller: Caller,
    request: Request,
    instead_of: Annotated[
        str | None, Query(max_length=64, description="The id of the pipeline that it would replace.")
    ] = None,
) -> Verdict:
    """Checks a document, YAML or JSON, as a save would, and saves nothing."""
    old = await living_pipeline(instead_of, caller) if instead_of else None
    try:
        draft = await pipelines.check(await read_body(request), caller, instead_of=old)
    except Problem as problem:
        errors = [FieldError(**error) for error in problem.more.get("errors", ())]
        if not errors and problem.status >= 500:
            raise
        return Verdict(valid=False, errors=errors or [FieldError(field="body", rule=problem.detail)], document=None)
    return Verdict(valid=True, errors=[], document=document_of(draft.pipeline))


@router.post("/pipelines/import", openapi_extra=_DOCUMENT)
@changes("pipeline")
async def import_pipeline(
    caller: Caller,
    request: Request,
    response: Response,
    if_exists: Annotated[
        Literal["refuse", "replace"], Query(description="What a pipeline of the same name leads to.")
    ] = "refuse",
) -> Imported:
    """Saves a document, YAML or JSON. With `replace` doing it again changes nothing. Pipelines that are made are
    disabled; an enabled one is not changed."""
    body = await read_body(request)
    if if_exists == "refuse":
        return Imported(outcome=Applied.CREATED, pipeline=made(await pipelines.create(body, caller), response))
    pipeline, outcome = await pipelines.apply(body, caller)
    return Imported(outcome=outcome, pipeline=shown(pipeline, response))


@router.get("/pipelines/{pipeline_id}/export", response_class=Response, responses={200: {"content": {YAML: {}}}})
async def export_pipeline(
    caller: Caller,
    pipeline_id: PipelineId,
    format_: Annotated[Literal["yaml", "json"], Query(alias="format")] = "yaml",
    secrets: Annotated[
        bool,
        Query(description="Write secrets out; needs the role editor. Else the file says only that there are some."),
    ] = False,
) -> Response:
    """The pipeline as a file that can be imported, here or elsewhere."""
    if secrets:
        admit(caller.actor, changing("pipeline"))
    pipeline = await living_pipeline(pipeline_id, caller)
    found = exported(pipeline, secrets=secrets)
    headers = {"etag": etag_of(pipeline), "cache-control": "no-store"}
    if format_ == "json":
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        return Response(text, media_type="application/json", headers=headers)
    return Response(write_yaml(found), media_type=YAML, headers=headers)


@router.get("/schemas/pipeline")
async def pipeline_schema(caller: Caller) -> dict[str, Any]:
    """The JSON Schema of the documents that are exported and imported."""
    return schema()


def exported(pipeline: Pipeline, *, secrets: bool) -> dict[str, Any]:
    """The document without what follows from its absence."""
    whole = document_of(pipeline, secrets=secrets, by_name=True).model_dump(mode="json")
    # What a node is given stays as it is: absent is not empty there.
    params = [node.pop("params") for node in whole["nodes"]]
    found: dict[str, Any] = without_defaults(whole)
    for node, given in zip(found["nodes"], params, strict=True):
        for name, default in (("source", "previous"), ("join", "all")):
            if node[name] == default:
                del node[name]
        if given:
            node["params"] = given
    return found


async def read_body(request: Request) -> PipelineBody:
    """The document in the body. Raises Problem 422 with every member at fault."""
    raw = await request.body()
    # Another thread: a megabyte of YAML takes a second.
    found = await asyncio.to_thread(read_document, raw)
    try:
        return PipelineBody.model_validate(found)
    except ValidationError as error:
        raise invalid_fields(field_errors(error.errors())) from None


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:reelway:pipeline:1",
        **PipelineBody.model_json_schema(),
    }


def written() -> str:
    """The schema as it is checked in."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written())
