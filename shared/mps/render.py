"""How a run looks on the wire: the contract's ScheduleTask, and the event that carries it (MPS_EVENTS §3–§5, §7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.model.pipeline import INPUT, predecessors
from shared.model.run import NodeRun, NodeState, Run, RunEventType
from shared.model.task import Task
from shared.mps.kinds import BY_KIND, RESULT_MEMBERS, ActivityNames
from shared.mps.signing import expiry, sign
from shared.mps.storage import MediaInputInfo, S3InputInfo

SOURCE_FAILED = 40000
"""The task's ErrCode when the source cannot be used [OURS]: the contract gives only "non-zero"."""

_NO_TASKS: Mapping[int, Task] = {}


def schedule_task(run: Run, tasks: Mapping[int, Task] = _NO_TASKS, up_to: int | None = None) -> dict[str, Any]:
    """`ScheduleTask` of a run.

    `tasks` are the current tasks by node: they tell progress and whether queued work has begun. With `up_to` the run is
    shown as it was at that event of its history, without looking at tasks: the same body however late it is rendered;
    at the last event it is what the finished run shows without `up_to`.
    """
    view = _View(run, up_to)
    failure = run.failure if view.ended(run.node_runs[_input(run)]) else None
    message = "" if failure is None else f"{failure.code.value}: step input (node {_input(run)}): {failure.message}"
    return {
        "TaskId": run.id,
        "Status": "FINISH" if view.finished else "PROCESSING",
        "ErrCode": 0 if failure is None else SOURCE_FAILED,
        "Message": message,
        "InputInfo": _input_info(run),
        "MetaData": run.metadata if view.ended(run.node_runs[_input(run)]) else None,
        "ActivityResultSet": _results(run, view, tasks),
    }


def schedule_event(run: Run, *, up_to: int, notify_key: str | None, now: datetime) -> dict[str, Any]:
    """The notification about one event of a run's history: `ParseNotification`'s members that this event type has.

    `Timestamp` and `Sign` are of `now` and are absent if there is no key [OURS].
    """
    event: dict[str, Any] = {
        "EventType": "ScheduleTask",
        "ScheduleTaskEvent": schedule_task(run, up_to=up_to),
        "SessionId": run.session_id,
        "SessionContext": run.session_context,
    }
    if notify_key:
        timestamp = expiry(now)
        event |= {"Timestamp": timestamp, "Sign": sign(timestamp, notify_key)}
    return event


class _View:
    """A run as of one event of its history, or as it is now."""

    def __init__(self, run: Run, up_to: int | None) -> None:
        self.live = up_to is None
        self._up_to = run.sequence if up_to is None else up_to
        self._run = run

    @property
    def finished(self) -> bool:
        """Whether the run was final."""
        if self.live:
            return self._run.state.final
        turns = (RunEventType.RUN_STARTED, RunEventType.RUN_FINISHED)
        seen = [event.type for event in self._run.history if event.sequence <= self._up_to and event.type in turns]
        return bool(seen) and seen[-1] is RunEventType.RUN_FINISHED

    def ended(self, node: NodeRun) -> bool:
        """Whether the node was final. One that ended without an event (skipped probe, output) counts from the start."""
        return node.state.final and (self.live or (node.sequence or 0) <= self._up_to)


def _results(run: Run, view: _View, tasks: Mapping[int, Task]) -> list[dict[str, Any]]:
    before = predecessors(run.nodes)
    found = []
    for index, (node, state) in enumerate(zip(run.nodes, run.node_runs, strict=True)):
        names = BY_KIND.get(node.kind)
        if names is None:
            continue
        if view.ended(state):
            # Skipped and cancelled nodes were not executed and do not appear.
            item = _ended(names, state, node.params)
        elif _begun(state, tasks.get(index)) if view.live else _ready(run, view, before[index], state):
            item = _processing(names, node.params, tasks.get(index) if view.live else None)
        else:
            continue
        if item is not None:
            members: dict[str, Any] = dict.fromkeys(RESULT_MEMBERS)
            members[names.result_member] = item
            found.append({"ActivityType": names.result, "ActivityResItem": members})
    return found


def _begun(state: NodeRun, task: Task | None) -> bool:
    """Whether somebody has worked on a node that is not final."""
    if state.state is NodeState.QUEUED:
        return state.attempt > 1 or (task is not None and task.claimed_at is not None)
    return state.state is NodeState.WAITING


def _ready(run: Run, view: _View, before: list[int], state: NodeRun) -> bool:
    """Whether a node that had not ended at the viewed event had been queued by then. A node is queued in the step that
    ends the last of its predecessors, so that the history tells, whatever has happened since."""
    ran = state.attempt > 0 and state.state is not NodeState.SKIPPED
    return ran and all(view.ended(run.node_runs[index]) for index in before)


def _ended(names: ActivityNames, state: NodeRun, params: Mapping[str, Any]) -> dict[str, Any] | None:
    match state.state:
        case NodeState.SUCCEEDED:
            result = state.result
            echo = result.echo if result and result.echo else params
            status = {"Status": "SUCCESS", "ErrCodeExt": "", "ErrCode": 0, "Message": "SUCCESS"}
            return _item(names, status, 100, echo, result.payload if result else None, state)
        case NodeState.FAILED:
            failure = state.failure
            status = {
                "Status": "FAIL",
                "ErrCodeExt": failure.code.value if failure else "InternalError",
                "ErrCode": failure.numeric if failure else 30010,
                "Message": failure.message if failure else "",
            }
            return _item(names, status, 0, params, None, state)
        case _:
            return None


def _processing(names: ActivityNames, params: Mapping[str, Any], task: Task | None) -> dict[str, Any]:
    status = {"Status": "PROCESSING", "ErrCodeExt": "", "ErrCode": 0, "Message": ""}
    began = NodeRun(started_at=task.claimed_at if task else None)
    return _item(names, status, task.progress if task else 0, params, None, began)


def _item(
    names: ActivityNames,
    status: Mapping[str, Any],
    progress: int,
    echo: Mapping[str, Any],
    payload: Any,
    times: NodeRun,
) -> dict[str, Any]:
    item = dict(status)
    if names.progress:
        item["Progress"] = progress
    item |= {"Input": dict(echo), "Output": payload}
    if names.times:
        item |= {"BeginProcessTime": _moment(times.started_at), "FinishTime": _moment(times.finished_at)}
    return item


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _input(run: Run) -> int:
    return next(index for index, node in enumerate(run.nodes) if node.kind == INPUT)


def _input_info(run: Run) -> dict[str, Any]:
    source = run.input
    if run.input_type == "AWS-S3":
        s3 = S3InputInfo(s3_bucket=source.bucket, s3_region=source.region, s3_object="/" + source.key)
        return MediaInputInfo(type="AWS-S3", s3_input_info=s3).to_wire()
    return MediaInputInfo.cos(source.bucket, source.region, source.key).to_wire()
