"""One transition in the making: the run as it becomes, its history and what follows from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from services.scheduler.domain.edges import Reached, Skip, Start, verdict
from services.scheduler.domain.rules import decide
from services.scheduler.domain.tasks import due_at, source_of, task_for
from shared.ids import task_id
from shared.model.graph import ancestors_of_all
from shared.model.pipeline import INPUT, RULES, Join, predecessors
from shared.model.run import (
    NodeRun,
    NodeState,
    OutboxEntry,
    Run,
    RunEvent,
    RunEventType,
    RunState,
    notifiable,
)

NOTIFY_PATIENCE = timedelta(seconds=3)
"""How long the notifier may take to write the deliveries before its sweeper looks for them."""


class Step:
    """Lives for one call of `advance`. The methods are what the rules of a run are made of."""

    def __init__(self, run: Run, now: datetime) -> None:
        self._before = run
        self.now = now
        self.run = run
        self.nodes = list(run.node_runs)
        self.history = list(run.history)
        self.messages: list[OutboxEntry] = []

    def current(self) -> Run:
        """The run with its nodes as they stand in this step."""
        return self.run.model_copy(update={"node_runs": tuple(self.nodes)})

    def change(self, **update: object) -> None:
        """Replaces members of the run."""
        self.run = self.run.model_copy(update=update)

    def change_node(self, index: int, **update: object) -> None:
        """Replaces members of a node."""
        self.nodes[index] = self.nodes[index].model_copy(update=update)

    def tell(self, kind: RunEventType, **about: object) -> int:
        """Adds an entry to the public history; returns its number."""
        sequence = self.history[-1].sequence + 1 if self.history else 1
        event = RunEvent.model_validate({"sequence": sequence, "type": kind, "at": self.now, **about})
        self.history.append(event)
        self.messages.append(OutboxEntry(kind="event", event=event))
        if notifiable(self.run, event) and self.run.notify_due_at is None:
            self.change(notify_due_at=self.now + NOTIFY_PATIENCE)
        return sequence

    # -- nodes ----------------------------------------------------------------------------------------------------

    def queue(self, index: int, after: Sequence[int]) -> None:
        """Makes the node's next attempt."""
        self.change_node(
            index,
            state=NodeState.QUEUED,
            attempt=self.nodes[index].attempt + 1,
            source=source_of(self.current(), index, list(after)),
            queued_at=self.now,
            due_at=None,
        )
        self.messages.append(OutboxEntry(kind="task", task=task_for(self.current(), index, self.now)))

    def requeue(self, index: int) -> None:
        """Makes the next attempt of a node that was queued before: it reads what it read then."""
        self.change_node(
            index, state=NodeState.QUEUED, attempt=self.nodes[index].attempt + 1, queued_at=self.now, due_at=None
        )
        self.messages.append(OutboxEntry(kind="task", task=task_for(self.current(), index, self.now)))

    def signal_task(self, kind: Literal["cancel", "hold", "unhold"], index: int, sequence: int | None = None) -> None:
        """Lets the task of a queued node be cancelled, held or let go of. `sequence` is the event behind it, which
        tells an older wish from a newer one."""
        attempt = task_id(self.run.id, index, self.nodes[index].attempt, self.run.epoch)
        self.messages.append(OutboxEntry(kind=kind, task_id=attempt, sequence=sequence))

    def settle(self) -> None:
        """Follows the graph until nothing more can be decided, and ends the run when all nodes are final. While the run
        is paused nothing is queued."""
        before = predecessors(self.run.nodes)
        looks = deque(index for index, node in enumerate(self.nodes) if node.state is NodeState.PENDING)
        awaited = {index: sum(not self.nodes[one].state.final for one in before[index]) for index in looks}
        while looks:
            index = looks.popleft()
            if self.nodes[index].state is not NodeState.PENDING or not self._decide(index, before[index]):
                continue
            if self.nodes[index].state.final:
                # A join of any may have started long ago and not be among those that wait.
                for successor in (one for one in self.run.nodes[index].successors if one in awaited):
                    awaited[successor] -= 1
                    # Looked at again only when that may decide it: graphs of a thousand nodes stay cheap.
                    if not awaited[successor] or self.run.nodes[successor].join is Join.ANY:
                        looks.append(successor)
        if all(node.state.final for node in self.nodes):
            self._finish()

    def _decide(self, index: int, before: Sequence[int]) -> bool:
        """Whether the node is pending no more."""
        match verdict(self.run, self.nodes, index, before):
            case Reached():
                # The end is reached whatever became of the branches; it does no work and is no event.
                self.nodes[index] = NodeRun(state=NodeState.SUCCEEDED, finished_at=self.now)
            case Skip(reason, unchosen):
                sequence = self.tell(RunEventType.NODE_SKIPPED, node=index, message=reason)
                self.nodes[index] = self.nodes[index].model_copy(
                    update={
                        "state": NodeState.SKIPPED,
                        "unchosen": unchosen,
                        "reason": reason,
                        "finished_at": self.now,
                        "sequence": sequence,
                    }
                )
            case Start() if self.run.skip_probe and self.run.nodes[index].kind == INPUT:
                self.change_node(
                    index,
                    state=NodeState.SUCCEEDED,
                    source=self.run.input,
                    started_at=self.now,
                    finished_at=self.now,
                )
            case Start(after) if self.run.nodes[index].kind == RULES:
                self._choose(index, after)
            case Start(after) if self.run.state is RunState.RUNNING:
                self.queue(index, after)
            case _:
                return False
        return True

    def _choose(self, index: int, after: Sequence[int]) -> None:
        """Decides a rules node, which needs no worker."""
        result = decide(self.current(), index, self._ancestors[index])
        sequence = self.tell(RunEventType.NODE_SUCCEEDED, node=index, attempt=1, message=result.explanation)
        self.change_node(
            index,
            state=NodeState.SUCCEEDED,
            attempt=1,
            source=source_of(self.current(), index, list(after)),
            started_at=self.now,
            finished_at=self.now,
            result=result.node_result,
            reason=result.explanation,
            sequence=sequence,
        )

    @cached_property
    def _ancestors(self) -> list[int]:
        """Made once for all rules of the step."""
        return ancestors_of_all(self.run.nodes)

    def _finish(self) -> None:
        failed = any(node.state is NodeState.FAILED for node in self.nodes)
        self.end(RunState.FAILED if failed else RunState.SUCCEEDED)

    def end(self, state: RunState) -> None:
        """The run is final; there is nothing left to command."""
        self.change(state=state, finished_at=self.now, commands=())
        self.tell(RunEventType.RUN_FINISHED, state=state.value)

    @property
    def changed(self) -> bool:
        """Whether anything is other than before."""
        return self.run is not self._before or bool(self.messages) or self.nodes != list(self._before.node_runs)

    def outcome(self) -> tuple[Run, tuple[OutboxEntry, ...]]:
        """The new run with its outbox and timer, or the old one untouched."""
        if not self.changed:
            return self._before, ()
        messages = tuple(self.messages)
        run = self.run.model_copy(
            update={
                "node_runs": tuple(self.nodes),
                "history": tuple(self.history),
                "outbox": self._before.outbox + messages,
                "news_at": self.now if len(self.history) > len(self._before.history) else self._before.news_at,
            }
        )
        return run.model_copy(update={"due_at": due_at(run, self.now)}), messages
