from __future__ import annotations

import pytest

from shared.model.run import Run
from shared.ports.state import DuplicateKey
from shared.state.repository import BrokenDocument, Contention
from tests.builders import a_diamond, a_pipeline, a_run
from tests.unit.shared.fakes import memory_records


async def test_document_comes_back_as_it_was_written() -> None:
    records = memory_records()
    run = a_run(a_diamond())
    await records.runs.insert(run)
    assert await records.runs.get(run.id) == run
    assert await records.runs.get_many([run.id, "nobody", run.id]) == {run.id: run}
    assert await records.runs.get("nobody") is None
    assert await records.runs.get_many([]) == {}


async def test_write_of_what_somebody_else_has_changed_is_refused() -> None:
    records = memory_records()
    run = a_run()
    await records.runs.insert(run)
    first = await records.runs.replace(run.with_changes(priority=1))
    assert first is not None
    assert (first.version, first.priority) == (1, 1)
    assert await records.runs.replace(run.with_changes(priority=2)) is None
    assert await records.runs.replace_many([run, first.with_changes(priority=3)]) == [
        None,
        first.with_changes(priority=3, version=2),
    ]
    assert not await records.runs.delete(run)
    assert await records.runs.count({"priority": 3}) == 1


async def test_change_is_made_on_the_newest_state_though_others_write() -> None:
    records = memory_records()
    await records.runs.insert(a_run())
    seen: list[int] = []

    replace = records.runs.replace

    async def raced(document: Run) -> Run | None:
        if len(seen) <= 3:
            current = await records.runs.get(document.id)
            assert current is not None
            await replace(current.with_changes(priority=current.priority + 10))
        return await replace(document)

    records.runs.replace = raced  # type: ignore[method-assign]

    def step(run: Run) -> Run:
        seen.append(run.priority)
        return run.with_changes(priority=run.priority + 1)

    done = await records.runs.change("run-1", step)
    assert seen == [0, 10, 20, 30]
    assert done is not None
    assert done.priority == 31


async def test_change_gives_up_as_retryable_and_leaves_alone_what_needs_none() -> None:
    records = memory_records()
    await records.runs.insert(a_run())
    assert await records.runs.change("nobody", lambda run: run) is None
    untouched = await records.runs.change("run-1", lambda _: None)
    assert untouched is not None
    assert untouched.version == 0

    async def never(_: Run) -> None:
        return None

    records.runs.replace = never  # type: ignore[method-assign,assignment]
    with pytest.raises(Contention) as caught:
        await records.runs.change("run-1", lambda run: run.with_changes(priority=1), tries=3)
    assert caught.value.retryable


async def test_pipeline_names_are_unique_per_tenant() -> None:
    records = memory_records()
    await records.pipelines.insert(a_pipeline("1", name="转码"))
    await records.pipelines.insert(a_pipeline("2", name="转码", tenant="other"))
    with pytest.raises(DuplicateKey):
        await records.pipelines.insert(a_pipeline("3", name="转码"))
    assert await records.pipelines.insert_many([a_pipeline("4", name="转码"), a_pipeline("5")]) == [False, True]


async def test_broken_document_hides_no_other() -> None:
    records = memory_records()
    await records.runs.insert(a_run(run_id="run-1"))
    await records.store.insert("runs", {"_id": "broken", "version": 0, "due_at": "never"})
    assert [run.id for run in await records.runs.find({})] == ["run-1"]
    assert list(await records.runs.get_many(["broken", "run-1"])) == ["run-1"]
    with pytest.raises(BrokenDocument, match="runs/broken"):
        await records.runs.get("broken")
