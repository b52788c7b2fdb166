"""The language of conditions: small, total, and never more costly than it looks (docs/reference/expressions.md).

Pure: no input, no output, no clock. It knows nothing of pipelines; whoever asks brings the scope.
"""

from shared.conditions.check import ROOTS, Shape, check, shape_of
from shared.conditions.errors import ExpressionError
from shared.conditions.evaluate import Explanation, Scope
from shared.conditions.expression import Expression, explain, parse
from shared.conditions.syntax import Path

__all__ = [
    "ROOTS",
    "Explanation",
    "Expression",
    "ExpressionError",
    "Path",
    "Scope",
    "Shape",
    "check",
    "explain",
    "parse",
    "shape_of",
]
