"""The collections of the suite, its documents, and how each adapter is opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from shared.ports.state import CollectionSpec, Doc, Search, StateStore

BY_MADE: Search = ("owner", "made_at", "_id", "state", "n", "nested.key", "title")
THINGS = CollectionSpec(
    "things",
    unique=(("tenant", "name"), ("nested.code",)),
    indexes=(("state", "lane", "order"), ("due_at",)),
    searches=(BY_MADE,),
)
PLAIN = CollectionSpec("plain")
SPECS = (THINGS, PLAIN)

Opener = Callable[[], Awaitable[StateStore]]
"""Opens the same store again and again: what one handle wrote the next one finds."""


def thing(doc_id: str, **fields: Any) -> Doc:
    """A new document."""
    return {"_id": doc_id, "version": 0, **fields}


async def put(store: StateStore, *docs: Doc) -> None:
    """Inserts documents that are all new."""
    assert all(await store.insert_many("things", docs))


async def found(store: StateStore, where: dict[str, Any], **options: Any) -> list[str]:
    """The ids that match, in the order of the answer."""
    return [doc["_id"] for doc in await store.find("things", where, **options)]
