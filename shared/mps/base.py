"""How every shape of the MPS contract reads and writes JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal


class MpsModel(BaseModel):
    """One structure of the contract: `snake_case` in code, `PascalCase` on the wire and in the store.

    Unknown members are refused, so that a misspelt parameter is an error with its name and not a silent default.
    Numbers and booleans given as text are taken by schema (GET requests send everything as text).
    """

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, extra="forbid", frozen=True)

    def to_wire(self) -> dict[str, Any]:
        """The members that were given or have a value, in wire names (absent is not empty)."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_wire_as_given(self) -> dict[str, Any]:
        """Only what the caller sent, for an echo without loss."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
