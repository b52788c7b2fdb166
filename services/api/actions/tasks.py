"""ProcessMedia, ManageTask, DescribeTaskDetail, DescribeTasks."""

from __future__ import annotations

from typing import Any

from services.api.actions.schedules import own_pipeline
from services.api.announcing import announce
from services.api.buckets import check_buckets, find_input
from services.api.commanding import command_run
from services.api.dependencies import Context
from services.api.domain.errors import invalid
from services.api.domain.problems import Problem
from services.api.domain.storage import read_input
from services.api.domain.tasks import (
    Asked,
    Mark,
    Wish,
    no_such_task,
    output_target,
    read_task_listing,
    read_wish,
    render_detail,
    render_simple,
    session_error,
    session_taken,
    work_asked_for,
)
from services.api.newest import newest_first
from services.api.sinks import check_sinks
from services.api.work import given, scheduled, side_by_side
from shared import ids
from shared.metrics import RUNS_STARTED
from shared.model.collections import RUN_SEARCH
from shared.model.pipeline import OutputPlace, TaskType, all_subscriptions
from shared.model.run import CommandKind, Run, new_run
from shared.model.task import Task
from shared.mps.render import mps_task
from shared.mps.schedule import (
    DescribeTaskDetailRequest,
    DescribeTasksRequest,
    ManageTaskRequest,
    ProcessMediaRequest,
)
from shared.ports.state import DuplicateKey, Order


async def process_media(request: ProcessMediaRequest, context: Context) -> dict[str, Any]:
    """Starts a run on one object: of the activities in the request, else of a schedule, which need not be enabled, else
    of the media tasks in the request."""
    records, objects = context.deps.records, context.deps.objects
    place = read_input(request.input_info, context.tenant)
    wish = read_wish(request, tenant=context.tenant, region=place.region)
    target = output_target(wish.output, OutputPlace(), place)
    match work_asked_for(request):
        case Asked.ACTIVITIES:
            work = await given(request.activities or [], place, target, context)
        case Asked.SCHEDULE:
            work = await scheduled(await own_pipeline(str(request.schedule_id), context), context)
        case Asked.TASKS:
            work = await side_by_side(request, place, target, context)
    check_sinks(all_subscriptions(wish.notification, wish.more_subscriptions), context)
    await check_buckets(objects, (*wish.buckets, *work.buckets))
    source = await find_input(objects, place)
    run = new_run(
        run_id=await _new_run_id(wish, work.task_type, context),
        tenant=context.tenant,
        task_type=work.task_type,
        pipeline_id=work.pipeline_id,
        pipeline_name=work.pipeline_name,
        definition=work.definition,
        nodes=work.nodes,
        source=source,
        target=output_target(wish.output, work.output, place),
        now=await records.now(),
        input_type=place.type,
        # The request's own goes before the schedule's.
        notification=wish.notification or work.notification,
        more_subscriptions=wish.more_subscriptions or work.more_subscriptions,
        priority=wish.priority,
        session_id=wish.session_id,
        session_context=wish.session_context,
        skip_probe=wish.skip_probe,
    )
    try:
        await records.runs.insert(run)
    except DuplicateKey:
        raise session_error(wish.session_id) from None
    RUNS_STARTED.labels("api").inc()
    await announce([run.id], context)
    return {"TaskId": run.id}


async def _new_run_id(wish: Wish, task_type: TaskType, context: Context) -> str:
    """A random id; with a SessionId, one that two calls at the same time share, so that only one of them is written.

    Raises ApiError if the SessionId was used within the window.
    """
    if not wish.session_id:
        return ids.run_id(context.tenant, "process", context.deps.new_id(), task_type=task_type)
    records = context.deps.records
    used = await records.runs.find(
        # A rerun carries the SessionId on, but is no use of it.
        {"tenant": context.tenant, "session_id": wish.session_id, "rerun_of": None},
        sort=[("created_at", Order.DESC)],
        limit=1,
    )
    last = used[0] if used else None
    if session_taken(last, await records.now()):
        raise session_error(wish.session_id)
    cause = ("process", "session", wish.session_id, last.id if last else "")
    return ids.run_id(context.tenant, *cause, task_type=task_type)


async def manage_task(request: ManageTaskRequest, context: Context) -> dict[str, Any]:
    """Ends a run. MPS does so only while a task is WAITING, we also while it is PROCESSING. Asking again changes
    nothing until the run has ended."""
    if request.operation_type != "Abort":
        raise invalid("OperationType", "must be Abort", "InvalidOperationType")
    run = await own_run(request.task_id, context)
    try:
        await command_run(run.id, CommandKind.CANCEL, context)
    except Problem as refused:
        raise invalid("TaskId", refused.detail, "NotProcessingTask") from None
    return {}


async def describe_task_detail(request: DescribeTaskDetailRequest, context: Context) -> dict[str, Any]:
    """One run as it stands, with the progress of the nodes at work."""
    records = context.deps.records
    run = await own_run(request.task_id, context)
    live: dict[int, Task] = {}
    if not run.state.final:
        tasks = await records.tasks.find({"run_id": run.id, "epoch": run.epoch}, limit=10 * len(run.nodes))
        for task in sorted(tasks, key=lambda task: task.attempt):
            live[task.node] = task
    return render_detail(run, mps_task(run, live))


async def own_run(task_id: str, context: Context) -> Run:
    """The caller's run. Raises ApiError `.TaskId`, also for somebody else's."""
    run = await context.deps.records.runs.get(task_id)
    if run is None or run.tenant != context.tenant:
        raise no_such_task(task_id)
    return run


async def describe_tasks(request: DescribeTasksRequest, context: Context) -> dict[str, Any]:
    """The caller's runs in one state, newest first, page by page."""
    listing = read_task_listing(request, context.tenant)
    runs = context.deps.records.runs
    where = {**listing.where, "created_at": listing.created} if listing.created else listing.where
    total = await runs.count(where, by=RUN_SEARCH)
    found = await newest_first(listing, context)
    page, more = found[: listing.limit], len(found) > listing.limit
    return {
        "TaskSet": [render_simple(run) for run in page],
        "ScrollToken": Mark.of(page[-1]).token() if more else "",
        "TotalCount": total,
    }
