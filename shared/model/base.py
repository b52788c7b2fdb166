"""What every stored document has in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer


def _aware_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a zone")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time beyond what can be told in UTC") from error


def instant_text(value: datetime) -> str:
    """Fixed-width ISO 8601 in UTC with microseconds: sorts as text as it does as time, in every store."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.isoformat(timespec="microseconds")[:-6] + "Z"


Instant = Annotated[
    datetime, AfterValidator(_aware_utc), PlainSerializer(instant_text, return_type=str, when_used="json")
]
"""An aware UTC moment; fixed-width text in JSON."""


class Value(BaseModel):
    """A part of a document or message: immutable, unknown members ignored (an older reader meets a newer writer)."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Document(Value):
    """One small aggregate. `version` counts its changes; every change is compare-and-set on `{id, version}`."""

    id: str
    version: int = Field(default=0, ge=0)

    def with_changes(self, **changes: Any) -> Self:
        """A copy with some members replaced; the version is the store's business."""
        return self.model_copy(update=changes)
