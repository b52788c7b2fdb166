"""The state store: small JSON documents, each changed by compare-and-set. Adapters: memory, SQLite, MongoDB.

    StateError
    ├── DuplicateKey        a document with this id, or these unique fields, is there already
    └── StateUnavailable    the store cannot be reached or timed out; retryable

There are no transactions over several documents, no change streams and no counters: a change is one document, written
only if nobody else wrote it since it was read. The contract suite in `tests/contract/state` is the definition of this
port; every adapter passes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar, Protocol

from shared.errors import ReelwayError

Doc = dict[str, Any]
"""A JSON object with `_id` (text) and `version` (integer). Values are what JSON has; times are fixed-width text."""

Filter = Mapping[str, Any]
"""Conditions that must all hold: `{"state": "queued", "due_at": {"$lte": "2026-…"}}`.

Field names may be dotted paths into objects. A plain value means equality; `None` matches null and absent alike.
Operators: `$eq $ne $lt $lte $gt $gte $in $nin $contains $exists`. Ordering operators never match null, absent or
another type. `$contains` finds a piece of text, Latin letters in either case.
"""

Search = tuple[str, ...]
"""A wide access path: a field for equality, the fields of the order (the last one `_id`), then fields to filter by. A
page that is read `by` it looks at no document that is not on the page, however many there are between."""


class Order(IntEnum):
    """The direction of one sort field."""

    ASC = 1
    """Small first; null and absent before everything."""
    DESC = -1
    """Large first; null and absent last."""


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """A collection with the rules and access paths the store keeps for it. Each index is a tuple of field names;
    unique rules hold only for documents in which all fields of the rule are present and not null."""

    name: str
    unique: tuple[tuple[str, ...], ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    searches: tuple[Search, ...] = ()


class StateError(ReelwayError):
    """The state store refused or failed."""

    code: ClassVar[str] = "state"


class DuplicateKey(StateError):
    """A document with this id, or these unique fields, is there already."""

    code = "duplicate_key"

    def __init__(self, collection: str, rule: str) -> None:
        super().__init__(f"{collection}: duplicate {rule}")
        self.collection = collection
        self.rule = rule


class StateUnavailable(StateError):
    """The store cannot be reached or timed out; whether a write happened is unknown."""

    code = "state_unavailable"
    retryable = True


class StateStore(Protocol):
    """Documents by collection. Every method raises StateUnavailable when the store does not answer in time."""

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        """The document, or None. What one process wrote it reads back at once."""
        ...

    async def get_many(self, collection: str, doc_ids: Sequence[str]) -> dict[str, Doc]:
        """Those of the ids that exist, by id."""
        ...

    async def insert(self, collection: str, doc: Doc) -> None:
        """Writes a new document as it stands. Raises DuplicateKey; then nothing was written."""
        ...

    async def insert_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """Writes those that are new; False where the id or a unique rule was taken. Not atomic over the list."""
        ...

    async def replace(self, collection: str, doc: Doc) -> bool:
        """Compare-and-set: writes `doc` with `version + 1` if the stored version equals `doc["version"]`.

        False if the document is gone or has another version; then nothing was written. Raises DuplicateKey if a
        unique rule forbids the new content.
        """
        ...

    async def replace_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """`replace` for each; one round trip or transaction where the store can. Not atomic over the list."""
        ...

    async def delete(self, collection: str, doc_id: str, version: int) -> bool:
        """Removes the document if it still has this version."""
        ...

    async def find(
        self,
        collection: str,
        where: Filter,
        *,
        sort: Sequence[tuple[str, Order]] = (),
        limit: int = 100,
        offset: int = 0,
        by: Search | None = None,
    ) -> list[Doc]:
        """At most `limit` documents that match, in the order asked for (ties by `_id`).

        `by` names the search of the collection to go along; the filter then has an equality for its first field, and
        the filter and the order name no fields but those of the search. It changes nothing about what is found. Raises
        ValueError if the collection has no such search.
        """
        ...

    async def count(self, collection: str, where: Filter, *, by: Search | None = None) -> int:
        """How many documents match; `by` as in `find`."""
        ...

    async def now(self) -> datetime:
        """The store's clock, aware UTC: the one that leases and timers go by."""
        ...

    async def ping(self) -> None:
        """Raises StateUnavailable unless the store answers."""
        ...

    async def close(self) -> None:
        """Releases connections and threads."""
        ...
