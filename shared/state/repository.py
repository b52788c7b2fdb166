"""A collection of the state store with its model: reads and compare-and-set writes in terms of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import structlog
from pydantic import ValidationError

from shared.model.base import Document
from shared.ports.state import CollectionSpec, Doc, Filter, Order, Search, StateError, StateStore

log = structlog.get_logger(__name__)
D = TypeVar("D", bound=Document)


class Contention(StateError):
    """A document changed under us again and again; the same call may succeed later."""

    code = "contention"
    retryable = True


class BrokenDocument(StateError):
    """A stored document does not have the shape of its model."""

    code = "broken_document"


class Repository(Generic[D]):
    """One collection. What it returns carries the version it was read at; writing it back checks that version."""

    def __init__(self, store: StateStore, spec: CollectionSpec, model: type[D]) -> None:
        self._store = store
        self._name = spec.name
        self._model = model

    def _load(self, doc: Doc) -> D:
        body = dict(doc)
        body["id"] = body.pop("_id")
        try:
            return self._model.model_validate(body)
        except ValidationError as error:
            raise BrokenDocument(f"{self._name}/{body['id']}: {error.error_count()} members are wrong") from error

    def _load_sound(self, docs: Iterable[Doc]) -> list[D]:
        """Those that can be read. One broken document must not keep a sweeper from all the others."""
        sound: list[D] = []
        for doc in docs:
            try:
                sound.append(self._load(doc))
            except BrokenDocument as error:
                log.error("a stored document cannot be read", error=str(error), cause=str(error.__cause__)[:500])
        return sound

    @staticmethod
    def _dump(document: Document) -> Doc:
        body: Doc = document.model_dump(mode="json")
        body["_id"] = body.pop("id")
        return body

    async def get(self, doc_id: str) -> D | None:
        """The document, or None. Raises BrokenDocument."""
        doc = await self._store.get(self._name, doc_id)
        return None if doc is None else self._load(doc)

    async def get_many(self, doc_ids: Sequence[str]) -> dict[str, D]:
        """Those that exist, by id. Broken ones are logged and left out."""
        if not doc_ids:
            return {}
        docs = await self._store.get_many(self._name, list(dict.fromkeys(doc_ids)))
        return {document.id: document for document in self._load_sound(docs.values())}

    async def insert(self, document: D) -> None:
        """Writes a new document. Raises DuplicateKey."""
        await self._store.insert(self._name, self._dump(document))

    async def insert_many(self, documents: Sequence[D]) -> list[bool]:
        """Writes those that are new; False where one was there already."""
        if not documents:
            return []
        return await self._store.insert_many(self._name, [self._dump(document) for document in documents])

    async def replace(self, document: D) -> D | None:
        """Writes the document if nobody changed it since; the copy with its new version, or None if somebody did."""
        if await self._store.replace(self._name, self._dump(document)):
            return document.model_copy(update={"version": document.version + 1})
        return None

    async def replace_many(self, documents: Sequence[D]) -> list[D | None]:
        """`replace` for each."""
        if not documents:
            return []
        written = await self._store.replace_many(self._name, [self._dump(document) for document in documents])
        return [
            document.model_copy(update={"version": document.version + 1}) if done else None
            for document, done in zip(documents, written, strict=True)
        ]

    async def change(self, doc_id: str, step: Callable[[D], D | None], *, tries: int = 20) -> D | None:
        """Reads, applies `step`, writes; again when somebody came between. `step` returns None for "nothing to do".

        Returns the document as it then stands, None if there is none. Raises Contention after `tries` conflicts.
        """
        for _ in range(tries):
            current = await self.get(doc_id)
            if current is None:
                return None
            wanted = step(current)
            if wanted is None:
                return current
            done = await self.replace(wanted)
            if done is not None:
                return done
        raise Contention(f"{self._name}/{doc_id} changed {tries} times under a change")

    async def delete(self, document: D) -> bool:
        """Removes the document if nobody changed it since."""
        return await self._store.delete(self._name, document.id, document.version)

    async def find(
        self,
        where: Filter,
        *,
        sort: Sequence[tuple[str, Order]] = (),
        limit: int = 100,
        offset: int = 0,
        by: Search | None = None,
    ) -> list[D]:
        """At most `limit` documents that match, in order. Broken ones are logged and left out."""
        found = await self._store.find(self._name, where, sort=sort, limit=limit, offset=offset, by=by)
        return self._load_sound(found)

    async def count(self, where: Filter, *, by: Search | None = None) -> int:
        """How many documents match."""
        return await self._store.count(self._name, where, by=by)
