"""Plays schedules from their seeds, one after another."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.fault.simulation.checker.violation import Violation
from tests.fault.simulation.scenario import Scenario
from tests.fault.simulation.stage import Stage
from tests.fault.simulation.trace import short
from tests.fault.simulation.world import World

SHOWN = 60
"""How many lines of the trace a failure shows unless asked for more."""
COLLECT_EVERY = 20
"""After so many schedules the garbage of their worlds is collected."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a schedule. `story` is the end of its trace."""

    seed: int
    violation: Violation | None
    story: tuple[str, ...]
    counts: Counter[str]

    def report(self) -> str:
        """What somebody needs who has to find out why."""
        return "\n".join(
            [
                f"seed {self.seed}: {short(str(self.violation))}",
                *self.story,
                f"replay: python -m tests.fault.simulation --seed {self.seed}",
            ]
        )


def play_one(stage: Stage, seed: int, shown: int = SHOWN) -> Played:
    """One schedule; the stage must be set."""
    world = World(Scenario.draw(seed), kept=shown)
    with stage.playing(world):
        world.play()
    return Played(seed, world.violation, tuple(world.trace.lines()), world.counts())


def play_many(seeds: Iterable[int]) -> Iterator[Played]:
    """Many schedules, each as soon as it is over."""
    stage = Stage()
    automatic = gc.isenabled()
    gc.disable()
    try:
        with stage.set():
            for number, seed in enumerate(seeds):
                yield play_one(stage, seed)
                if number % COLLECT_EVERY == COLLECT_EVERY - 1:
                    gc.collect()
    finally:
        if automatic:
            gc.enable()
