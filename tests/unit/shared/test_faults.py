from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from shared.clock import SystemClock
from shared.faults import fault_point
from tests.eventually import eventually

PASSES = """
from shared.faults import fault_point
for name in {names!r}:
    fault_point(name)
print("alive")
"""


def outcome(armed: str | None, *names: str, folder: Path | None = None) -> int:
    env = {name: value for name, value in os.environ.items() if not name.startswith("REELWAY_FAULT_")}
    if armed is not None:
        env["REELWAY_FAULT_AT"] = armed
    if folder is not None:
        env["REELWAY_FAULT_DIR"] = str(folder)
    ran = subprocess.run(
        [sys.executable, "-c", PASSES.format(names=names)], env=env, capture_output=True, text=True, check=False
    )
    assert (ran.stdout == "alive\n") is (ran.returncode == 0)
    return ran.returncode


@pytest.mark.parametrize(
    ("armed", "names", "dies"),
    [
        (None, ("a.b",), False),
        ("", ("a.b",), False),
        ("a.c", ("a.b", "a"), False),
        ("a.b", ("a.a", "a.b"), True),
        ("a.b:3", ("a.b", "a.b", "a.c"), False),
        ("a.b:3", ("a.b", "a.b", "a.b"), True),
    ],
)
def test_process_dies_at_the_armed_point_and_nowhere_else(
    armed: str | None, names: tuple[str, ...], dies: bool
) -> None:
    assert outcome(armed, *names) == (-signal.SIGKILL if dies else 0)


def test_count_that_is_no_number_is_refused_at_the_start() -> None:
    assert outcome("a.b:often", "x") == 1


def test_nothing_is_armed_here() -> None:
    fault_point("scheduler.after_cas")


def test_each_file_in_the_folder_is_one_crash_of_one_process(tmp_path: Path) -> None:
    (tmp_path / "a.b").touch()
    (tmp_path / "a.c").touch()
    assert outcome(None, "x", folder=tmp_path) == 0
    assert outcome(None, "a.b", folder=tmp_path) == -signal.SIGKILL
    assert outcome(None, "a.b", folder=tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.c"]


async def test_file_that_says_stop_makes_a_zombie_that_can_be_woken(tmp_path: Path) -> None:
    (tmp_path / "a.b").write_text("STOP")
    env = {**os.environ, "REELWAY_FAULT_DIR": str(tmp_path)}
    passing = subprocess.Popen([sys.executable, "-c", PASSES.format(names=["a.b"])], env=env, stdout=subprocess.PIPE)
    try:
        process = psutil.Process(passing.pid)
        await eventually(lambda: process.status() == psutil.STATUS_STOPPED, within_s=20)
        assert not (tmp_path / "a.b").exists()
        process.resume()
        assert passing.communicate(timeout=20)[0] == b"alive\n"
    finally:
        passing.kill()
        passing.wait()


def test_file_in_the_folder_puts_the_clock_off_and_back(tmp_path: Path) -> None:
    code = """
import pathlib, sys
from shared.clock import SystemClock
file = pathlib.Path(sys.argv[1], "clock")
for seconds in ("0", "-240", "3600.5"):
    file.write_text(seconds)
    print(SystemClock().now().isoformat())
file.unlink()
print(SystemClock().now().isoformat())
"""
    env = {**os.environ, "REELWAY_FAULT_DIR": str(tmp_path)}
    before = SystemClock().now()
    ran = subprocess.run([sys.executable, "-c", code, tmp_path], env=env, capture_output=True, text=True, check=True)
    seen = [datetime.fromisoformat(line) - before for line in ran.stdout.split()]
    for moment, offset in zip(seen, (0, -240, 3600.5, 0), strict=True):
        assert timedelta(0) <= moment - timedelta(seconds=offset) < timedelta(seconds=20)
