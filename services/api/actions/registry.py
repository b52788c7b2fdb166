"""Which action is what: the request it takes and the handler that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.api.actions import metadata, notifications, schedules, tasks, workflows
from services.api.actions.templates import template_actions
from services.api.dependencies import Context
from services.api.domain.errors import ApiError, missing
from services.api.domain.parsing import parse
from shared.mps.base import MpsModel
from shared.mps.schedule import (
    CreateScheduleRequest,
    DescribeSchedulesRequest,
    DescribeTaskDetailRequest,
    DescribeTasksRequest,
    ManageTaskRequest,
    ModifyScheduleRequest,
    ProcessMediaRequest,
    ScheduleIdRequest,
)
from shared.mps.workflow import (
    CreateWorkflowRequest,
    DescribeWorkflowsRequest,
    ResetWorkflowRequest,
    WorkflowIdRequest,
)

VERSION = "2019-06-12"
R = TypeVar("R", bound=MpsModel)


@dataclass(frozen=True, slots=True)
class Action(Generic[R]):
    """One action of the contract."""

    request: type[R]
    handler: Callable[[R, Context], Awaitable[dict[str, Any]]]

    async def __call__(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Reads the parameters and answers. Raises ApiError."""
        return await self.handler(parse(self.request, params), context)


Handler = Callable[[Mapping[str, Any], Context], Awaitable[dict[str, Any]]]
"""Reads the parameters and answers. Raises ApiError."""

ACTIONS: Mapping[str, Handler] = {
    "CreateSchedule": Action(CreateScheduleRequest, schedules.create_schedule),
    "ModifySchedule": Action(ModifyScheduleRequest, schedules.modify_schedule),
    "DescribeSchedules": Action(DescribeSchedulesRequest, schedules.describe_schedules),
    "EnableSchedule": Action(ScheduleIdRequest, schedules.enable_schedule),
    "DisableSchedule": Action(ScheduleIdRequest, schedules.disable_schedule),
    "DeleteSchedule": Action(ScheduleIdRequest, schedules.delete_schedule),
    "ProcessMedia": Action(ProcessMediaRequest, tasks.process_media),
    "ManageTask": Action(ManageTaskRequest, tasks.manage_task),
    "DescribeTaskDetail": Action(DescribeTaskDetailRequest, tasks.describe_task_detail),
    "DescribeTasks": Action(DescribeTasksRequest, tasks.describe_tasks),
    "CreateWorkflow": Action(CreateWorkflowRequest, workflows.create_workflow),
    "ResetWorkflow": Action(ResetWorkflowRequest, workflows.reset_workflow),
    "DescribeWorkflows": Action(DescribeWorkflowsRequest, workflows.describe_workflows),
    "EnableWorkflow": Action(WorkflowIdRequest, workflows.enable_workflow),
    "DisableWorkflow": Action(WorkflowIdRequest, workflows.disable_workflow),
    "DeleteWorkflow": Action(WorkflowIdRequest, workflows.delete_workflow),
    "DescribeMediaMetaData": Action(metadata.DescribeMediaMetaDataRequest, metadata.describe_media_metadata),
    "ParseNotification": Action(notifications.ParseNotificationRequest, notifications.answer_notification),
    **dict(template_actions()),
}


def find_action(name: str, version: str) -> Handler:
    """Raises ApiError `MissingParameter`, `NoSuchVersion` or `InvalidAction`."""
    if not name:
        raise missing("X-TC-Action")
    if not version:
        raise missing("X-TC-Version")
    if version != VERSION:
        raise ApiError("NoSuchVersion", f"X-TC-Version: {version[:32]!r} is not a version of mps; it is {VERSION}")
    action = ACTIONS.get(name)
    if action is None:
        raise ApiError("InvalidAction", f"X-TC-Action: {name[:64]!r} is not an action of this server")
    return action
