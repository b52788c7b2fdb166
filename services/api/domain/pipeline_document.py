"""A pipeline as REST, YAML and JSON files have it (docs/adr/0031-pipelines-over-rest.md): our own envelope around the
contract's task parameters. Pure; read through the same rules as the MPS face has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.api.domain.problems import invalid
from shared.model.pipeline import INPUT, OUTPUT, Join, Node, Notification, Pipeline
from shared.mps.extension import ActivityExtension
from shared.mps.kinds import BY_KIND
from shared.mps.schedule import Subscription
from shared.mps.secrets import HIDDEN, without_secrets

Text = Annotated[str, Field(max_length=4096)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TriggerBody(_Body):
    """Which uploads start the pipeline: files under `dir`, however deep, whose extension is among `formats`."""

    type: Literal["cos", "s3"] = Field(default="cos", description="How bucket and outputs are spelt to MPS programs.")
    bucket: Text
    region: Text
    dir: Text = Field(default="/", description="Ends with `/`.")
    formats: list[Text] | None = Field(
        default=None,
        max_length=200,
        description="Extensions; `*` is every file. Null: all media and subtitles (cos), every file (s3).",
    )


class OutputBody(_Body):
    """Where outputs go; what is null follows the trigger, and the directory that of the input."""

    bucket: Text | None = None
    region: Text | None = Field(default=None, description="The trigger's; another is refused.")
    dir: Text | None = Field(default=None, description="Ends with `/`.")


class RetryBody(_Body):
    """How often a node is tried; what is null follows its kind."""

    max_attempts: int | None = None
    base_s: float | None = None
    cap_s: float | None = None
    on: list[Text] | None = Field(default=None, description="Only failures with these codes.")


class TimeoutsBody(_Body):
    """How long an attempt may take; what is null follows the node's kind."""

    queued_s: float | None = None
    running_s: float | None = None
    stalled_s: float | None = None


class NodeBody(_Body):
    """One box of the graph. There is one `input` and one `output`."""

    kind: Text = Field(description="`input`, `output`, or one of /api/v1/node-kinds.")
    name: Text | None = Field(default=None, description="Unique in the pipeline; expressions call the node by it.")
    params: dict[str, Any] = Field(
        default_factory=dict, description="The contract's task parameters of this kind; see /api/v1/node-kinds."
    )
    successors: list[int | Text] = Field(
        default_factory=list, max_length=1000, description="Nodes that come next, by index or by name."
    )
    source: Literal["previous", "original"] = "previous"
    join: Join = Join.ALL
    retry: RetryBody | None = None
    timeouts: TimeoutsBody | None = None
    priority: int | None = None


class SqsBody(_Body):
    """An SQS queue."""

    region: Text
    queue_name: Text
    secret_id: Text | None = None
    secret_key: Text | None = Field(default=None, description=f"Shown as {HIDDEN}; that keeps what is set.")


class SubscriptionBody(_Body):
    """Who is told about runs. The one without a name is the contract's TaskNotifyConfig; there is one at most."""

    name: Text | None = None
    type: Text | None = Field(default=None, description="URL, TDMQ-CMQ, CMQ, AWS-SQS or SCF.")
    mode: Text | None = Field(default=None, description="Finish (default) or Change.")
    url: Text | None = None
    key: Text | None = Field(
        default=None, description=f"Signs what is sent. Shown as {HIDDEN}; that keeps what is set."
    )
    cmq_model: Text | None = None
    cmq_region: Text | None = None
    topic_name: Text | None = None
    queue_name: Text | None = None
    aws_sqs: SqsBody | None = None
    events: list[Text] | None = Field(default=None, max_length=100)
    node_kinds: list[Text] | None = Field(default=None, max_length=100)


class PipelineBody(_Body):
    """What is saved of a pipeline."""

    format: Literal["reelway.pipeline/1"] = "reelway.pipeline/1"
    name: Text = Field(description="1 to 128 Chinese characters, Latin letters, digits, `_` and `-`; unique.")
    trigger: TriggerBody
    nodes: list[NodeBody] = Field(max_length=1000)
    output: OutputBody = OutputBody()
    subscriptions: list[SubscriptionBody] = Field(default_factory=list, max_length=20)
    resource_id: Text | None = Field(default=None, description="Taken and shown, as in MPS; without effect.")


SUBSCRIPTION_MEMBERS: Mapping[str, str] = {
    "name": "Name",
    "type": "NotifyType",
    "mode": "NotifyMode",
    "url": "NotifyUrl",
    "key": "NotifyKey",
    "cmq_model": "CmqModel",
    "cmq_region": "CmqRegion",
    "topic_name": "TopicName",
    "queue_name": "QueueName",
    "events": "Events",
    "node_kinds": "NodeKinds",
}
SQS_MEMBERS: Mapping[str, str] = {
    "region": "SQSRegion",
    "queue_name": "SQSQueueName",
    "secret_id": "S3SecretId",
    "secret_key": "S3SecretKey",
}


def to_request(body: PipelineBody) -> dict[str, Any]:
    """The CreateSchedule request that says the same. Raises Problem 422 for what that could not say."""
    own = [one for one in body.subscriptions if one.name is None]
    if len(own) > 1:
        raise invalid("subscriptions", "must have at most one without a name")
    found: dict[str, Any] = {
        "ScheduleName": body.name,
        "Trigger": _trigger(body.trigger),
        "Activities": activities(body.nodes),
        "OutputStorage": _storage(body),
        "OutputDir": body.output.dir,
        "TaskNotifyConfig": _subscription(own[0]) if own else None,
        "Subscriptions": [_subscription(one) for one in body.subscriptions if one.name is not None],
        "ResourceId": body.resource_id,
    }
    return {member: value for member, value in found.items() if value not in (None, [])}


def _trigger(body: TriggerBody) -> dict[str, Any]:
    place: dict[str, Any] = {"Dir": body.dir}
    if body.formats is not None:
        place["Formats"] = body.formats
    if body.type == "s3":
        place |= {"S3Bucket": body.bucket, "S3Region": body.region}
        return {"Type": "AwsS3FileUpload", "AwsS3FileUploadTrigger": place}
    place |= {"Bucket": body.bucket, "Region": body.region}
    return {"Type": "CosFileUpload", "CosFileUploadTrigger": place}


def _storage(body: PipelineBody) -> dict[str, Any] | None:
    bucket, region = body.output.bucket, body.output.region
    if bucket is None and region is None:
        return None
    if body.trigger.type == "s3":
        if bucket is None:
            raise invalid("output.bucket", "is required with output.region")
        return {
            "Type": "AWS-S3",
            "S3OutputStorage": {"S3Bucket": bucket, "S3Region": region or body.trigger.region},
        }
    place = {"Bucket": bucket, "Region": region or body.trigger.region}
    return {"Type": "COS", "CosOutputStorage": {member: value for member, value in place.items() if value is not None}}


def activities(nodes: Sequence[NodeBody]) -> list[dict[str, Any]]:
    """The nodes in the contract's words. Raises Problem 422."""
    names: dict[str, int] = {}
    for index, node in enumerate(nodes):
        if node.name is not None:
            names.setdefault(node.name, index)
    return [_activity(node, f"nodes[{index}]", names) for index, node in enumerate(nodes)]


def _activity(node: NodeBody, field: str, names: Mapping[str, int]) -> dict[str, Any]:
    known = BY_KIND.get(node.kind)
    if known is None and node.kind not in (INPUT, OUTPUT):
        kinds = ", ".join((INPUT, OUTPUT, *BY_KIND))
        raise invalid(f"{field}.kind", f"{node.kind[:64]!r} is not a kind of node; they are {kinds}")
    successors: list[int] = []
    for position, one in enumerate(node.successors):
        index = one if isinstance(one, int) else names.get(one)
        if index is None:
            raise invalid(f"{field}.successors[{position}]", f"no node is named {str(one)[:64]!r}")
        successors.append(index)
    found: dict[str, Any] = {"ActivityType": known.activity if known else node.kind, "ReardriveIndex": successors}
    if known:
        found["ActivityPara"] = {known.parameter: node.params}
    elif node.params:
        raise invalid(f"{field}.params", f"must be empty for {node.kind!r}")
    if extension := _extension(node):
        found["Extension"] = extension
    return found


def _extension(node: NodeBody) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Name": node.name,
        "Join": None if node.join is Join.ALL else node.join.value,
        "Source": None if node.source == "previous" else node.source,
        "Priority": node.priority,
    }
    if node.retry is not None:
        names = {"max_attempts": "MaxAttempts", "base_s": "BaseSeconds", "cap_s": "CapSeconds", "on": "On"}
        found["Retry"] = _renamed(node.retry, names)
    if node.timeouts is not None:
        names = {"queued_s": "QueuedSeconds", "running_s": "RunningSeconds", "stalled_s": "StalledSeconds"}
        found["Timeouts"] = _renamed(node.timeouts, names)
    return {member: value for member, value in found.items() if value not in (None, {})}


def _subscription(body: SubscriptionBody) -> dict[str, Any]:
    found = _renamed(body, SUBSCRIPTION_MEMBERS)
    if body.aws_sqs is not None:
        found["AwsSQS"] = _renamed(body.aws_sqs, SQS_MEMBERS)
    return found


def _renamed(body: BaseModel, names: Mapping[str, str]) -> dict[str, Any]:
    return {wire: value for name, wire in names.items() if (value := getattr(body, name)) is not None}


def document_of(pipeline: Pipeline, *, secrets: bool = False, by_name: bool = False) -> PipelineBody:
    """What is saved of the pipeline; saving that again changes nothing. `secrets` shows them; `by_name` names
    successors that have a name, as people who write files do."""
    trigger, output = pipeline.trigger, pipeline.output
    given = next((value for value in trigger.as_given.values() if isinstance(value, Mapping)), {})
    formats = given.get("Formats")
    return PipelineBody(
        name=pipeline.name,
        trigger=TriggerBody(
            type="s3" if trigger.type == "AwsS3FileUpload" else "cos",
            bucket=trigger.bucket,
            region=trigger.region,
            dir=trigger.dir,
            formats=list(formats) if formats else None,
        ),
        nodes=[node_body(node, pipeline.nodes, secrets=secrets, by_name=by_name) for node in pipeline.nodes],
        output=OutputBody(bucket=output.bucket, region=output.region, dir=output.dir),
        subscriptions=[subscription_body(one, secrets=secrets) for one in pipeline.subscriptions],
        resource_id=pipeline.as_given.get("ResourceId"),
    )


def node_body(node: Node, nodes: Sequence[Node], *, secrets: bool, by_name: bool) -> NodeBody:
    """One node as it is written."""
    extension = ActivityExtension.of(node)
    retry, timeouts = extension.retry, extension.timeouts
    return NodeBody(
        kind=node.kind,
        name=node.name,
        params=dict(node.params) if secrets else without_secrets(node.params),
        successors=[(by_name and nodes[index].name) or index for index in node.successors],
        source=node.source,
        join=node.join,
        retry=retry
        and RetryBody(max_attempts=retry.max_attempts, base_s=retry.base_seconds, cap_s=retry.cap_seconds, on=retry.on),
        timeouts=timeouts
        and TimeoutsBody(
            queued_s=timeouts.queued_seconds,
            running_s=timeouts.running_seconds,
            stalled_s=timeouts.stalled_seconds,
        ),
        priority=node.priority,
    )


def subscription_body(told: Notification, *, secrets: bool) -> SubscriptionBody:
    """One who is told, with the key hidden unless `secrets`."""
    wire = Subscription.model_validate(told.as_given).to_wire()
    found: dict[str, Any] = {name: wire.get(member) for name, member in SUBSCRIPTION_MEMBERS.items()}
    queue = wire.get("AwsSQS")
    if queue is not None:
        found["aws_sqs"] = {name: queue.get(member) for name, member in SQS_MEMBERS.items()}
    if not secrets:
        found["key"] = HIDDEN if found["key"] else None
        if queue is not None:
            found["aws_sqs"]["secret_key"] = HIDDEN if queue.get("S3SecretKey") else None
    return SubscriptionBody.model_validate(found)


def with_kept_secrets(body: PipelineBody, pipeline: Pipeline | None) -> PipelineBody:
    """The document with the secrets of the pipeline where it shows them hidden. Raises Problem 422 where there is none
    to keep."""
    kept = document_of(pipeline, secrets=True).model_dump(mode="json") if pipeline else {}
    return PipelineBody.model_validate(_kept(body.model_dump(mode="json"), kept, ""))


def _kept(given: Any, kept: Any, path: str) -> Any:
    match given:
        case dict():
            there = kept if isinstance(kept, dict) else {}
            return {
                name: _kept(value, there.get(name), f"{path}.{name}" if path else name) for name, value in given.items()
            }
        case list():
            items = kept if isinstance(kept, list) else []
            return [_kept(value, _same(value, index, items), f"{path}[{index}]") for index, value in enumerate(given)]
        case str() if given == HIDDEN:
            if not isinstance(kept, str) or not kept:
                raise invalid(path, f"must be the secret itself: {HIDDEN} stands for one that is set, and none is")
            return kept
        case _:
            return given


def _same(value: Any, index: int, items: Sequence[Any]) -> Any:
    """The item of before: the one of the same name, or at the same place."""
    name = value.get("name") if isinstance(value, dict) else None
    if name is not None:
        return next((item for item in items if isinstance(item, dict) and item.get("name") == name), None)
    return items[index] if index < len(items) else None
