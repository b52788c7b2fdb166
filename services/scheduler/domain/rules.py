"""A rules node: which of its successors are to run."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from shared.model.run import Run
from shared.model.task import NodeResult
from shared.mps.rules import Choice, ExecRulesTask, choose
from shared.mps.scope import scope_of


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rules node came to, and why."""

    node_result: NodeResult
    explanation: str


def decide(run: Run, index: int, before: int | None = None) -> Decision:
    """The successors that the rules choose, by the run's metadata and the results so far. Total: whatever is missing
    makes a condition false. `before` is what `ancestors_of_all` says of the node, if the caller has asked."""
    node = run.nodes[index]
    try:
        task = ExecRulesTask.model_validate(node.params)
    except ValidationError as error:
        # They were checked at save; a version that became stricter must not stop the run for ever.
        choice = Choice((), (), f"the rules cannot be read any more: {error.errors()[0]['msg']}")
    else:
        choice = choose(task, scope_of(run, index, before))
    result = NodeResult(echo=node.params, payload=choice.payload, chosen=choice.chosen)
    return Decision(result, choice.explanation)
