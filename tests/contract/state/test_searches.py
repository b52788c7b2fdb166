"""Searches find what the same question finds without them, in the same order; `$contains` the same everywhere."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from shared.ports.state import Order, StateStore
from tests.contract.state.stores import BY_MADE, found, put, thing

NEWEST = [("made_at", Order.DESC), ("_id", Order.DESC)]

DOCS = [
    thing("a", owner="o", made_at="2026-01-01", state="queued", n=1, nested={"key": "in/a.mp4"}, title="Demo_一"),
    thing("b", owner="o", made_at="2026-01-01", state="failed", n=2, nested={"key": "in/b.mp4"}, title="demo_二"),
    thing("c", owner="o", made_at="2026-01-02", state="failed", n=None, nested={"key": "in/c.mp4"}, title="É.*"),
    thing("d", owner="o", made_at="2026-01-03", state="queued", n=0.5, nested={"key": "out/d.mp4"}, title="[x]"),
    thing("e", owner="o", made_at="2026-01-04", state="failed", nested={}, title=""),
    thing("f", owner="p", made_at="2026-01-05", state="failed", n=1, nested={"key": "in/f.mp4"}, title="Demo"),
    thing("g", owner="o", made_at="2026-01-06", state=7, n="1", nested={"key": 5}, title=12),
    thing("h", made_at="2026-01-07", state="queued"),
]

CONDITIONS: list[dict[str, Any]] = [
    {},
    {"state": "failed"},
    {"state": {"$in": ["failed", 7]}},
    {"state": {"$nin": ["failed"]}},
    {"state": {"$ne": "queued"}},
    {"n": 1},
    {"n": None},
    {"n": {"$in": [None, "1"]}},
    {"n": {"$ne": None}},
    {"n": {"$exists": False}},
    {"n": {"$lt": 2}},
    {"n": {"$gte": 1}},
    {"n": {"$gte": "0"}},
    {"n": {"$gt": None}},
    {"made_at": {"$gte": "2026-01-02", "$lt": "2026-01-04"}},
    {"made_at": "2026-01-01", "_id": {"$lt": "b"}},
    {"nested.key": {"$gte": "in/", "$lt": "in/\U0010ffff"}},
    {"nested.key": {"$lt": "x"}, "state": "failed"},
    {"title": {"$contains": "DEMO"}},
    {"title": {"$contains": "_二"}},
    {"title": {"$contains": "é"}},
    {"title": {"$contains": ".*"}},
    {"title": {"$contains": "[X]"}},
    {"title": {"$contains": "1"}},
    {"title": {"$contains": ""}},
]

FOUND_BY_CONTAINS = {
    "DEMO": {"a", "b", "f"},
    "_二": {"b"},
    "é": set(),
    ".*": {"c"},
    "[X]": {"d"},
    "1": set(),
    "": {"a", "b", "c", "d", "e", "f"},
}


async def test_a_search_changes_nothing_about_what_is_found(store: StateStore) -> None:
    await put(store, *DOCS)
    for condition, sort in itertools.product(CONDITIONS, ([], NEWEST, [("made_at", Order.ASC)])):
        where = {"owner": "o", **condition}
        plain = await found(store, where, sort=sort)
        assert await found(store, where, sort=sort, by=BY_MADE) == plain, (condition, sort)
        assert await store.count("things", where, by=BY_MADE) == len(plain)
        for offset in range(3):
            page = await found(store, where, sort=sort, by=BY_MADE, limit=2, offset=offset)
            assert page == plain[offset : offset + 2]


async def test_contains_finds_pieces_of_text_in_either_case(store: StateStore) -> None:
    await put(store, *DOCS)
    for text, ids in FOUND_BY_CONTAINS.items():
        assert set(await found(store, {"title": {"$contains": text}})) == ids, text


async def test_a_search_finds_what_was_changed_since(store: StateStore) -> None:
    await put(store, *DOCS)
    assert await store.replace("things", {**DOCS[0], "state": "failed", "made_at": "2026-02-01"})
    where = {"owner": "o", "state": "failed"}
    assert (await found(store, where, sort=NEWEST, by=BY_MADE))[0] == "a"


@pytest.mark.parametrize(
    ("where", "sort"),
    [
        ({}, []),
        ({"owner": {"$gt": ""}}, []),
        ({"owner": None}, []),
        ({"owner": "o", "lane": "x"}, []),
        ({"owner": "o"}, [("lane", Order.ASC)]),
    ],
)
async def test_a_search_answers_only_what_it_holds(store: StateStore, where: dict[str, Any], sort: Any) -> None:
    with pytest.raises(ValueError, match="not answered by the search"):
        await store.find("things", where, sort=sort, by=BY_MADE)
    with pytest.raises(ValueError, match="has no search"):
        await store.find("things", {"owner": "o"}, by=("owner", "_id"))


@pytest.mark.parametrize("value", [1, None, ["a"], True])
async def test_contains_needs_text(store: StateStore, value: Any) -> None:
    with pytest.raises(ValueError, match="contains"):
        await store.find("things", {"title": {"$contains": value}})
