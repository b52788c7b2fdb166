"""The simulator finds bugs: each of these is planted in a copy of the code, and found by some seed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fault.simulation.command import simulate
from tests.fault.simulation.planted import BUGS, PlantedBug

SHORT = 3
"""So many of them are planted in the short form too."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_code_has_the_place_of_each_planted_bug(bug: PlantedBug) -> None:
    bug.check_place()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "bug", [pytest.param(bug, id=bug.name, marks=() if bug in BUGS[:SHORT] else pytest.mark.long) for bug in BUGS]
)
def test_planted_bug_is_found(bug: PlantedBug, tmp_path: Path) -> None:
    tree = bug.plant(tmp_path / "tree")
    found = simulate("--first", str(bug.first), "--schedules", str(bug.within), "--failures", "1", folder=tree)
    assert found.returncode == 1, f"not found in {bug.within} schedules\n{found.stdout}{found.stderr}"
    seed, guarantee = re.findall(r"^seed (\d+): (\w+):", found.stdout, re.MULTILINE)[0]
    assert guarantee in bug.breaks, found.stdout
    assert f"replay: python -m tests.fault.simulation --seed {seed}" in found.stdout
    again = simulate("--seed", seed, folder=tree)
    assert again.returncode == 1
    assert f"seed {seed}: {guarantee}:" in again.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_seeds_that_find_planted_bugs_are_right_without_them() -> None:
    for bug in BUGS[:3]:
        assert simulate("--first", str(bug.first), "--schedules", "20", "--processes", "1").returncode == 0
