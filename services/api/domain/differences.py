"""What two definitions of a pipeline differ in, member by member and as a text. Pure.

Nodes are told by their names, or by their kind and the how-manieth of it they are: a node that is put between two
others is one difference, not one for everything behind it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.api.domain.pipeline_document import PipelineBody
from services.api.domain.yaml_documents import without_defaults, write_yaml

_ABSENT = object()


class Difference(BaseModel):
    """One member that is not the same. A node that is only on one side is one difference."""

    path: str = Field(description="As in `nodes[hd].params.Definition`: nodes and subscriptions by name.")
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


def differences(before: PipelineBody, after: PipelineBody) -> list[Difference]:
    """In the order of the document."""
    return list(_compare("", _keyed(before), _keyed(after)))


def text_of(before: PipelineBody, after: PipelineBody, names: tuple[str, str]) -> str:
    """Both as YAML, in the unified form; empty if they say the same."""
    old, new = (write_yaml(without_defaults(_named(body))).splitlines(keepends=True) for body in (before, after))
    return "".join(difflib.unified_diff(old, new, *names))


def _node_keys(body: PipelineBody) -> list[str]:
    seen: Counter[str] = Counter()
    keys: list[str] = []
    for node in body.nodes:
        seen[node.kind] += 1
        keys.append(node.name or (node.kind if seen[node.kind] == 1 else f"{node.kind}#{seen[node.kind]}"))
    return keys


def _named(body: PipelineBody) -> dict[str, Any]:
    """The document with successors by key."""
    found = body.model_dump(mode="json")
    keys = _node_keys(body)
    for node in found["nodes"]:
        node["successors"] = [keys[one] if isinstance(one, int) else one for one in node["successors"]]
    return found


def _keyed(body: PipelineBody) -> dict[str, Any]:
    """The document with nodes and subscriptions by key."""
    found = _named(body)
    found["nodes"] = dict(zip(_node_keys(body), found["nodes"], strict=True))
    found["subscriptions"] = {one["name"] or "TaskNotifyConfig": one for one in found["subscriptions"]}
    return found


_LISTS = ("nodes", "subscriptions")


def _compare(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in _in_order(list(before), list(after)):
            member = f"{path}[{name}]" if path in _LISTS else f"{path}.{name}" if path else name
            yield from _compare(member, before.get(name, _ABSENT), after.get(name, _ABSENT))
    elif before is _ABSENT or before is None:
        yield Difference(path=path, change="added", after=after)
    elif after is _ABSENT or after is None:
        yield Difference(path=path, change="removed", before=before)
    else:
        yield Difference(path=path, change="changed", before=before, after=after)


def _in_order(before: Sequence[str], after: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*before, *after]))
