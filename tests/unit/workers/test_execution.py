"""One attempt: what is written when, and what each kind of failure becomes."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.workers import patience as patience_module
from services.workers.execution import Execution
from services.workers.nodes.base import NodeContext, NodeOutcome, UploadOrder
from shared.model.failure import ErrCode, InternalError, InvalidInput, NodeError, SourceFileError
from shared.model.kinds import NOOP
from shared.model.task import Lane, TaskState
from shared.model.upload import PLACE_METADATA, RUN_METADATA, OutputRecord, output_id, place
from shared.ports.objects import ObjectAccessDenied, ObjectChanged, ObjectError, ObjectNotFound
from shared.ports.state import StateUnavailable
from shared.state.records import Records
from shared.state.task_queue import Holder
from tests.builders import BUCKET, a_media, a_task
from tests.eventually import eventually, let_others_run
from tests.unit.shared.fakes import HookedStore
from tests.unit.workers.kinds import HOLDER, Bench, an_output


def ignored(_: int) -> None:
    """Nobody looks at progress."""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for what is unavailable take milliseconds."""
    short = patience_module.wait_exponential_jitter(multiplier=0.001, max=0.002, jitter=0.001)
    monkeypatch.setattr(patience_module, "wait_exponential_jitter", lambda **_: short)


async def output(bench: Bench, key: str) -> OutputRecord | None:
    return await bench.records.outputs.get(output_id(BUCKET, key))


# -- success ------------------------------------------------------------------------------------------------------


async def test_outcome_becomes_the_result(bench: Bench) -> None:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        files = (an_output(context, "a.mp4", b"aaaa"), an_output(context, "b.jpg"))
        return NodeOutcome(files=files, media=0, echo={"Definition": 1}, payload={"x": [1]}, metadata={"Duration": 2})

    bench.kind.behaviour = behaviour
    task = await bench.claimed(a_task())
    done = await bench.execution.run(task, ignored)
    assert done is not None
    assert done.state is TaskState.SUCCEEDED
    found = await bench.stored(task)
    assert found.result is not None
    result = found.result
    assert [made.key for made in result.outputs] == ["out/a.mp4", "out/b.jpg"]
    assert result.media == result.outputs[0]
    assert (result.outputs[0].size, result.outputs[0].etag) == (4, bench.objects.current[BUCKET, "out/a.mp4"].etag)
    assert (result.echo, result.payload, result.metadata) == ({"Definition": 1}, {"x": [1]}, {"Duration": 2})
    assert bench.left_in_scratch() == []


async def test_outputs_say_who_wrote_them(bench: Bench) -> None:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    task = await bench.claimed(a_task())
    await bench.execution.run(task, ignored)
    info = bench.objects.current[BUCKET, "out/a.mp4"]
    assert info.metadata == {RUN_METADATA: task.run_id, PLACE_METADATA: place(BUCKET, "out/a.mp4")}


async def test_outputs_are_registered_before_the_upload_and_confirmed_after(bench: Bench) -> None:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    bench.objects.gate = asyncio.Event()
    task = await bench.claimed(a_task(4))
    running = asyncio.create_task(bench.execution.run(task, ignored))
    record = await eventually(lambda: output(bench, "out/a.mp4"))
    assert (record.run_id, record.node, record.fence, record.etag, record.written_at) == ("run-1", 4, 1, None, None)
    assert (BUCKET, "out/a.mp4") not in bench.objects.current
    bench.objects.gate.set()
    await running
    record = await output(bench, "out/a.mp4") or record
    assert record.etag == bench.objects.current[BUCKET, "out/a.mp4"].etag
    assert record.written_at == bench.clock.now()


async def test_known_etag_of_a_place_stays_known_until_it_is_overwritten(bench: Bench) -> None:
    former = OutputRecord(
        id=output_id(BUCKET, "out/a.mp4"), bucket=BUCKET, key="out/a.mp4", run_id="run-0", node=9, fence=3, etag="old"
    )
    await bench.records.outputs.insert(former)

    async def behaviour(context: NodeContext) -> NodeOutcome:
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    bench.objects.gate = asyncio.Event()
    running = asyncio.create_task(bench.execution.run(await bench.claimed(a_task()), ignored))

    async def taken_over() -> OutputRecord | None:
        record = await output(bench, "out/a.mp4")
        return record if record is not None and record.run_id == "run-1" else None

    assert (await eventually(taken_over)).etag == "old"
    bench.objects.gate.set()
    await running
    found = await output(bench, "out/a.mp4")
    assert found is not None
    assert found.etag == bench.objects.current[BUCKET, "out/a.mp4"].etag


async def test_place_of_another_node_of_the_same_run_is_refused(bench: Bench) -> None:
    """One of the two would be lost, and both would say that they have succeeded."""
    bench.kind.behaviour = writing
    first = await bench.execution.run(await bench.claimed(a_task(3)), ignored)
    second = await bench.execution.run(await bench.claimed(a_task(4)), ignored)
    assert first is not None
    assert first.state is TaskState.SUCCEEDED
    assert second is not None
    assert second.failure is not None
    assert (second.failure.code, second.failure.retryable) == (ErrCode.INVALID_INPUT, False)
    assert second.failure.message == f"node 3 of the same run writes {BUCKET}/out/a.mp4 as well"
    record = await output(bench, "out/a.mp4")
    assert record is not None
    assert record.node == 3


async def test_second_attempt_of_a_node_may_write_the_places_of_the_first(bench: Bench) -> None:
    bench.kind.behaviour = writing
    for attempt in (1, 2):
        done = await bench.execution.run(await bench.claimed(a_task(3, attempt=attempt)), ignored)
        assert done is not None
        assert done.state is TaskState.SUCCEEDED


async def test_manifests_are_uploaded_last(bench: Bench) -> None:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        files = (
            an_output(context, "master.m3u8", order=UploadOrder.MANIFEST),
            *(an_output(context, f"{number}.ts") for number in range(6)),
            an_output(context, "low.m3u8", order=UploadOrder.MANIFEST),
        )
        return NodeOutcome(files=files, media=0)

    bench.kind.behaviour = behaviour
    done = await bench.execution.run(await bench.claimed(a_task()), ignored)
    uploaded = [key for what, key in bench.objects.calls if what == "upload"]
    assert len(uploaded) == 8
    assert all(key.endswith(".ts") for key in uploaded[:6])
    assert done is not None
    assert done.result is not None
    assert [made.key for made in done.result.outputs][:2] == ["out/master.m3u8", "out/0.ts"], "the order of the kind"
    assert done.result.media == done.result.outputs[0]


async def test_progress_is_reported_and_never_goes_back_or_says_done(bench: Bench) -> None:
    seen: list[int] = []
    reported = asyncio.Event()

    async def behaviour(context: NodeContext) -> NodeOutcome:
        context.report_progress(40.7)
        context.report_progress(10)
        await reported.wait()
        context.report_progress(150)
        return NodeOutcome()

    def on_progress(percent: int) -> None:
        seen.append(percent)
        if percent:
            reported.set()

    bench.kind.behaviour = behaviour
    await bench.execution.run(await bench.claimed(a_task()), on_progress)
    assert seen == sorted(seen)
    assert 40 in seen
    assert seen[-1] == 99


# -- failures -----------------------------------------------------------------------------------------------------


def raising(error: BaseException) -> Callable[[NodeContext], object]:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        (context.scratch / "half").write_bytes(b"x")
        raise error

    return behaviour


@pytest.mark.parametrize(
    ("error", "code", "retryable", "message"),
    [
        (SourceFileError("damaged"), ErrCode.SOURCE_FILE, False, "damaged"),
        (SourceFileError("no picture", ErrCode.NO_VIDEO), ErrCode.NO_VIDEO, False, "no picture"),
        (InvalidInput("too long", ErrCode.INVALID_TIME_OFFSET), ErrCode.INVALID_TIME_OFFSET, False, "too long"),
        (InternalError("encoder died"), ErrCode.INTERNAL, True, "encoder died"),
        (NodeError("no way"), ErrCode.INTERNAL, False, "no way"),
        (OSError(errno.ENOSPC, "No space left"), ErrCode.INTERNAL, True, "the scratch disk is full"),
        (OSError(errno.EDQUOT, "Quota"), ErrCode.INTERNAL, True, "the scratch disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), ErrCode.INTERNAL, True, "Permission denied"),
        (TimeoutError(), ErrCode.INTERNAL, True, "TimeoutError"),
        (ValueError("secret path"), ErrCode.INTERNAL, True, "unexpected ValueError in noop"),
        (ZeroDivisionError(), ErrCode.INTERNAL, True, "unexpected ZeroDivisionError"),
    ],
)
async def test_failure_has_its_class(
    bench: Bench, error: BaseException, code: ErrCode, retryable: bool, message: str
) -> None:
    bench.kind.behaviour = raising(error)  # type: ignore[assignment]
    task = await bench.claimed(a_task())
    done = await bench.execution.run(task, ignored)
    assert done is not None
    assert (done.state, done.result) == (TaskState.FAILED, None)
    assert done.failure is not None
    assert (done.failure.code, done.failure.retryable) == (code, retryable)
    assert message in done.failure.message
    assert "secret path" not in done.failure.message
    assert (await bench.stored(task)).failure == done.failure
    assert bench.left_in_scratch() == []


async def test_unknown_kind_fails_for_good(bench: Bench) -> None:
    done = await bench.execution.run(await bench.claimed(a_task(kind="unknown", lane=Lane.LIGHT)), ignored)
    assert done is not None
    assert done.failure is not None
    assert (done.failure.retryable, "'unknown'" in done.failure.message) == (False, True)


async def fetching(context: NodeContext) -> NodeOutcome:
    path = await context.fetch_source()
    return NodeOutcome(payload=path.read_bytes().decode())


async def test_source_is_fetched_pinned(bench: Bench) -> None:
    info = bench.objects.put("in/clip.mp4", b"the clip")
    bench.kind.behaviour = fetching
    done = await bench.execution.run(await bench.claimed(a_task(source=a_media(etag=info.etag))), ignored)
    assert done is not None
    assert done.result is not None
    assert done.result.payload == "the clip"


@pytest.mark.parametrize(("there", "word"), [(True, "overwritten"), (False, "not exist")])
async def test_source_that_changed_or_is_gone_fails_for_good(bench: Bench, there: bool, word: str) -> None:
    if there:
        bench.objects.put("in/clip.mp4", b"another one")
    bench.kind.behaviour = fetching
    done = await bench.execution.run(await bench.claimed(a_task(source=a_media(etag="e1"))), ignored)
    assert done is not None
    assert done.failure is not None
    assert (done.failure.code, done.failure.retryable) == (ErrCode.SOURCE_CHANGED, False)
    assert word in done.failure.message


async def test_storage_that_denies_access_fails_for_good(bench: Bench) -> None:
    bench.objects.refuses[BUCKET] = ObjectAccessDenied("denied", bucket=BUCKET, key="in/clip.mp4")
    bench.kind.behaviour = fetching
    done = await bench.execution.run(await bench.claimed(a_task()), ignored)
    assert done is not None
    assert done.failure is not None
    assert (done.failure.retryable, "denies access" in done.failure.message) == (False, True)


async def writing(context: NodeContext) -> NodeOutcome:
    return NodeOutcome(files=(an_output(context, "a.mp4"),))


@pytest.mark.parametrize(
    ("error", "exists", "code", "retryable", "message"),
    [
        (ObjectNotFound, False, ErrCode.INVALID_INPUT, False, f"the output bucket {BUCKET} does not exist"),
        (ObjectNotFound, True, ErrCode.INTERNAL, True, "removed or overwritten while it was written"),
        (ObjectChanged, True, ErrCode.INTERNAL, True, "removed or overwritten while it was written"),
        (ObjectAccessDenied, True, ErrCode.INVALID_INPUT, False, f"denies writing to the output bucket {BUCKET}"),
    ],
)
async def test_output_that_cannot_be_written_is_no_fault_of_the_source(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    error: type[ObjectError],
    exists: bool,
    code: ErrCode,
    retryable: bool,
    message: str,
) -> None:
    async def bucket_exists(_: str) -> bool:
        return exists

    monkeypatch.setattr(bench.objects, "bucket_exists", bucket_exists)
    bench.objects.refuses[BUCKET] = error("refused", bucket=BUCKET, key="out/a.mp4")
    bench.kind.behaviour = writing
    done = await bench.execution.run(await bench.claimed(a_task()), ignored)
    assert done is not None
    assert done.failure is not None
    assert (done.failure.code, done.failure.retryable) == (code, retryable)
    assert message in done.failure.message


@pytest.mark.parametrize("at", ["download", "upload"])
async def test_storage_outage_is_waited_out(bench: Bench, at: str) -> None:
    info = bench.objects.put("in/clip.mp4", b"the clip")

    async def behaviour(context: NodeContext) -> NodeOutcome:
        if at == "download":
            bench.objects.down = True
        await context.fetch_source()
        bench.objects.down = at == "upload"
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    execution = bench.an_execution(patience_s=30)
    task = await bench.claimed(a_task(source=a_media(etag=info.etag)))
    running = asyncio.create_task(execution.run(task, ignored))
    # Before the upload the input is looked at once more.
    first = {"download": "download", "upload": "head"}[at]
    await eventually(lambda: len([what for what, _ in bench.objects.calls if what == first]) >= 3)
    bench.objects.down = False
    done = await running
    assert done is not None
    assert done.state is TaskState.SUCCEEDED


async def test_run_whose_input_was_overwritten_meanwhile_writes_nothing(bench: Bench) -> None:
    """The newer upload has a run of its own; the older one must not put its outputs over that run's."""
    info = bench.objects.put("in/clip.mp4", b"the clip")

    async def behaviour(context: NodeContext) -> NodeOutcome:
        await context.fetch_source()
        bench.objects.put("in/clip.mp4", b"another film")
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    done = await bench.execution.run(await bench.claimed(a_task(source=a_media(etag=info.etag))), ignored)
    assert done is not None
    assert done.failure is not None
    assert (done.failure.code, done.failure.retryable) == (ErrCode.SOURCE_CHANGED, False)
    assert (BUCKET, "out/a.mp4") not in bench.objects.current


async def test_run_whose_input_was_deleted_meanwhile_ends_well(bench: Bench) -> None:
    info = bench.objects.put("in/clip.mp4", b"the clip")

    async def behaviour(context: NodeContext) -> NodeOutcome:
        await context.fetch_source()
        await bench.objects.delete(BUCKET, "in/clip.mp4")
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    done = await bench.execution.run(await bench.claimed(a_task(source=a_media(etag=info.etag))), ignored)
    assert done is not None
    assert done.state is TaskState.SUCCEEDED


@pytest.mark.parametrize("at", ["download", "upload"])
async def test_storage_outage_beyond_patience_is_a_retryable_failure(bench: Bench, at: str) -> None:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        if at == "download":
            await context.fetch_source()
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    bench.objects.down = True
    done = await bench.execution.run(await bench.claimed(a_task()), ignored)
    assert done is not None
    assert done.failure is not None
    assert (done.failure.retryable, done.failure.message) == (True, "the object storage is unavailable")
    assert bench.left_in_scratch() == []


async def test_store_outage_is_waited_out_at_every_step(bench: Bench) -> None:
    """Every call to the store fails twice, once before and once after it has worked."""
    failed: set[tuple[str, str, bool]] = set()

    async def hook(method: str, collection: str, done: bool) -> None:
        if method != "now" and (method, collection, done) not in failed:
            failed.add((method, collection, done))
            raise StateUnavailable("no answer")

    async def behaviour(context: NodeContext) -> NodeOutcome:
        return NodeOutcome(files=(an_output(context, "a.mp4"),), payload="done")

    bench.kind.behaviour = behaviour
    task = await bench.claimed(a_task())
    execution = bench.an_execution(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    done = await execution.run(task, ignored)
    assert done is not None
    assert {name for _, name, _ in failed} == {"tasks", "outputs"}
    found = await bench.stored(task)
    assert (found.state, bench.kind.started) == (TaskState.SUCCEEDED, [task.id])
    record = await output(bench, "out/a.mp4")
    assert record is not None
    assert record.etag


# -- leases -------------------------------------------------------------------------------------------------------


async def loses_its_lease(bench: Bench) -> None:
    bench.clock.advance(timedelta(minutes=1))
    assert len(await bench.queue.take_back_expired()) == 1


async def test_zombie_uploads_nothing_and_writes_nothing(bench: Bench) -> None:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        await loses_its_lease(bench)
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    task = await bench.claimed(a_task())
    assert await bench.execution.run(task, ignored) is None
    assert bench.objects.current == {}
    assert (await bench.stored(task)).state is TaskState.QUEUED
    assert bench.left_in_scratch() == []


async def test_zombie_writes_no_manifest_over_its_successors(bench: Bench) -> None:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        files = (an_output(context, "0.ts"), an_output(context, "a.m3u8", order=UploadOrder.MANIFEST))
        return NodeOutcome(files=files)

    bench.kind.behaviour = behaviour
    bench.objects.gate = asyncio.Event()
    task = await bench.claimed(a_task())
    running = asyncio.create_task(bench.execution.run(task, ignored))
    await eventually(lambda: output(bench, "out/a.m3u8"))
    await eventually(lambda: bench.kind.running == 0)
    await loses_its_lease(bench)
    bench.objects.gate.set()
    assert await running is None
    assert [key for what, key in bench.objects.calls if what == "upload"] == [f"{BUCKET}/out/0.ts"]


async def test_zombie_without_outputs_cannot_complete(bench: Bench) -> None:
    async def behaviour(_: NodeContext) -> NodeOutcome:
        await loses_its_lease(bench)
        await bench.queue.claim("run-1:0.1:1", Holder("w2", "w2/1"))
        return NodeOutcome(payload="zombie")

    bench.kind.behaviour = behaviour
    task = await bench.claimed(a_task())
    assert await bench.execution.run(task, ignored) is None
    found = await bench.stored(task)
    assert (found.state, found.owner, found.result) == (TaskState.RUNNING, "w2/1", None)


async def test_zombie_does_not_take_an_output_back_from_its_successor(bench: Bench) -> None:
    """The successor has written and confirmed the same place while the zombie was at it."""
    zombie_may_go_on = asyncio.Event()

    async def behaviour(context: NodeContext) -> NodeOutcome:
        if context.task.fence == 1:
            await zombie_may_go_on.wait()
        return NodeOutcome(files=(an_output(context, "a.mp4", f"fence {context.task.fence}".encode()),))

    bench.kind.behaviour = behaviour
    first = await bench.claimed(a_task())
    zombie = asyncio.create_task(bench.execution.run(first, ignored))
    await eventually(lambda: bench.kind.running)
    await loses_its_lease(bench)
    second = await bench.queue.claim(first.id, HOLDER)
    assert second is not None
    assert await bench.execution.run(second, ignored) is not None
    zombie_may_go_on.set()
    assert await zombie is None
    assert bench.objects.bodies[BUCKET, "out/a.mp4"] == b"fence 2"
    record = await output(bench, "out/a.mp4")
    assert record is not None
    assert (record.fence, record.etag) == (2, bench.objects.current[BUCKET, "out/a.mp4"].etag)
    assert record.written_at is not None


@pytest.mark.parametrize("step", ["insert_many", "get"], ids=["before it registers", "before it confirms"])
async def test_zombie_that_sleeps_between_two_effects_leaves_the_successors_record_alone(
    bench: Bench, step: str
) -> None:
    """Its last look at the lease was in time; then it stood still while a successor did all the work."""
    asleep, awake = asyncio.Event(), asyncio.Event()

    async def hook(method: str, collection: str, done: bool) -> None:
        if (method, collection, done) == (step, "outputs", False):
            asleep.set()
            await awake.wait()

    async def behaviour(context: NodeContext) -> NodeOutcome:
        return NodeOutcome(files=(an_output(context, "a.mp4", f"fence {context.task.fence}".encode()),))

    bench.kind.behaviour = behaviour
    first = await bench.claimed(a_task())
    execution = bench.an_execution(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    zombie = asyncio.create_task(execution.run(first, ignored))
    await asleep.wait()
    await loses_its_lease(bench)
    second = await bench.queue.claim(first.id, Holder("w2", "w2/1"))
    assert second is not None
    successor = Execution(
        bench.records,
        bench.queue,
        bench.objects,
        {NOOP: bench.kind},
        bench.scratch,
        bench.cache,
        owner="w2/1",
        storage_patience_s=0,
    )
    assert await successor.run(second, ignored) is not None
    before = await output(bench, "out/a.mp4")
    awake.set()
    assert await zombie is None
    assert await output(bench, "out/a.mp4") == before
    assert before is not None
    assert (before.fence, before.etag) == (2, bench.objects.current[BUCKET, "out/a.mp4"].etag)
    assert bench.objects.bodies[BUCKET, "out/a.mp4"] == b"fence 2"


@pytest.mark.parametrize("at", ["execute", "download", "upload"])
async def test_cancelling_stops_the_work_and_writes_nothing(bench: Bench, at: str) -> None:
    info = bench.objects.put("in/clip.mp4")

    async def behaviour(context: NodeContext) -> NodeOutcome:
        if at == "download":
            await context.fetch_source()
        if at == "execute":
            await asyncio.Event().wait()
        return NodeOutcome(files=(an_output(context, "a.mp4"),))

    bench.kind.behaviour = behaviour
    bench.objects.gate = asyncio.Event()
    task = await bench.claimed(a_task(source=a_media(etag=info.etag)))
    running = asyncio.create_task(bench.execution.run(task, ignored))
    if at == "upload":
        await eventually(lambda: output(bench, "out/a.mp4"))
    else:
        await eventually(lambda: bench.kind.running)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.kind.running == 0
    assert await bench.stored(task) == task
    assert bench.left_in_scratch() == []
    assert (BUCKET, "out/a.mp4") not in bench.objects.current


@pytest.mark.parametrize("at", ["execute", "upload"])
async def test_cancelling_again_does_not_leave_what_is_still_ending(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """A child needs up to three seconds to die; until then the slot is not free."""
    begun, ending, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow_to_end(*_: object, **__: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await ended.wait()

    async def behaviour(context: NodeContext) -> NodeOutcome:
        if at == "execute":
            assert context.scratch.is_dir()
            await slow_to_end()
        return await writing(context)

    rmtree, after_the_end = shutil.rmtree, []

    def seen_rmtree(path: Path, *, ignore_errors: bool) -> None:
        after_the_end.append(ended.is_set())
        rmtree(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", seen_rmtree)
    monkeypatch.setattr(bench.objects, "upload", slow_to_end)
    bench.kind.behaviour = behaviour
    running = asyncio.create_task(bench.execution.run(await bench.claimed(a_task()), ignored))
    await asyncio.wait_for(begun.wait(), 5)
    running.cancel()
    await asyncio.wait_for(ending.wait(), 5)
    for _ in range(3):
        running.cancel()
        await let_others_run()
        assert not running.done()
    ended.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert after_the_end == [True], "its folder stays until then as well"
    assert bench.left_in_scratch() == []
