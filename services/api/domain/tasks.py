"""Runs as MPS tasks: ProcessMedia's rules, states, listing (contract MPS_API §5.2, §9)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import orjson

from services.api.domain.errors import ApiError, invalid, missing
from services.api.domain.fields import moment_text, normalise_dir, read_moment
from services.api.domain.notification import read_notification, read_subscriptions, render_told
from services.api.domain.schedules import read_limit
from services.api.domain.storage import S3, BucketUse, InputPlace, read_output
from shared.model.base import instant_text
from shared.model.pipeline import Notification, OutputPlace
from shared.model.run import Run, RunState
from shared.model.task import OutputTarget
from shared.mps.kinds import BY_KIND
from shared.mps.schedule import DescribeTasksRequest, ProcessMediaRequest

SESSION_WINDOW = timedelta(days=3)
"""For how long a SessionId may not be used again (contract §9; another text says 7 days)."""
MAX_SESSION_ID = 50
MAX_SESSION_CONTEXT = 1000
MAX_PRIORITY = 10
METADATA = "metadata"
"""The pipeline's id in a run that only probes, for DescribeMediaMetaData; no pipeline has this one, and the run is no
task of the contract's."""

_STATES: Mapping[str, tuple[RunState, ...]] = {
    "WAITING": (RunState.REQUESTED,),
    "PROCESSING": (RunState.RUNNING, RunState.PAUSED),
    "FINISH": (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED),
}
_STATUS = {state: status for status, states in _STATES.items() for state in states}
_TASK_TYPES = frozenset({"", "Online", "Offline"})


class Asked(Enum):
    """What ProcessMedia is to run."""

    ACTIVITIES = auto()
    """The graph in the request."""
    SCHEDULE = auto()
    """A saved pipeline."""
    TASKS = auto()
    """The media tasks in the request."""


def work_asked_for(request: ProcessMediaRequest) -> Asked:
    """Activities go before the schedule (contract §9); media tasks stand for themselves. Raises ApiError."""
    tasks = {
        "MediaProcessTask": request.media_process_task is not None and any(request.media_process_task.tasks()),
        "AiQualityControlTask": request.ai_quality_control_task is not None,
    }
    if not request.activities and request.schedule_id is None:
        if not any(tasks.values()):
            rule = "is required unless Activities, MediaProcessTask or AiQualityControlTask say what to do"
            raise missing("ScheduleId", rule)
        return Asked.TASKS
    graph = "Activities" if request.activities else "ScheduleId"
    for member, given in tasks.items():
        if given:
            raise invalid(member, f"must be absent when {graph} is given: it would not be done")
    return Asked.ACTIVITIES if request.activities else Asked.SCHEDULE


@dataclass(frozen=True, slots=True)
class Wish:
    """The checked members of a ProcessMedia request, apart from the input."""

    output: OutputPlace
    buckets: tuple[BucketUse, ...]
    notification: Notification | None
    more_subscriptions: tuple[Notification, ...]
    priority: int
    session_id: str
    session_context: str
    skip_probe: bool


def read_wish(request: ProcessMediaRequest, *, tenant: str, region: str) -> Wish:
    """Raises ApiError. `region` is the input's."""
    session_id, context = request.session_id or "", request.session_context or ""
    if len(session_id) > MAX_SESSION_ID:
        raise invalid("SessionId", f"must have at most {MAX_SESSION_ID} characters", "SessionIdTooLong")
    if len(context) > MAX_SESSION_CONTEXT:
        raise invalid("SessionContext", f"must have at most {MAX_SESSION_CONTEXT} characters", "SessionContextTooLong")
    priority = read_priority(request.tasks_priority, "TasksPriority")
    if (request.task_type or "") not in _TASK_TYPES:
        raise invalid("TaskType", "must be Online or Offline")
    if request.skip_mate_data not in (None, 0, 1):
        raise invalid("SkipMateData", "must be 0 or 1")
    output, buckets = read_output(request.output_storage, "OutputStorage", tenant, region)
    if request.output_dir:
        output = output.model_copy(update={"dir": normalise_dir(request.output_dir, "OutputDir")})
    return Wish(
        output=output,
        buckets=tuple(buckets),
        notification=read_notification(request.task_notify_config),
        more_subscriptions=read_subscriptions(request.subscriptions),
        priority=priority,
        session_id=session_id,
        session_context=context,
        skip_probe=request.skip_mate_data == 1,
    )


def read_priority(given: int | None, field: str) -> int:
    """Higher goes first. Raises ApiError."""
    priority = given or 0
    if abs(priority) > MAX_PRIORITY:
        raise invalid(field, f"must be from -{MAX_PRIORITY} to {MAX_PRIORITY}")
    return priority


def output_target(wish: OutputPlace, pipeline: OutputPlace, source: InputPlace) -> OutputTarget:
    """ProcessMedia's place, else the schedule's, else where the input is (contract §5.2)."""
    bucket = wish.bucket or pipeline.bucket or source.bucket.bucket
    region = wish.region or pipeline.region or source.region
    folder, slash, _ = source.key.rpartition("/")
    return OutputTarget(
        bucket=bucket,
        region=region,
        dir=wish.dir or pipeline.dir or f"/{folder}{slash}",
        type="AWS-S3" if source.type == S3 else "COS",
    )


def session_taken(last: Run | None, now: datetime) -> bool:
    """Whether the SessionId of this run may not be used again yet."""
    return last is not None and now - last.created_at < SESSION_WINDOW


def session_error(session_id: str) -> ApiError:
    """The refusal of a SessionId that was used within the window."""
    return invalid("SessionId", f"{session_id!r} was used within the last {SESSION_WINDOW.days} days", "SessionId")


def no_such_task(task_id: str) -> ApiError:
    """The refusal for a task that is not there, or not the caller's."""
    return invalid("TaskId", f"there is no task {task_id[:200]!r}", "TaskId")


def render_detail(run: Run, task: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeTaskDetail's answer (contract MPS_EVENTS §7.8)."""
    return {
        "TaskType": run.task_type.value,
        "Status": _STATUS[run.state],
        "CreateTime": moment_text(run.created_at),
        "BeginProcessTime": moment_text(run.started_at),
        "FinishTime": moment_text(run.finished_at),
        **render_told(run),
        "TasksPriority": run.priority,
        "SessionId": run.session_id,
        "SessionContext": run.session_context,
        "ExtInfo": "",
        run.task_type.value: dict(task),
    }


def render_simple(run: Run) -> dict[str, Any]:
    """`TaskSimpleInfo`."""
    kinds = dict.fromkeys(BY_KIND[node.kind].result for node in run.nodes if node.kind in BY_KIND)
    return {
        "TaskId": run.id,
        "TaskType": run.task_type.value,
        "CreateTime": moment_text(run.created_at),
        "BeginProcessTime": moment_text(run.started_at),
        "FinishTime": moment_text(run.finished_at),
        "SubTaskTypes": list(kinds),
    }


@dataclass(frozen=True, slots=True)
class Mark:
    """The last run of a page: the next page begins after it. New runs come before it and do not move it."""

    created_at: str
    run_id: str

    def token(self) -> str:
        """An opaque text for the caller."""
        return base64.urlsafe_b64encode(orjson.dumps([self.created_at, self.run_id])).decode()

    @classmethod
    def of(cls, run: Run) -> Mark:
        """The mark of a page that ends with this run."""
        return cls(instant_text(run.created_at), run.id)

    @classmethod
    def read(cls, token: str) -> Mark:
        """Raises ApiError."""
        try:
            found = orjson.loads(base64.urlsafe_b64decode(token.encode()))
        except (binascii.Error, ValueError):
            found = None
        match found:
            case [str(created_at), str(run_id)]:
                return cls(created_at, run_id)
            case _:
                raise invalid("ScrollToken", "is not a token of an earlier answer")


@dataclass(frozen=True, slots=True)
class TaskListing:
    """What DescribeTasks is to find. `created` is the range of `created_at`, without the mark."""

    where: dict[str, Any]
    created: dict[str, str]
    limit: int
    after: Mark | None


def read_task_listing(request: DescribeTasksRequest, tenant: str) -> TaskListing:
    """Raises ApiError."""
    states = _STATES.get(request.status)
    if states is None:
        raise invalid("Status", "must be WAITING, PROCESSING or FINISH")
    if request.sub_task_has_failed is not None and request.status == "FINISH":
        states = tuple(state for state in states if (state is RunState.FAILED) == request.sub_task_has_failed)
    created: dict[str, str] = {}
    if request.start_time:
        created["$gte"] = instant_text(read_moment(request.start_time, "StartTime"))
    if request.end_time:
        # Callers see whole seconds: a task shown as created in this second belongs to the range.
        created["$lt"] = instant_text(read_moment(request.end_time, "EndTime") + timedelta(seconds=1))
    if created.get("$gte", "") > created.get("$lt", "~"):
        raise invalid("EndTime", "must not be before StartTime")
    return TaskListing(
        where={
            "tenant": tenant,
            "state": {"$in": [state.value for state in states]},
            "pipeline_id": {"$ne": METADATA},
        },
        created=created,
        limit=read_limit(request.limit),
        after=Mark.read(request.scroll_token) if request.scroll_token else None,
    )
