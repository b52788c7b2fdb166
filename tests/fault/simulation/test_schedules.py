"""Thousands of schedules in which every guarantee holds. More of them: `make simulate ARGS='--schedules 100000'`."""

from __future__ import annotations

import re

import pytest

from services.workers.scratch import Scratch
from services.workers.source_cache import SourceCache
from tests.fault.simulation.command import simulate
from tests.fault.simulation.play import play_one
from tests.fault.simulation.stage import Stage
from tests.fault.simulation.work import SimulatedCache, SimulatedScratch
from tests.fault.simulation.world import World

SCHEDULES = 2000
HAPPENS = (
    "asked: cancel", "asked: pause", "asked: resume", "asked: retry_node", "asked: rerun", "deaths",
    "delivery dead", "delivery delivered", "leases lost", "limited", "messages doubled", "messages forgotten",
    "messages late", "messages lost", "node cancelled", "node failed", "node skipped", "node succeeded",
    "received twice", "retries", "run cancelled", "run failed", "run succeeded", "task cancelled", "task failed",
    "zombies",
)  # fmt: skip
"""What has to happen in them: schedules in which it does not show nothing."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_guarantee_holds_in_every_schedule() -> None:
    found = simulate("--schedules", str(SCHEDULES), timeout_s=880)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{SCHEDULES} schedules, 0 failures" in found.stdout
    happened = dict(re.findall(r"([a-z_: ]+) (\d+)", found.stdout.rpartition("in them: ")[2]))
    counts = {what.strip(): int(count) for what, count in happened.items()}
    assert [what for what in HAPPENS if not counts.get(what)] == []


@pytest.mark.parametrize(("real", "stand_in"), [(Scratch, SimulatedScratch), (SourceCache, SimulatedCache)])
def test_stand_ins_have_every_method_of_what_they_stand_for(real: type, stand_in: type) -> None:
    assert [name for name in vars(real) if not name.startswith("_") and not hasattr(stand_in, name)] == []


def test_a_seed_tells_the_same_story_every_time() -> None:
    stories = [simulate("--seed", "5", "--story").stdout for _ in range(2)]
    assert stories[0] == stories[1]
    assert len(stories[0].splitlines()) > 400


def test_a_schedule_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator replaces clocks, random numbers and logging of this very process; afterwards all is as before."""
    import asyncio
    import random
    import time

    before = (time.monotonic, time.perf_counter, asyncio.to_thread, random.getstate())
    stage = Stage()
    with stage.set():
        assert time.monotonic is not before[0]
        played = play_one(stage, 1)
    assert played.violation is None
    assert (time.monotonic, time.perf_counter, asyncio.to_thread, random.getstate()) == before


def test_complaints_of_the_code_are_failures() -> None:
    stage = Stage()
    with stage.set():
        from services.scheduler import orchestrator
        from tests.fault.simulation.scenario import Scenario

        world = World(Scenario.draw(1))
        with stage.playing(world):
            orchestrator.log.error("something is wrong", run="run-1")
    assert str(world.violation) == "sound: logged as error: something is wrong run=run-1"
