"""The attempts at the nodes of a run: their tasks, their logs, and the objects that they wrote."""

from __future__ import annotations

from services.api.dependencies import Context
from services.api.domain.problems import not_found
from shared.ids import task_id
from shared.model.attempt_log import AttemptLog, log_id
from shared.model.run import NodeState, Run
from shared.model.task import Task

MAX_ATTEMPTS = 10_000
MAX_CLAIMS = 100
"""Of one attempt; a task whose worker died three times is failed, but one that is given back may be claimed often."""


async def attempts_of(run: Run, context: Context) -> dict[int, list[Task]]:
    """By node, oldest first. A reused node has the one attempt that made its result, of the run that it was in."""
    tasks = context.deps.records.tasks
    found: dict[int, list[Task]] = {}
    for task in await tasks.find({"run_id": run.id}, limit=MAX_ATTEMPTS):
        found.setdefault(task.node, []).append(task)
    origins = {index: name for index in range(len(run.nodes)) if (name := _origin(run, index))}
    taken_over = await tasks.get_many(list(origins.values())) if origins else {}
    for index, name in origins.items():
        if name in taken_over:
            found.setdefault(index, []).append(taken_over[name])
    return {index: sorted(those, key=lambda task: task.attempt) for index, those in found.items()}


def _origin(run: Run, node: int) -> str | None:
    reused = run.node_runs[node].reused
    return None if reused is None else task_id(reused.run_id, reused.node, reused.attempt, reused.epoch)


async def results_of(run: Run, context: Context) -> dict[int, Task]:
    """The attempts whose outputs are the run's, by node."""
    wanted = {
        index: _origin(run, index) or task_id(run.id, index, node.attempt, run.epoch)
        for index, node in enumerate(run.node_runs)
        if node.state is NodeState.SUCCEEDED and node.attempt
    }
    tasks = await context.deps.records.tasks.get_many(list(wanted.values()))
    return {index: tasks[name] for index, name in wanted.items() if name in tasks}


async def attempt_logs(run: Run, node: int, attempt: int, context: Context) -> list[AttemptLog]:
    """One for each worker that had the attempt and ran a program, oldest first. Raises Problem 404."""
    attempts = (await attempts_of(run, context)).get(node, [])
    task = next((one for one in attempts if one.attempt == attempt), None)
    if task is None:
        raise not_found("attempt", f"{node}/{attempt}")
    claims = range(max(task.fence - MAX_CLAIMS, 0) + 1, task.fence + 1)
    logs = await context.deps.records.attempt_logs.get_many([log_id(task.id, claim) for claim in claims])
    return sorted(logs.values(), key=lambda one: one.fence)
