"""The state store on MongoDB, through Motor. Motor and PyMongo are known to this module only.

A write is acknowledged by a majority with its journal, reads are majority reads from the primary, and every change is
one `replace_one` or `delete_one` on `{_id, version}`, so collections may be sharded. PyMongo retries a write once where
the server can tell a repetition (replica sets, mongos); on a standalone server it leaves that out by itself, so that
the URL needs no `retryWrites=false` (`ServerDescription.retryable_writes_supported` of PyMongo).
"""

from __future__ import annotations

import asyncio
import re
import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

import structlog
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    PyMongoError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern

from shared.adapters.state_query import (
    ORDERING,
    Condition,
    Operator,
    check_page,
    check_search,
    check_sort,
    check_specs,
    conditions,
    identity,
    known,
    next_version,
    rule_name,
)
from shared.ports.state import CollectionSpec, Doc, DuplicateKey, Filter, Order, Search, StateError, StateUnavailable

T = TypeVar("T")
log = structlog.get_logger(__name__)

_OPTIONS = {
    "appName": "reelway",
    "serverSelectionTimeoutMS": 3000,
    "connectTimeoutMS": 3000,
    "socketTimeoutMS": 10000,
    "waitQueueTimeoutMS": 5000,
    "maxPoolSize": 50,
}
"""Unless the URL says otherwise."""

_WRITE_TIMEOUT_MS = 10_000
"""How long a majority may take to acknowledge a write."""

_IN_FLIGHT = 32
"""Single writes of one `replace_many` that are on their way at once."""

_CLOCK_REFRESH_S = 30.0
"""How old the comparison with the server's clock may be."""

_DUPLICATE = 11000
"""MongoDB's code for a broken unique rule."""

_NOT_IMPLEMENTED = 238
"""MongoDB's code, by which servers that speak its protocol refuse what they cannot do."""

_NOT_NULL = {"$type": ["string", "number", "bool", "object", "array"]}
"""What a field of a unique rule must be for the document to count. A partial index cannot say `$ne: null`."""


class MongoStateStore:
    """Documents in a MongoDB database. Raises ValueError for a URL that MongoDB's driver does not accept."""

    def __init__(self, url: str, database: str, specs: Iterable[CollectionSpec]) -> None:
        self._specs = check_specs(specs)
        given = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}
        options: dict[str, Any] = {name: value for name, value in _OPTIONS.items() if name.lower() not in given}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # PyMongo would go on without an option it cannot read
                self._client: Any = AsyncIOMotorClient(url, **options)
        except (PyMongoError, TypeError, UserWarning) as error:
            raise ValueError(f"MongoDB refuses the URL: {error}") from error
        self._database: Any = self._client.get_database(
            database,
            write_concern=WriteConcern("majority", wtimeout=_WRITE_TIMEOUT_MS, j=True),
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        self._clock = _ServerClock(self._hello)

    @classmethod
    async def open(cls, url: str, database: str, specs: Iterable[CollectionSpec]) -> Self:
        """The store, with its indexes made where they were missing.

        Raises StateUnavailable within a few seconds if no server answers; then nothing is left open.
        """
        store = cls(url, database, specs)
        try:
            await store.ping()
            for spec in store._specs.values():
                await store._make_indexes(spec)
        except BaseException:
            await store.close()
            raise
        return store

    async def _make_indexes(self, spec: CollectionSpec) -> None:
        collection = self._named(spec.name)
        for rule in spec.unique:
            await self._make_unique(collection, rule)
        for index in spec.indexes:
            keys = [(field, 1) for field in (*index, "_id")]  # `_id` gives the order of ties
            await _answer(collection.create_index(keys, name=f"index:{rule_name(index)}"))
        for search in spec.searches:
            await _answer(collection.create_index([(field, 1) for field in search], name=_search_name(search)))

    async def _make_unique(self, collection: Any, rule: Sequence[str]) -> None:
        keys, name = [(field, 1) for field in rule], f"unique:{rule_name(rule)}"
        only = dict.fromkeys(rule, _NOT_NULL)
        try:
            await _answer(collection.create_index(keys, name=name, unique=True, partialFilterExpression=only))
        except StateError as error:
            if getattr(error.__cause__, "code", None) != _NOT_IMPLEMENTED:
                raise
            # FerretDB v1: a rule for all documents is stricter where a field is null, and no field of ours ever is.
            log.warning("no partial indexes here, null counts as a value", collection=collection.name, rule=name)
            await _answer(collection.create_index(keys, name=name, unique=True))

    def _named(self, collection: str) -> Any:
        return self._database[known(collection, self._specs)]

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        """The document, or None."""
        doc: Doc | None = await _answer(self._named(collection).find_one({"_id": doc_id}))
        return doc

    async def get_many(self, collection: str, doc_ids: Sequence[str]) -> dict[str, Doc]:
        """Those of the ids that exist, by id."""
        cursor = self._named(collection).find({"_id": {"$in": list(doc_ids)}})
        return {doc["_id"]: doc for doc in await _answer(cursor.to_list(None))}

    async def insert(self, collection: str, doc: Doc) -> None:
        """Writes a new document. Raises DuplicateKey."""
        doc_id, _ = identity(doc)
        try:
            await _answer(self._named(collection).insert_one(doc))
        except DuplicateKeyError as error:
            # A document inserted again breaks all its rules at once, and not every server names `_id` first.
            if await _answer(self._named(collection).find_one({"_id": doc_id}, {"_id": 1})):
                raise DuplicateKey(collection, "_id") from None
            raise await self._duplicate(collection, doc, error) from None

    async def insert_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """Writes those that are new, in one unordered bulk."""
        for doc in docs:
            identity(doc)
        if not docs:
            return []
        try:
            await _answer(self._named(collection).insert_many(docs, ordered=False))
        except BulkWriteError as error:
            refused = _refused(error)
            return [index not in refused for index in range(len(docs))]
        return [True] * len(docs)

    async def replace(self, collection: str, doc: Doc) -> bool:
        """Compare-and-set by version. Raises DuplicateKey."""
        doc_id, version = identity(doc)
        only_if = {"_id": doc_id, "version": version}
        try:
            result = await _answer(self._named(collection).replace_one(only_if, next_version(doc)))
        except DuplicateKeyError as error:
            raise await self._duplicate(collection, doc, error) from None
        return bool(result.matched_count)

    async def _duplicate(self, collection: str, doc: Doc, error: DuplicateKeyError) -> DuplicateKey:
        """The error with the rule that was broken, which not every server names."""
        pattern = (error.details or {}).get("keyPattern")
        if pattern:
            return DuplicateKey(collection, rule_name(list(pattern)))
        for rule in self._specs[collection].unique:
            taken = {field: value for field in rule if (value := _at(doc, field)) is not None}
            others = {"_id": {"$ne": doc["_id"]}, **taken}
            if len(taken) == len(rule) and await _answer(self._named(collection).find_one(others, {"_id": 1})):
                return DuplicateKey(collection, rule_name(rule))
        return DuplicateKey(collection, "_id")

    async def replace_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """`replace` for each, side by side; a DuplicateKey is raised after all were tried.

        Not a bulk write: that tells only how many documents matched, not which.
        """
        free = asyncio.Semaphore(_IN_FLIGHT)

        async def one(doc: Doc) -> bool:
            async with free:
                return await self.replace(collection, doc)

        outcomes = await asyncio.gather(*(one(doc) for doc in docs), return_exceptions=True)
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if errors:
            raise next((error for error in errors if not isinstance(error, DuplicateKey)), errors[0])
        return [outcome is True for outcome in outcomes]

    async def delete(self, collection: str, doc_id: str, version: int) -> bool:
        """Removes the document if it still has this version."""
        result = await _answer(self._named(collection).delete_one({"_id": doc_id, "version": version}))
        return bool(result.deleted_count)

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
        check_search(self._specs[known(collection, self._specs)], by, where, sort)
        order = [(name, int(direction)) for name, direction in check_sort(sort)]
        cursor = self._named(collection).find(_query(where), sort=order, skip=offset, limit=limit)
        if limit == 0:  # which means "all" to MongoDB
            return []
        if by is not None:
            cursor = cursor.hint(_search_name(by))
        docs: list[Doc] = await _answer(cursor.to_list(limit))
        return docs

    async def count(self, collection: str, where: Filter, *, by: Search | None = None) -> int:
        """How many documents match."""
        check_search(self._specs[known(collection, self._specs)], by, where)
        hint = {} if by is None else {"hint": _search_name(by)}
        number: int = await _answer(self._named(collection).count_documents(_query(where), **hint))
        return number

    async def now(self) -> datetime:
        """The server's clock, compared with ours every 30 s."""
        return await self._clock.now()

    async def ping(self) -> None:
        """Raises StateUnavailable unless the primary answers."""
        await self._hello()

    async def _hello(self) -> datetime:
        """The server's time."""
        reply = await _answer(self._client.admin.command("hello"))
        local = reply.get("localTime")
        return local.replace(tzinfo=UTC) if isinstance(local, datetime) else datetime.now(UTC)

    async def close(self) -> None:
        """Closes the connections."""
        self._client.close()


class _ServerClock:
    """The server's time, carried on by the monotonic clock between comparisons: our own wall clock may jump."""

    def __init__(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        self._ask = ask
        self._base = datetime.min.replace(tzinfo=UTC)
        self._base_at = 0.0
        self._known = False

    async def now(self) -> datetime:
        if not self._known or time.monotonic() - self._base_at > _CLOCK_REFRESH_S:
            asked_at = time.monotonic()
            base = await self._ask()
            # The server looked at its clock somewhere between question and answer: half-way is the best guess.
            self._base, self._base_at, self._known = base, (asked_at + time.monotonic()) / 2, True
        return self._base + timedelta(seconds=time.monotonic() - self._base_at)


async def _answer(pending: Awaitable[T]) -> T:
    """The result. Broken unique rules pass as they are, everything else becomes an error of the port."""
    try:
        return await pending
    except (DuplicateKeyError, BulkWriteError):
        raise
    except (ConnectionFailure, ExecutionTimeout, WriteConcernError, InvalidOperation) as error:
        raise StateUnavailable(f"MongoDB: {error}") from error
    except PyMongoError as error:
        if error.has_error_label("RetryableWriteError") or error.has_error_label("TransientTransactionError"):
            raise StateUnavailable(f"MongoDB: {error}") from error
        raise StateError(f"MongoDB: {error}") from error
    except BSONError as error:
        raise StateError(f"MongoDB: {error}") from error


def _query(where: Filter) -> dict[str, Any]:
    tests = [_test(condition) for condition in conditions(where)]
    return {"$and": tests} if tests else {}


def _test(condition: Condition) -> dict[str, Any]:
    if condition.operator in ORDERING and condition.value is None:
        return {"_id": {"$in": []}}  # MongoDB would match null with $lte and $gte null
    if condition.operator is Operator.CONTAINS:
        # Not the option `i`, which knows other letters than the port does.
        letters = (
            f"[{c.lower()}{c.upper()}]" if c.isascii() and c.isalpha() else re.escape(c) for c in condition.value
        )
        return {condition.field: {"$regex": "".join(letters)}}
    return {condition.field: {condition.operator.value: condition.value}}


def _search_name(search: Search) -> str:
    return f"search:{rule_name(search[: search.index('_id')])}"


def _at(doc: Doc, path: str) -> Any:
    """What stands at a dotted path, None if nothing does."""
    value: Any = doc
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _refused(error: BulkWriteError) -> set[int]:
    """The positions that broke a unique rule. Raises if anything else went wrong."""
    details = error.details or {}
    if details.get("writeConcernErrors"):
        raise StateUnavailable(f"MongoDB: {details['writeConcernErrors'][0].get('errmsg')}") from error
    for item in details.get("writeErrors", ()):
        if item["code"] != _DUPLICATE:
            raise StateError(f"MongoDB: {item.get('errmsg')}") from error
    return {item["index"] for item in details.get("writeErrors", ())}
