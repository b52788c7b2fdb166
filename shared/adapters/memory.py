"""The state store in this process's memory: for unit tests and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from shared.adapters.state_query import (
    Condition,
    Operator,
    check_page,
    check_search,
    check_sort,
    check_specs,
    conditions,
    identity,
    known,
    lowered,
    next_version,
    rule_name,
)
from shared.clock import SystemClock
from shared.ports.state import CollectionSpec, Doc, DuplicateKey, Filter, Order, Search

_ABSENT: Any = object()


@dataclass(slots=True)
class _Row:
    """A document as bytes, which is what callers get a fresh copy of, and parsed, which is what filters look at."""

    body: bytes
    doc: Doc


@dataclass(slots=True)
class _Collection:
    spec: CollectionSpec
    rows: dict[str, _Row] = field(default_factory=dict)
    taken: dict[tuple[str, ...], dict[bytes, str]] = field(default_factory=dict)

    def write(self, doc: Doc) -> None:
        """Puts the document, if the unique rules allow it. Raises DuplicateKey before anything has changed."""
        doc_id = doc["_id"]
        body = orjson.dumps(doc)
        keys = [(rule, _unique_key(doc, rule)) for rule in self.spec.unique]
        for rule, key in keys:
            if key is not None and self.taken.setdefault(rule, {}).get(key, doc_id) != doc_id:
                raise DuplicateKey(self.spec.name, rule_name(rule))
        self.forget(doc_id)
        self.rows[doc_id] = _Row(body, orjson.loads(body))
        for rule, key in keys:
            if key is not None:
                self.taken[rule][key] = doc_id

    def forget(self, doc_id: str) -> None:
        """Removes the document, if it is there."""
        row = self.rows.pop(doc_id, None)
        if row is None:
            return
        for rule in self.spec.unique:
            key = _unique_key(row.doc, rule)
            if key is not None:
                del self.taken[rule][key]


class MemoryStateStore:
    """Documents in dictionaries. Callers never share an object with the store: values are copied in and out as JSON.

    `clock` is what `now` tells; the machine's clock if none is given.
    """

    def __init__(self, specs: Iterable[CollectionSpec], clock: Callable[[], datetime] | None = None) -> None:
        self._collections = {name: _Collection(spec) for name, spec in check_specs(specs).items()}
        self._clock = clock or SystemClock().now

    def _named(self, collection: str) -> _Collection:
        return self._collections[known(collection, self._collections)]

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        """The document, or None."""
        row = self._named(collection).rows.get(doc_id)
        return None if row is None else orjson.loads(row.body)

    async def get_many(self, collection: str, doc_ids: Sequence[str]) -> dict[str, Doc]:
        """Those of the ids that exist, by id."""
        rows = self._named(collection).rows
        return {doc_id: orjson.loads(rows[doc_id].body) for doc_id in doc_ids if doc_id in rows}

    async def insert(self, collection: str, doc: Doc) -> None:
        """Writes a new document. Raises DuplicateKey."""
        named = self._named(collection)
        doc_id, _ = identity(doc)
        if doc_id in named.rows:
            raise DuplicateKey(collection, "_id")
        named.write(doc)

    async def insert_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """Writes those that are new."""
        return [await self._try_insert(collection, doc) for doc in docs]

    async def _try_insert(self, collection: str, doc: Doc) -> bool:
        try:
            await self.insert(collection, doc)
        except DuplicateKey:
            return False
        return True

    async def replace(self, collection: str, doc: Doc) -> bool:
        """Compare-and-set by version. Raises DuplicateKey."""
        named = self._named(collection)
        doc_id, version = identity(doc)
        row = named.rows.get(doc_id)
        if row is None or row.doc["version"] != version:
            return False
        named.write(next_version(doc))
        return True

    async def replace_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """`replace` for each; a DuplicateKey is raised after all were tried."""
        written: list[bool] = []
        refused: DuplicateKey | None = None
        for doc in docs:
            try:
                written.append(await self.replace(collection, doc))
            except DuplicateKey as error:
                refused = refused or error
        if refused is not None:
            raise refused
        return written

    async def delete(self, collection: str, doc_id: str, version: int) -> bool:
        """Removes the document if it still has this version."""
        named = self._named(collection)
        row = named.rows.get(doc_id)
        if row is None or row.doc["version"] != version:
            return False
        named.forget(doc_id)
        return True

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
        """At most `limit` documents that match, in order, ties by `_id`."""
        check_page(limit, offset)
        check_search(self._named(collection).spec, by, where, sort)
        rows = self._matching(collection, where)
        for name, order in reversed(check_sort(sort)):  # each pass is stable, so the first field has the last word
            rows.sort(key=_sort_key(name), reverse=order is Order.DESC)
        return [orjson.loads(row.body) for row in rows[offset : offset + limit]]

    async def count(self, collection: str, where: Filter, *, by: Search | None = None) -> int:
        """How many documents match."""
        check_search(self._named(collection).spec, by, where)
        return len(self._matching(collection, where))

    def _matching(self, collection: str, where: Filter) -> list[_Row]:
        tests = conditions(where)
        return [row for row in self._named(collection).rows.values() if all(_holds(test, row.doc) for test in tests)]

    async def now(self) -> datetime:
        """What the given clock says, aware UTC."""
        return self._clock()

    async def ping(self) -> None:
        """Always answers."""

    async def close(self) -> None:
        """Nothing to release; the documents stay for whoever still looks at them."""


def _value(doc: Doc, path: str) -> Any:
    value: Any = doc
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return _ABSENT
        value = value[name]
    return value


def _sort_key(path: str) -> Callable[[_Row], tuple[int, Any]]:
    return lambda row: _rank(_value(row.doc, path))


def _unique_key(doc: Doc, rule: tuple[str, ...]) -> bytes | None:
    values = [_value(doc, name) for name in rule]
    return None if any(value is None or value is _ABSENT for value in values) else orjson.dumps(values)


def _rank(value: Any) -> tuple[int, Any]:
    """Sorts after its kind first, so that values of different types never meet in a comparison."""
    match value:
        case None:
            return 0, 0
        case bool():
            return 3, value
        case int() | float():
            return 1, value
        case str():
            return 2, value
        case _ if value is _ABSENT:
            return 0, 0
        case _:
            return 4, 0


def _holds(test: Condition, doc: Doc) -> bool:
    value = _value(doc, test.field)
    match test.operator:
        case Operator.EXISTS:
            return (value is not _ABSENT) is test.value
        case Operator.EQ:
            return _equal(value, test.value)
        case Operator.NE:
            return not _equal(value, test.value)
        case Operator.IN:
            return any(_equal(value, wanted) for wanted in test.value)
        case Operator.NIN:
            return not any(_equal(value, wanted) for wanted in test.value)
        case Operator.CONTAINS:
            return isinstance(value, str) and lowered(test.value) in lowered(value)
        case Operator.LT | Operator.LTE | Operator.GT | Operator.GTE:
            return _ordered(test.operator, _rank(value), _rank(test.value))


def _equal(value: Any, wanted: Any) -> bool:
    kind, _ = rank = _rank(value)
    return kind != 4 and rank == _rank(wanted)


def _ordered(operator: Operator, value: tuple[int, Any], bound: tuple[int, Any]) -> bool:
    if value[0] != bound[0] or value[0] in (0, 4):
        return False
    match operator:
        case Operator.LT:
            return value < bound
        case Operator.LTE:
            return value <= bound
        case Operator.GT:
            return value > bound
        case _:
            return value >= bound
