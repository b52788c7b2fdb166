"""Reading, inserting, compare-and-set, deleting, unique rules, the clock."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime, timedelta

import pytest

from shared.ports.state import Doc, DuplicateKey, StateError, StateStore, StateUnavailable
from tests.contract.state.stores import Opener, put, thing

EVERYTHING = thing(
    "全部/ä b.mp4",
    text="视频\t\"quoted\" 'single' \\ /",
    number=2**53 + 1,
    large=-(2**63),
    small=0.1,
    yes=True,
    no=False,
    nothing=None,
    empty={},
    items=[1, "two", None, [True], {"a": {"b": []}}],
    params={"a.b": 1, "$if": {"$gt": 2}, "": "no name"},
)


async def test_a_document_comes_back_as_it_was_written(store: StateStore) -> None:
    await store.insert("things", EVERYTHING)
    read = await store.get("things", EVERYTHING["_id"])
    assert read == EVERYTHING
    assert [type(value) is bool for value in (read["yes"], read["no"], read["number"])] == [True, True, False]


async def test_an_absent_document_is_none(store: StateStore) -> None:
    assert await store.get("things", "nobody") is None


async def test_insert_keeps_the_version_it_is_given(store: StateStore) -> None:
    await store.insert("things", {"_id": "a", "version": 7})
    assert await store.get("things", "a") == {"_id": "a", "version": 7}


async def test_callers_share_no_objects_with_the_store(store: StateStore) -> None:
    doc = thing("a", nested={"list": [1]})
    await store.insert("things", doc)
    assert doc == thing("a", nested={"list": [1]})
    doc["nested"]["list"].append(2)
    first = await store.get("things", "a")
    assert first is not None
    first["nested"]["list"].append(3)
    assert await store.get("things", "a") == thing("a", nested={"list": [1]})
    assert (await store.find("things", {}))[0]["nested"] == {"list": [1]}


async def test_get_many_returns_those_that_exist_by_id(store: StateStore) -> None:
    await put(store, thing("a", n=1), thing("b", n=2))
    assert await store.get_many("things", ["b", "missing", "a", "b"]) == {"a": thing("a", n=1), "b": thing("b", n=2)}
    assert await store.get_many("things", []) == {}
    assert len(await store.get_many("things", [f"x{i}" for i in range(2000)] + ["a"])) == 1


async def test_an_id_is_taken_once_and_the_first_document_stays(store: StateStore) -> None:
    await store.insert("things", thing("a", n=1))
    with pytest.raises(DuplicateKey) as raised:
        await store.insert("things", thing("a", n=2))
    assert (raised.value.collection, raised.value.rule) == ("things", "_id")
    assert not raised.value.retryable
    assert await store.get("things", "a") == thing("a", n=1)


async def test_ids_are_exact(store: StateStore) -> None:
    await put(store, thing("a"), thing("A"), thing("a "), thing("é"), thing("e\u0301"), thing("1"), thing("01"))
    assert await store.get("things", "é") == thing("é")
    assert await store.count("things", {}) == 7


async def test_collections_are_apart(store: StateStore) -> None:
    await store.insert("things", thing("a"))
    await store.insert("plain", thing("a", other=True))
    assert await store.get("plain", "a") == thing("a", other=True)
    assert await store.count("things", {"other": True}) == 0


async def test_an_unknown_collection_is_refused(store: StateStore) -> None:
    for call in (
        store.get("nothing", "a"),
        store.insert("nothing", thing("a")),
        store.find('things" --', {}),
        store.count("nothing", {}),
    ):
        with pytest.raises(ValueError, match="unknown collection"):
            await call


@pytest.mark.parametrize("doc", [{"version": 0}, {"_id": 1, "version": 0}, {"_id": "a"}, {"_id": "a", "version": True}])
async def test_a_document_without_identity_is_refused(store: StateStore, doc: dict[str, object]) -> None:
    for call in (
        store.insert("things", doc),
        store.insert_many("things", [doc]),
        store.replace("things", doc),
        store.replace_many("things", [doc]),
    ):
        with pytest.raises(ValueError, match="needs a text _id"):
            await call


async def test_replace_writes_the_next_version(store: StateStore) -> None:
    await store.insert("things", thing("a", n=1, old=True))
    doc = thing("a", n=2)
    assert await store.replace("things", doc) is True
    assert doc == thing("a", n=2)
    assert await store.get("things", "a") == {"_id": "a", "version": 1, "n": 2}


async def test_replace_of_an_older_or_later_version_changes_nothing(store: StateStore) -> None:
    await store.insert("things", thing("a", n=1))
    assert await store.replace("things", thing("a", n=2))
    for version in (0, 2, -1):
        assert await store.replace("things", {"_id": "a", "version": version, "n": 9}) is False
    assert await store.get("things", "a") == {"_id": "a", "version": 1, "n": 2}


async def test_replace_never_creates(store: StateStore) -> None:
    assert await store.replace("things", thing("a")) is False
    assert await store.get("things", "a") is None


async def test_delete_needs_the_version(store: StateStore) -> None:
    await store.insert("things", thing("a"))
    assert await store.delete("things", "a", 1) is False
    assert await store.delete("things", "a", 0) is True
    assert await store.delete("things", "a", 0) is False
    assert await store.get("things", "a") is None
    assert await store.find("things", {}) == []


async def test_a_deleted_document_can_come_again(store: StateStore) -> None:
    await store.insert("things", thing("a", tenant="t", name="n"))
    assert await store.delete("things", "a", 0)
    await store.insert("things", thing("b", tenant="t", name="n"))
    await store.insert("things", thing("a"))


async def test_unique_fields_are_taken_once(store: StateStore) -> None:
    await store.insert("things", thing("a", tenant="t", name="n"))
    with pytest.raises(DuplicateKey) as raised:
        await store.insert("things", thing("b", tenant="t", name="n"))
    assert (raised.value.collection, raised.value.rule) == ("things", "tenant,name")
    assert await store.get("things", "b") is None
    await put(store, thing("c", tenant="t", name="N"), thing("d", tenant="u", name="n"))


async def test_a_document_inserted_again_is_a_duplicate_of_its_id(store: StateStore) -> None:
    doc = thing("a", tenant="t", name="n", nested={"code": "x"})
    await store.insert("things", doc)
    with pytest.raises(DuplicateKey) as raised:
        await store.insert("things", doc)
    assert raised.value.rule == "_id"


async def test_a_unique_rule_may_reach_into_objects(store: StateStore) -> None:
    await store.insert("things", thing("a", nested={"code": "x"}))
    with pytest.raises(DuplicateKey) as raised:
        await store.insert("things", thing("b", nested={"code": "x"}))
    assert raised.value.rule == "nested.code"


async def test_unique_rules_skip_documents_with_a_null_or_absent_field(store: StateStore) -> None:
    await put(
        store,
        *(thing(f"absent{i}", tenant="t") for i in range(2)),
        *(thing(f"null{i}", tenant="t", name=None) for i in range(2)),
        *(thing(f"code{i}", nested={"code": None}) for i in range(2)),
        *(thing(f"flat{i}", nested="text") for i in range(2)),
    )


async def test_replace_obeys_unique_rules_and_then_changes_nothing(store: StateStore) -> None:
    await put(store, thing("a", tenant="t", name="n"), thing("b", tenant="t", name="m"))
    with pytest.raises(DuplicateKey) as raised:
        await store.replace("things", thing("b", tenant="t", name="n"))
    assert raised.value.rule == "tenant,name"
    assert await store.get("things", "b") == thing("b", tenant="t", name="m")


async def test_a_document_may_keep_and_give_up_its_unique_fields(store: StateStore) -> None:
    await store.insert("things", thing("a", tenant="t", name="n"))
    assert await store.replace("things", thing("a", tenant="t", name="n", more=1))
    assert await store.replace("things", {"_id": "a", "version": 1, "tenant": "t", "name": "other"})
    await store.insert("things", thing("b", tenant="t", name="n"))


async def test_a_lost_compare_and_set_is_not_a_duplicate(store: StateStore) -> None:
    await put(store, thing("a", tenant="t", name="n"), thing("b", tenant="t", name="m"))
    assert await store.replace("things", {"_id": "b", "version": 5, "tenant": "t", "name": "n"}) is False


async def test_a_document_of_a_megabyte_goes_in_and_out(store: StateStore) -> None:
    doc = thing("big", text="视频" * 100_000, rows=[{"n": i, "s": "x" * 50} for i in range(6_000)])
    await store.insert("things", doc)
    assert await store.get("things", "big") == doc
    assert await store.replace("things", doc)
    assert (await store.find("things", {"_id": "big"}))[0]["text"] == doc["text"]


async def test_what_one_handle_wrote_another_reads_at_once(opener: Opener) -> None:
    one, two = await opener(), await opener()
    await one.insert("things", thing("a"))
    for version in range(20):
        writer, reader = (one, two) if version % 2 else (two, one)
        assert await writer.replace("things", {"_id": "a", "version": version})
        assert await reader.get("things", "a") == {"_id": "a", "version": version + 1}


async def test_documents_are_there_after_reopening(lasting_opener: Opener) -> None:
    first = await lasting_opener()
    await first.insert("things", copy.deepcopy(EVERYTHING))
    await first.insert("things", thing("a", tenant="t", name="n"))
    await first.close()
    second = await lasting_opener()
    assert await second.get("things", EVERYTHING["_id"]) == EVERYTHING
    with pytest.raises(DuplicateKey):
        await second.insert("things", thing("b", tenant="t", name="n"))


async def test_the_clock_is_aware_utc_and_goes_forward(store: StateStore) -> None:
    before = datetime.now(UTC)
    first, second = await store.now(), await store.now()
    assert first.utcoffset() == timedelta(0)
    assert first <= second
    assert abs(first - before) < timedelta(seconds=5)


async def test_an_open_store_answers_a_ping(store: StateStore) -> None:
    await store.ping()


async def test_close_may_be_called_twice(store: StateStore) -> None:
    await store.close()
    await store.close()


async def test_a_closed_store_is_unavailable(lasting_opener: Opener) -> None:
    store = await lasting_opener()
    await store.close()
    with pytest.raises(StateUnavailable) as raised:
        await store.get("things", "a")
    assert raised.value.retryable
    assert isinstance(raised.value, StateError)


async def test_cancelled_callers_leave_whole_documents(store: StateStore) -> None:
    await store.insert("things", thing("a", n=0))
    tasks = [asyncio.create_task(store.replace("things", thing("a", n=n))) for n in range(1, 21)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    async def settled() -> Doc:
        doc = await store.get("things", "a")
        assert doc is not None
        return doc

    doc = await settled()
    assert (doc["version"] == 0) == (doc["n"] == 0)
    while not await store.replace("things", {"_id": "a", "version": doc["version"], "n": "after"}):
        doc = await settled()  # a write whose caller is gone may still arrive, once
    assert await settled() == {"_id": "a", "version": doc["version"] + 1, "n": "after"}
