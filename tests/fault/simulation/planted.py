"""Bugs that are planted to see whether the simulator finds them: each is a change of one place in the product.

They are applied to a copy of the tree, never to the tree. A change whose old text is not there any more fails its test:
then somebody has rewritten the place and has to plant the same bug anew.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
COPIED = ("services", "shared", "tests")


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """`old` stands in `file` once and becomes `new`; the simulator must say that `breaks` does not hold any more."""

    name: str
    file: str
    old: str
    new: str
    breaks: tuple[str, ...]
    within: int = 300
    """How many schedules it may take."""
    first: int = 0
    """The seed to begin with: for a bug that few schedules find, one not far before one that does."""

    def check_place(self) -> None:
        """Raises LookupError if the text to change does not stand once in its file any more."""
        count = (ROOT / self.file).read_text().count(self.old)
        if count != 1:
            raise LookupError(f"{self.name}: the text to change stands {count} times in {self.file}")

    def plant(self, folder: Path) -> Path:
        """A copy of the tree with the bug in it."""
        self.check_place()
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "static", "*.mp4"))
        place = folder / self.file
        place.write_text(place.read_text().replace(self.old, self.new))
        return folder


BUGS = (
    PlantedBug(
        "a join starts at the first final predecessor",
        "services/scheduler/domain/edges.py",
        "if node.join is Join.ANY and fine:",
        "if fine:",
        ("G3",),
    ),
    PlantedBug(
        "the result of an older attempt is taken",
        "services/scheduler/domain/advance.py",
        "if node.state is not NodeState.QUEUED or node.attempt != task.attempt:",
        "if node.state is not NodeState.QUEUED:",
        ("G2", "G3"),
        within=2000,
    ),
    PlantedBug(
        "a run ends while a node is queued",
        "services/scheduler/domain/step.py",
        "if all(node.state.final for node in self.nodes):",
        "if all(node.state.final or node.state is NodeState.QUEUED for node in self.nodes):",
        ("G4",),
    ),
    PlantedBug(
        "a run that waits for its tasks has no timer",
        "services/scheduler/domain/tasks.py",
        "timers.append(now + min(max(age / 4, WATCH_MIN), WATCH_MAX))",
        "timers.append(now + WATCH_MAX * 1000)",
        ("G5",),
    ),
    PlantedBug(
        "what follows a node that was just decided is not looked at again",
        "services/scheduler/domain/step.py",
        "if not awaited[successor] or self.run.nodes[successor].join is Join.ANY:",
        "if awaited[successor] < 0:",
        ("G3",),
    ),
    PlantedBug(
        "a zombie's completion is taken",
        "shared/state/task_steps.py",
        "return task.state is TaskState.RUNNING and task.owner == owner and task.fence == fence",
        "return task.state is TaskState.RUNNING",
        ("G2",),
        within=2000,
    ),
    PlantedBug(
        "the outbox is emptied although the bus did not take it",
        "services/scheduler/orchestrator.py",
        "if not await self._publish([*messages, *(self._doorbell(task) for task in freed)]):",
        "if not await self._publish([*messages, *(self._doorbell(task) for task in freed)]) and not full:",
        ("G9",),
    ),
    PlantedBug(
        "leases that ran out are not taken back",
        "shared/state/task_queue.py",
        "written = await self._tasks.replace_many([task_steps.taken_back(task, now) for task in tasks])",
        "written: list[Task | None] = []",
        ("G5", "liveness"),
    ),
    PlantedBug(
        "two claimers take the last place behind a gate",
        "shared/state/gates.py",
        "if at_work + len(others) >= gate.maximum:",
        "if at_work >= gate.maximum:",
        ("G7",),
        within=2000,
    ),
    PlantedBug(
        "a place behind a gate stays taken when its claim has come true",
        "shared/state/gates.py",
        "return task is not None and task.version == entry.task_version and task.state is TaskState.QUEUED",
        "return task is not None",
        ("G4", "liveness"),
        within=1000,
    ),
    PlantedBug(
        "the same upload starts another run each time it is told of",
        "shared/model/starting.py",
        "run_id(pipeline.tenant, pipeline.id, info.bucket, info.key, identity(info), task_type=pipeline.task_type)",
        'run_id(pipeline.id, info.key, identity(info), str(__import__("asyncio").get_running_loop().time()))',
        ("G1",),
    ),
    PlantedBug(
        "what our runs write starts runs",
        "services/trigger/intake.py",
        "if own is None:\n            matches",
        "if True:\n            matches",
        ("G1",),
    ),
    PlantedBug(
        "a notification overtakes one that has to wait",
        "services/notifier/sender.py",
        "if isinstance(run, Run) and not await self._is_next(run, delivery, settled):",
        "if isinstance(run, str):",
        ("G8",),
        within=2000,
    ),
    PlantedBug(
        "nobody makes the deliveries whose message was lost",
        "services/notifier/sweeper.py",
        'made = await self._notifications.make([(run, None) for run in runs], by="sweeper")',
        "made = 0",
        ("G8",),
    ),
    PlantedBug(
        "cancelled work goes on",
        "services/workers/worker.py",
        "if task_id in lost and not running.stopped:",
        "if False:",
        ("G6", "liveness"),
        within=3000,
    ),
    PlantedBug(
        "a node is tried again before its time",
        "services/scheduler/domain/advance.py",
        "if is_due(node, step.nodes[index], step.now):",
        "if step.nodes[index].state is NodeState.WAITING:",
        ("G5",),
        within=3000,
    ),
    PlantedBug(
        "a cancel that was accepted is forgotten when the run moves at that moment",
        "services/scheduler/domain/advance.py",
        "    obey(step)\n    match event:",
        "    if isinstance(event, Obey):\n        obey(step)\n    match event:",
        ("G9",),
        within=3000,
    ),
    PlantedBug(
        "a resumed run's task stays held when wishes overtake each other",
        "shared/state/task_steps.py",
        "    if task.state.final or task.paused_sequence >= sequence:\n        return None\n    state =",
        "    if task.state.final:\n        return None\n    state =",
        ("G4",),
        within=3000,
    ),
)
