"""A run as it was at one event of its history, so that a notification says the same however late it is sent."""

from __future__ import annotations

from collections.abc import Sequence

from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Join
from shared.model.run import NodeRun, NodeState, Run, RunEvent, RunEventType

_OPEN = (RunEventType.NODE_RETRYING, RunEventType.NODE_RESET)
"""After these a node goes on."""


class RunView:
    """A run as of the event `up_to`, or as it is now (`live`)."""

    def __init__(self, run: Run, up_to: int | None) -> None:
        self.live = up_to is None
        self._run = run
        self._seen = [event for event in run.history if up_to is not None and event.sequence <= up_to]
        self._last = {event.node: event for event in self._seen if event.node is not None}

    @property
    def finished(self) -> bool:
        """Whether the run was final."""
        if self.live:
            return self._run.state.final
        turns = (RunEventType.RUN_STARTED, RunEventType.RUN_FINISHED)
        seen = [event.type for event in self._seen if event.type in turns]
        return bool(seen) and seen[-1] is RunEventType.RUN_FINISHED

    def node(self, index: int) -> NodeRun:
        """The node as it stood. One that ended without an event (skipped probe, output) counts as ended from the
        start; one that was not final then is PENDING or WAITING, whatever it is now."""
        now = self._run.node_runs[index]
        if self.live:
            return now
        event = self._last.get(index)
        if event is None:
            return now if now.state.final and now.sequence is None else NodeRun()
        if event.type in _OPEN:
            return NodeRun(state=NodeState.WAITING)
        return now if event.sequence == now.sequence else _ended_before(event)

    def ready(self, index: int, before: Sequence[int]) -> bool:
        """Whether a node that was not final then had been queued. That happens in the step that ends what its join
        mode waits for, but never while the run is paused, so that the history tells."""
        now = self._run.node_runs[index]
        if index in self._last:
            return True
        if now.attempt == 0 or now.state is NodeState.SKIPPED:
            return False
        queued_by = self if self._paused_at is None else RunView(self._run, self._paused_at)
        states = [queued_by.node(predecessor) for predecessor in before]
        if self._run.nodes[index].join is Join.ANY:
            return any(_leads_to(state, index) for state in states)
        return all(state.state.final for state in states)

    @property
    def _paused_at(self) -> int | None:
        """The event that paused the run, if it was paused."""
        turns = (RunEventType.RUN_PAUSED, RunEventType.RUN_RESUMED)
        last = next((event for event in reversed(self._seen) if event.type in turns), None)
        return last.sequence if last is not None and last.type is RunEventType.RUN_PAUSED else None


def _leads_to(state: NodeRun, index: int) -> bool:
    chosen = state.result.chosen if state.result else None
    return state.state is NodeState.SUCCEEDED and (chosen is None or index in chosen)


def _ended_before(event: RunEvent) -> NodeRun:
    """An end that was taken back since: somebody asked to try the node again. Only failures and what they skipped are
    ever taken back; when the attempt began is not kept."""
    if event.type is not RunEventType.NODE_FAILED:
        return NodeRun(state=NodeState.SKIPPED, finished_at=event.at, sequence=event.sequence)
    failure = Failure(code=ErrCode(event.code or ErrCode.INTERNAL), message=event.message or "")
    return NodeRun(state=NodeState.FAILED, failure=failure, finished_at=event.at, sequence=event.sequence)
