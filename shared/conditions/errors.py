"""What is wrong with an expression, and where."""

from __future__ import annotations

from shared.errors import ReelwayError


class ExpressionError(ReelwayError, ValueError):
    """An expression that is refused at save.

    `position` counts characters from 0; `line` and `column` count from 1, as editors do. It is a ValueError too, so
    that a model's validator may let it pass.
    """

    code = "expression"

    def __init__(self, text: str, position: int, reason: str) -> None:
        before = text[:position]
        self.position = position
        self.line = before.count("\n") + 1
        self.column = position - (before.rfind("\n") + 1) + 1
        self.reason = reason
        super().__init__(f"line {self.line}, column {self.column}: {reason}")
