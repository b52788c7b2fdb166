"""What can happen to a run."""

from __future__ import annotations

from dataclasses import dataclass

from shared.model.task import Task


@dataclass(frozen=True, slots=True)
class Begin:
    """The run was requested; means nothing once it has begun."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A task of the run is final; means nothing unless its node waits for exactly this attempt."""

    task: Task


@dataclass(frozen=True, slots=True)
class Obey:
    """The commands that are written in the run are to be taken in."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: whatever is due now, happens."""


Event = Begin | Ended | Obey | Tick
