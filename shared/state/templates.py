"""Templates of tenants: made, changed, removed, listed, and put into the nodes of a run (contract MPS_API §10).

TemplateError
├── TemplateNotFound     the tenant has no template of this number
├── SystemTemplate       a system template is read-only
├── TooManyTemplates     the tenant has as many of this kind as it may
└── TemplateTooLarge     it takes more than MAX_BODY_BYTES
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from shared.errors import ReelwayError
from shared.model.pipeline import Node, Pipeline
from shared.model.template import (
    FIRST_OWN,
    Template,
    TemplateKind,
    own_definitions,
    template_id,
    template_key,
)
from shared.mps.base import MpsModel
from shared.mps.presets.catalogue import Doc, OwnTemplates
from shared.mps.presets.registry import CATALOGUES
from shared.ports.state import DuplicateKey, Order
from shared.state.records import Records
from shared.state.repository import Contention

MAX_TEMPLATES = 1000
"""Of one kind and tenant [OURS]."""
MAX_NAMED = 300
"""Different templates of one graph [OURS]."""
MAX_BODY_BYTES = 256 * 1024
"""Every run carries the templates that its nodes name, and documents are small [OURS]."""
_TRIES = 50
Check = Callable[[Template], None]


class TemplateError(ReelwayError):
    """A template cannot be had, made or changed."""

    code: ClassVar[str] = "template"


class TemplateNotFound(TemplateError):
    """The tenant has no template of this number."""

    code = "template_not_found"

    def __init__(self, kind: TemplateKind, definition: int) -> None:
        super().__init__(f"there is no {kind.value} template {definition}")


class SystemTemplate(TemplateError):
    """A system template is read-only."""

    code = "system_template"

    def __init__(self, kind: TemplateKind, definition: int) -> None:
        super().__init__(
            f"{kind.value} template {definition} is a system template: it can be neither changed nor deleted"
        )


class TooManyTemplates(TemplateError):
    """The tenant has as many of this kind as it may."""

    code = "too_many_templates"

    def __init__(self, kind: TemplateKind) -> None:
        super().__init__(f"there are {MAX_TEMPLATES} {kind.value} templates already; delete one first")


class TemplateTooLarge(TemplateError):
    """A template takes more than MAX_BODY_BYTES."""

    code = "template_too_large"

    def __init__(self, kind: TemplateKind) -> None:
        super().__init__(f"a {kind.value} template may take at most {MAX_BODY_BYTES} bytes")


class Origin(StrEnum):
    """Whose a template is; the contract's `Type`."""

    SYSTEM = "Preset"
    """Everybody's, read-only."""
    OWN = "Custom"
    """The tenant's."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A template as it is shown; a system template has no name and no times."""

    definition: int
    origin: Origin
    body: Doc
    name: str = ""
    comment: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Labels(MpsModel):
    """What a person calls a template."""

    name: str = Field(default="", max_length=64)
    comment: str = Field(default="", max_length=256)


class Templates:
    """The templates of one store. What a tenant asks for is checked exactly like the same parameters in a node: every
    method that takes wire members raises pydantic.ValidationError naming the member. Another tenant's template is as
    good as none."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._templates = records.templates

    async def create(self, tenant: str, kind: TemplateKind, request: Doc) -> Template:
        """A new template made of a create request in wire names. Its number was never given before. Raises
        TooManyTemplates."""
        labels, body = _split(request)
        named = Labels.model_validate(labels, by_alias=True, by_name=False)
        checked = _checked(kind, CATALOGUES[kind].model.model_validate(body, by_alias=True, by_name=False))
        if await self._templates.count(_living(tenant, kind)) >= MAX_TEMPLATES:
            raise TooManyTemplates(kind)
        number = await self._highest(tenant, kind) + 1
        for _ in range(_TRIES):
            now = await self._records.now()
            template = Template(
                id=template_id(tenant, kind, number),
                tenant=tenant,
                kind=kind,
                definition=number,
                name=named.name,
                comment=named.comment,
                body=checked,
                created_at=now,
                updated_at=now,
            )
            try:
                await self._templates.insert(template)
            except DuplicateKey:
                number += 1  # somebody else was given it at this moment
                continue
            return template
        raise Contention(f"no free number for a {kind.value} template")

    async def modify(self, tenant: str, kind: TemplateKind, definition: int, request: Doc) -> Template:
        """The template with the members of the request in the place of its own. Runs that are made from now on have it.
        Raises TemplateNotFound, SystemTemplate."""
        labels, changes = _split(request)
        catalogue = CATALOGUES[kind]

        def step(template: Template) -> Template | None:
            if template.deleted_at is not None:
                return None
            named = Labels.model_validate({"Name": template.name, "Comment": template.comment} | labels)
            changed = catalogue.changed(catalogue.model.model_validate(template.body), changes)
            return template.with_changes(
                name=named.name, comment=named.comment, body=_checked(kind, changed), updated_at=now
            )

        self._refuse_system(kind, definition)
        now = await self._records.now()
        changed = await self._templates.change(template_id(tenant, kind, definition), step)
        if changed is None or changed.deleted_at is not None:
            raise TemplateNotFound(kind, definition)
        return changed

    async def replace(
        self, tenant: str, kind: TemplateKind, definition: int, request: Doc, check: Check = lambda _: None
    ) -> Template:
        """The template as a create request says it, with nothing of what it was. `check` is asked about the template
        that would be replaced, and raises if it must not be. Raises TemplateNotFound, SystemTemplate."""
        labels, body = _split(request)
        self._refuse_system(kind, definition)
        named = Labels.model_validate(labels, by_alias=True, by_name=False)
        checked = _checked(kind, CATALOGUES[kind].model.model_validate(body, by_alias=True, by_name=False))
        now = await self._records.now()

        def step(template: Template) -> Template | None:
            if template.deleted_at is not None:
                return None
            check(template)
            wanted = template.with_changes(name=named.name, comment=named.comment, body=checked)
            return None if wanted == template else wanted.with_changes(updated_at=now)

        replaced = await self._templates.change(template_id(tenant, kind, definition), step)
        if replaced is None or replaced.deleted_at is not None:
            raise TemplateNotFound(kind, definition)
        return replaced

    async def own(self, tenant: str, kind: TemplateKind, definition: int) -> Template:
        """One of the tenant's own. Raises TemplateNotFound."""
        template = await self._templates.get(template_id(tenant, kind, definition))
        if template is None or template.deleted_at is not None:
            raise TemplateNotFound(kind, definition)
        return template

    async def page(
        self,
        tenant: str,
        kind: TemplateKind,
        *,
        origin: Origin | None = None,
        piece: str | None = None,
        after: int | None = None,
        limit: int,
    ) -> tuple[list[Listed], bool]:
        """Templates behind the one with the number `after`, and whether there are more: the tenant's own, newest first,
        then the system's by number. `piece` is of the name; system templates have none."""
        found: list[Listed] = []
        in_system = after is not None and after < FIRST_OWN
        if origin is not Origin.SYSTEM and not in_system:
            where: dict[str, Any] = _living(tenant, kind)
            if after is not None:
                where["definition"] = {"$lt": after}
            if piece:
                where["name"] = {"$contains": piece}
            newest = [("definition", Order.DESC)]
            found = [_own(one) for one in await self._templates.find(where, sort=newest, limit=limit + 1)]
        if origin is not Origin.OWN and not piece and len(found) <= limit:
            behind = after if in_system and after is not None else 0
            numbers = [number for number in sorted(CATALOGUES[kind].system) if number > behind]
            found += _system(kind, numbers[: limit + 1 - len(found)])
        return found[:limit], len(found) > limit

    async def delete(self, tenant: str, kind: TemplateKind, definition: int, check: Check = lambda _: None) -> None:
        """Nodes that still name it fail from now on, as DefinitionNotExist. `check` as in `replace`. Raises
        TemplateNotFound, SystemTemplate."""
        self._refuse_system(kind, definition)
        now = await self._records.now()
        gone = False

        def step(template: Template) -> Template | None:
            nonlocal gone
            gone = template.deleted_at is not None
            if gone:
                return None
            check(template)
            return template.with_changes(body={}, name="", comment="", deleted_at=now)

        if await self._templates.change(template_id(tenant, kind, definition), step) is None or gone:
            raise TemplateNotFound(kind, definition)

    async def describe(
        self,
        tenant: str,
        kind: TemplateKind,
        *,
        definitions: Sequence[int] = (),
        origin: Origin | None = None,
        name: str | None = None,
        filters: Sequence[Callable[[Doc], bool]] = (),
        offset: int = 0,
        limit: int = 10,
    ) -> tuple[int, list[Listed]]:
        """How many there are, and a page of them: the tenant's own, newest first, then the system's by number.
        `definitions`, `origin`, `name` (the whole name; system templates have none) and `filters` on the body narrow
        it."""
        where = _living(tenant, kind)
        system = [] if origin is Origin.OWN or name else sorted(CATALOGUES[kind].system)
        if definitions:
            where["definition"] = {"$in": list(definitions)}
            system = [number for number in system if number in definitions]
        if name:
            where["name"] = name
        if filters:
            return await self._filtered(
                kind, where if origin is not Origin.SYSTEM else None, system, filters, offset, limit
            )
        own = 0 if origin is Origin.SYSTEM else await self._templates.count(where)
        found: list[Listed] = []
        if offset < own:
            newest = [("definition", Order.DESC)]
            page = await self._templates.find(where, sort=newest, limit=limit, offset=offset)
            found = [_own(template) for template in page]
        rest = system[max(offset - own, 0) :][: limit - len(found)]
        return own + len(system), found + _system(kind, rest)

    async def _filtered(
        self,
        kind: TemplateKind,
        own: Doc | None,
        system: Sequence[int],
        filters: Sequence[Callable[[Doc], bool]],
        offset: int,
        limit: int,
    ) -> tuple[int, list[Listed]]:
        """All are looked at: stores do not know what is in a body, and there are at most MAX_TEMPLATES."""
        newest = [("definition", Order.DESC)]
        found = await self._templates.find(own, sort=newest, limit=MAX_TEMPLATES) if own is not None else []
        every = [*map(_own, found), *_system(kind, system)]
        kept = [listed for listed in every if all(keep(listed.body) for keep in filters)]
        return len(kept), kept[offset : offset + limit]

    async def named_in(self, tenant: str, params: Iterable[object]) -> OwnTemplates:
        """The tenant's own templates that parameters (in wire names) name, as they are now. Of more than MAX_NAMED
        numbers the smallest count: a request may name any number of templates before it is known to be none."""
        numbers = sorted({number for each in params for number in own_definitions(each)})[:MAX_NAMED]
        ids = [template_id(tenant, kind, number) for number in numbers for kind in CATALOGUES]
        found = await self._templates.get_many(ids)
        return {
            template_key(template.kind, template.definition): template.body
            for one in ids
            if (template := found.get(one)) is not None and template.deleted_at is None
        }

    async def bound(self, pipelines: Sequence[Pipeline]) -> list[Pipeline]:
        """The pipelines as runs are made of them: each node has the templates that it names. Asks the store only if
        some node names one."""
        found: list[Pipeline] = []
        for pipeline in pipelines:
            own = await self.named_in(pipeline.tenant, (node.params for node in pipeline.nodes))
            found.append(bind(pipeline, own) if own else pipeline)
        return found

    @staticmethod
    def _refuse_system(kind: TemplateKind, definition: int) -> None:
        if definition in CATALOGUES[kind].system:
            raise SystemTemplate(kind, definition)

    async def _highest(self, tenant: str, kind: TemplateKind) -> int:
        """Of all numbers that were ever given; deleted templates leave theirs behind."""
        newest = await self._templates.find(
            {"tenant": tenant, "kind": kind.value}, sort=[("definition", Order.DESC)], limit=1
        )
        return newest[0].definition if newest else FIRST_OWN - 1


def bind(pipeline: Pipeline, own: OwnTemplates) -> Pipeline:
    """The pipeline with each node's templates in it."""
    return pipeline.with_changes(nodes=bind_nodes(pipeline.nodes, own))


def bind_nodes(nodes: Iterable[Node], own: OwnTemplates) -> tuple[Node, ...]:
    """The nodes, each with the templates that it names in it."""

    def templates(params: Doc) -> dict[str, Any]:
        numbers = set(own_definitions(params))
        return {key: dict(body) for key, body in own.items() if int(key.rpartition(":")[2]) in numbers}

    return tuple(node.model_copy(update={"templates": templates(node.params)}) for node in nodes)


def _split(request: Doc) -> tuple[Doc, Doc]:
    """Name and comment, and the rest; absent is not empty."""
    labels = {member: request[member] for member in ("Name", "Comment") if request.get(member) is not None}
    return labels, {member: value for member, value in request.items() if member not in ("Name", "Comment")}


def _checked(kind: TemplateKind, template: MpsModel) -> Doc:
    body = template.to_wire()
    if len(template.model_dump_json()) > MAX_BODY_BYTES:
        raise TemplateTooLarge(kind)
    return body


def _living(tenant: str, kind: TemplateKind) -> Doc:
    return {"tenant": tenant, "kind": kind.value, "deleted_at": None}


def _system(kind: TemplateKind, numbers: Iterable[int]) -> list[Listed]:
    return [Listed(number, Origin.SYSTEM, CATALOGUES[kind].system[number].to_wire()) for number in numbers]


def _own(template: Template) -> Listed:
    return Listed(
        definition=template.definition,
        origin=Origin.OWN,
        body=template.body,
        name=template.name,
        comment=template.comment,
        created_at=template.created_at,
        updated_at=template.updated_at,
    )
