"""How a run looks on the wire: the contract's ScheduleTask or WorkflowTask, and the event that carries it (MPS_EVENTS
§3–§5, §7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.model.pipeline import INPUT, TaskType, predecessors
from shared.model.run import NodeRun, NodeState, Run, RunState
from shared.model.task import Task
from shared.mps.kinds import BY_KIND, MEDIA_RESULT_MEMBERS, RESULT_MEMBERS, ActivityNames
from shared.mps.secrets import without_secrets
from shared.mps.signing import expiry, sign
from shared.mps.storage import MediaInputInfo, S3InputInfo
from shared.mps.view import RunView

SOURCE_FAILED = 40000
"""The task's ErrCode when the source cannot be used [OURS]: the contract gives only "non-zero"."""
CANCELLED = 40001
"""The task's ErrCode when somebody ended it [OURS]: with 0 it would look as if all had been done (ADR 19)."""

_NO_TASKS: Mapping[int, Task] = {}


def mps_task(run: Run, tasks: Mapping[int, Task] = _NO_TASKS, up_to: int | None = None) -> dict[str, Any]:
    """`ScheduleTask` or `WorkflowTask` of a run, as its type says.

    `tasks` are the current tasks by node: they tell progress and whether queued work has begun. With `up_to` the run is
    shown as it was at that event of its history, without looking at tasks: the same body however late it is rendered;
    at the last event it is what the finished run shows without `up_to`.
    """
    view = RunView(run, up_to)
    err_code, message = _outcome(run, view)
    return {
        "TaskId": run.id,
        "Status": "FINISH" if view.finished else "PROCESSING",
        "ErrCode": err_code,
        "Message": message,
        "InputInfo": _input_info(run),
        "MetaData": media_metadata(run) if view.node(_input(run)).state.final else None,
        **_RESULTS[run.task_type](_results(run, view, tasks)),
    }


def _as_activities(results: Iterable[tuple[ActivityNames, dict[str, Any]]]) -> dict[str, Any]:
    found = []
    for names, item in results:
        members: dict[str, Any] = dict.fromkeys(RESULT_MEMBERS)
        members[names.result_member] = item
        found.append({"ActivityType": names.result, "ActivityResItem": members})
    return {"ActivityResultSet": found}


def _as_tasks(results: Iterable[tuple[ActivityNames, dict[str, Any]]]) -> dict[str, Any]:
    media: list[dict[str, Any]] = []
    quality = None
    for names, item in results:
        if names.result_member in MEDIA_RESULT_MEMBERS:
            media.append({"Type": names.result, **dict.fromkeys(MEDIA_RESULT_MEMBERS), names.result_member: item})
        elif names.result_member == "QualityControlTask":
            quality = item
    return {
        "MediaProcessResultSet": media,
        "AiContentReviewResultSet": [],
        "AiAnalysisResultSet": [],
        "AiRecognitionResultSet": [],
        "AiQualityControlTaskResult": quality,
        "SmartSubtitlesTaskResult": [],
        "SmartEraseTaskResult": None,
    }


_RESULTS = {TaskType.SCHEDULE: _as_activities, TaskType.WORKFLOW: _as_tasks}
"""How a task of each type shows what came of its nodes."""


def media_metadata(run: Run) -> dict[str, Any] | None:
    """`MediaMetaData` of the source, without what the contract does not know; None while it is not known."""
    return None if run.metadata is None else {name: run.metadata[name] for name in run.metadata if name != "Facts"}


def task_event(run: Run, *, up_to: int, notify_key: str | None, now: datetime) -> dict[str, Any]:
    """The notification about one event of a run's history: `ParseNotification`'s members that this event type has.

    `Timestamp` and `Sign` are of `now` and are absent if there is no key [OURS].
    """
    event: dict[str, Any] = {
        "EventType": run.task_type.value,
        f"{run.task_type.value}Event": mps_task(run, up_to=up_to),
        "SessionId": run.session_id,
        "SessionContext": run.session_context,
    }
    if notify_key:
        timestamp = expiry(now)
        event |= {"Timestamp": timestamp, "Sign": sign(timestamp, notify_key)}
    return event


def _outcome(run: Run, view: RunView) -> tuple[int, str]:
    """The task's own ErrCode and Message: about the source and the end, not about single nodes."""
    start = _input(run)
    failure = view.node(start).failure
    if view.node(start).state is NodeState.FAILED and failure is not None:
        return SOURCE_FAILED, f"{failure.code.value}: step input (node {start}): {failure.message}"
    if view.finished and run.state is RunState.CANCELLED:
        return CANCELLED, "Cancelled: the task was ended on request"
    return 0, ""


def _results(run: Run, view: RunView, tasks: Mapping[int, Task]) -> Iterator[tuple[ActivityNames, dict[str, Any]]]:
    """What came of each node that was executed, or is; skipped and cancelled ones were not, and do not appear."""
    before = predecessors(run.nodes)
    for index, node in enumerate(run.nodes):
        names = BY_KIND.get(node.kind)
        if names is None:
            continue
        state = view.node(index)
        if state.state.final:
            item = _ended(names, state, node.params)
        elif _begun(state, tasks.get(index)) if view.live else view.ready(index, before[index]):
            item = _processing(names, node.params, tasks.get(index) if view.live else None)
        else:
            continue
        if item is not None:
            yield names, item


def _begun(state: NodeRun, task: Task | None) -> bool:
    """Whether somebody has worked on a node that is not final."""
    if state.state is NodeState.QUEUED:
        return state.attempt > 1 or (task is not None and task.claimed_at is not None)
    return state.state is NodeState.WAITING


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
    if not names.err_code:
        del item["ErrCode"]
    if names.progress:
        item["Progress"] = progress
    item |= {"Input": without_secrets(echo), "Output": payload}
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
