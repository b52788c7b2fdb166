"""Templates as REST has them: looked up, paged, replaced as a whole, each change against what the caller has seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from services.api.domain.problems import Problem, conflict, invalid, invalid_fields, not_found
from shared.model.template import TemplateKind
from shared.mps.presets import CATALOGUES
from shared.state.templates import SystemTemplate, TemplateError, TemplateNotFound, TemplateTooLarge, TooManyTemplates


@contextlib.contextmanager
def template_problems(kind: TemplateKind, definition: int | None = None) -> Iterator[None]:
    """What the store of templates refuses, as a Problem that names the members."""
    try:
        yield
    except ValidationError as error:
        raise invalid_fields([_field_error(one) for one in error.errors(include_url=False)]) from None
    except TemplateNotFound:
        raise not_found(f"{kind.value} template", str(definition)) from None
    except TemplateError as error:
        raise _of_store(error) from None


def is_system(kind: TemplateKind, definition: int) -> bool:
    """Whether the number is that of a system template."""
    return definition in CATALOGUES[kind].system


def _of_store(error: TemplateError) -> Problem:
    match error:
        case SystemTemplate():
            return conflict("system_template", str(error))
        case TooManyTemplates():
            return conflict("too_many_templates", str(error))
        case TemplateTooLarge():
            return invalid("params", str(error))
        case _:
            return conflict(error.code, str(error))


def _field_error(item: Any) -> dict[str, str]:
    """Where it is wrong: `name` and `comment` are members of their own here, the rest stands below `params`."""
    path = ""
    for part in item["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    first = item["loc"][0] if item["loc"] else None
    rule = str(item["msg"])
    match item["type"]:
        case "missing":
            rule = "is required"
        case "extra_forbidden":
            rule = "must be absent: there is no such parameter"
        case "value_error":
            rule = rule.removeprefix("Value error, ")  # begins with the name of a member, as it is
        case _:
            rule = rule[:1].lower() + rule[1:]
    field = {"Name": "name", "Comment": "comment"}.get(str(first), f"params{path}")
    return {"field": field, "rule": rule}
