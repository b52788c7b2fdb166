"""Many schedules over several processes."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field

from tests.fault.simulation.play import Played, play_many

CHUNK = 50
"""How many seeds a process takes at a time."""
SAY_EVERY_S = 10.0
_Chunk = tuple[int, Counter[str], list[Played]]


@dataclass
class Campaign:
    """What came of it so far."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Played] = field(default_factory=list)
    schedules: int = 0
    seconds: float = 0.0

    def summary(self) -> str:
        """How many, how fast, and what happened in them."""
        rate = self.schedules / self.seconds if self.seconds else 0.0
        happened = ", ".join(f"{what} {count}" for what, count in sorted(self.counts.items()))
        return (
            f"{self.schedules} schedules, {len(self.failures)} failures, {self.seconds:.0f} s, {rate:.1f}/s\n"
            f"in them: {happened}"
        )


def run(first: int, schedules: int, processes: int, most_failures: int) -> Campaign:
    """Plays the seeds from `first` on; stops early when enough of them failed. Says on standard output how it goes."""
    campaign = Campaign()
    began = said = time.monotonic()
    end = first + schedules
    ranges = iter([range(start, min(start + CHUNK, end)) for start in range(first, end, CHUNK)])
    # Forked: a child has imported everything and hashes as its parent does.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        under_way: dict[Future[_Chunk], range] = {}

        def fill() -> None:
            while len(under_way) < 2 * processes and len(campaign.failures) < most_failures:
                seeds = next(ranges, None)
                if seeds is None:
                    return
                under_way[pool.submit(_chunk, seeds, most_failures)] = seeds

        fill()
        while under_way:
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for one in done:
                under_way.pop(one)
                played, counts, failures = one.result()
                campaign.schedules += played
                campaign.counts += counts
                campaign.failures += failures
                for failure in failures:
                    _say(failure.report())
            campaign.seconds = time.monotonic() - began
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                _say(f"seeds {first}..{first + campaign.schedules - 1}: {campaign.summary().splitlines()[0]}")
            fill()
    campaign.seconds = time.monotonic() - began
    _say(f"seeds {first}..{first + campaign.schedules - 1}: {campaign.summary()}")
    return campaign


def _chunk(seeds: range, most_failures: int) -> _Chunk:
    """How many were played, what happened in them, and those that failed."""
    counts: Counter[str] = Counter()
    failures: list[Played] = []
    number = 0
    for played in play_many(seeds):
        number += 1
        counts += played.counts
        if played.violation is not None:
            failures.append(played)
        if len(failures) >= most_failures:
            break
    return number, counts, failures


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
