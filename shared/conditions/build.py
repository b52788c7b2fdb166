"""From the tree of tokens to the parts of an expression: limits, literals, and what can be seen to make no sense."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final, NoReturn

from lark import Token, Tree

from shared.conditions.errors import ExpressionError
from shared.conditions.grammar import read
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
    Operator,
    Path,
)
from shared.conditions.values import number

MAX_DEPTH = 32
"""How deep parentheses, lists, calls, `not` and `-` may be nested."""
MAX_PARTS = 500
"""Literals, paths and operators of an expression."""

TRUTH: Final = "truth value"
NUMBER: Final = "number"
TEXT: Final = "text"
LIST: Final = "list"
NULL: Final = "null"

FUNCTIONS: Final = {
    "exists": TRUTH,
    "len": NUMBER,
    "lower": TEXT,
    "upper": TEXT,
}
"""The built-in functions and what they give."""

_NESTING = frozenset({"group", "listing", "call", "inversion", "negative"})
_ORDERS = frozenset({Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST})
_STEP = re.compile(r"""([^\W\d]\w*)|\.(\w+)|\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\]""")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t"}
_MAX_DIGITS = 40


def build(text: str) -> Node:
    """The expression as parts. Raises ExpressionError."""
    return _Builder(text).condition(read(text), 0)


class _Builder:
    """One text on its way to a tree; `_parts` counts what it holds so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._parts = 0

    def condition(self, tree: Tree[Token], depth: int) -> Node:
        """A part that is true or false, or that is only known when the run is there."""
        part = self._part(tree, depth)
        kind = kind_of(part)
        if kind not in (TRUTH, None):
            self._refuse(part.position, f"a {kind} is not a condition: compare it with something")
        return part

    def _refuse(self, position: int, reason: str) -> NoReturn:
        raise ExpressionError(self._text, position, reason)

    def _part(self, tree: Tree[Token], depth: int) -> Node:
        at = _position(tree)
        if tree.data in _NESTING:
            depth += 1
            if depth > MAX_DEPTH:
                self._refuse(at, f"costs too much: nested deeper than {MAX_DEPTH}")
        if tree.data != "group":
            self._parts += 1
            if self._parts > MAX_PARTS:
                self._refuse(at, f"costs too much: more than {MAX_PARTS} literals, paths and operators")
        match tree.data:
            case "group":
                return self._part(_trees(tree)[0], depth)
            case "disjunction" | "conjunction":
                junctor = Junctor.OR if tree.data == "disjunction" else Junctor.AND
                parts = tuple(self.condition(child, depth) for child in _trees(tree))
                return Junction(junctor, parts, position=at)
            case "inversion":
                return Not(self.condition(_trees(tree)[0], depth), position=at)
            case "comparison":
                return self._comparison(tree, depth)
            case "sum" | "product":
                return self._arithmetic(tree, depth)
            case "negative":
                operand = self._operand(_trees(tree)[0], depth, NUMBER)
                value = number(operand.value) if isinstance(operand, Literal) else None
                return Negative(operand, position=at) if value is None else Literal(-value, position=at)
            case "call":
                return self._call(tree, depth)
            case "listing":
                return ListOf(tuple(self._item(child, depth) for child in _trees(tree)), position=at)
            case "path":
                return self._path(_token(tree))
            case _:
                return self._literal(tree)

    def _operand(self, tree: Tree[Token], depth: int, wanted: str) -> Node:
        part = self._part(tree, depth)
        kind = kind_of(part)
        if kind not in (wanted, None):
            self._refuse(part.position, f"a {wanted} is needed here, not a {kind}")
        return part

    def _item(self, tree: Tree[Token], depth: int) -> Node:
        part = self._part(tree, depth)
        kind = kind_of(part)
        if kind in (LIST, NULL):
            self._refuse(part.position, f"a {kind} cannot be an item of a list")
        return part

    def _arithmetic(self, tree: Tree[Token], depth: int) -> Node:
        first, *others = _trees(tree)
        start = self._operand(first, depth, NUMBER)
        signs, operands = others[::2], others[1::2]
        rest = tuple(
            (str(_token(sign)), self._operand(operand, depth, NUMBER))
            for sign, operand in zip(signs, operands, strict=True)
        )
        return Arithmetic(start, rest, position=_position(tree))

    def _comparison(self, tree: Tree[Token], depth: int) -> Node:
        before, between, after = _trees(tree)
        operator = Operator(" ".join(str(token) for token in between.children))
        left, right = self._part(before, depth), self._part(after, depth)
        reason = _objection(left, operator, right)
        if reason:
            self._refuse(_position(between), reason)
        return Comparison(left, operator, right, position=_position(tree))

    def _call(self, tree: Tree[Token], depth: int) -> Node:
        name = _token(tree)
        at = _position(tree)
        if name not in FUNCTIONS:
            near = get_close_matches(name, FUNCTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FUNCTIONS)}"
            self._refuse(at, f"unknown function {str(name)[:40]!r}: {hint}")
        arguments = [child for child in tree.children if isinstance(child, Tree)]
        if len(arguments) != 1:
            self._refuse(at, f"{name} takes one argument, not {len(arguments)}")
        argument = self._part(arguments[0], depth)
        kind = kind_of(argument)
        match name:
            case "exists":
                fits = isinstance(argument, Path)
                wanted = "a path"
            case "len":
                fits = kind in (TEXT, LIST, None)
                wanted = "a text or a list"
            case _:
                fits = kind in (TEXT, None)
                wanted = "a text"
        if not fits:
            self._refuse(argument.position, f"{name} takes {wanted}")
        return Call(str(name), argument, position=at)

    def _literal(self, tree: Tree[Token]) -> Node:
        at = _position(tree)
        match tree.data:
            case "number":
                return Literal(self._number(str(_token(tree)), at), position=at)
            case "text":
                return Literal(self._unquoted(str(_token(tree)), at), position=at)
            case "yes" | "no":
                return Literal(tree.data == "yes", position=at)
            case _:
                return Literal(None, position=at)

    def _number(self, digits: str, at: int) -> int | float:
        # Long numbers are refused by their length before anybody computes them.
        value = None if len(digits) > _MAX_DIGITS else number(int(digits) if digits.isdecimal() else float(digits))
        if value is None:
            self._refuse(at, "the number is too big or too long")
        return value

    def _unquoted(self, literal: str, at: int) -> str:
        for found in _ESCAPE.finditer(literal):
            if found[1] not in _ESCAPED:
                self._refuse(at + found.start(), f"unknown escape {found[0]!r}: there are \\\\ \\' \\\" \\n \\r \\t")
        return _ESCAPE.sub(lambda found: _ESCAPED[found[1]], literal[1:-1])

    def _path(self, token: Token) -> Path:
        start = token.start_pos or 0
        steps: list[str | int] = []
        offsets: list[int] = []
        for found in _STEP.finditer(token):
            root, member, index, name = found.groups()
            offsets.append(start + max(found.start(group) for group in range(1, 5)))
            if name is not None:
                steps.append(self._unquoted(name, offsets[-1]))
            elif index is not None or (member is not None and member.isascii() and member.isdecimal()):
                if len(index or member) > 9:
                    self._refuse(offsets[-1], "the index is too big")
                steps.append(int(index or member))
            else:
                steps.append(root or member)
        if len(steps) > MAX_DEPTH:
            self._refuse(offsets[MAX_DEPTH], f"costs too much: a path of more than {MAX_DEPTH} steps")
        return Path(tuple(steps), tuple(offsets), position=start)


def kind_of(part: Node) -> str | None:
    """What the part will be; None for a path, of which only the run will tell."""
    match part:
        case Literal(value=None):
            return NULL
        case Literal(value=bool()):
            return TRUTH
        case Literal(value=str()):
            return TEXT
        case Literal() | Arithmetic() | Negative():
            return NUMBER
        case ListOf():
            return LIST
        case Call(function=function):
            return FUNCTIONS[function]
        case Path():
            return None
        case _:
            return TRUTH


def _objection(left: Node, operator: Operator, right: Node) -> str | None:
    """Why this comparison can never be answered, whatever the run."""
    kinds = {kind_of(left), kind_of(right)} - {None}
    if NULL in kinds:
        if operator not in (Operator.EQUAL, Operator.UNEQUAL):
            return f"null can only be compared by == and !=, not by {operator}"
        if not (isinstance(left, Path) or isinstance(right, Path)):
            return "null can only be compared with a path"
        return None
    match operator:
        case Operator.IN | Operator.NOT_IN:
            return _membership(left, right, operator)
        case Operator.CONTAINS:
            return _membership(right, left, operator)
        case Operator.STARTS_WITH | Operator.ENDS_WITH:
            allowed = {TEXT}
        case _ if operator in _ORDERS:
            allowed = {NUMBER, TEXT}
        case _:
            allowed = {NUMBER, TEXT, TRUTH}
    wrong = sorted(kind for kind in kinds if kind is not None and kind not in allowed)
    if wrong:
        return f"a {wrong[0]} cannot be compared by {operator}"
    return f"a {min(map(str, kinds))} is never comparable with a {max(map(str, kinds))}" if len(kinds) > 1 else None


def _membership(item: Node, whole: Node, operator: Operator) -> str | None:
    inside, around = kind_of(item), kind_of(whole)
    if around not in (LIST, TEXT, None):
        return f"{operator} needs a list or a text, not a {around}"
    if inside == LIST or (around == TEXT and inside not in (TEXT, None)):
        return f"a {inside} cannot be in a {around or 'list or a text'}"
    return None


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _token(tree: Tree[Token]) -> Token:
    return next(child for child in tree.children if isinstance(child, Token))


def _position(tree: Tree[Token]) -> int:
    return tree.meta.start_pos if not tree.meta.empty else 0
