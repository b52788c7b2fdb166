"""Schedules as the contract writes them (MPS_API §4–§6, §9)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.mps.base import MpsModel
from shared.mps.extension import ActivityExtension
from shared.mps.media_process import MediaProcessTaskInput
from shared.mps.quality_control import AiQualityControlTaskInput
from shared.mps.storage import MediaInputInfo, TaskOutputStorage


class CosFileUploadTrigger(MpsModel):
    """Uploads to a COS bucket."""

    bucket: str
    region: str
    dir: str | None = None
    formats: list[str] | None = None


class AwsSqs(MpsModel):
    """An SQS queue."""

    sqs_region: str = Field(alias="SQSRegion")
    sqs_queue_name: str = Field(alias="SQSQueueName")
    s3_secret_id: str | None = Field(default=None, alias="S3SecretId")
    s3_secret_key: str | None = Field(default=None, alias="S3SecretKey")


class AwsS3FileUploadTrigger(MpsModel):
    """Uploads to an S3 bucket."""

    s3_bucket: str = Field(alias="S3Bucket")
    s3_region: str = Field(alias="S3Region")
    dir: str | None = None
    formats: list[str] | None = None
    s3_secret_id: str | None = Field(default=None, alias="S3SecretId")
    s3_secret_key: str | None = Field(default=None, alias="S3SecretKey")
    aws_sqs: AwsSqs | None = Field(default=None, alias="AwsSQS")


class WorkflowTrigger(MpsModel):
    """What starts a schedule."""

    type: str
    cos_file_upload_trigger: CosFileUploadTrigger | None = None
    aws_s3_file_upload_trigger: AwsS3FileUploadTrigger | None = Field(default=None, alias="AwsS3FileUploadTrigger")


class TaskNotifyConfig(MpsModel):
    """Who is told (MPS_API §5.3)."""

    notify_type: str | None = None
    notify_mode: str | None = None
    notify_url: str | None = None
    cmq_model: str | None = None
    cmq_region: str | None = None
    topic_name: str | None = None
    queue_name: str | None = None
    aws_sqs: AwsSqs | None = Field(default=None, alias="AwsSQS")
    notify_key: str | None = None


class Subscription(TaskNotifyConfig):
    """One more who is told, with a filter [OURS] (docs/reference/notifications.md)."""

    name: str | None = None
    events: list[str] | None = None
    node_kinds: list[str] | None = None


class Activity(MpsModel):
    """One node on the wire. `PredriveIndex` is taken and ignored: the server makes it. `Extension` is ours."""

    activity_type: str
    predrive_index: list[int] | None = None
    reardrive_index: list[int] | None = None
    activity_para: dict[str, Any] | None = None
    extension: ActivityExtension | None = None


class CreateScheduleRequest(MpsModel):
    """CreateSchedule."""

    schedule_name: str
    trigger: WorkflowTrigger
    activities: list[Activity]
    output_storage: TaskOutputStorage | None = None
    output_dir: str | None = None
    task_notify_config: TaskNotifyConfig | None = None
    subscriptions: list[Subscription] | None = None
    resource_id: str | None = None


class ModifyScheduleRequest(MpsModel):
    """ModifySchedule: what is absent stays; `Activities` is always the whole list."""

    schedule_id: int
    schedule_name: str | None = None
    trigger: WorkflowTrigger | None = None
    activities: list[Activity] | None = None
    output_storage: TaskOutputStorage | None = None
    output_dir: str | None = None
    task_notify_config: TaskNotifyConfig | None = None
    subscriptions: list[Subscription] | None = None
    resource_id: str | None = None


class ScheduleIdRequest(MpsModel):
    """EnableSchedule, DisableSchedule, DeleteSchedule."""

    schedule_id: int


class DescribeSchedulesRequest(MpsModel):
    """DescribeSchedules."""

    schedule_ids: list[int] | None = None
    trigger_type: str | None = None
    status: str | None = None
    offset: int | None = None
    limit: int | None = None


class ProcessMediaRequest(MpsModel):
    """ProcessMedia: `activities`, else a schedule, else tasks side by side. Tasks that need a model are refused by
    name until they exist."""

    input_info: MediaInputInfo
    output_storage: TaskOutputStorage | None = None
    output_dir: str | None = None
    schedule_id: int | None = None
    activities: list[Activity] | None = None
    media_process_task: MediaProcessTaskInput | None = None
    ai_quality_control_task: AiQualityControlTaskInput | None = None
    task_notify_config: TaskNotifyConfig | None = None
    subscriptions: list[Subscription] | None = None
    tasks_priority: int | None = None
    session_id: str | None = None
    session_context: str | None = None
    task_type: str | None = None
    resource_id: str | None = None
    skip_mate_data: int | None = None


class DescribeTaskDetailRequest(MpsModel):
    """DescribeTaskDetail."""

    task_id: str


class ManageTaskRequest(MpsModel):
    """ManageTask."""

    operation_type: str
    task_id: str


class DescribeTasksRequest(MpsModel):
    """DescribeTasks."""

    status: str
    sub_task_has_failed: bool | None = None
    limit: int | None = None
    scroll_token: str | None = None
    start_time: str | None = None
    end_time: str | None = None
