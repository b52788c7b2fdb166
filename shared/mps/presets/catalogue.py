"""What a number of a template means: a system template of ours, or one of the tenant's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from shared.errors import ReelwayError
from shared.model.template import TemplateKind, template_key
from shared.mps.base import MpsModel

M = TypeVar("M", bound=MpsModel)
Doc = dict[str, Any]

OwnTemplates = Mapping[str, Mapping[str, Any]]
"""Bodies of a tenant's own templates, in wire names, by `Reference.key`."""
NO_OWN: OwnTemplates = MappingProxyType({})


class UnknownTemplate(ReelwayError):
    """No template has this number. `field` is the member of the node's parameters that names it."""

    code = "unknown_template"

    def __init__(self, kind: str, definition: int, field: str = "Definition") -> None:
        super().__init__(f"there is no {kind} template {definition}")
        self.kind = kind
        self.definition = definition
        self.field = field


class TemplateMisfit(ReelwayError):
    """A node's parameters do not fit the template that they name. `field` is their path within the parameters."""

    code = "template_misfit"

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Reference:
    """A number of a template in a node's parameters, and the member that it stands in."""

    kind: TemplateKind
    definition: int
    field: str = "Definition"

    @property
    def key(self) -> str:
        """What the template is called among those of one tenant."""
        return template_key(self.kind, self.definition)


class Catalogue(Generic[M]):
    """The templates of one kind. System templates are read-only and the same for everybody; their numbers are never
    given to a tenant's own (`shared.model.template.FIRST_OWN`)."""

    def __init__(
        self, kind: TemplateKind, model: type[M], system: Mapping[int, M], change: Callable[[M, Doc], M] | None = None
    ) -> None:
        """`change` makes a template with some members replaced, if that is more than taking the new ones."""
        self.kind = kind
        self.model = model
        self.system = system
        self._change = change

    def changed(self, template: M, changes: Doc) -> M:
        """The template with the given members, in wire names, in the place of its own; of a member that is an object
        (the contract's `...ForUpdate`) too only the given ones. Raises pydantic.ValidationError."""
        if self._change is not None:
            return self._change(template, changes)
        members = template.to_wire()
        for name, value in changes.items():
            old = members.get(name)
            members[name] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
        return self.model.model_validate(members, by_alias=True, by_name=False)

    def find(self, definition: int, own: OwnTemplates = NO_OWN, field: str = "Definition") -> M:
        """The complete template. Raises UnknownTemplate, and pydantic.ValidationError for one of the tenant's own that
        this version would not take any more."""
        template = self.system.get(definition)
        if template is not None:
            return template
        body = own.get(Reference(self.kind, definition).key)
        if body is None:
            raise UnknownTemplate(self.kind.value, definition, field)
        return self.model.model_validate(body)
