"""Media tasks without a graph into a graph in which they stand side by side, and back (contract MPS_API §9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.api.domain.activities import Graph, buckets_of, check_parameters
from services.api.domain.errors import invalid, missing
from services.api.domain.outputs import NodeParameters
from shared.model.graph import MAX_NODES
from shared.model.pipeline import INPUT, OUTPUT, Node
from shared.mps.base import MpsModel
from shared.mps.media_process import SET_OF_KIND, MediaProcessTaskInput
from shared.mps.presets import NO_OWN, OwnTemplates
from shared.mps.quality_control import AiQualityControlTaskInput

MAX_TASKS = MAX_NODES - 2


def read_tasks(
    media: MediaProcessTaskInput | None,
    quality: AiQualityControlTaskInput | None,
    tenant: str,
    region: str,
    own: OwnTemplates = NO_OWN,
) -> Graph:
    """Input, then all tasks at once, then output. Every task reads the source. Raises ApiError naming the member."""
    tasks: list[tuple[str, str, MpsModel]] = []
    if media is not None:
        tasks += [(kind, f"MediaProcessTask.{path}", params) for kind, path, params in media.tasks()]
    if quality is not None:
        tasks.append(("quality_control", "AiQualityControlTask", quality))
    if not tasks:
        raise missing("MediaProcessTask", "must have a task")
    if len(tasks) > MAX_TASKS:
        raise invalid("MediaProcessTask", f"must have at most {MAX_TASKS} tasks")
    last = len(tasks) + 1
    nodes = [Node(kind=INPUT, successors=tuple(range(1, last)))]
    parameters: list[NodeParameters] = []
    for index, (kind, field, params) in enumerate(tasks, start=1):
        check_parameters(params, field, own)
        nodes.append(Node(kind=kind, params=params.to_wire_as_given(), successors=(last,)))
        parameters.append(NodeParameters(index, field, params))
    nodes.append(Node(kind=OUTPUT))
    buckets = [use for found in parameters for use in buckets_of(found, tenant, region)]
    return Graph(tuple(nodes), tuple(parameters), tuple(buckets))


def render_tasks(nodes: Sequence[Node]) -> dict[str, Any]:
    """`MediaProcessTask` of a graph that `read_tasks` made."""
    found: dict[str, Any] = {}
    for kind, member in SET_OF_KIND.items():
        tasks = [node.params for node in nodes if node.kind == kind]
        if tasks:
            found[member] = tasks
    return found
