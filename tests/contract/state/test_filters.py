"""What a filter matches, operator by operator and type by type."""

from __future__ import annotations

from typing import Any

import pytest

from shared.ports.state import StateStore
from tests.contract.state.stores import found, put, thing

VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "0": 0,
    "1": 1,
    "1.0": 1.0,
    "1.5": 1.5,
    "-3": -3,
    "2^53+1": 2**53 + 1,
    "''": "",
    "'0'": "0",
    "'1'": "1",
    "'a'": "a",
    "'B'": "B",
    "'b'": "b",
    "'视'": "视",
    "'[1]'": "[1]",
    "'{}'": "{}",
    "'true'": "true",
    "'null'": "null",
}
NUMBERS = {"0", "1", "1.0", "1.5", "-3", "2^53+1"}
TEXTS = {name for name in VALUES if name.startswith("'")}


CASES: list[tuple[Any, set[str]]] = [
    ("a", {"'a'"}),
    ("A", set()),
    ("", {"''"}),
    ("1", {"'1'"}),
    ("视", {"'视'"}),
    ("[1]", {"'[1]'"}),
    ("{}", {"'{}'"}),
    ("true", {"'true'"}),
    ("null", {"'null'"}),
    ("x' OR '1'='1", set()),
    (1, {"1", "1.0"}),
    (1.0, {"1", "1.0"}),
    (0, {"0"}),
    (1.5, {"1.5"}),
    (2**53 + 1, {"2^53+1"}),
    (2**53, set()),
    (True, {"true"}),
    (False, {"false"}),
    (None, {"null", "absent"}),
    ({"$eq": "a"}, {"'a'"}),
    ({"$eq": None}, {"null", "absent"}),
    ({"$eq": True}, {"true"}),
    ({"$ne": "a"}, {*VALUES, "absent"} - {"'a'"}),
    ({"$ne": 1}, {*VALUES, "absent"} - {"1", "1.0"}),
    ({"$ne": True}, {*VALUES, "absent"} - {"true"}),
    ({"$ne": None}, {*VALUES} - {"null"}),
    ({"$lt": 1}, {"0", "-3"}),
    ({"$lte": 1}, {"0", "-3", "1", "1.0"}),
    ({"$gt": 1}, {"1.5", "2^53+1"}),
    ({"$gte": 1}, {"1", "1.0", "1.5", "2^53+1"}),
    ({"$gt": -10.5}, NUMBERS),
    ({"$lt": "1"}, {"''", "'0'"}),
    ({"$lte": "1"}, {"''", "'0'", "'1'"}),
    ({"$lt": "a"}, {"''", "'0'", "'1'", "'B'", "'[1]'"}),
    ({"$lte": "~"}, TEXTS - {"'视'"}),
    ({"$gt": "a"}, {"'b'", "'视'", "'{}'", "'true'", "'null'"}),
    ({"$gte": "a"}, {"'a'", "'b'", "'视'", "'{}'", "'true'", "'null'"}),
    ({"$gte": ""}, TEXTS),
    ({"$lt": ""}, set()),
    ({"$lt": True}, {"false"}),
    ({"$lte": True}, {"true", "false"}),
    ({"$gt": False}, {"true"}),
    ({"$gte": True}, {"true"}),
    ({"$lt": None}, set()),
    ({"$lte": None}, set()),
    ({"$gt": None}, set()),
    ({"$gte": None}, set()),
    ({"$gte": 1, "$lt": 2}, {"1", "1.0", "1.5"}),
    ({"$ne": None, "$lt": "1"}, {"''", "'0'"}),
    ({"$in": ["a", "b", "nobody"]}, {"'a'", "'b'"}),
    ({"$in": ["a", 1, None]}, {"'a'", "1", "1.0", "null", "absent"}),
    ({"$in": [True, 0]}, {"true", "0"}),
    ({"$in": [1, False]}, {"1", "1.0", "false"}),
    ({"$in": ["{}", "[1]", 1.5]}, {"'{}'", "'[1]'", "1.5"}),
    ({"$in": ("a",)}, {"'a'"}),
    ({"$nin": ["a", "b", "nobody"]}, {*VALUES, "absent"} - {"'a'", "'b'"}),
    ({"$nin": ["a", 1, None]}, {*VALUES, "absent"} - {"'a'", "1", "1.0", "null", "absent"}),
    ({"$nin": [True, 0]}, {*VALUES, "absent"} - {"true", "0"}),
    ({"$nin": []}, {*VALUES, "absent"}),
    ({"$in": []}, set()),
    ({"$exists": True}, {*VALUES}),
    ({"$exists": False}, {"absent"}),
    ({"$exists": True, "$eq": None}, {"null"}),
]


@pytest.mark.parametrize("field", ["v", "deep.er.v"])
async def test_conditions_match_by_value_and_type(store: StateStore, field: str) -> None:
    wrap = (lambda value: {"v": value}) if field == "v" else (lambda value: {"deep": {"er": {"v": value}}})
    await put(store, thing("absent"), *(thing(name, **wrap(value)) for name, value in VALUES.items()))
    for condition, expected in CASES:
        ids = await found(store, {field: condition})
        assert set(ids) == expected, f"{field}: {condition}"
        assert await store.count("things", {field: condition}) == len(expected), f"count of {field}: {condition}"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("b", {"b"}),
        (None, set()),
        (1, set()),
        (True, set()),
        ({"$ne": "b"}, {"a", "视"}),
        ({"$ne": None}, {"a", "b", "视"}),
        ({"$gt": "a"}, {"b", "视"}),
        ({"$gte": "a", "$lt": "b"}, {"a"}),
        ({"$gt": 1}, set()),
        ({"$lte": None}, set()),
        ({"$in": ["a", "视", None, 1, True, "x"]}, {"a", "视"}),
        ({"$exists": True}, {"a", "b", "视"}),
        ({"$exists": False}, set()),
    ],
)
async def test_ids_are_filtered_as_any_field(store: StateStore, condition: Any, expected: set[str]) -> None:
    await put(store, thing("a"), thing("b"), thing("视"))
    assert set(await found(store, {"_id": condition})) == expected


async def test_versions_are_filtered_as_they_stand_now(store: StateStore) -> None:
    await put(store, thing("a"), thing("b"))
    assert await store.replace("things", thing("a"))
    assert await found(store, {"version": 1}) == ["a"]
    assert await found(store, {"version": {"$lt": 1}}) == ["b"]


async def test_all_conditions_must_hold(store: StateStore) -> None:
    await put(store, thing("a", x=1, y="t"), thing("b", x=1, y="u"), thing("c", x=2, y="t"))
    assert await found(store, {"x": 1, "y": "t"}) == ["a"]
    assert set(await found(store, {})) == {"a", "b", "c"}


async def test_a_path_through_something_that_is_no_object_is_absent(store: StateStore) -> None:
    await put(store, thing("a", p="text"), thing("b", p=None), thing("c", p={"q": None}), thing("d", p={"q": {"r": 1}}))
    assert set(await found(store, {"p.q": None})) == {"a", "b", "c"}
    assert set(await found(store, {"p.q": {"$exists": True}})) == {"c", "d"}
    assert set(await found(store, {"p.q.r": {"$gte": 0}})) == {"d"}


async def test_objects_and_arrays_exist_and_are_not_null(store: StateStore) -> None:
    await put(store, thing("a", p={}), thing("b", p=[]), thing("c", p={"q": 1}), thing("d"))
    assert set(await found(store, {"p": {"$exists": True}})) == {"a", "b", "c"}
    assert set(await found(store, {"p": None})) == {"d"}
    assert await found(store, {"p": "{}"}) == []
    assert await found(store, {"p": {"$gte": ""}}) == []
    assert await found(store, {"p": {"$lte": "~"}}) == []
    assert await found(store, {"p": {"$in": ["[]", "{}"]}}) == []


async def test_a_long_list_of_values(store: StateStore) -> None:
    await put(store, *(thing(f"{n}", state=f"s{n}") for n in range(20)))
    wanted = [f"s{n}" for n in range(10, 5000)]
    assert await store.count("things", {"state": {"$in": wanted}}) == 10


async def test_an_enum_member_is_its_text(store: StateStore) -> None:
    from shared.model.task import TaskState

    await put(store, thing("a", state="queued"))
    assert await found(store, {"state": TaskState.QUEUED}) == ["a"]
    assert await found(store, {"state": {"$in": [TaskState.QUEUED, TaskState.RUNNING]}}) == ["a"]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"a'b": 1}, "not a field name"),
        ({"a b": 1}, "not a field name"),
        ({"$or": 1}, "not a field name"),
        ({"a..b": 1}, "not a field name"),
        ({"": 1}, "not a field name"),
        ({"a\n": 1}, "not a field name"),
        ({"a": {"$regex": "x"}}, "unknown operator"),
        ({"a": {"b": "x"}}, "unknown operator"),
        ({"a": {}}, "empty condition"),
        ({"a": [1]}, "compare"),
        ({"a": {"$in": "text"}}, "needs a list"),
        ({"a": {"$in": [[1]]}}, "compare"),
        ({"a": {"$exists": 1}}, "needs a boolean"),
        ({"a": {"$lt": float("nan")}}, "compare"),
    ],
)
async def test_what_a_filter_cannot_say_is_refused(store: StateStore, where: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        await store.find("things", where)
    with pytest.raises(ValueError, match=reason):
        await store.count("things", where)
