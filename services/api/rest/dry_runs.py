"""Dry runs: what a pipeline would do with a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.api import pipelines
from services.api.domain.dry_run import Fate, NodePlan
from services.api.domain.pipeline_document import PipelineBody
from services.api.domain.problems import Problem, invalid_fields
from services.api.dry_running import DryRun, Subject, dry_run
from services.api.lookup import living_pipeline
from services.api.rest.access import changes
from services.api.rest.answers import field_errors
from services.api.rest.authentication import Caller
from services.api.rest.parameters import PipelineId
from shared.model.credential import Role
from shared.model.kinds import PROBE, retry_policy, time_limits, traits
from shared.model.pipeline import INPUT, OUTPUT, RULES, Node
from shared.model.task import Lane
from shared.model.upload import Rule
from shared.mps.media import MediaMetaData
from shared.mps.secrets import without_secrets

router = APIRouter(prefix="/pipelines", tags=["pipelines"])


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DryRunObject(_Wish):
    """An object."""

    bucket: str | None = Field(default=None, max_length=63, description="The trigger's if absent.")
    key: str = Field(min_length=1, max_length=1024)


class DryRunWish(_Wish):
    """On what. With `object` alone it is really looked at: a worker reads its metadata, within 25 s. With `metadata`
    the object need not exist. With neither the way is shown as far as it is known without a file."""

    object: DryRunObject | None = None
    metadata: dict[str, Any] | None = Field(
        default=None, description="The contract's MediaMetaData, as DescribeMediaMetaData and runs show it."
    )


class UnsavedDryRunWish(DryRunWish):
    """The same for a pipeline that is not saved."""

    pipeline: PipelineBody


class TriggerVerdict(BaseModel):
    """Whether an upload of the object would start the pipeline if it were enabled, and else which rule it does not
    keep."""

    starts: bool
    rule: Rule | None
    reason: str | None


class RulesVerdict(BaseModel):
    """What a rules node would choose: the successors (null if that is not known before the run), the rules that hold,
    and why."""

    chosen: list[int] | None
    held: list[str]
    explanation: str


class PlannedOutput(BaseModel):
    """An object that would be written; `{number}` stands for a series."""

    bucket: str
    path: str


class PlannedNode(BaseModel):
    """A node as it would run. CPU seconds and bytes are estimates of one attempt."""

    index: int
    kind: str
    name: str | None
    fate: Fate
    rules: RulesVerdict | None = Field(description="Of a rules node.")
    cpu_s: float | None = Field(description="Null if nothing is known of the file or the kind.")
    output_bytes: int | None
    outputs: list[PlannedOutput] = Field(description="The first 50.")
    outputs_at_most: int = Field(description="Objects and series together; short files and small ones get fewer.")
    lane: Lane | None = Field(description="Which workers take it; null if none has to.")
    max_attempts: int | None
    running_s: float | None = Field(description="How long an attempt may take.")
    params: dict[str, Any]
    templates: dict[str, dict[str, Any]] = Field(description="The account's own templates that it names, as they are.")


class DryRunView(BaseModel):
    """What would happen. Sums are over the nodes that would run; `at_most` counts those that may."""

    object: DryRunObject
    exists: bool = Field(description="Whether the object was looked at.")
    trigger: TriggerVerdict
    metadata: dict[str, Any] | None
    output_dir: str
    output_bucket: str
    nodes: list[PlannedNode]
    cpu_s: float | None
    cpu_s_at_most: float | None
    output_bytes: int | None
    output_bytes_at_most: int | None


@router.post("/dry-run")
@changes("run", by=Role.VIEWER)
async def dry_run_unsaved(caller: Caller, wish: UnsavedDryRunWish) -> DryRunView:
    """What a pipeline that is not saved would do with a file. It is checked as a save would check it."""
    with _below("pipeline"):
        draft = await pipelines.check(wish.pipeline, caller, named=False)
    return _view(await dry_run(draft.pipeline, _subject(wish), caller))


@router.post("/{pipeline_id}/dry-run")
@changes("run", by=Role.VIEWER)
async def dry_run_pipeline(caller: Caller, pipeline_id: PipelineId, wish: DryRunWish) -> DryRunView:
    """What the pipeline would do with a file, whether it is enabled or not. Nothing is made; reading the metadata of an
    object that nobody has read yet is a small run that no list shows."""
    return _view(await dry_run(await living_pipeline(pipeline_id, caller), _subject(wish), caller))


@contextmanager
def _below(member: str) -> Iterator[None]:
    """Refusals of a document name their fields as members of this one."""
    try:
        yield
    except Problem as problem:
        for error in problem.more.get("errors", ()):
            error["field"] = f"{member}.{error['field']}"
        raise


def _subject(wish: DryRunWish) -> Subject:
    given = wish.object
    return Subject(
        bucket=given.bucket if given else None,
        key=given.key if given else None,
        metadata=None if wish.metadata is None else read_metadata(wish.metadata),
    )


def read_metadata(given: dict[str, Any]) -> MediaMetaData:
    """Raises Problem 422."""
    try:
        return MediaMetaData.model_validate(given, by_alias=True, by_name=False)
    except ValidationError as error:
        raise invalid_fields(
            field_errors([{**one, "loc": ("metadata", *one["loc"])} for one in error.errors()])
        ) from None


def _view(done: DryRun) -> DryRunView:
    run, refused = done.run, done.refused
    nodes = [_node(index, node, plan) for index, (node, plan) in enumerate(zip(run.nodes, done.nodes, strict=True))]
    sure = [node for node in nodes if node.fate is Fate.RUNS]
    some = [node for node in nodes if node.fate is not Fate.SKIPPED]
    known = done.metadata is not None
    shown = None if done.metadata is None else done.metadata.to_wire()
    if shown is not None:
        shown.pop("Facts", None)
    return DryRunView(
        object=DryRunObject(bucket=run.input.bucket, key=run.input.key),
        exists=done.real,
        trigger=TriggerVerdict(
            starts=refused is None, rule=refused.rule if refused else None, reason=str(refused) if refused else None
        ),
        metadata=shown,
        output_bucket=run.target.bucket,
        output_dir=run.target.dir,
        nodes=nodes,
        cpu_s=_seconds(sure) if known else None,
        cpu_s_at_most=_seconds(some) if known else None,
        output_bytes=sum(node.output_bytes or 0 for node in sure) if known else None,
        output_bytes_at_most=sum(node.output_bytes or 0 for node in some) if known else None,
    )


def _seconds(nodes: list[PlannedNode]) -> float:
    return round(sum(node.cpu_s or 0.0 for node in nodes), 3)


def _node(index: int, node: Node, plan: NodePlan) -> PlannedNode:
    works = node.kind not in (OUTPUT, RULES)
    kind = PROBE if node.kind == INPUT else node.kind
    return PlannedNode(
        index=index,
        kind=node.kind,
        name=node.name,
        fate=plan.fate,
        rules=RulesVerdict(
            chosen=None if plan.rules.chosen is None else list(plan.rules.chosen),
            held=list(plan.rules.held),
            explanation=plan.rules.explanation,
        )
        if plan.rules
        else None,
        cpu_s=plan.estimate.cpu_s if plan.estimate else None,
        output_bytes=plan.estimate.output_bytes if plan.estimate else None,
        outputs=[PlannedOutput(bucket=one.bucket, path=one.path) for one in plan.outputs],
        outputs_at_most=plan.outputs_at_most,
        lane=traits(kind).lane if works else None,
        max_attempts=retry_policy(kind, node.retry).max_attempts if works else None,
        running_s=time_limits(kind, node.timeouts).running.total_seconds() if works else None,
        params=without_secrets(node.params),
        templates=node.templates,
    )
