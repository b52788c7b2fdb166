"""The grammar, and the step from text to a tree of tokens. The library's types do not leave this package."""

from __future__ import annotations

from functools import cache
from typing import NoReturn

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from shared.conditions.errors import ExpressionError

MAX_LENGTH = 2000
"""Characters of an expression."""

# LALR(1): one pass, linear, no backtracking. A path is one token, so that `nodes.3.Output` is not read as a number.
_GRAMMAR = r"""
?start: disjunction
?disjunction: conjunction (("or" | "||") conjunction)*
?conjunction: negation (("and" | "&&") negation)*
?negation: ("not" | "!") negation -> inversion
         | comparison
?comparison: sum (comparator sum)?
!comparator: "==" | "!=" | "<=" | "<" | ">=" | ">" | "in" | "not" "in" | "contains" | "startswith" | "endswith"
?sum: product (sign product)*
?product: factor (scale factor)*
!sign: "+" | "-"
!scale: "*" | "/"
?factor: "-" factor -> negative
       | atom
?atom: NUMBER -> number
     | STRING -> text
     | "true" -> yes
     | "false" -> no
     | "null" -> nothing
     | PATH -> path
     | PATH "(" (disjunction ("," disjunction)*)? ")" -> call
     | "[" (sum ("," sum)*)? "]" -> listing
     | "(" disjunction ")" -> group

NUMBER: /[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/
STRING: /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/
PATH: /(?!(?:and|or|not|in|contains|startswith|endswith|true|false|null)\b)[^\W\d]\w*(?:\.\w+|\[[0-9]+\]|\["(?:[^"\\\n]|\\.)*"\]|\['(?:[^'\\\n]|\\.)*'\])*/
%ignore /[ \t\r\n]+/
"""  # noqa: E501


@cache
def _parser() -> Lark:
    """Made at the first use: it takes some milliseconds that most processes never need."""
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", propagate_positions=True, maybe_placeholders=False)


_HINTS = {
    "=": "write == to compare",
    "&": "write && or and",
    "|": "write || or or",
    "“": "write straight quotes",
    "”": "write straight quotes",
    "‘": "write straight quotes",
    "’": "write straight quotes",
    "（": "write ( and )",
    "）": "write ( and )",
    "，": "write a comma of the Latin alphabet",
    "＝": "write ==",
    "＞": "write >",
    "＜": "write <",
    '"': "the text has no end",
    "'": "the text has no end",
}
_END = ("$END",)
_COMPARATORS = frozenset({"==", "!=", "<=", "<", ">=", ">", "in", "contains", "startswith", "endswith"})


def read(text: str) -> Tree[Token]:
    """The tree of tokens. Raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            text, MAX_LENGTH, f"costs too much: {len(text)} characters, at most {MAX_LENGTH} are allowed"
        )
    for position, char in enumerate(text):
        if "\ud800" <= char <= "\udfff":
            raise ExpressionError(text, position, "half a character (a lone surrogate)")
    if not text.strip():
        raise ExpressionError(text, 0, "is empty")
    try:
        return _parser().parse(text)
    except UnexpectedInput as error:
        _refuse(text, error)


def _refuse(text: str, error: UnexpectedInput) -> NoReturn:
    if isinstance(error, UnexpectedToken) and error.token.type in _END:
        raise ExpressionError(text, len(text.rstrip()), "ends too early: something is missing here") from None
    position = error.pos_in_stream or 0
    if isinstance(error, UnexpectedCharacters):
        hint = _HINTS.get(text[position])
        raise ExpressionError(
            text, position, f"unexpected {text[position]!r}" + (f": {hint}" if hint else "")
        ) from None
    token = str(error.token) if isinstance(error, UnexpectedToken) else text[position : position + 1]
    hint = "comparisons cannot be chained: join two with and" if token in _COMPARATORS and _after_operand(error) else ""
    raise ExpressionError(text, position, f"unexpected {token[:40]!r}" + (f": {hint}" if hint else "")) from None


def _after_operand(error: UnexpectedInput) -> bool:
    """Whether a value has just ended, so that an operator could have followed."""
    return isinstance(error, UnexpectedToken) and "AND" in error.accepts | error.expected
