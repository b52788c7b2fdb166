"""A run as it was at one event of its history, so that a notification says the same however late it is sent."""

from __future__ import annotations

from collections.abc import Sequence

from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Join
from shared.model.run import NodeRun, NodeState, Run, RunEvent, RunEventType


class RunView:
    """A run as of the event `up_to`, or as it is now (`live`)."""

    def __init__(self, run: Run, up_to: int | None) -> None:
        self.live = up_to is None
        self._run = run
        self._seen = [event for event in run.history if up_to is not None and event.sequence <= up_to]
        self._last = _last_of_nodes(run, self._seen)

    @property
    def finished(self) -> bool:
        """Whether the run was final."""
        if self.live:
            return self._run.state.final
        turn = self._last_turn(RunEventType.RUN_STARTED, RunEventType.RUN_FINISHED)
        return turn is not None and turn.type is RunEventType.RUN_FINISHED

    def node(self, index: int) -> NodeRun:
        """The node as it stood. One that ended without an event (skipped probe, output) counts as ended from the
        start; one that was not final then is PENDING or WAITING, whatever it is now."""
        now = self._run.node_runs[index]
        if self.live:
            return now
        event = self._last.get(index)
        if event is None:
            return now if now.state.final and now.sequence is None else NodeRun()
        if event.type in (RunEventType.NODE_RETRYING, RunEventType.NODE_RESET):
            return NodeRun(state=NodeState.WAITING)
        return now if now.state.final and now.sequence == event.sequence else _failed_before(event)

    def ready(self, index: int, before: Sequence[int]) -> bool:
        """Whether a node that was not final then had been queued. That happens in the step that ends what its join
        mode waits for, but never while the run is paused, so that the history tells."""
        now = self._run.node_runs[index]
        if index in self._last:
            return True
        if now.attempt == 0 or now.state is NodeState.SKIPPED:
            return False
        paused = self._last_turn(RunEventType.RUN_PAUSED, RunEventType.RUN_RESUMED)
        then = self
        if paused is not None and paused.type is RunEventType.RUN_PAUSED:
            then = RunView(self._run, paused.sequence)
        states = [then.node(predecessor) for predecessor in before]
        leads = any(_leads_to(state, index) for state in states)
        if self._run.nodes[index].join is Join.ANY:
            return leads
        return leads and all(_ended_well(state) for state in states)

    def _last_turn(self, *turns: RunEventType) -> RunEvent | None:
        return next((event for event in reversed(self._seen) if event.type in turns), None)


def _last_of_nodes(run: Run, seen: Sequence[RunEvent]) -> dict[int, RunEvent]:
    """For each node the last event about it. A skip that was taken back, because a failed node before it was tried
    again, does not count from then on."""
    last: dict[int, RunEvent] = {}
    for event in seen:
        if event.type is RunEventType.NODE_RESET:
            for index, skip in list(last.items()):
                if skip.type is RunEventType.NODE_SKIPPED and run.node_runs[index].sequence != skip.sequence:
                    del last[index]
        if event.node is not None:
            last[event.node] = event
    return last


def _leads_to(state: NodeRun, index: int) -> bool:
    chosen = state.result.chosen if state.result else None
    return state.state is NodeState.SUCCEEDED and (chosen is None or index in chosen)


def _ended_well(state: NodeRun) -> bool:
    return state.state is NodeState.SUCCEEDED or (state.state is NodeState.SKIPPED and state.unchosen)


def _failed_before(event: RunEvent) -> NodeRun:
    """An end that was taken back since, because somebody asked to try the node again. When the attempt began is not
    kept."""
    if event.type is not RunEventType.NODE_FAILED:
        return NodeRun(state=NodeState.SKIPPED, finished_at=event.at)
    failure = Failure(code=ErrCode(event.code or ErrCode.INTERNAL), message=event.message or "")
    return NodeRun(state=NodeState.FAILED, failure=failure, finished_at=event.at)
