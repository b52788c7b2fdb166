"""Sorting and pages."""

from __future__ import annotations

from typing import Any

import pytest

from shared.ports.state import Order, StateStore
from tests.contract.state.stores import found, put, thing


async def test_small_first_ascending_large_first_descending(store: StateStore) -> None:
    await put(store, thing("a", n=2), thing("b", n=10), thing("c", n=-1), thing("d", n=2.5))
    assert await found(store, {}, sort=[("n", Order.ASC)]) == ["c", "a", "d", "b"]
    assert await found(store, {}, sort=[("n", Order.DESC)]) == ["b", "d", "a", "c"]


async def test_text_sorts_by_code_point(store: StateStore) -> None:
    await put(store, *(thing(text, t=text) for text in ("b", "B", "a", "视", "é", "10", "9", "😀", "\uff21")))
    expected = ["10", "9", "B", "a", "b", "é", "视", "\uff21", "😀"]
    assert await found(store, {}, sort=[("t", Order.ASC)]) == expected
    assert await found(store, {}, sort=[("_id", Order.DESC)]) == expected[::-1]


async def test_null_and_absent_come_first_ascending_and_last_descending(store: StateStore) -> None:
    await put(store, thing("a", n=1), thing("b"), thing("c", n=None), thing("d", n=0), thing("e"))
    assert await found(store, {}, sort=[("n", Order.ASC)]) == ["b", "c", "e", "d", "a"]
    assert await found(store, {}, sort=[("n", Order.DESC)]) == ["a", "d", "b", "c", "e"]


async def test_ties_go_by_id_whatever_the_direction(store: StateStore) -> None:
    await put(store, *(thing(name, n=1) for name in "dbcae"))
    assert await found(store, {}, sort=[("n", Order.ASC)]) == list("abcde")
    assert await found(store, {}, sort=[("n", Order.DESC)]) == list("abcde")
    assert await found(store, {}) == list("abcde")


async def test_later_fields_decide_among_equals(store: StateStore) -> None:
    await put(
        store,
        thing("a", priority=1, at="2026-01-02"),
        thing("b", priority=2, at="2026-01-03"),
        thing("c", priority=2, at="2026-01-01"),
        thing("d", priority=None, at="2026-01-01"),
    )
    assert await found(store, {}, sort=[("priority", Order.DESC), ("at", Order.ASC)]) == ["c", "b", "a", "d"]
    assert await found(store, {}, sort=[("at", Order.ASC), ("_id", Order.DESC)]) == ["d", "c", "a", "b"]


async def test_sort_reaches_into_objects_and_sorts_booleans(store: StateStore) -> None:
    await put(store, thing("a", p={"q": True}), thing("b", p={"q": False}), thing("c", p=None))
    assert await found(store, {}, sort=[("p.q", Order.ASC)]) == ["c", "b", "a"]


async def test_an_indexed_filter_and_order_agree_with_the_rest(store: StateStore) -> None:
    docs = [
        thing(f"{n:03}", state="queued" if n % 3 else "running", lane="media", order=f"{n * 37 % 50:03}")
        for n in range(60)
    ]
    await put(store, *docs)
    queued = [doc for doc in docs if doc["state"] == "queued"]
    expected = [doc["_id"] for doc in sorted(queued, key=lambda doc: (doc["order"], doc["_id"]))]
    where = {"state": "queued", "lane": "media"}
    assert await found(store, where, sort=[("order", Order.ASC)]) == expected
    assert await found(store, where, sort=[("order", Order.ASC)], limit=5, offset=7) == expected[7:12]


async def test_pages_cover_everything_once(store: StateStore) -> None:
    await put(store, *(thing(f"{n:02}", n=n % 3) for n in range(25)))
    pages = [await found(store, {}, sort=[("n", Order.DESC)], limit=10, offset=offset) for offset in (0, 10, 20, 30)]
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert [doc_id for page in pages for doc_id in page] == await found(store, {}, sort=[("n", Order.DESC)])


async def test_limit_is_100_unless_told_and_may_be_zero(store: StateStore) -> None:
    await put(store, *(thing(f"{n:03}") for n in range(150)))
    assert len(await found(store, {})) == 100
    assert len(await found(store, {}, limit=1000)) == 150
    assert await found(store, {}, limit=0) == []
    assert await store.count("things", {}) == 150


@pytest.mark.parametrize("page", [{"limit": -1}, {"offset": -1}])
async def test_negative_pages_are_refused(store: StateStore, page: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="negative"):
        await store.find("things", {}, **page)


async def test_a_bad_sort_field_is_refused(store: StateStore) -> None:
    with pytest.raises(ValueError, match="not a field name"):
        await store.find("things", {}, sort=[("a; DROP TABLE things", Order.ASC)])
