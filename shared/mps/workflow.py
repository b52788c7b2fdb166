"""Legacy workflows as the contract writes them (MPS_API §3)."""

from __future__ import annotations

from shared.mps.base import MpsModel
from shared.mps.media_process import MediaProcessTaskInput
from shared.mps.schedule import TaskNotifyConfig, WorkflowTrigger
from shared.mps.storage import TaskOutputStorage


class CreateWorkflowRequest(MpsModel):
    """CreateWorkflow. Tasks that need a model are refused by name until they exist."""

    workflow_name: str
    trigger: WorkflowTrigger
    output_storage: TaskOutputStorage | None = None
    output_dir: str | None = None
    media_process_task: MediaProcessTaskInput | None = None
    task_notify_config: TaskNotifyConfig | None = None
    task_priority: int | None = None


class ResetWorkflowRequest(CreateWorkflowRequest):
    """ResetWorkflow: everything anew; what is absent is gone."""

    workflow_id: int


class WorkflowIdRequest(MpsModel):
    """EnableWorkflow, DisableWorkflow, DeleteWorkflow."""

    workflow_id: int


class DescribeWorkflowsRequest(MpsModel):
    """DescribeWorkflows."""

    workflow_ids: list[int] | None = None
    status: str | None = None
    offset: int | None = None
    limit: int | None = None
