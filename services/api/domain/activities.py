"""Activities into nodes and back (contract MPS_API §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.api.domain.errors import ApiError, invalid, missing, not_supported
from services.api.domain.extensions import check_choices, check_extensions, read_extension
from services.api.domain.outputs import NodeParameters
from services.api.domain.parsing import parse, refusal
from services.api.domain.storage import BucketUse, read_input, read_output
from shared.model.graph import GraphError, check_graph
from shared.model.pipeline import INPUT, OUTPUT, Node, predecessors
from shared.mps.base import MpsModel
from shared.mps.extension import ActivityExtension
from shared.mps.extra_input import extra_inputs
from shared.mps.kinds import BY_ACTIVITY, BY_KIND, KNOWN_UNSUPPORTED
from shared.mps.presets import NO_OWN, PARAMETERS, OwnTemplates, TemplateMisfit, UnknownTemplate, check_templates
from shared.mps.schedule import Activity
from shared.mps.transcode import TranscodeTaskInput

_ENDS = frozenset({INPUT, OUTPUT})


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked graph, its nodes' parameters, and the buckets that they write to by these."""

    nodes: tuple[Node, ...]
    parameters: tuple[NodeParameters, ...]
    buckets: tuple[BucketUse, ...]


def read_activities(activities: Sequence[Activity], tenant: str, region: str, own: OwnTemplates = NO_OWN) -> Graph:
    """Checks every parameter and the graph as a whole; `own` are the tenant's templates that the activities name.
    Raises ApiError naming the activity and the member."""
    nodes: list[Node] = []
    parameters: list[NodeParameters] = []
    buckets: list[BucketUse] = []
    for index, activity in enumerate(activities):
        field, successors = f"Activities[{index}]", tuple(activity.reardrive_index or ())
        if activity.activity_type in _ENDS:
            nodes.append(_read_end(activity, field, successors))
            continue
        kind, found = _read(activity, index, field, own)
        uses = buckets_of(found, tenant, region)
        more = read_extension(activity.extension, kind, field)
        nodes.append(Node(kind=kind, params=found.params.to_wire_as_given(), successors=successors, **more))
        parameters.append(found)
        buckets += uses
    try:
        check_graph(nodes)
    except GraphError as error:
        raise ApiError("InvalidParameterValue", str(error)) from None
    check_extensions(nodes)
    check_choices(nodes, parameters)
    return Graph(tuple(nodes), tuple(parameters), tuple(buckets))


def _read_end(activity: Activity, field: str, successors: tuple[int, ...]) -> Node:
    if activity.activity_para:
        raise invalid(f"{field}.ActivityPara", f"must be absent for {activity.activity_type!r}")
    kind = activity.activity_type
    return Node(kind=kind, successors=successors, **read_extension(activity.extension, kind, field))


def _read(activity: Activity, index: int, field: str, own: OwnTemplates) -> tuple[str, NodeParameters]:
    """The node's kind and its parameters."""
    given = activity.activity_para or {}
    kind = activity.activity_type
    if kind in KNOWN_UNSUPPORTED:
        raise not_supported(f"{field}.ActivityType ({kind})", "Type")
    if kind not in BY_ACTIVITY:
        raise invalid(f"{field}.ActivityType", f"{kind[:64]!r} is not an activity type", "Type")
    names = BY_ACTIVITY[kind]
    for member in given:
        if member != names.parameter:
            rule = f"must be absent: {kind} takes {names.parameter} and nothing else"
            raise invalid(f"{field}.ActivityPara.{member[:64]}", rule)
    field = f"{field}.ActivityPara.{names.parameter}"
    if names.parameter not in given:
        raise missing(field, f"is required for {kind}")
    params = parse(PARAMETERS[names.kind], given[names.parameter], field)
    check_parameters(params, field, own)
    return names.kind, NodeParameters(index, field, params)


def buckets_of(found: NodeParameters, tenant: str, region: str) -> list[BucketUse]:
    """The buckets that a node writes to and reads from by its own parameters. Raises ApiError."""
    storage = getattr(found.params, "output_storage", None)
    _, uses = read_output(storage, f"{found.field}.OutputStorage", tenant, region)
    for path, info in extra_inputs(found.params):
        uses.append(read_input(info, tenant, f"{found.field}.{path}").bucket)
    return uses


def check_parameters(params: MpsModel, field: str, own: OwnTemplates) -> None:
    """Whether the templates exist that the parameters at the wire path `field` name, and fit. Raises ApiError."""
    try:
        check_templates(params, own)
    except UnknownTemplate as error:
        raise invalid(f"{field}.{error.field}", str(error), "Definition") from None
    except TemplateMisfit as error:
        raise invalid(f"{field}.{error.field}", error.rule) from None
    except ValidationError as error:
        overridden = isinstance(params, TranscodeTaskInput)
        raise refusal(error, f"{field}.OverrideParameter" if overridden else field) from None


def render_activities(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """The nodes as activities, with the generated `PredriveIndex`."""
    before = predecessors(nodes)
    found: list[dict[str, Any]] = []
    for index, node in enumerate(nodes):
        names = BY_KIND.get(node.kind)
        shown: dict[str, Any] = {
            "ActivityType": names.activity if names else node.kind,
            "PredriveIndex": before[index],
            "ReardriveIndex": list(node.successors),
        }
        if names:
            shown["ActivityPara"] = {names.parameter: node.params}
        if extension := ActivityExtension.of(node).to_wire():
            shown["Extension"] = extension
        found.append(shown)
    return found
