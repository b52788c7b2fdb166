"""A rerun: a run of its own that takes over what an ended run has made and that is still good.

Pure. What is still good in the storage is found out by the caller, who tells it as `spoiled`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, assert_never

from shared import ids
from shared.model.pipeline import INPUT, OUTPUT, RULES, Node, Notification, Pipeline, predecessors
from shared.model.run import NodeRun, NodeState, Reused, Run
from shared.model.starting import target_of
from shared.model.structure import matches, order_of
from shared.model.task import OutputTarget


class RerunScope(StrEnum):
    """What is done again."""

    ALL = "all"
    """Everything."""
    FAILED = "failed"
    """What has no result, and what follows it."""
    NODE = "node"
    """One node and what follows it; and, because a run with holes would lie, what has no result."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a rerun is made by: a definition, and where its outputs and notifications go."""

    nodes: tuple[Node, ...]
    definition: int
    pipeline_name: str
    target: OutputTarget
    notification: Notification | None
    more_subscriptions: tuple[Notification, ...] = ()

    @classmethod
    def same(cls, run: Run) -> Basis:
        """The run's own."""
        return cls(run.nodes, run.definition, run.pipeline_name, run.target, run.notification, run.more_subscriptions)

    @classmethod
    def latest(cls, run: Run, pipeline: Pipeline) -> Basis:
        """What the pipeline, with the templates that its nodes name, says now, for this run's input."""
        target = target_of(pipeline.output, run.input, run.input_type)
        told = (pipeline.notification, pipeline.more_subscriptions)
        return cls(pipeline.nodes, pipeline.definition, pipeline.name, target, *told)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a node of the rerun. `old` is the same node in the run before, if there is one; `origin` is the
    attempt whose result is reused, if it is."""

    action: Literal["reused", "unchosen", "redone"]
    reason: str
    old: int | None = None
    origin: Reused | None = None


def rerun_id(run: Run) -> str:
    """The id of the rerun of this run: there is one at most."""
    return ids.run_id(run.tenant, "rerun", run.root or run.id, str(run.epoch + 1), task_type=run.task_type)


def plan(
    run: Run, basis: Basis, scope: RerunScope, node: int | None = None, spoiled: Mapping[int, str] | None = None
) -> list[Fate]:
    """For each node of the basis, what becomes of it. `node` is the one asked for, by its index in `run`; `spoiled` are
    nodes of `run` whose results cannot be used any more, with the reason.

    Nothing is reused that depends on something that is redone.
    """
    asked = _Asked(run, basis, scope, node, spoiled or {})
    before = predecessors(basis.nodes)
    same = matches(run.nodes, basis.nodes)
    fates: dict[int, Fate] = {}
    for index in order_of(basis.nodes):
        fates[index] = asked.fate(index, same[index], before[index], fates)
    return [fates[index] for index in range(len(basis.nodes))]


def rerun(run: Run, basis: Basis, fates: Sequence[Fate], now: datetime) -> Run:
    """The new run, due at once. What is reused in it has its result, source and times from before."""
    start = next(index for index, node in enumerate(basis.nodes) if node.kind == INPUT)
    return Run(
        id=rerun_id(run),
        tenant=run.tenant,
        task_type=run.task_type,
        pipeline_id=run.pipeline_id,
        pipeline_name=basis.pipeline_name,
        definition=basis.definition,
        nodes=basis.nodes,
        input=run.input,
        input_type=run.input_type,
        target=basis.target,
        notification=basis.notification,
        more_subscriptions=basis.more_subscriptions,
        priority=run.priority,
        session_id=run.session_id,
        session_context=run.session_context,
        skip_probe=run.skip_probe,
        rerun_of=run.id,
        root=run.root or run.id,
        epoch=run.epoch + 1,
        node_runs=tuple(_taken_over(run, fate) for fate in fates),
        metadata=run.metadata if fates[start].action == "reused" else None,
        created_at=now,
        due_at=now,
        news_at=now,
    )


def _taken_over(run: Run, fate: Fate) -> NodeRun:
    if fate.old is None or fate.action == "redone":
        return NodeRun()
    old = run.node_runs[fate.old]
    return NodeRun(
        state=old.state,
        attempt=old.attempt,
        unchosen=old.unchosen,
        reused=fate.origin,
        source=old.source,
        queued_at=old.queued_at,
        started_at=old.started_at,
        finished_at=old.finished_at,
        result=old.result,
        reason=old.reason,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """One wish for a rerun."""

    run: Run
    basis: Basis
    scope: RerunScope
    node: int | None
    spoiled: Mapping[int, str]

    def fate(self, index: int, old: int | None, before: Sequence[int], fates: Mapping[int, Fate]) -> Fate:
        """`fates` has those of all predecessors."""
        reason = self._redone(index, old, before, fates)
        if reason is not None or old is None:
            return Fate("redone", reason or "", old)
        if self.run.node_runs[old].state is NodeState.SKIPPED:
            return Fate("unchosen", self.run.node_runs[old].reason or "not chosen", old)
        origin = origin_of(self.run, old)
        return Fate("reused", f"made by run {origin.run_id}", old, origin)

    def _redone(self, index: int, old: int | None, before: Sequence[int], fates: Mapping[int, Fate]) -> str | None:
        kind = self.basis.nodes[index].kind
        if kind == OUTPUT:
            return "the end of the graph"
        if self.scope is RerunScope.ALL:
            return "everything is done again"
        if old is None:
            return "new or changed in this definition"
        if self.scope is RerunScope.NODE and old == self.node:
            return "asked for"
        again = next((one for one in before if fates[one].action == "redone"), None)
        if again is not None:
            return f"follows node {again}, which is done again"
        if old in self.spoiled:
            return self.spoiled[old]
        reason = self._without_result(old)
        if reason is None and not self._leads_here(index, old, before, fates):
            reason = "the rules before it were answered otherwise"
        if reason is None and kind not in (INPUT, RULES) and self._writes_elsewhere(old):
            reason = "its outputs go to another place now"
        return reason

    def _without_result(self, old: int) -> str | None:
        node = self.run.node_runs[old]
        match node.state:
            case NodeState.SUCCEEDED:
                return None
            case NodeState.SKIPPED:
                return None if node.unchosen else f"was skipped: {node.reason}"
            case NodeState.FAILED:
                return f"failed: {node.failure.message}" if node.failure else "failed"
            case NodeState.CANCELLED:
                return "was cancelled"
            case NodeState.PENDING | NodeState.QUEUED | NodeState.WAITING:
                return "has not ended"
            case _:
                assert_never(node.state)

    def _writes_elsewhere(self, old: int) -> bool:
        made = self.run.node_runs[old].state is NodeState.SUCCEEDED
        return made and self.basis.target != self.run.target

    def _leads_here(self, index: int, old: int, before: Sequence[int], fates: Mapping[int, Fate]) -> bool:
        """Whether what was taken over before this node leads to what it came to itself. It always does, unless two
        nodes that do the same work stand behind different answers of a rules node."""
        if not before:
            return True
        chosen = any(self._chosen(fates[one], index) for one in before)
        return chosen == (self.run.node_runs[old].state is NodeState.SUCCEEDED)

    def _chosen(self, fate: Fate, index: int) -> bool:
        if fate.action != "reused" or fate.old is None:
            return False
        result = self.run.node_runs[fate.old].result
        return result is None or result.chosen is None or index in result.chosen


def origin_of(run: Run, index: int) -> Reused:
    """The attempt that really made a node's result, however often it was taken over since."""
    node = run.node_runs[index]
    return node.reused or Reused(run_id=run.id, node=index, attempt=node.attempt, epoch=run.epoch)
