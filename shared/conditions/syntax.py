"""The parts an expression is made of. Two trees are equal if they mean the same, wherever they stand in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

PLAIN_STEP = re.compile(r"[^\W\d]\w*")
"""A step that may be written after a dot; any other name needs brackets and quotes."""


class Operator(StrEnum):
    """What a comparison asks."""

    EQUAL = "=="
    """The same number, text or truth value; `== null` asks whether a value is missing."""
    UNEQUAL = "!="
    """The opposite of `==`."""
    LESS = "<"
    """Numbers by size, texts by code point; so are the next three."""
    AT_MOST = "<="
    """Less or equal."""
    GREATER = ">"
    """Greater."""
    AT_LEAST = ">="
    """Greater or equal."""
    IN = "in"
    """The left side is an item of the list, or a part of the text, on the right."""
    NOT_IN = "not in"
    """The opposite of `in`."""
    CONTAINS = "contains"
    """`in` with the sides exchanged."""
    STARTS_WITH = "startswith"
    """The text on the left begins with the one on the right."""
    ENDS_WITH = "endswith"
    """The text on the left ends with the one on the right."""


class Junctor(StrEnum):
    """How conditions are joined."""

    AND = "and"
    """All hold."""
    OR = "or"
    """At least one holds."""


@dataclass(frozen=True, slots=True)
class Part:
    """What all parts have: where in the text they begin."""

    position: int = field(compare=False, kw_only=True, default=0)


@dataclass(frozen=True, slots=True)
class Literal(Part):
    """A number, text, truth value or null."""

    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class ListOf(Part):
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Path(Part):
    """A way into the scope: a root name, then members (text) and indexes (numbers). `offsets` says where in the text
    each step begins."""

    steps: tuple[str | int, ...]
    offsets: tuple[int, ...] = field(compare=False, default=())

    @property
    def root(self) -> str:
        """The first step."""
        return str(self.steps[0])

    def __str__(self) -> str:
        text = self.root
        for step in self.steps[1:]:
            if isinstance(step, int):
                text += f"[{step}]"
            elif PLAIN_STEP.fullmatch(step):
                text += f".{step}"
            else:
                text += f"[{quoted(step)}]"
        return text


@dataclass(frozen=True, slots=True)
class Not(Part):
    """`not a`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Negative(Part):
    """`-a`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Comparison(Part):
    """`a >= b`."""

    left: Node
    operator: Operator
    right: Node


@dataclass(frozen=True, slots=True)
class Junction(Part):
    """`a and b and c`, `a or b`: one part per condition, so that a long list is not a deep tree."""

    junctor: Junctor
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic(Part):
    """`a + b - c` or `a * b / c`, worked out from the left; never a mixture of both ranks."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Call(Part):
    """`len(a)`: one of the built-in functions, with its one argument."""

    function: str
    argument: Node


Node = Literal | ListOf | Path | Not | Negative | Comparison | Junction | Arithmetic | Call

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """The text as a literal."""
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'
