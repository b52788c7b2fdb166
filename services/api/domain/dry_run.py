"""What a pipeline would do with a file, decided without doing it: the way through the graph, names, costs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from services.api.domain.outputs import NUMBER, written_by
from shared.estimates import Estimate, estimate
from shared.model.pipeline import INPUT, RULES, Node, predecessors
from shared.model.run import Run
from shared.model.structure import order_of
from shared.mps.media import MediaMetaData
from shared.mps.presets import PARAMETERS
from shared.mps.rules import ExecRulesTask, choose
from shared.mps.scope import scope_of

KNOWN = frozenset({"MetaData", "input"})
"""What expressions may ask for that is known before anything has run."""
MOST_NAMES = 50
"""Of one node; how many there are at most is told besides."""


class Fate(StrEnum):
    """Whether a node would run."""

    RUNS = "runs"
    """It would."""
    MAY_RUN = "may_run"
    """That hangs on what earlier nodes find."""
    SKIPPED = "skipped"
    """A rule leads elsewhere."""


@dataclass(frozen=True, slots=True)
class RulesFound:
    """What a rules node would choose. `chosen` is None if it hangs on results of earlier nodes, or on metadata that
    nobody has given."""

    chosen: tuple[int, ...] | None
    held: tuple[str, ...]
    explanation: str


@dataclass(frozen=True, slots=True)
class WrittenName:
    """An object, or all of a numbered series (`{number}`)."""

    bucket: str
    path: str


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What would become of one node."""

    fate: Fate
    rules: RulesFound | None
    estimate: Estimate | None
    outputs: tuple[WrittenName, ...]
    outputs_at_most: int


def plan_run(run: Run, metadata: MediaMetaData | None) -> list[NodePlan]:
    """For each node of a run that is not begun. The run has the templates in its nodes, and the metadata too, if there
    is any. Raises pydantic.ValidationError and UnknownTemplate for parameters that could not be saved."""
    costs = [None] * len(run.nodes) if metadata is None else estimate(run.nodes, metadata)
    rules = {
        index: _rules(run, index, with_metadata=metadata is not None)
        for index, node in enumerate(run.nodes)
        if node.kind == RULES
    }
    fates = _fates(run.nodes, rules)
    found: list[NodePlan] = []
    for index, node in enumerate(run.nodes):
        names = list(_names(run, node)) if fates[index] is not Fate.SKIPPED else []
        found.append(
            NodePlan(
                fates[index], rules.get(index), costs[index], tuple(names[:MOST_NAMES]), outputs_at_most=len(names)
            )
        )
    return found


def _rules(run: Run, index: int, *, with_metadata: bool) -> RulesFound:
    task = ExecRulesTask.model_validate(run.nodes[index].params)
    known = KNOWN if with_metadata else KNOWN - {"MetaData"}
    open_paths = sorted(
        {str(path) for rule in task.rules for _, part in rule.parts for path in part.paths if path.root not in known}
    )
    if open_paths:
        return RulesFound(None, (), f"hangs on {', '.join(open_paths[:5])}")
    choice = choose(task, scope_of(run, index))
    return RulesFound(choice.chosen, choice.held, choice.explanation)


def _fates(nodes: tuple[Node, ...], rules: dict[int, RulesFound]) -> list[Fate]:
    """A node runs if one of its predecessors leads to it: those that were not chosen are not waited for."""
    before = predecessors(nodes)
    fates = [Fate.SKIPPED] * len(nodes)
    for index in order_of(nodes):
        if nodes[index].kind == INPUT:
            fates[index] = Fate.RUNS
            continue
        ways = {_way(fates[one], rules.get(one), index) for one in before[index]}
        fates[index] = next((fate for fate in (Fate.RUNS, Fate.MAY_RUN) if fate in ways), Fate.SKIPPED)
    return fates


def _way(fate: Fate, rules: RulesFound | None, to: int) -> Fate:
    if rules is None or fate is Fate.SKIPPED:
        return fate
    if rules.chosen is None:
        return Fate.MAY_RUN
    return fate if to in rules.chosen else Fate.SKIPPED


def _names(run: Run, node: Node) -> Iterator[WrittenName]:
    model = PARAMETERS.get(node.kind)
    if model is None:
        return
    params = model.model_validate(node.params)
    storage = getattr(params, "output_storage", None)
    bucket = (storage.bucket if storage else None) or run.target.bucket
    seen: set[str] = set()
    for written in written_by(params, run.target.dir, node.templates, run.input.key):
        path = written.path.replace(NUMBER, "{number}")
        if path not in seen:
            seen.add(path)
            yield WrittenName(bucket, path)
