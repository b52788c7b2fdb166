"""The runs that this process wrote last, so that their next step need not read and check them again.

What is kept may be out of date, for others write too. That does no harm where it is used: a step that changes
something is compare-and-set, so it only takes effect on the newest version, and a step that would change nothing is
taken again on what the store says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from shared.model.run import Run

MOST_NODES = 8_000
"""How many nodes all kept runs may have together; each takes some kilobytes, and ten thousand runs may come at once."""
MOST_OF_ONE = 200
"""Runs with more nodes than this are read each time."""


class RecentRuns:
    """Keeps the newest of the runs that are not final."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._nodes = 0

    def take(self, run_ids: Iterable[str]) -> dict[str, Run]:
        """Those of the runs that are known. They are known no more until they are kept again."""
        return {run_id: run for run_id in run_ids if (run := self._drop(run_id)) is not None}

    def keep(self, runs: Iterable[Run]) -> None:
        """Remembers runs exactly as they were written, with the version that they have now."""
        for run in runs:
            self._drop(run.id)
            if run.state.final or len(run.nodes) > MOST_OF_ONE:
                continue
            self._runs[run.id] = run
            self._nodes += len(run.nodes)
            while self._nodes > MOST_NODES:
                self._drop(next(iter(self._runs)))

    def _drop(self, run_id: str) -> Run | None:
        run = self._runs.pop(run_id, None)
        if run is not None:
            self._nodes -= len(run.nodes)
        return run
