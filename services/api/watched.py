"""The store as one call of the API has it: what the call changes is noted, and one that only reads changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.api.domain.access import WritesUndeclared
from services.api.domain.tracing import traceparent
from services.api.journal import Journal
from shared.ports.state import Doc, Filter, Order, Search, StateStore

UNWATCHED = frozenset({"answers", "audit", "pipeline_versions"})
"""Collections that only follow from changes of others."""


class WatchedStore:
    """A state store over another. Without a journal it refuses writes (raises WritesUndeclared)."""

    def __init__(self, store: StateStore, journal: Journal | None) -> None:
        self._store = store
        self._journal = journal
        self._read: dict[tuple[str, str], Doc] = {}

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        """As the port says."""
        found = await self._store.get(collection, doc_id)
        if found is not None and self._journal is not None and collection not in UNWATCHED:
            self._read[collection, doc_id] = found
        return found

    async def get_many(self, collection: str, doc_ids: Sequence[str]) -> dict[str, Doc]:
        """As the port says."""
        return await self._store.get_many(collection, doc_ids)

    async def insert(self, collection: str, doc: Doc) -> None:
        """As the port says."""
        journal = await self._watching(collection)
        doc = self._traced(collection, doc)
        await self._store.insert(collection, doc)
        if journal:
            journal.note(collection, doc["_id"], None, doc)

    async def insert_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """As the port says."""
        journal = await self._watching(collection)
        docs = [self._traced(collection, doc) for doc in docs]
        written = await self._store.insert_many(collection, docs)
        for doc, new in zip(docs, written, strict=True):
            if journal and new:
                journal.note(collection, doc["_id"], None, doc)
        return written

    async def replace(self, collection: str, doc: Doc) -> bool:
        """As the port says."""
        journal = await self._watching(collection)
        before = await self._before(collection, doc["_id"], doc["version"]) if journal else None
        written = await self._store.replace(collection, doc)
        if journal and written:
            journal.note(collection, doc["_id"], before, doc)
        return written

    async def replace_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """As the port says."""
        journal = await self._watching(collection)
        known = await self._store.get_many(collection, [doc["_id"] for doc in docs]) if journal else {}
        written = await self._store.replace_many(collection, docs)
        for doc, done in zip(docs, written, strict=True):
            if journal and done:
                journal.note(collection, doc["_id"], known.get(doc["_id"]), doc)
        return written

    async def delete(self, collection: str, doc_id: str, version: int) -> bool:
        """As the port says."""
        journal = await self._watching(collection)
        before = await self._before(collection, doc_id, version) if journal else None
        gone = await self._store.delete(collection, doc_id, version)
        if journal and gone:
            journal.note(collection, doc_id, before, None)
        return gone

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
        """As the port says."""
        return await self._store.find(collection, where, sort=sort, limit=limit, offset=offset, by=by)

    async def count(self, collection: str, where: Filter, *, by: Search | None = None) -> int:
        """As the port says."""
        return await self._store.count(collection, where, by=by)

    async def now(self) -> datetime:
        """As the port says."""
        return await self._store.now()

    async def ping(self) -> None:
        """As the port says."""
        await self._store.ping()

    async def close(self) -> None:
        """Nothing: a call does not close the store."""

    def _traced(self, collection: str, doc: Doc) -> Doc:
        """A run that the call starts belongs to the call's trace, and with it all of its tasks and messages."""
        if self._journal is None or collection != "runs" or doc.get("traceparent"):
            return doc
        return {**doc, "traceparent": traceparent(self._journal.request_id)}

    async def _watching(self, collection: str) -> Journal | None:
        if collection in UNWATCHED:
            return None
        if self._journal is None:
            raise WritesUndeclared(f"a call that reads only would have changed {collection}")
        await self._journal.begin()
        return self._journal

    async def _before(self, collection: str, doc_id: str, version: int) -> Doc | None:
        """The document at this version; it is mostly what the call has read already."""
        known = self._read.get((collection, doc_id))
        if known is not None and known["version"] == version:
            return known
        return await self._store.get(collection, doc_id)
