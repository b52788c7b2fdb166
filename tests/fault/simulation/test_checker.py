"""The checker finds what it is there for: one planted violation after the other, and none in a story that is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Event
from shared.model.delivery import Delivery
from shared.model.gate import Gate, pipeline_gate
from shared.model.pipeline import Node, NotifyMode, SinkType
from shared.model.run import NodeState, Run, RunState
from shared.model.task import NodeResult, Task, TaskState
from shared.model.upload import RUN_METADATA, OutputRecord, output_id
from shared.state.repository import Repository
from tests.builders import BUCKET, T0, a_chain, a_diamond, a_media, a_notification, a_run, an_object, ended
from tests.fault.simulation.checker.checker import CALMING, OVERDUE, Checker
from tests.fault.simulation.checker.violation import Violation
from tests.fault.simulation.work import Execution

Doc = dict[str, Any]
SOURCE = a_media("in/clip.mp4", last_modified=T0)


class Bench:
    """A checker, and a store that takes everything."""

    def __init__(self) -> None:
        self.found: list[Violation] = []
        self.now = T0
        self.checker = Checker(lambda: self.now, self.found.append)
        self._stored: dict[tuple[str, str], Doc] = {}
        self._executions = 0

    def write(self, collection: str, document: Any, **spoiled: Any) -> None:
        """Writes a document as the store does, with members that a fault has spoiled."""
        doc = Repository._dump(document) | spoiled
        before = self._stored.get((collection, doc["_id"]))
        doc["version"] = spoiled.get("version", before["version"] + 1 if before else 0)
        self._stored[collection, doc["_id"]] = doc
        self.checker.wrote(collection, before, doc)

    def stored(self, collection: str, doc_id: str) -> Doc:
        """A copy of what is stored."""
        copy: Doc = orjson.loads(orjson.dumps(self._stored[collection, doc_id]))
        return copy

    def rewrite(self, collection: str, doc_id: str, change: Callable[[Doc], None]) -> None:
        """Writes a stored document with a change that no code of ours would make."""
        before = self._stored[collection, doc_id]
        after = self.stored(collection, doc_id)
        after["version"] += 1
        change(after)
        self._stored[collection, doc_id] = after
        self.checker.wrote(collection, before, after)

    @property
    def guarantees(self) -> set[str]:
        """Which guarantees were found broken."""
        return {violation.guarantee for violation in self.found}

    def execution(self, task: Task, fence: int = 1, worker: str = "w") -> Execution:
        """Somebody works on a task."""
        self._executions += 1
        return Execution(self._executions, task.id, task.run_id, task.node, fence, task.lane.value, worker)


@dataclass
class Story:
    """A run that goes its way by the book, written at every step."""

    bench: Bench
    run: Run

    @classmethod
    def begun(cls, bench: Bench, nodes: tuple[Node, ...] | None = None, **members: Any) -> Story:
        """A run whose input node is queued, with its task."""
        story = cls(bench, a_run(nodes or a_diamond(), **members))
        bench.write("runs", story.run)
        story.on(Begin())
        return story

    def on(self, event: Event) -> Story:
        """One event; what follows from it is sent at once."""
        self.run, messages = advance(self.run, event, self.bench.now)
        self.bench.write("runs", self.run)
        for entry in messages:
            if entry.task is not None:
                self.bench.write("tasks", entry.task)
            if entry.event is not None:
                self.bench.checker.published("", f"{self.run.id}:{entry.event.sequence}")
        self.run = self.run.with_changes(outbox=())
        self.bench.write("runs", self.run)
        return self

    def task(self, node: int) -> Task:
        """The newest task of a node."""
        return next(
            Task.model_validate(doc | {"id": doc["_id"]})
            for doc in reversed(list(self.bench.checker.documents.tasks.values()))
            if doc["node"] == node
        )

    def claimed(self, node: int) -> Task:
        """The node's task in the hands of a worker."""
        lease = self.bench.now + timedelta(seconds=10)
        task = self.task(node).with_changes(
            state=TaskState.RUNNING, fence=1, owner="w/1", worker="w", lease_until=lease
        )
        self.bench.write("tasks", task)
        return task

    def done(self, *nodes: int) -> Story:
        """Somebody does the work of these nodes."""
        for node in nodes:
            task = self.claimed(node)
            execution = self.bench.execution(task)
            self.bench.checker.began(execution)
            execution.ended = True
            result = NodeResult(payload={"execution": execution.number})
            final = ended(task, result=result, now=self.bench.now).with_changes(fence=1, lease_until=None)
            self.bench.write("tasks", final)
            self.on(Ended(final))
        return self


@pytest.fixture
def bench() -> Bench:
    return Bench()


def with_node(run: Run, index: int, **changes: Any) -> Run:
    nodes = list(run.node_runs)
    nodes[index] = nodes[index].model_copy(update=changes)
    return run.with_changes(node_runs=tuple(nodes))


def a_delivery(run: Run, sequence: int, **members: Any) -> Delivery:
    given = {"due_at": T0, "created_at": T0, "tenant": run.tenant} | members
    return Delivery(
        id=f"{run.id}:{sequence}:URL",
        run_id=run.id,
        sequence=sequence,
        sink=SinkType.HTTP,
        target=a_notification().target,
        **given,
    )


def body(run: Run, status: str) -> bytes:
    return orjson.dumps({"ScheduleTaskEvent": {"TaskId": run.id, "Status": status}})


def test_a_story_that_is_right_breaks_nothing(bench: Bench) -> None:
    story = Story.begun(bench).done(0, 1, 2, 3, 4)
    bench.write("runs", story.run.with_changes(due_at=None))
    bench.checker.at_the_end()
    assert story.run.state is RunState.SUCCEEDED
    assert (bench.found, bench.checker.open()) == ([], [])


# -- G1 -----------------------------------------------------------------------------------------------------------


def test_second_run_of_one_upload(bench: Bench) -> None:
    bench.write("runs", a_run(run_id="one", source=SOURCE))
    bench.write("runs", a_run(run_id="two", source=SOURCE))
    assert bench.guarantees == {"G1"}


def test_run_of_an_object_that_a_run_wrote(bench: Bench) -> None:
    place = OutputRecord(
        id=output_id(BUCKET, "in/clip.mp4"), bucket=BUCKET, key="in/clip.mp4", run_id="run-0", node=1, fence=1
    )
    bench.write("outputs", place)
    bench.checker.object_written(an_object("in/clip.mp4", etag="e1", metadata={RUN_METADATA: "run-0"}))
    assert bench.found == []
    bench.write("runs", a_run(source=SOURCE))
    assert bench.guarantees == {"G1"}


def test_output_that_was_not_registered(bench: Bench) -> None:
    bench.checker.object_written(an_object("in/made.mp4", metadata={RUN_METADATA: "run-0"}))
    assert bench.guarantees == {"G1"}


def test_upload_without_its_run_is_not_done(bench: Bench) -> None:
    bench.checker.uploaded(an_object("in/clip.mp4", last_modified=T0), ["7001", "7002"])
    bench.write("runs", a_run(source=SOURCE, pipeline_id="7001"))
    assert bench.checker.open()[0] == "the run of pipeline 7002 for in/clip.mp4"


# -- G2 -----------------------------------------------------------------------------------------------------------


def test_node_that_succeeds_before_its_task(bench: Bench) -> None:
    story = Story.begun(bench)
    task = story.claimed(0)
    story.on(Ended(ended(task)))
    assert "G2" in bench.guarantees


def test_result_of_somebody_who_lost_the_task(bench: Bench) -> None:
    story = Story.begun(bench)
    task = story.claimed(0)
    zombie = bench.execution(task, fence=0)
    bench.checker.began(bench.execution(task))
    stolen = NodeResult(payload={"execution": zombie.number})
    bench.write("tasks", task.with_changes(state=TaskState.SUCCEEDED, result=stolen))
    assert bench.guarantees == {"G2"}


def test_result_that_is_not_that_of_the_task(bench: Bench) -> None:
    story = Story.begun(bench).done(0)
    run = with_node(story.run, 0, result=NodeResult(payload="another"))
    bench.write("runs", run)
    assert "G4" in bench.guarantees


def test_claim_that_is_worked_on_twice(bench: Bench) -> None:
    task = Story.begun(bench).claimed(0)
    bench.checker.began(bench.execution(task))
    bench.checker.began(bench.execution(task))
    assert bench.guarantees == {"G2"}


def test_task_that_changes_hands_without_a_claim(bench: Bench) -> None:
    task = Story.begun(bench).claimed(0)
    bench.write("tasks", task.with_changes(owner="other/2"))
    assert bench.guarantees == {"G2"}


def test_fence_that_stands_still(bench: Bench) -> None:
    story = Story.begun(bench)
    bench.write("tasks", story.task(0).with_changes(state=TaskState.RUNNING, lease_until=T0, owner="w/1"))
    assert bench.guarantees == {"G2"}


def test_rerun_with_a_result_that_nobody_made(bench: Bench) -> None:
    story = Story.begun(bench, a_chain()).done(0, 1)
    reused = {"run_id": "nobody", "node": 0, "attempt": 1, "epoch": 0}
    nodes = Repository._dump(story.run)["node_runs"]
    again = [nodes[0] | {"reused": reused}, *Repository._dump(a_run())["node_runs"][1:]]
    bench.write("runs", a_run(run_id="again"), rerun_of=story.run.id, root=story.run.id, epoch=1, node_runs=again)
    assert bench.guarantees == {"G2"}


# -- G3 -----------------------------------------------------------------------------------------------------------


def test_join_that_starts_early(bench: Bench) -> None:
    story = Story.begun(bench).done(0, 1)
    bench.write("runs", with_node(story.run, 4, state=NodeState.QUEUED, attempt=1))
    assert "G3" in bench.guarantees


def test_join_that_does_not_start(bench: Bench) -> None:
    story = Story.begun(bench).done(0, 1, 2)
    asleep = story.run
    story.done(3)
    bench.found.clear()
    run = with_node(asleep, 3, **dict(story.run.node_runs[3]))
    bench.write("runs", run)
    assert any("waits, but the graph says start" in violation.what for violation in bench.found)


def test_task_of_a_node_whose_inputs_are_not_there(bench: Bench) -> None:
    story = Story.begun(bench).done(0)
    late = story.task(1).with_changes(id=f"{story.run.id}:0.4:1", node=4)
    bench.write("runs", with_node(story.run, 4, attempt=1))
    bench.found.clear()
    bench.write("tasks", late)
    bench.write("tasks", late.with_changes(state=TaskState.RUNNING, fence=1, owner="w/1", lease_until=T0))
    assert bench.guarantees == {"G3"}


def test_second_attempt_beside_the_first(bench: Bench) -> None:
    story = Story.begun(bench)
    bench.write("runs", with_node(story.run, 0, attempt=2))
    bench.found.clear()
    bench.write("tasks", story.task(0).with_changes(id=f"{story.run.id}:0.0:2", attempt=2))
    assert bench.guarantees == {"G3"}


def test_attempt_that_the_run_does_not_know(bench: Bench) -> None:
    story = Story.begun(bench)
    story.done(0)
    bench.write("tasks", story.task(0).with_changes(id="x", attempt=2, state=TaskState.QUEUED, fence=0))
    assert bench.guarantees == {"G3"}


def test_node_that_is_skipped_for_nothing(bench: Bench) -> None:
    story = Story.begun(bench).done(0)
    bench.write("runs", with_node(story.run, 4, state=NodeState.SKIPPED, reason="?"))
    assert "G3" in bench.guarantees


# -- G4 -----------------------------------------------------------------------------------------------------------


def test_final_run_that_changes(bench: Bench) -> None:
    story = Story.begun(bench).done(0, 1, 2, 3, 4)
    bench.write("runs", story.run.with_changes(state=RunState.FAILED))
    assert "G4" in bench.guarantees


def test_final_task_that_is_queued_again(bench: Bench) -> None:
    story = Story.begun(bench).done(0)
    bench.write("tasks", story.task(0).with_changes(state=TaskState.QUEUED))
    assert bench.guarantees == {"G4"}


def test_final_node_that_begins_again(bench: Bench) -> None:
    story = Story.begun(bench).done(0)
    bench.write("runs", with_node(story.run, 0, state=NodeState.QUEUED, attempt=2))
    assert "G4" in bench.guarantees


def test_run_that_ends_before_its_nodes(bench: Bench) -> None:
    story = Story.begun(bench).done(0)
    bench.write("runs", story.run.with_changes(state=RunState.SUCCEEDED))
    assert "G4" in bench.guarantees


def test_run_that_forgets_a_failure(bench: Bench) -> None:
    story = Story.begun(bench, a_chain())
    task = story.done(0).claimed(1)
    failed = task.with_changes(state=TaskState.FAILED, lease_until=None)
    bench.write("tasks", failed)
    bench.found.clear()
    run, _ = advance(story.run, Ended(failed), bench.now)
    bench.write("runs", run.with_changes(state=RunState.SUCCEEDED))
    assert bench.guarantees == {"G4"}


def test_delivery_that_changes_after_its_end(bench: Bench) -> None:
    story = told(bench)
    delivery = a_delivery(story.run, 1)
    bench.write("deliveries", delivery)
    bench.write("deliveries", delivery, state="dead", due_at=None)
    bench.write("deliveries", delivery)
    assert bench.guarantees == {"G4"}


# -- G5 -----------------------------------------------------------------------------------------------------------


def test_run_without_a_timer(bench: Bench) -> None:
    story = Story.begun(bench)
    bench.write("runs", story.run.with_changes(due_at=None))
    assert bench.guarantees == {"G5"}


def test_run_whose_timer_is_days_away(bench: Bench) -> None:
    story = Story.begun(bench)
    bench.write("runs", story.run.with_changes(due_at=T0 + timedelta(days=1)))
    assert bench.guarantees == {"G5"}


def test_task_at_work_without_a_lease(bench: Bench) -> None:
    task = Story.begun(bench).claimed(0)
    bench.write("tasks", task.with_changes(lease_until=None))
    assert bench.guarantees == {"G5"}


def test_delivery_without_a_timer(bench: Bench) -> None:
    bench.write("deliveries", a_delivery(told(bench).run, 1, due_at=None))
    assert bench.guarantees == {"G5"}


def test_lease_whose_end_nobody_notices(bench: Bench) -> None:
    story = Story.begun(bench)
    story.claimed(0)
    bench.write("runs", story.run.with_changes(due_at=T0 + timedelta(seconds=90)))
    bench.checker.calm = T0
    bench.checker.tick()
    assert bench.found == []
    bench.now = T0 + max(CALMING, OVERDUE) + timedelta(seconds=1)
    bench.checker.tick()
    assert bench.guarantees == {"G5"}
    assert "the lease of task" in bench.found[0].what


def test_retry_before_its_time(bench: Bench) -> None:
    story = Story.begun(bench)
    waiting = with_node(story.run, 0, state=NodeState.WAITING, due_at=T0 + timedelta(seconds=5))
    bench.write("runs", waiting)
    bench.found.clear()
    bench.write("runs", with_node(waiting, 0, state=NodeState.QUEUED, attempt=2, due_at=None))
    assert "G5" in bench.guarantees


# -- G6, G7 -------------------------------------------------------------------------------------------------------


def test_work_that_goes_on_after_its_cancel(bench: Bench) -> None:
    task = Story.begun(bench).claimed(0)
    bench.checker.began(bench.execution(task))
    bench.write("tasks", task.with_changes(state=TaskState.CANCELLED, lease_until=None, finished_at=T0))
    bench.checker.calm = T0 - CALMING
    bench.now = T0 + timedelta(seconds=2)
    bench.checker.tick()
    assert bench.found == []
    bench.now = T0 + timedelta(seconds=7)
    bench.checker.tick()
    assert bench.guarantees == {"G6"}


def test_one_task_too_many_behind_a_gate(bench: Bench) -> None:
    bench.write("gates", Gate(id=pipeline_gate("7001"), maximum=2))
    story = Story.begun(bench).done(0)
    story.claimed(1)
    story.claimed(2)
    assert bench.found == []
    story.claimed(3)
    assert bench.guarantees == {"G7"}


def test_one_task_too_many_in_a_worker(bench: Bench) -> None:
    bench.checker.effects.slots = {"light": 2}
    story = Story.begun(bench).done(0)
    for node in (1, 2):
        bench.checker.began(bench.execution(story.claimed(node)))
    assert bench.found == []
    bench.checker.began(bench.execution(story.claimed(3)))
    assert bench.guarantees == {"G7"}


# -- G8 -----------------------------------------------------------------------------------------------------------


def told(bench: Bench) -> Story:
    """A run that has begun, of which somebody wants to be told everything."""
    return Story.begun(bench, notification=a_notification(NotifyMode.CHANGE))


def test_change_that_nobody_will_tell(bench: Bench) -> None:
    story = told(bench)
    bench.write("runs", story.run.with_changes(notify_due_at=None))
    assert bench.guarantees == {"G8"}


def test_notification_that_overtakes_another(bench: Bench) -> None:
    story = told(bench).done(0)
    for sequence in (1, 2):
        bench.write("deliveries", a_delivery(story.run, sequence))
    bench.checker.received(f"{story.run.id}:2:URL", a_notification().target, body(story.run, "PROCESSING"))
    assert bench.guarantees == {"G8"}


def test_old_notification_that_comes_for_the_first_time(bench: Bench) -> None:
    story = told(bench).done(0)
    bench.write("deliveries", a_delivery(story.run, 1))
    bench.write("deliveries", a_delivery(story.run, 1), state="dead", due_at=None)
    bench.write("deliveries", a_delivery(story.run, 2))
    for sequence in (2, 1):
        bench.checker.received(f"{story.run.id}:{sequence}:URL", a_notification().target, body(story.run, "PROCESSING"))
    assert ["was received after event 2" in violation.what for violation in bench.found] == [True]


def test_delivery_that_nobody_received(bench: Bench) -> None:
    delivery = a_delivery(told(bench).run, 1)
    bench.write("deliveries", delivery)
    bench.write("deliveries", delivery, state="delivered", due_at=None)
    assert bench.guarantees == {"G8"}


def test_delivery_under_another_id(bench: Bench) -> None:
    bench.write("deliveries", a_delivery(told(bench).run, 1).with_changes(id="random"))
    assert bench.guarantees == {"G8"}


def test_notification_that_tells_of_another_moment(bench: Bench) -> None:
    story = told(bench)
    bench.write("deliveries", a_delivery(story.run, 1))
    bench.checker.received(f"{story.run.id}:1:URL", a_notification().target, body(story.run, "FINISH"))
    assert bench.guarantees == {"G8"}


def test_history_that_is_rewritten(bench: Bench) -> None:
    story = Story.begun(bench).done(0)
    bench.rewrite("runs", story.run.id, lambda doc: doc["history"].pop(0))
    assert "G8" in bench.guarantees


# -- G9 -----------------------------------------------------------------------------------------------------------


def test_outbox_that_is_emptied_unsent(bench: Bench) -> None:
    run = a_run()
    bench.write("runs", run)
    run, _ = advance(run, Begin(), T0)
    bench.write("runs", run)
    bench.write("runs", run.with_changes(outbox=()))
    assert bench.guarantees == {"G9"}


def test_news_that_is_not_in_the_outbox(bench: Bench) -> None:
    run = a_run()
    bench.write("runs", run)
    run, _ = advance(run, Begin(), T0)
    bench.write("runs", run.with_changes(outbox=()))
    assert bench.guarantees == {"G9"}


def test_write_over_somebody_elses(bench: Bench) -> None:
    story = Story.begun(bench)
    bench.write("runs", story.run, version=7)
    assert bench.guarantees == {"G9"}


def test_document_that_disappears(bench: Bench) -> None:
    story = Story.begun(bench)
    bench.checker.wrote("runs", bench.stored("runs", story.run.id), None)
    assert bench.guarantees == {"G9"}


def test_accepted_cancel_that_has_no_effect(bench: Bench) -> None:
    story = Story.begun(bench)
    bench.checker.commanded(story.run.id, "cancel")
    story.done(0, 1, 2, 3, 4)
    bench.checker.at_the_end()
    assert bench.guarantees == {"G9"}


def test_what_is_not_done_is_named(bench: Bench) -> None:
    story = Story.begun(bench)
    assert [line.split(" (")[0] for line in bench.checker.open()] == [f"run {story.run.id}", f"task {story.task(0).id}"]
