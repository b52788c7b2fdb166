"""Members of the contract that we do not do: refused by name when they ask for something, taken while they are off."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

NOT_YET = "is not supported yet"
_OFF = frozenset({"", "0", "0.0", "false", "off"})


def _asks_for_nothing(value: Any) -> bool:
    match value:
        case None | 0:
            return True
        case str():
            # GET and v1 calls send everything as text; the SDK writes Python's False.
            return value.strip().lower() in _OFF
        case list():
            return all(_asks_for_nothing(item) for item in value)
        case dict():
            return all(_asks_for_nothing(item) for item in value.values())
        case _:
            return False


def _refuse_unless_off(value: Any) -> Any:
    if not _asks_for_nothing(value):
        raise ValueError(NOT_YET)
    return value


NotYet = Annotated[
    Any,
    AfterValidator(_refuse_unless_off),
    WithJsonSchema({"description": "Not supported yet: may only be absent, empty, zero or off.", "deprecated": True}),
]
"""A member of the contract that may only be absent, empty, zero or off."""


def number(value: Any) -> Any:
    """For a Literal of numbers, which does not take text: GET requests send numbers as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value
