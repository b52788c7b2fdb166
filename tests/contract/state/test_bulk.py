"""Writes of many documents: each stands or falls by itself."""

from __future__ import annotations

import pytest

from shared.ports.state import DuplicateKey, StateStore
from tests.contract.state.stores import put, thing


async def test_insert_many_tells_which_were_new(store: StateStore) -> None:
    await put(store, thing("b", n=0), thing("z", tenant="t", name="n"))
    docs = [thing("a", n=1), thing("b", n=1), thing("c", tenant="t", name="n"), thing("d", n=1), thing("d", n=2)]
    assert await store.insert_many("things", docs) == [True, False, False, True, False]
    assert await store.get_many("things", ["a", "b", "c", "d"]) == {
        "a": thing("a", n=1),
        "b": thing("b", n=0),
        "d": thing("d", n=1),
    }


async def test_insert_many_of_many(store: StateStore) -> None:
    docs = [thing(f"{n:05}", n=n) for n in range(3000)]
    assert await store.insert_many("things", docs) == [True] * 3000
    assert await store.insert_many("things", docs[::2]) == [False] * 1500
    assert await store.count("things", {}) == 3000


async def test_nothing_to_write_is_no_trouble(store: StateStore) -> None:
    assert await store.insert_many("things", []) == []
    assert await store.replace_many("things", []) == []


async def test_replace_many_tells_which_were_written(store: StateStore) -> None:
    await put(store, thing("a"), thing("b"), thing("c"))
    assert await store.replace("things", thing("b", n="theirs"))
    docs = [thing("a", n=1), thing("b", n=1), thing("gone", n=1), thing("c", n=1)]
    assert await store.replace_many("things", docs) == [True, False, False, True]
    assert docs[0] == thing("a", n=1)
    assert await store.get_many("things", ["a", "b", "c", "gone"]) == {
        "a": {"_id": "a", "version": 1, "n": 1},
        "b": {"_id": "b", "version": 1, "n": "theirs"},
        "c": {"_id": "c", "version": 1, "n": 1},
    }


async def test_one_document_twice_in_replace_many_is_written_once(store: StateStore) -> None:
    await put(store, thing("a"))
    assert sorted(await store.replace_many("things", [thing("a", n=1), thing("a", n=2)])) == [False, True]
    doc = await store.get("things", "a")
    assert doc is not None
    assert doc["version"] == 1


async def test_replace_many_tries_all_before_it_raises_duplicate_key(store: StateStore) -> None:
    await put(store, thing("a", tenant="t", name="a"), thing("b", tenant="t", name="b"), thing("c"))
    with pytest.raises(DuplicateKey) as raised:
        await store.replace_many("things", [thing("b", tenant="t", name="a"), thing("c", n=1)])
    assert raised.value.rule == "tenant,name"
    assert await store.get("things", "b") == thing("b", tenant="t", name="b")
    assert await store.get("things", "c") == {"_id": "c", "version": 1, "n": 1}


async def test_replace_many_of_many(store: StateStore) -> None:
    docs = [thing(f"{n:05}", n=n) for n in range(300)]
    await put(store, *docs)
    assert await store.replace_many("things", docs) == [True] * 300
    assert await store.replace_many("things", docs) == [False] * 300
    assert await store.count("things", {"version": 1}) == 300
