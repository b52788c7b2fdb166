"""Documents that people write: YAML (so also JSON) into what JSON has, and back. Pure.

Aliases are refused (nine lines of them say a billion things), and so is what is nested deeply; dates stay texts.
"""

from __future__ import annotations

from typing import Any

import orjson
import yaml

from services.api.domain.problems import Problem, invalid

MAX_DEPTH = 100


class _Loader(yaml.CSafeLoader):
    """YAML's safe types, without moments: JSON has none. In C: a megabyte takes the other one ten seconds."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their name."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_document(raw: bytes) -> dict[str, Any]:
    """The one document in the text. Raises Problem 422."""
    found = _json(raw)
    if found is None:
        found = _yaml(raw)
    if not isinstance(found, dict):
        raise invalid("body", "must be one mapping")
    return found


def _json(raw: bytes) -> Any:
    """JSON, None for anything else. YAML does not read all of it: it knows no escapes in pairs, as emoji have."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    waiting = [(found, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH + 1:
            raise _unreadable(f"is nested more than {MAX_DEPTH} deep", None)
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(item, depth + 1) for item in items]
    return found


def _yaml(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8-sig")
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                raise _unreadable("has an alias; write out what it stands for", event.start_mark)
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                raise _unreadable(f"is nested more than {MAX_DEPTH} deep", event.start_mark)
        return orjson.loads(orjson.dumps(yaml.load(text, Loader=_Loader)))  # noqa: S506  a safe loader
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error.problem or "is not YAML", error.problem_mark) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise invalid("body", f"is neither YAML nor JSON: {str(error)[:200]}") from None


def _unreadable(rule: str, mark: Any) -> Problem:
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return invalid("body", f"{rule}{where}")


def write_yaml(document: object) -> str:
    """A document as people read it: members in their order, nothing cut."""
    found: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return found


def without_defaults(value: Any) -> Any:
    """A copy without members that are null or empty: what people need not read."""
    if isinstance(value, dict):
        found = {name: without_defaults(item) for name, item in value.items()}
        return {name: item for name, item in found.items() if item not in (None, [], {})}
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    return value
