"""Pipelines as the REST interface shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from services.api.domain.pipeline_document import PipelineBody, document_of
from shared.model.base import Instant
from shared.model.pipeline import Pipeline, PipelineStatus, TaskType

Status = Literal["enabled", "disabled"]


class PipelineSummary(BaseModel):
    """A pipeline in a list."""

    id: str
    name: str
    status: Status = Field(description="Uploads start an enabled one; it can be neither changed nor deleted.")
    type: Literal["schedule", "workflow"] = Field(description="A workflow is one of the MPS face's older kind.")
    definition: int = Field(description="How many times it was saved: the number of its newest version.")
    etag: str = Field(description="For If-Match; as in the header of the pipeline itself.")
    bucket: str
    region: str
    dir: str
    output_bucket: str = Field(description="The trigger's, if none is named.")
    output_dir: str | None = Field(description="Null: that of the input.")
    nodes_count: int
    created_at: Instant
    updated_at: Instant
    enabled_at: Instant | None


class PipelineDetail(PipelineSummary):
    """A pipeline with its document, which is what is sent to change it. Secrets are hidden."""

    document: PipelineBody


def status_of(pipeline: Pipeline) -> Status:
    """In REST's words."""
    return "enabled" if pipeline.status is PipelineStatus.ENABLED else "disabled"


def summary(pipeline: Pipeline, etag: str) -> PipelineSummary:
    """A pipeline for a list."""
    trigger, output = pipeline.trigger, pipeline.output
    return PipelineSummary(
        id=pipeline.id,
        name=pipeline.name,
        status=status_of(pipeline),
        type="workflow" if pipeline.task_type is TaskType.WORKFLOW else "schedule",
        definition=pipeline.definition,
        etag=etag,
        bucket=trigger.bucket,
        region=trigger.region,
        dir=trigger.dir,
        output_bucket=output.bucket or trigger.bucket,
        output_dir=output.dir,
        nodes_count=len(pipeline.nodes),
        created_at=pipeline.created_at,
        updated_at=pipeline.updated_at,
        enabled_at=pipeline.enabled_at,
    )


def detail(pipeline: Pipeline, etag: str) -> PipelineDetail:
    """A pipeline with its document."""
    return PipelineDetail(**dict(summary(pipeline, etag)), document=document_of(pipeline))
