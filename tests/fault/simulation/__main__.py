"""`python -m tests.fault.simulation`: many schedules, or one of them again with its story.

Ends with status 1 if a guarantee does not hold somewhere.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.fault.simulation import campaign
from tests.fault.simulation.play import play_one
from tests.fault.simulation.stage import Stage


def main() -> int:
    """Reads the arguments and plays."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one schedule again and tell it")
    parser.add_argument("--story", action="store_true", help="tell it also if every guarantee holds")
    parser.add_argument("--last", type=int, default=400, help="how much of its end is told (lines, default 400)")
    parser.add_argument("--first", type=int, default=0, help="the first seed of many (default 0)")
    parser.add_argument("--schedules", type=int, default=2000, help="how many (default 2000)")
    parser.add_argument("--processes", type=int, default=2, help="over how many processes (default 2)")
    parser.add_argument("--failures", type=int, default=5, help="stop after so many failures (default 5)")
    given = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of text have an order of their own in every process: a replay needs the same one.
        again = [sys.executable, "-m", "tests.fault.simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | {"PYTHONHASHSEED": "0"})  # noqa: S606
    if given.seed is None:
        found = campaign.run(given.first, given.schedules, given.processes, given.failures)
        return 1 if found.failures else 0
    stage = Stage()
    with stage.set(verbose=True):
        played = play_one(stage, given.seed, given.last)
    if given.story and played.violation is None:
        sys.stdout.write("\n".join(played.story) + "\n")
    if played.violation is None:
        sys.stdout.write(f"seed {given.seed}: every guarantee holds\n")
        return 0
    sys.stdout.write(played.report() + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
