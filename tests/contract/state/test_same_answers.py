"""Random documents and questions: SQLite answers what memory answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.memory import MemoryStateStore
from shared.adapters.sqlite import SqliteStateStore
from shared.ports.state import DuplicateKey, Order, StateStore
from tests.contract.state.stores import SPECS

# No NUL: SQLite ends the text of `json_extract` there. Numbers are few, so that they meet each other.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
few_texts = st.sampled_from(["", "a", "b", "A", "[", "[]", "{}", "~", "1", "视"]) | texts
numbers = st.integers(-2, 3) | st.sampled_from([0.5, 1.0, -1.5, 2**53 + 1, 2.0**60]) | st.integers(-(2**62), 2**62)
scalars = st.none() | st.booleans() | numbers | few_texts
fields = st.sampled_from(["state", "due_at", "v", "nested.code", "nested.v", "a.b.c"])

bodies = st.fixed_dictionaries(
    {},
    optional={
        "state": scalars,
        "due_at": st.none() | few_texts,
        "v": scalars,
        "n": st.none() | numbers,
        "t": st.none() | few_texts,
        "tenant": st.none() | st.sampled_from(["t", "u"]),
        "name": st.none() | st.sampled_from(["m", "n"]),
        "nested": scalars | st.fixed_dictionaries({}, optional={"v": scalars, "code": st.none() | few_texts}),
        "a": st.fixed_dictionaries({"b": scalars | st.fixed_dictionaries({"c": scalars})}),
    },
)
ids = st.sampled_from(["a", "b", "c", "d", "e", "f", "视", "1"])
operators = st.one_of(
    st.dictionaries(st.sampled_from(["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"]), scalars, min_size=1, max_size=2),
    st.builds(lambda name, values: {name: values}, st.sampled_from(["$in", "$nin"]), st.lists(scalars, max_size=4)),
    st.builds(lambda wanted: {"$exists": wanted}, st.booleans()),
)
filters = st.dictionaries(fields | st.just("_id"), scalars | operators, max_size=2)
sorts = st.lists(
    st.tuples(st.sampled_from(["n", "t", "due_at", "_id"]), st.sampled_from(list(Order))),
    max_size=2,
    unique_by=lambda item: item[0],
)
steps = st.lists(st.tuples(st.sampled_from(["insert", "replace", "delete"]), ids, bodies), max_size=14)
questions = st.lists(st.tuples(filters, sorts, st.integers(0, 5), st.integers(0, 3)), min_size=4, max_size=12)


async def act(store: StateStore, step: str, doc_id: str, body: dict[str, Any]) -> Any:
    stored = await store.get("things", doc_id)
    version = 0 if stored is None else stored["version"]
    try:
        match step:
            case "insert":
                return await store.insert("things", {"_id": doc_id, "version": 0, **body})
            case "replace":
                return await store.replace("things", {"_id": doc_id, "version": version, **body})
            case _:
                return await store.delete("things", doc_id, version)
    except DuplicateKey as error:
        return error.rule == "_id"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps, questions=questions)
def test_memory_and_sqlite_agree(steps: list[Any], questions: list[Any]) -> None:
    async def compare(path: Path) -> None:
        memory, sqlite = MemoryStateStore(SPECS), await SqliteStateStore.open(path, SPECS)
        try:
            for step in steps:
                assert await act(memory, *step) == await act(sqlite, *step), step
            for where, sort, limit, offset in questions:
                page = {"sort": sort, "limit": limit, "offset": offset}
                assert await memory.find("things", where, **page) == await sqlite.find("things", where, **page)
                assert await memory.count("things", where) == await sqlite.count("things", where)
        finally:
            await sqlite.close()

    with TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder) / "state.db"))
