"""What goes into the storage while its node is still at work, and what becomes of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.workers import patience as patience_module
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile, UploadOrder
from shared.model.failure import ErrCode, InternalError, SourceFileError
from shared.model.pipeline import Node, RetryRule
from shared.model.task import Task, TaskState
from shared.model.upload import RUN_METADATA, OutputRecord, output_id
from shared.ports.objects import ObjectAccessDenied
from shared.state.task_queue import Holder
from tests.builders import BUCKET, a_graph, a_media, a_run, a_task
from tests.eventually import eventually
from tests.unit.workers.kinds import Bench, an_output

SEGMENTS = ("0.ts", "1.ts", "2.ts")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    short = patience_module.wait_exponential_jitter(multiplier=0.001, max=0.002, jitter=0.001)
    monkeypatch.setattr(patience_module, "wait_exponential_jitter", lambda **_: short)


class Streaming:
    """A node that offers two segments, waits to be told to go on, and then makes the rest or fails."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.go_on = asyncio.Event()
        self.offered: list[OutputFile] = []
        self.error: Exception | None = None
        bench.kind.behaviour = self.behaviour

    async def behaviour(self, context: NodeContext) -> NodeOutcome:
        body = f"fence {context.task.fence} of {context.task.id}".encode()
        segments = [an_output(context, name, body + name.encode()) for name in SEGMENTS]
        self.offered = segments[:2]
        for file in self.offered:
            context.publish_early(file)
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return NodeOutcome(files=(*segments, an_output(context, "a.m3u8", order=UploadOrder.MANIFEST)))

    def uploads(self) -> list[str]:
        """Names in the order in which they were written."""
        return [key.rpartition("/")[2] for what, key in self.bench.objects.calls if what == "upload"]

    def lying(self) -> list[str]:
        """Names of what lies under `out/`."""
        return sorted(key.rpartition("/")[2] for _, key in self.bench.objects.current if key.startswith("out/"))

    def begin(self, task: Task) -> asyncio.Task[Task | None]:
        return asyncio.create_task(self.bench.execution.run(task, lambda _: None))

    async def record(self, name: str) -> OutputRecord:
        found = await self.bench.records.outputs.get(output_id(BUCKET, f"out/{name}"))
        assert found is not None
        return found


async def ended(running: asyncio.Task[Task | None]) -> Task:
    found = await asyncio.wait_for(running, 10)
    assert found is not None
    return found


async def test_finished_segments_are_there_while_the_node_goes_on(bench: Bench) -> None:
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task(4)))
    await eventually(lambda: node.lying() == ["0.ts", "1.ts"])
    assert bench.kind.running == 1
    record = await eventually(lambda: confirmed(node, "1.ts"))
    assert (record.run_id, record.node, record.fence) == ("run-1", 4, 1)
    assert record.etag == bench.objects.current[BUCKET, "out/1.ts"].etag
    assert bench.objects.current[BUCKET, "out/1.ts"].metadata[RUN_METADATA] == "run-1"
    node.go_on.set()
    done = await ended(running)
    assert sorted(node.uploads()[:2]) == ["0.ts", "1.ts"]
    assert node.uploads()[2:] == ["2.ts", "a.m3u8"], "what is there is not written again"
    assert done.result is not None
    assert [made.key for made in done.result.outputs] == ["out/0.ts", "out/1.ts", "out/2.ts", "out/a.m3u8"]
    assert all(made.etag == bench.objects.current[BUCKET, made.key].etag for made in done.result.outputs)
    assert bench.left_in_scratch() == []


async def confirmed(node: Streaming, name: str) -> OutputRecord | None:
    record = await node.record(name)
    return record if record.etag is not None else None


async def test_segment_that_changed_after_it_was_offered_is_written_again(bench: Bench) -> None:
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task()))
    await eventually(lambda: node.lying() == ["0.ts", "1.ts"])
    node.offered[0].path.write_bytes(b"joined with its neighbour")
    node.go_on.set()
    done = await ended(running)
    assert done.state is TaskState.SUCCEEDED
    assert bench.objects.bodies[BUCKET, "out/0.ts"] == b"joined with its neighbour"
    assert node.uploads().count("0.ts") == 2
    assert (await node.record("0.ts")).etag == bench.objects.current[BUCKET, "out/0.ts"].etag


@pytest.mark.parametrize("how", ["overwritten", "removed", "written by another run"])
async def test_segment_that_does_not_lie_there_any_more_is_written_again(bench: Bench, how: str) -> None:
    """By a late write of an earlier attempt, for instance: what the result names is what was made."""
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task()))
    await eventually(lambda: node.lying() == ["0.ts", "1.ts"])
    if how == "overwritten":
        bench.objects.put("out/0.ts", b"late")
    elif how == "written by another run":
        same = bench.objects.bodies[BUCKET, "out/0.ts"]
        bench.objects.put("out/0.ts", same, metadata={RUN_METADATA: "run-9"})
        assert bench.objects.bodies[BUCKET, "out/0.ts"] == same
    else:
        await bench.objects.delete(BUCKET, "out/0.ts")
    node.go_on.set()
    done = await ended(running)
    assert done.result is not None
    assert bench.objects.bodies[BUCKET, "out/0.ts"].startswith(b"fence 1")
    lies = bench.objects.current[BUCKET, "out/0.ts"]
    assert done.result.outputs[0].etag == lies.etag
    assert lies.metadata[RUN_METADATA] == "run-1"


@pytest.mark.parametrize("known", [True, False], ids=["of another run", "of a user"])
async def test_nothing_of_others_is_replaced_before_the_end(bench: Bench, known: bool) -> None:
    """If the attempt fails, what lay there before must still be whole."""
    info = bench.objects.put("out/0.ts", b"of an earlier film", metadata={RUN_METADATA: "run-0"} if known else {})
    if known:
        former = OutputRecord(
            id=output_id(BUCKET, "out/0.ts"), bucket=BUCKET, key="out/0.ts", run_id="run-0", node=1, fence=1
        )
        await bench.records.outputs.insert(former.with_changes(etag=info.etag))
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task()))
    await eventually(lambda: node.lying() == ["0.ts", "1.ts"])
    assert bench.objects.bodies[BUCKET, "out/0.ts"] == b"of an earlier film"
    node.go_on.set()
    await ended(running)
    assert bench.objects.bodies[BUCKET, "out/0.ts"].startswith(b"fence 1")
    assert (await node.record("0.ts")).run_id == "run-1"


async def test_what_an_attempt_wrote_is_removed_when_it_fails_for_good(bench: Bench) -> None:
    bench.objects.put("out/other.ts", b"of somebody else")
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task()))
    await eventually(lambda: node.lying() == ["0.ts", "1.ts", "other.ts"])
    node.error = SourceFileError("the source is truncated")
    node.go_on.set()
    done = await ended(running)
    assert done.failure is not None
    assert done.failure.message == "the source is truncated"
    assert node.lying() == ["other.ts"]


async def test_what_an_attempt_wrote_stays_for_the_next_one_to_overwrite(bench: Bench) -> None:
    """Removing it could hit what the next attempt writes to the same places."""
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task()))
    await eventually(lambda: node.lying() == ["0.ts", "1.ts"])
    node.error = InternalError("the encoder died")
    node.go_on.set()
    assert (await ended(running)).state is TaskState.FAILED
    assert node.lying() == ["0.ts", "1.ts"]
    node.error = None
    done = await ended(node.begin(await bench.claimed(a_task(attempt=2))))
    assert done.result is not None
    second = b"fence 1 of run-1:0.1:2"
    assert all(bench.objects.bodies[BUCKET, f"out/{name}"].startswith(second) for name in SEGMENTS)
    assert all(made.etag == bench.objects.current[BUCKET, made.key].etag for made in done.result.outputs)


async def test_last_attempt_removes_what_the_earlier_ones_left(bench: Bench) -> None:
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task()))
    await eventually(lambda: node.lying() == ["0.ts", "1.ts"])
    node.error = InternalError("the encoder died")
    node.go_on.set()
    await ended(running)

    async def failing(_: NodeContext) -> NodeOutcome:
        raise SourceFileError("gone")

    bench.kind.behaviour = failing
    await ended(node.begin(await bench.claimed(a_task(attempt=2))))
    assert node.lying() == []


@pytest.mark.parametrize(("attempt", "left"), [(1, ["0.ts", "1.ts"]), (2, [])])
async def test_attempt_after_which_none_follows_removes_what_it_wrote(
    bench: Bench, attempt: int, left: list[str]
) -> None:
    rule = RetryRule(max_attempts=2)
    await bench.records.runs.insert(a_run(a_graph([[1], [2], []], n1=Node(kind="noop", retry=rule))))
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task(attempt=attempt)))
    await eventually(lambda: node.lying() == ["0.ts", "1.ts"])
    node.error = InternalError("the encoder died")
    node.go_on.set()
    await ended(running)
    assert node.lying() == left


async def test_cancelling_the_task_removes_what_was_written(bench: Bench) -> None:
    node = Streaming(bench)
    task = await bench.claimed(a_task())
    running = node.begin(task)
    await eventually(lambda: node.lying() == ["0.ts", "1.ts"])
    await bench.queue.cancel([task.id])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert node.lying() == []
    assert bench.kind.cancelled == [task.id]


async def test_zombie_that_offers_a_segment_stops_and_touches_nothing(bench: Bench) -> None:
    """Its successor has written the same places meanwhile."""
    node = Streaming(bench)
    task = await bench.claimed(a_task())
    bench.objects.gate = asyncio.Event()
    bench.objects.gate.set()
    late = asyncio.Event()

    async def offers_late(context: NodeContext) -> NodeOutcome:
        await late.wait()
        context.publish_early(an_output(context, "0.ts", b"of the zombie"))
        await asyncio.Event().wait()
        raise AssertionError

    bench.kind.behaviour = offers_late
    zombie = node.begin(task)
    await eventually(lambda: bench.kind.running)
    bench.clock.advance(timedelta(minutes=1))
    assert len(await bench.queue.take_back_expired()) == 1
    second = await bench.queue.claim(task.id, Holder("w", "w/1"))
    assert second is not None
    bench.kind.behaviour = node.behaviour
    node.go_on.set()
    await ended(node.begin(second))
    # The holder's name is the same here: it is the fence that tells the two apart.
    late.set()
    assert await asyncio.wait_for(zombie, 10) is None
    assert bench.objects.bodies[BUCKET, "out/0.ts"].startswith(b"fence 2")
    assert bench.kind.cancelled == [task.id]


async def test_storage_that_is_away_does_not_hold_up_the_work(bench: Bench) -> None:
    node = Streaming(bench)
    running = node.begin(await bench.claimed(a_task()))
    bench.objects.down = True
    await eventually(lambda: any(what == "head" for what, _ in bench.objects.calls))
    assert node.lying() == []
    bench.objects.down = False
    node.go_on.set()
    done = await ended(running)
    assert done.state is TaskState.SUCCEEDED
    assert node.lying() == ["0.ts", "1.ts", "2.ts", "a.m3u8"]


async def test_place_that_can_never_be_written_ends_the_work_at_once(bench: Bench) -> None:
    node = Streaming(bench)
    await bench.records.outputs.insert(
        OutputRecord(id=output_id(BUCKET, "out/0.ts"), bucket=BUCKET, key="out/0.ts", run_id="run-1", node=9, fence=1)
    )
    task = await bench.claimed(a_task())
    done = await ended(node.begin(task))
    assert done.failure is not None
    assert (done.failure.code, done.failure.retryable) == (ErrCode.INVALID_INPUT, False)
    assert "node 9 of the same run" in done.failure.message
    assert bench.kind.cancelled == [task.id]


async def test_bucket_that_denies_writing_ends_the_work_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def denied(*_: object, **__: object) -> None:
        raise ObjectAccessDenied("denied", bucket=BUCKET)

    monkeypatch.setattr(bench.objects, "upload", denied)
    node = Streaming(bench)
    task = await bench.claimed(a_task())
    done = await ended(node.begin(task))
    assert done.failure is not None
    assert "denies writing" in done.failure.message
    assert bench.kind.cancelled == [task.id]


async def test_input_that_was_overwritten_ends_the_work_at_once(bench: Bench) -> None:
    info = bench.objects.put("in/clip.mp4", b"the clip")
    node = Streaming(bench)
    task = await bench.claimed(a_task(source=a_media(etag=info.etag)))
    bench.objects.put("in/clip.mp4", b"another clip")
    done = await ended(node.begin(task))
    assert done.failure is not None
    assert done.failure.code is ErrCode.SOURCE_CHANGED
    assert node.lying() == []
    assert bench.kind.cancelled == [task.id]


async def test_manifest_cannot_be_published_early(bench: Bench) -> None:
    refused: list[ValueError] = []

    async def behaviour(context: NodeContext) -> NodeOutcome:
        try:
            context.publish_early(an_output(context, "a.m3u8", order=UploadOrder.MANIFEST))
        except ValueError as error:
            refused.append(error)
        return NodeOutcome()

    bench.kind.behaviour = behaviour
    await bench.execution.run(await bench.claimed(a_task()), lambda _: None)
    assert len(refused) == 1
