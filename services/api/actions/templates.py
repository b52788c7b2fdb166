"""Create, Modify, Delete and Describe of every kind of template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ValidationError

from services.api.dependencies import Context
from services.api.domain.access import READS, Access, changing
from services.api.domain.errors import ApiError, invalid
from services.api.domain.parsing import parse, refusal
from services.api.domain.templates import (
    FAMILIES,
    SUB_CODES,
    DefinitionRequest,
    DescribeTemplatesRequest,
    TemplateFamily,
    image_url,
    read_listing,
    render_template,
)
from shared.model.template import TemplateKind
from shared.state.templates import (
    SystemTemplate,
    TemplateError,
    TemplateNotFound,
    Templates,
    TooManyTemplates,
)

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CreateTemplate:
    """Keeps a template of the tenant's own; answers with its number."""

    family: TemplateFamily
    access: ClassVar[Access] = changing("template")

    async def __call__(self, params: Params, context: Context) -> dict[str, Any]:
        """Raises ApiError."""
        try:
            made = await _templates(context).create(context.tenant, self.family.kind, dict(params))
        except (ValidationError, TemplateError) as error:
            raise _refused(error, "") from None
        return {"Definition": made.definition, **_image(self.family, made.body)}


@dataclass(frozen=True, slots=True)
class ModifyTemplate:
    """Replaces the given members of a template."""

    family: TemplateFamily
    access: ClassVar[Access] = changing("template")

    async def __call__(self, params: Params, context: Context) -> dict[str, Any]:
        """Raises ApiError."""
        definition, changes = _split(params)
        try:
            made = await _templates(context).modify(context.tenant, self.family.kind, definition, changes)
        except (ValidationError, TemplateError) as error:
            raise _refused(error, "ModifyDefaultTemplate") from None
        return _image(self.family, made.body)


@dataclass(frozen=True, slots=True)
class DeleteTemplate:
    """Takes a template away. Nodes that name it fail from now on (contract §14)."""

    family: TemplateFamily
    access: ClassVar[Access] = changing("template")

    async def __call__(self, params: Params, context: Context) -> dict[str, Any]:
        """Raises ApiError."""
        request = parse(DefinitionRequest, params)
        try:
            await _templates(context).delete(context.tenant, self.family.kind, request.definition)
        except TemplateError as error:
            raise _refused(error, "DeleteDefaultTemplate") from None
        return {}


@dataclass(frozen=True, slots=True)
class DescribeTemplates:
    """Lists the tenant's templates and the system's."""

    family: TemplateFamily
    access: ClassVar[Access] = READS

    async def __call__(self, params: Params, context: Context) -> dict[str, Any]:
        """Raises ApiError."""
        listing = read_listing(self.family, parse(DescribeTemplatesRequest, params))
        total, found = await _templates(context).describe(
            context.tenant,
            self.family.kind,
            definitions=listing.definitions,
            origin=listing.origin,
            name=listing.name,
            filters=listing.filters,
            offset=listing.offset,
            limit=listing.limit,
        )
        return {"TotalCount": total, self.family.listed: [render_template(self.family, each) for each in found]}


def template_actions() -> Iterator[tuple[str, CreateTemplate | ModifyTemplate | DeleteTemplate | DescribeTemplates]]:
    """All of them by name."""
    for family in FAMILIES:
        yield f"Create{family.name}Template", CreateTemplate(family)
        yield f"Modify{family.name}Template", ModifyTemplate(family)
        yield f"Delete{family.name}Template", DeleteTemplate(family)
        yield f"Describe{family.name}Templates", DescribeTemplates(family)


def _templates(context: Context) -> Templates:
    return Templates(context.deps.records)


def _split(params: Params) -> tuple[int, dict[str, Any]]:
    """The number, and what is to change."""
    number = {member: value for member, value in params.items() if member == "Definition"}
    changes = {member: value for member, value in params.items() if member != "Definition" and value is not None}
    return parse(DefinitionRequest, number).definition, changes


def _image(family: TemplateFamily, body: Params) -> dict[str, Any]:
    return {"ImageUrl": image_url(body)} if family.kind is TemplateKind.WATERMARK else {}


def _refused(error: ValidationError | TemplateError, read_only: str) -> ApiError:
    """The contract's code for it; `read_only` is that of a system template."""
    match error:
        case ValidationError():
            return refusal(error, "", SUB_CODES)
        case TemplateNotFound():
            return ApiError("ResourceNotFound.TemplateNotExist", f"Definition: {error}")
        case SystemTemplate():
            return invalid("Definition", str(error), read_only)
        case TooManyTemplates():
            return ApiError("LimitExceeded.TooMuchTemplate", str(error))
        case _:
            return invalid("request", str(error))
