"""What can be known of an expression's paths when a pipeline is saved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from shared.conditions.errors import ExpressionError
from shared.conditions.expression import Expression
from shared.conditions.syntax import PLAIN_STEP, Path

NODES = "nodes"

Shape = Mapping[str, Any] | list[Any] | str | None
"""What a value looks like: members with their shapes, `[shape]` for a list, a word for something without members
("number"), None for what cannot be known before."""

INPUT_SHAPE: Shape = {
    "bucket": "text",
    "region": "text",
    "key": "text",
    "name": "text",
    "ext": "text",
    "size": "number",
}
ROOTS: Mapping[str, Shape] = {"MetaData": None, "input": INPUT_SHAPE, NODES: None}
"""The names an expression may begin with."""


def check(expression: Expression, *, nodes: Collection[str | int], roots: Mapping[str, Shape] = ROOTS) -> None:
    """Raises ExpressionError at the first path that can never have a value: an unknown root or member, or a node that
    is not among `nodes`, the names and indexes of those that come before."""
    for path in expression.paths:
        if path.root not in roots:
            raise _unknown(expression, path, 0, "name", roots)
        if path.root == NODES:
            _check_node(expression, path, nodes)
        else:
            _check_members(expression, path, roots[path.root])


def shape_of(path: Path, roots: Mapping[str, Shape] = ROOTS) -> Shape:
    """What lies at the end of a path that `check` has passed; None if that cannot be known before."""
    shape: Shape = roots.get(path.root)
    for step in path.steps[1:]:
        match shape:
            case Mapping():
                shape = shape.get(str(step))
            case [item]:
                shape = item
            case _:
                return None
    return shape


def _check_node(expression: Expression, path: Path, nodes: Collection[str | int]) -> None:
    if len(path.steps) < 2:
        raise ExpressionError(expression.text, path.position, "say which node: nodes.<name or index>.<member>")
    step = path.steps[1]
    known = {str(node) for node in nodes}
    if str(step) not in known:
        what = "is not the index" if isinstance(step, int) else "is not the name"
        reason = f"{_shown(step)} {what} of a node that comes before this one"
        raise ExpressionError(expression.text, path.offsets[1], reason + _hint(str(step), known))
    if len(path.steps) < 3:
        raise ExpressionError(expression.text, path.position, "say what of the node: .state, .error, .Output, ...")


def _check_members(expression: Expression, path: Path, shape: Shape) -> None:
    for place, step in enumerate(path.steps[1:], start=1):
        if shape is None:
            return
        if isinstance(shape, Mapping):
            if str(step) not in shape:
                raise _unknown(expression, path, place, "member", shape)
            shape = shape[str(step)]
        elif isinstance(shape, list):
            if not isinstance(step, int):
                reason = f"{_shown(step)} is no index: this is a list, write [0] for its first item"
                raise ExpressionError(expression.text, path.offsets[place], reason)
            shape = shape[0]
        else:
            raise ExpressionError(expression.text, path.offsets[place], f"a {shape} has no member {_shown(step)}")


def _unknown(expression: Expression, path: Path, place: int, what: str, known: Iterable[str]) -> ExpressionError:
    step = path.steps[place]
    return ExpressionError(
        expression.text, path.offsets[place], f"unknown {what} {_shown(step)}" + _hint(str(step), known)
    )


def _hint(name: str, known: Iterable[str]) -> str:
    by_case = {each.casefold(): each for each in sorted(known)}
    near = get_close_matches(name.casefold()[:128], by_case, n=1) or [
        folded for folded in by_case if name and not PLAIN_STEP.fullmatch(folded) and folded.startswith(name.casefold())
    ]
    if not near:
        return ""
    found = by_case[near[0]]
    plain = PLAIN_STEP.fullmatch(found) or found.isdecimal()
    return f": did you mean {found}?" if plain else f': did you mean ["{found}"]?'


def _shown(step: str | int) -> str:
    return repr(step if isinstance(step, int) else step[:40])
