"""Templates: the account's own, and the system's, which can only be read."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api.dependencies import Context
from services.api.domain.problems import invalid
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.etags import IfMatch, check_match, etag_of
from services.api.rest.idempotency import RepeatableRoute
from services.api.templates import is_system, template_problems
from shared.model.base import Instant
from shared.model.template import Template, TemplateKind
from shared.mps.presets import CATALOGUES
from shared.state.templates import Listed, Origin, Templates

router = APIRouter(prefix="/templates", tags=["templates"], route_class=RepeatableRoute)
Kind = Annotated[TemplateKind, Path(description="The kind of template.")]
Definition = Annotated[int, Path(ge=1, lt=10**18, description="The template's number; unique within its kind.")]
_ORIGINS: dict[str, Origin] = {"own": Origin.OWN, "system": Origin.SYSTEM}
_BULKY = "ImageContent"


class TemplateWish(BaseModel):
    """A template as it is to be."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", max_length=64)
    comment: str = Field(default="", max_length=256)
    params: dict[str, Any] = Field(
        description="The contract's members of this kind, in its names; GET /api/v1/template-kinds has their schema."
    )


class TemplateView(BaseModel):
    """A template. System templates have no name and no times."""

    kind: TemplateKind
    definition: int = Field(description="What nodes name it by.")
    origin: Literal["own", "system"]
    name: str
    comment: str
    created_at: Instant | None
    updated_at: Instant | None
    params: dict[str, Any] = Field(description="In the contract's names. Lists leave a watermark's picture out.")


class TemplatePage(BaseModel):
    """Some templates. `cursor` leads to those after them; null at the end."""

    templates: list[TemplateView]
    cursor: str | None


class TemplateFilter(BaseModel):
    """Which templates."""

    model_config = ConfigDict(extra="forbid")

    origin: Literal["own", "system"] | None = None
    name: str | None = Field(
        default=None, min_length=1, max_length=64, description="A piece of the name; Latin letters in either case."
    )
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200)


@router.get("/{kind}")
async def list_templates(caller: Caller, kind: Kind, wanted: Annotated[TemplateFilter, Query()]) -> TemplatePage:
    """The templates of a kind: the caller's own, newest first, then the system's by number."""
    found, more = await _templates(caller).page(
        caller.tenant,
        kind,
        origin=_ORIGINS[wanted.origin] if wanted.origin else None,
        piece=wanted.name,
        after=_read_cursor(wanted.cursor),
        limit=wanted.limit,
    )
    return TemplatePage(
        templates=[_line(kind, one) for one in found], cursor=_cursor(found[-1].definition) if more else None
    )


@router.get("/{kind}/{definition}")
async def show_template(caller: Caller, kind: Kind, definition: Definition, response: Response) -> TemplateView:
    """One template, with its ETag."""
    if is_system(kind, definition):
        response.headers["etag"] = '"system"'
        body = CATALOGUES[kind].system[definition].to_wire()
        return _line(kind, Listed(definition, Origin.SYSTEM, body), whole=True)
    with template_problems(kind, definition):
        template = await _templates(caller).own(caller.tenant, kind, definition)
    return _shown(template, response)


@router.post("/{kind}", status_code=201)
@changes("template")
async def create_template(caller: Caller, kind: Kind, wish: TemplateWish, response: Response) -> TemplateView:
    """Makes a template of the caller's own. Its number was never given before."""
    with template_problems(kind):
        made = await _templates(caller).create(caller.tenant, kind, _request(wish))
    response.headers["location"] = f"/api/v1/templates/{kind.value}/{made.definition}"
    return _shown(made, response)


@router.put("/{kind}/{definition}")
@changes("template")
async def replace_template(
    caller: Caller,
    kind: Kind,
    definition: Definition,
    wish: TemplateWish,
    response: Response,
    if_match: IfMatch = None,
) -> TemplateView:
    """Puts another one in its place, as a whole. Runs that are made from now on have it; `If-Match` is required."""

    def check(template: Template) -> None:
        check_match(if_match, template, required=True)

    with template_problems(kind, definition):
        replaced = await _templates(caller).replace(caller.tenant, kind, definition, _request(wish), check)
    return _shown(replaced, response)


@router.delete("/{kind}/{definition}", status_code=204)
@changes("template")
async def delete_template(caller: Caller, kind: Kind, definition: Definition, if_match: IfMatch = None) -> None:
    """Takes it away. Nodes that still name it fail from now on."""

    def check(template: Template) -> None:
        check_match(if_match, template)

    with template_problems(kind, definition):
        await _templates(caller).delete(caller.tenant, kind, definition, check)


def _templates(context: Context) -> Templates:
    return Templates(context.deps.records)


def _request(wish: TemplateWish) -> dict[str, Any]:
    for member in ("Name", "Comment"):
        if member in wish.params:
            raise invalid(f"params.{member}", f"must be absent: `{member.lower()}` stands beside params")
    return {"Name": wish.name, "Comment": wish.comment, **wish.params}


def _shown(template: Template, response: Response) -> TemplateView:
    response.headers["etag"] = etag_of(template)
    return TemplateView(
        kind=template.kind,
        definition=template.definition,
        origin="own",
        name=template.name,
        comment=template.comment,
        created_at=template.created_at,
        updated_at=template.updated_at,
        params=template.body,
    )


def _line(kind: TemplateKind, one: Listed, *, whole: bool = False) -> TemplateView:
    return TemplateView(
        kind=kind,
        definition=one.definition,
        origin="own" if one.origin is Origin.OWN else "system",
        name=one.name,
        comment=one.comment,
        created_at=one.created_at,
        updated_at=one.updated_at,
        params=one.body if whole else _without_bulk(one.body),
    )


def _without_bulk(body: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_bulk(value) if isinstance(value, dict) else value
        for name, value in body.items()
        if name != _BULKY
    }


def _cursor(definition: int) -> str:
    return base64.urlsafe_b64encode(str(definition).encode()).decode()


def _read_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise ValueError(text)
        return int(text)
    except (binascii.Error, ValueError):
        raise invalid("cursor", "is not a cursor of an earlier answer") from None
