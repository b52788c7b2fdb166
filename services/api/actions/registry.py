"""Which action is what: the request it takes and the handler that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from services.api.actions import metadata, notifications, persons, schedules, tasks, words, workflows
from services.api.actions.not_implemented import NOT_IMPLEMENTED
from services.api.actions.templates import template_actions
from services.api.dependencies import Context
from services.api.domain.access import READS, Access, changing
from services.api.domain.errors import ApiError, missing
from services.api.domain.parsing import parse
from shared.model.credential import Role
from shared.mps import samples
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
    """One action of the contract: what it takes, who answers, which role it needs and what it changes."""

    request: type[R]
    handler: Callable[[R, Context], Awaitable[dict[str, Any]]]
    access: Access

    async def __call__(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Reads the parameters and answers. Raises ApiError."""
        return await self.handler(parse(self.request, params), context)


class Handler(Protocol):
    """An action: reads the parameters and answers. Raises ApiError."""

    @property
    def access(self) -> Access:
        """Who may, and what it changes."""
        ...

    async def __call__(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Answers."""
        ...


_SCHEDULE = changing("pipeline")
_RUN = changing("run")
_SAMPLE = changing("sample")
_PROBE = changing("run", by=Role.VIEWER)
"""Looks at an object, and a worker does it: a run that nobody sees but the audit log."""

ACTIONS: Mapping[str, Handler] = {
    "CreateSchedule": Action(CreateScheduleRequest, schedules.create_schedule, _SCHEDULE),
    "ModifySchedule": Action(ModifyScheduleRequest, schedules.modify_schedule, _SCHEDULE),
    "DescribeSchedules": Action(DescribeSchedulesRequest, schedules.describe_schedules, READS),
    "EnableSchedule": Action(ScheduleIdRequest, schedules.enable_schedule, _SCHEDULE),
    "DisableSchedule": Action(ScheduleIdRequest, schedules.disable_schedule, _SCHEDULE),
    "DeleteSchedule": Action(ScheduleIdRequest, schedules.delete_schedule, _SCHEDULE),
    "ProcessMedia": Action(ProcessMediaRequest, tasks.process_media, _RUN),
    "ManageTask": Action(ManageTaskRequest, tasks.manage_task, _RUN),
    "DescribeTaskDetail": Action(DescribeTaskDetailRequest, tasks.describe_task_detail, READS),
    "DescribeTasks": Action(DescribeTasksRequest, tasks.describe_tasks, READS),
    "CreateWorkflow": Action(CreateWorkflowRequest, workflows.create_workflow, _SCHEDULE),
    "ResetWorkflow": Action(ResetWorkflowRequest, workflows.reset_workflow, _SCHEDULE),
    "DescribeWorkflows": Action(DescribeWorkflowsRequest, workflows.describe_workflows, READS),
    "EnableWorkflow": Action(WorkflowIdRequest, workflows.enable_workflow, _SCHEDULE),
    "DisableWorkflow": Action(WorkflowIdRequest, workflows.disable_workflow, _SCHEDULE),
    "DeleteWorkflow": Action(WorkflowIdRequest, workflows.delete_workflow, _SCHEDULE),
    "DescribeMediaMetaData": Action(metadata.DescribeMediaMetaDataRequest, metadata.describe_media_metadata, _PROBE),
    "ParseNotification": Action(notifications.ParseNotificationRequest, notifications.answer_notification, READS),
    "CreateWordSamples": Action(samples.CreateWordSamplesRequest, words.create_words, _SAMPLE),
    "ModifyWordSample": Action(samples.ModifyWordSampleRequest, words.modify_word, _SAMPLE),
    "DeleteWordSamples": Action(samples.DeleteWordSamplesRequest, words.delete_words, _SAMPLE),
    "DescribeWordSamples": Action(samples.DescribeWordSamplesRequest, words.describe_words, READS),
    "CreatePersonSample": Action(samples.CreatePersonSampleRequest, persons.create_person, _SAMPLE),
    "ModifyPersonSample": Action(samples.ModifyPersonSampleRequest, persons.modify_person, _SAMPLE),
    "DeletePersonSample": Action(samples.DeletePersonSampleRequest, persons.delete_person, _SAMPLE),
    "DescribePersonSamples": Action(samples.DescribePersonSamplesRequest, persons.describe_persons, READS),
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
        why = f": {NOT_IMPLEMENTED[name]}" if name in NOT_IMPLEMENTED else ""
        raise ApiError("InvalidAction", f"X-TC-Action: {name[:64]!r} is not an action of this server{why}")
    return action
