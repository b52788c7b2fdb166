"""Errors that node kinds share.

shared.errors.ReelwayError
├── shared.model.failure.NodeError ...
└── UnknownKind             nobody has registered a kind of this name
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from shared.errors import ReelwayError
from shared.model.failure import ErrCode, InvalidInput
from shared.mps.naming import NamingError
from shared.mps.presets import TemplateMisfit, UnknownTemplate


class UnknownKind(ReelwayError):
    """Nobody has registered a node kind of this name."""

    code = "unknown_kind"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no node kind {name!r}")
        self.name = name


@contextmanager
def as_invalid_input() -> Iterator[None]:
    """Turns what is wrong with parameters into the node failure that says so."""
    try:
        yield
    except UnknownTemplate as error:
        raise InvalidInput(str(error), ErrCode.DEFINITION_NOT_EXIST) from error
    except (NamingError, TemplateMisfit) as error:
        raise InvalidInput(str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        rule = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"{field}: {rule}" if field else rule) from error
