"""A guarantee that does not hold."""

from __future__ import annotations


class Violation(Exception):
    """`guarantee` is its number in DESIGN §11, or `liveness`, or `sound` for code that complains about itself."""

    def __init__(self, guarantee: str, what: str) -> None:
        super().__init__(f"{guarantee}: {what}")
        self.guarantee = guarantee
        self.what = what

    def __reduce__(self) -> tuple[type[Violation], tuple[str, str]]:
        return Violation, (self.guarantee, self.what)
