"""What is kept of an attempt's programs: all that helps, nothing that is a secret, never more than a bound."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from services.workers import logbook
from services.workers.media import journal as journal_module
from services.workers.media.journal import Journal
from services.workers.media.process import Limits, ProcessTimeout, run
from services.workers.nodes.base import NodeContext, NodeOutcome
from shared.ids import task_id
from shared.model.attempt_log import AttemptLog, log_id
from shared.model.failure import InternalError
from shared.model.task import TaskState
from shared.ports.state import StateUnavailable
from tests.builders import T0, a_task
from tests.unit.workers.kinds import HOLDER, Bench

SCRATCH = Path("/var/scratch/w")


def a_journal() -> Journal:
    return Journal(SCRATCH, lambda: T0)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["-i", "file:/var/scratch/w/sources/a.mp4"], ["-i", "file:<scratch>/sources/a.mp4"]),
        (["https://s3/b/k.mp4?X-Amz-Signature=abc&X-Amz-Date=1"], ["https://s3/b/k.mp4?***"]),
        (["rtmp://user:pass@host/app"], ["rtmp://***@host/app"]),
        (["-decryption_key", "00112233", "-an"], ["-decryption_key", "***", "-an"]),
        (["-headers", "Authorization: Basic abc"], ["-headers", "***"]),
        (["secret_key=hunter2,other=1"], ["secret_key=***"]),
        (["-vf", "scale=w=320:h=180,drawtext=textfile=t"], ["-vf", "scale=w=320:h=180,drawtext=textfile=t"]),
        (["-force_key_frames", "expr:gte(t,n_forced*2)"], ["-force_key_frames", "expr:gte(t,n_forced*2)"]),
    ],
)
def test_arguments_are_exact_but_for_secrets_and_places(given: list[str], shown: list[str]) -> None:
    journal = a_journal()
    journal.begin(["/opt/bin/ffmpeg", *given])
    [call] = journal.calls
    assert call.arguments == ("ffmpeg", *shown)


def test_a_journal_is_bounded() -> None:
    journal = a_journal()
    for number in range(100):
        note = journal.begin(["ffmpeg", str(number), "x" * 5000, *["y" * 3000] * 20])
        note.ended(0, b"z" * 100_000)
    calls = journal.calls
    assert [call.arguments[1] for call in calls] == [str(n) for n in (*range(20), *range(80, 100))]
    assert journal.left_out == 60
    assert calls[0].arguments[2] == "x" * 4000 + "… (5000 characters)"
    assert calls[0].arguments[-1] == "… (23 arguments)"
    assert len(calls[0].said) == 4000
    document = AttemptLog(id="a", tenant="t", run_id="r", task_id="t", fence=1, calls=calls)
    assert len(document.model_dump_json()) < 900_000


async def attempt(bench: Bench) -> AttemptLog | None:
    """Runs one task to its end; the log of its only claim."""
    task = a_task()
    await bench.records.tasks.insert(task)
    [claimed] = await bench.queue.claim_all([task.id], HOLDER)
    await bench.execution.run(claimed, lambda _: None)
    return await bench.records.attempt_logs.get(log_id(task.id, claimed.fence))


async def test_programs_of_an_attempt_are_in_its_log_before_its_end_is_told(tmp_path: Path) -> None:
    async def work(context: NodeContext) -> NodeOutcome:
        # As a node would: in a task of its own, some calls deep.
        await asyncio.create_task(asyncio.sleep(0))
        script = "import sys; sys.stderr.write('password=hunter2 ' + sys.argv[1])"
        await run([sys.executable, "-c", script, str(context.scratch / "a")], context.scratch, lambda _: True, Limits())
        raise InternalError("as the test wants it")

    bench = Bench(tmp_path, work)
    found = await attempt(bench)
    assert found is not None
    [call] = found.calls
    assert call.arguments[0] == "python"
    assert call.arguments[-1].startswith("<scratch>/")
    assert call.said == f"password=*** {call.arguments[-1]}"
    assert (call.returncode, call.stopped) == (0, None)
    assert call.ended_at is not None
    assert call.started_at <= call.ended_at
    assert (found.run_id, found.worker, found.fence) == ("run-1", HOLDER.worker, 1)


async def test_a_program_that_was_stopped_says_why(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda: T0)
    journal_module.JOURNAL.set(journal)
    with pytest.raises(ProcessTimeout):
        await run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, lambda _: True, Limits(stall_s=0.3))
    [call] = journal.calls
    assert call.stopped == "the media process showed no progress for 0.3 s and was stopped"
    assert call.returncode == -15


async def test_an_attempt_without_programs_has_no_log(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert await attempt(bench) is None
    assert await bench.records.attempt_logs.count({}) == 0


async def test_a_log_that_cannot_be_written_harms_no_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "PATIENCE_S", 0.05)

    async def work(context: NodeContext) -> NodeOutcome:
        await run([sys.executable, "-c", ""], context.scratch, lambda _: True, Limits())
        return NodeOutcome()

    bench = Bench(tmp_path, work)

    async def refuse(*_: object, **__: object) -> None:
        raise StateUnavailable("away for the test")

    monkeypatch.setattr(bench.records.attempt_logs, "change", refuse)
    assert await attempt(bench) is None
    task = await bench.records.tasks.get(task_id("run-1", 1, 1))
    assert task is not None
    assert task.state is TaskState.SUCCEEDED
