"""The topics (DESIGN §4)."""

from __future__ import annotations

from dataclasses import dataclass

from shared.model.task import Lane


@dataclass(frozen=True, slots=True)
class Topics:
    """Topic names under one prefix."""

    prefix: str = "reelway."

    @property
    def uploads(self) -> str:
        """Storage events as they are, or our own; key bucket/key."""
        return f"{self.prefix}uploads.v1"

    @property
    def runs(self) -> str:
        """A run was requested or commanded; key run id."""
        return f"{self.prefix}runs.v1"

    def tasks(self, lane: Lane) -> str:
        """Doorbells of one lane; key task id."""
        return f"{self.prefix}tasks.{lane.value}.v1"

    @property
    def task_events(self) -> str:
        """What became of tasks; key run id."""
        return f"{self.prefix}task-events.v1"

    @property
    def run_events(self) -> str:
        """Public run history; key run id."""
        return f"{self.prefix}run-events.v1"

    @property
    def dead_letters(self) -> str:
        """What could not be understood; key as it came."""
        return f"{self.prefix}dead-letters.v1"

    def notify(self, queue: str) -> str:
        """The queue sink; key run id."""
        return f"{self.prefix}notify.{queue}"

    def group(self, service: str, topic: str) -> str:
        """The consumer group of a service on one topic: members of a group then all read the same, and a rebalance of
        one topic does not disturb another."""
        return f"{self.prefix}{service}.{topic.removeprefix(self.prefix)}"
