"""Who is next: tenants take turns, and each tenant's own tasks go by priority and age."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from shared.model.task import Task


class Turns:
    """Remembers in which order tenants were served. Memory of one process: losing it costs nobody more than a turn."""

    def __init__(self) -> None:
        self._served: dict[str, None] = {}

    @property
    def served(self) -> list[str]:
        """Tenants that had a turn, the one that waits longest first."""
        return list(self._served)

    def serve(self, tenant: str) -> None:
        """The tenant had its turn."""
        self._served.pop(tenant, None)
        self._served[tenant] = None

    def forget(self, tenants: Iterable[str]) -> None:
        """These have nothing queued: their place in the order means nothing any more."""
        for tenant in tenants:
            self._served.pop(tenant, None)

    def in_order(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """One task of each tenant in turn, until there are none; tenants without a turn so far come first."""
        queues: dict[str, deque[Task]] = {}
        for task in tasks:
            queues.setdefault(task.tenant, deque()).append(task)
        new = [tenant for tenant in queues if tenant not in self._served]
        turn = deque([*new, *(tenant for tenant in self._served if tenant in queues)])
        while turn:
            tenant = turn.popleft()
            yield queues[tenant].popleft()
            if queues[tenant]:
                turn.append(tenant)
