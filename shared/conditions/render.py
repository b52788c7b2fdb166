"""An expression as text again: one spelling for each meaning, with no more parentheses than it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import assert_never

from shared.conditions.syntax import (
    Arithmetic,
    Call,
    Comparison,
    Junction,
    Junctor,
    ListOf,
    Literal,
    Negative,
    Node,
    Not,
    Path,
    quoted,
)

MAX_SHOWN = 80
"""Characters of a value in an explanation."""

_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _FACTOR, _ATOM = range(8)


def render(part: Node, path: Callable[[Path], str] = str) -> str:
    """The text of a part; `path` says how paths are shown."""
    return _at(part, _OR, path)


def show(value: object) -> str:
    """A value of the scope in a few characters."""
    match value:
        case None:
            return "missing"
        case list() | tuple():
            return f"a list of {len(value)}"
        case Mapping():
            return "an object"
        case bool():
            return "true" if value else "false"
        case str():
            short = value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 1] + "…"
            return json.dumps(short, ensure_ascii=False).encode("utf-8", "replace").decode()
        case _:
            return str(value)


def _at(part: Node, rank: int, path: Callable[[Path], str]) -> str:
    text, own = _text(part, path)
    return text if own >= rank else f"({text})"


def _text(part: Node, path: Callable[[Path], str]) -> tuple[str, int]:
    match part:
        case Junction(junctor=junctor, parts=parts):
            own = _OR if junctor is Junctor.OR else _AND
            return f" {junctor.value} ".join(_at(each, own + 1, path) for each in parts), own
        case Not(operand=operand):
            return f"not {_at(operand, _NOT, path)}", _NOT
        case Comparison(left=left, operator=operator, right=right):
            return f"{_at(left, _SUM, path)} {operator.value} {_at(right, _SUM, path)}", _COMPARISON
        case Arithmetic(first=first, rest=rest):
            own = _SUM if rest[0][0] in "+-" else _PRODUCT
            text = _at(first, own + 1, path)
            return text + "".join(f" {sign} {_at(operand, own + 1, path)}" for sign, operand in rest), own
        case Negative(operand=operand):
            return f"-{_at(operand, _FACTOR, path)}", _FACTOR
        case Call(function=function, argument=argument):
            return f"{function}({_at(argument, _OR, path)})", _ATOM
        case ListOf(items=items):
            return f"[{', '.join(_at(item, _SUM, path) for item in items)}]", _ATOM
        case Path():
            return path(part), _ATOM
        case Literal(value=value):
            return _literal(value), _FACTOR if isinstance(value, int | float) and value < 0 else _ATOM
        case _:
            assert_never(part)


def _literal(value: bool | int | float | str | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else repr(value)
