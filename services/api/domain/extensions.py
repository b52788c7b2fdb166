"""`Activity.Extension` into members of a node, and what only the whole graph can tell about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.api.domain.errors import ApiError, invalid
from services.api.domain.fields import check_node_name
from services.api.domain.outputs import NodeParameters
from shared.model.graph import ancestors_of_all
from shared.model.pipeline import INPUT, OUTPUT, RULES, Join, Node, predecessors
from shared.mps.extension import ActivityExtension
from shared.mps.rules import ExecRulesTask, check_rules

_NOT_FOR: Mapping[str, tuple[frozenset[str], str]] = {
    INPUT: (frozenset({"Source"}), "the input activity reads the source"),
    OUTPUT: (frozenset({"Join", "Source", "Retry", "Timeouts", "Priority"}), "the output activity does no work"),
    RULES: (frozenset({"Retry", "Timeouts", "Priority"}), "rules are decided at once, without a worker"),
}
"""Members that would mean nothing for a kind, and why; they are refused, never ignored."""


def read_extension(extension: ActivityExtension | None, kind: str, field: str) -> dict[str, Any]:
    """The members of the node that the extension sets. Raises ApiError; `field` is the wire path of the activity."""
    if extension is None:
        return {}
    given = extension.to_wire_as_given()
    excluded, why = _NOT_FOR.get(kind, (frozenset(), ""))
    for member in given:
        if member in excluded:
            raise invalid(f"{field}.Extension.{member}", f"must be absent: {why}")
    if extension.name is not None:
        check_node_name(extension.name, f"{field}.Extension.Name")
    return extension.members()


def check_extensions(nodes: Sequence[Node]) -> None:
    """Names that are used twice, and joins without anything to join. The graph must be sound. Raises ApiError."""
    names: dict[str, int] = {}
    before = predecessors(nodes)
    for index, node in enumerate(nodes):
        field = f"Activities[{index}].Extension"
        if node.name is not None:
            first = names.setdefault(node.name, index)
            if first != index:
                raise invalid(f"{field}.Name", f"{node.name!r} is the name of Activities[{first}] already")
        if node.join is Join.ANY and len(before[index]) < 2:
            raise invalid(f"{field}.Join", "any needs an activity that follows several others")


def check_choices(nodes: Sequence[Node], parameters: Sequence[NodeParameters]) -> None:
    """Whether the rules fit the graph that they stand in. Raises ApiError naming the member and the rule."""
    choices = [(found, found.params) for found in parameters if isinstance(found.params, ExecRulesTask)]
    before = ancestors_of_all(nodes) if choices else []
    for found, task in choices:
        known = [index for index in range(len(nodes)) if before[found.index] >> index & 1]
        try:
            check_rules(task, found.index, nodes, known)
        except ValueError as error:
            raise ApiError("InvalidParameterValue", f"{found.field}.{error}") from None
