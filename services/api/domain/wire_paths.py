"""Refusals in the contract's words, as callers of REST are told them: the path of the member that they gave. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic.alias_generators import to_snake

from services.api.domain.errors import ApiError
from services.api.domain.pipeline_document import SQS_MEMBERS, SUBSCRIPTION_MEMBERS, PipelineBody
from services.api.domain.problems import Problem, conflict, invalid

_REFUSAL = re.compile(r"(?P<path>[A-Za-z0-9_]+(\[\d+\])*(\.[A-Za-z0-9_*-]+(\[\d+\])*)*): (?P<rule>.+)", re.DOTALL)
_NODE = re.compile(r"Activities\[(\d+)\]")
_PARAMETERS = re.compile(r"\.ActivityPara(\.[A-Za-z0-9]+Task)?(?=[.:\s]|$)")
_NODE_MEMBERS = {"ActivityType": "kind", "ReardriveIndex": "successors", "ActivityPara": "params"}
_TOP = {
    "ScheduleName": "name",
    "Activities": "nodes",
    "OutputDir": "output.dir",
    "OutputStorage": "output",
    "ResourceId": "resource_id",
    "Trigger": "trigger",
    "Definition": "definition",
}
_LAST = {"Bucket": "bucket", "S3Bucket": "bucket", "Region": "region", "S3Region": "region"}
_SUBSCRIPTION = {wire: name for name, wire in SUBSCRIPTION_MEMBERS.items()}
_SQS = {wire: name for name, wire in SQS_MEMBERS.items()}


def problem_of_api_error(error: ApiError, body: PipelineBody | None = None) -> Problem:
    """The same refusal for REST. `body` is what was asked for."""
    found = _REFUSAL.fullmatch(error.message)
    rule = rest_text(found["rule"] if found else error.message)
    match error.wire_code.partition(".")[0]:
        case "FailedOperation" | "ResourceInUse":
            return conflict("refused", rule)
        case "RequestSizeLimitExceeded":
            return Problem(413, "too_large", rule)
        case "LimitExceeded":
            return conflict("limit_exceeded", rule)
        case _:
            return invalid(rest_path(found["path"], body) if found else "body", rule)


def rest_text(text: str) -> str:
    """A rule, with the nodes that it names by the paths that they have in REST."""
    return _NODE.sub(r"nodes[\1]", _PARAMETERS.sub(".params", text)).replace("schedule", "pipeline")


def rest_path(path: str, body: PipelineBody | None = None) -> str:
    """`Activities[1].ActivityPara.TranscodeTask.Definition` as `nodes[1].params.Definition`."""
    head, _, rest = path.partition(".")
    name, bracket, index = head.partition("[")
    parts = rest.split(".") if rest else []
    match name:
        case "Activities" if bracket:
            return _node_path(f"nodes[{index}", parts)
        case "TaskNotifyConfig":
            return _subscription_path(_place(body, None), parts)
        case "Subscriptions" if bracket:
            return _subscription_path(_place(body, int(index.rstrip("]"))), parts)
        case "Subscriptions":
            return "subscriptions"
        case "Trigger" | "OutputStorage":
            return _joined(_TOP[name], [_LAST.get(parts[-1], to_snake(parts[-1]))] if parts else [])
        case _:
            return _joined(_TOP.get(name, name) + (f"[{index}" if bracket else ""), parts)


def _node_path(node: str, parts: Sequence[str]) -> str:
    if not parts:
        return node
    if parts[0] == "ActivityPara":
        return _joined(f"{node}.params", parts[2:])
    if parts[0] == "Extension":
        return _joined(node, [to_snake(part).replace("_seconds", "_s") for part in parts[1:]])
    member, bracket, index = parts[0].partition("[")
    return _joined(node, [_NODE_MEMBERS.get(member, to_snake(member)) + bracket + index, *parts[1:]])


def _subscription_path(at: str, parts: Sequence[str]) -> str:
    found = [at]
    for part in parts:
        member, bracket, index = part.partition("[")
        known = "aws_sqs" if member == "AwsSQS" else _SUBSCRIPTION.get(member) or _SQS.get(member) or to_snake(member)
        found.append(known + bracket + index)
    return ".".join(found)


def _place(body: PipelineBody | None, number: int | None) -> str:
    """Where the n-th subscription with a name stands in the document, or the one without."""
    if body is not None:
        places = [at for at, one in enumerate(body.subscriptions) if (one.name is None) == (number is None)]
        if (number or 0) < len(places):
            return f"subscriptions[{places[number or 0]}]"
    return "subscriptions"


def _joined(head: str, parts: Sequence[str]) -> str:
    return ".".join((head, *parts))
