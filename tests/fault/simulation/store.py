"""The state store as processes see it: the memory store behind a wire, with the checker looking at every write."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from shared.adapters.memory import MemoryStateStore
from shared.model import collections
from shared.ports.state import Doc, DuplicateKey, Filter, Order, Search, StateUnavailable
from tests.fault.simulation.timeline import Timeline
from tests.fault.simulation.wire import Server, Wire

T = TypeVar("T")


class Watcher(Protocol):
    """Sees every write."""

    def wrote(self, collection: str, before: Doc | None, after: Doc | None) -> None:
        """A document was written, or removed."""
        ...


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("the memory store waits for nothing")


class SimulatedStore:
    """The `StateStore` port. One object serves all processes: who calls is known from the running loop.

    A call that writes several documents may fail with any number of them written, as a server's bulk write may.
    """

    def __init__(self, timeline: Timeline, wire: Wire, watcher: Watcher) -> None:
        self.inner = MemoryStateStore(collections.ALL, timeline.instant)
        self.server = Server("store", lambda: StateUnavailable("the store does not answer"))
        self._wire = wire
        self._watcher = watcher

    # -- effects --------------------------------------------------------------------------------------------------

    def look(self, collection: str, doc_id: str) -> Doc | None:
        """The stored document itself, not to be changed."""
        row = self.inner._named(collection).rows.get(doc_id)
        return None if row is None else row.doc

    def _write(self, collection: str, doc_id: str, write: Callable[[], Coroutine[Any, Any, T]]) -> T:
        before = self.look(collection, doc_id)
        answer = at_once(write())
        after = self.look(collection, doc_id)
        if after is not before:
            self._watcher.wrote(collection, before, after)
        return answer

    def put(self, collection: str, doc: Doc) -> None:
        """Inserts, as the outside world does, without a wire."""
        self._write(collection, doc["_id"], partial(self.inner.insert, collection, doc))

    def _insert(self, collection: str, doc: Doc) -> bool:
        try:
            self.put(collection, doc)
        except DuplicateKey:
            return False
        return True

    def replace_now(self, collection: str, doc: Doc) -> bool:
        """Compare-and-set, at once and without a wire."""
        return self._write(collection, doc["_id"], partial(self.inner.replace, collection, doc))

    # -- the port -------------------------------------------------------------------------------------------------

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        """The document, or None."""
        effect = partial(self._now, self.inner.get, collection, doc_id)
        return await self._wire.call(self.server, f"get {collection}", doc_id, effect)

    async def get_many(self, collection: str, doc_ids: Sequence[str]) -> dict[str, Doc]:
        """Those of the ids that exist, by id."""
        effect = partial(self._now, self.inner.get_many, collection, list(doc_ids))
        return await self._wire.call(self.server, f"get {collection}", _names(doc_ids), effect)

    async def insert(self, collection: str, doc: Doc) -> None:
        """Writes a new document. Raises DuplicateKey."""
        await self._wire.call(self.server, f"insert {collection}", doc["_id"], partial(self.put, collection, doc))

    async def insert_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """Writes those that are new."""
        effects = [partial(self._insert, collection, doc) for doc in docs]
        about = _names([doc["_id"] for doc in docs])
        return await self._wire.call_many(self.server, f"insert {collection}", about, effects)

    async def replace(self, collection: str, doc: Doc) -> bool:
        """Compare-and-set by version."""
        return await self._wire.call(
            self.server, f"replace {collection}", _version(doc), partial(self.replace_now, collection, doc)
        )

    async def replace_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """`replace` for each."""
        effects = [partial(self.replace_now, collection, doc) for doc in docs]
        about = ", ".join(map(_version, docs))
        return await self._wire.call_many(self.server, f"replace {collection}", about, effects)

    async def delete(self, collection: str, doc_id: str, version: int) -> bool:
        """Removes the document if it still has this version."""
        effect = partial(self._write, collection, doc_id, partial(self.inner.delete, collection, doc_id, version))
        return await self._wire.call(self.server, f"delete {collection}", doc_id, effect)

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
        """At most `limit` documents that match."""
        effect = partial(self._now, self.inner.find, collection, where, sort=sort, limit=limit, offset=offset, by=by)
        return await self._wire.call(self.server, f"find {collection}", "", effect)

    async def count(self, collection: str, where: Filter, *, by: Search | None = None) -> int:
        """How many documents match."""
        effect = partial(self._now, self.inner.count, collection, where, by=by)
        return await self._wire.call(self.server, f"count {collection}", "", effect)

    async def now(self) -> datetime:
        """The store's clock."""
        return await self._wire.call(self.server, "now", "", partial(self._now, self.inner.now))

    async def ping(self) -> None:
        """Raises StateUnavailable while the store is away."""
        await self._wire.call(self.server, "ping", "", lambda: None)

    async def close(self) -> None:
        """Nothing to release."""

    @staticmethod
    def _now(read: Callable[..., Coroutine[Any, Any, T]], *args: Any, **named: Any) -> T:
        return at_once(read(*args, **named))


def _names(ids: Sequence[str]) -> str:
    return ", ".join(ids) if len(ids) < 4 else f"{', '.join(ids[:3])} and {len(ids) - 3} more"


def _version(doc: Doc) -> str:
    return f"{doc['_id']} v{doc['version']}"
