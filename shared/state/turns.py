"""Who is next in a lane: tenants take turns, and each tenant's own tasks go by priority and age."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from shared.model.gate import SCOPES
from shared.model.task import Lane, Task, TaskState
from shared.ports.state import Order
from shared.state.repository import Repository

SPARE = 4
"""How many times as many tasks as wanted are looked at: other workers look at the same head of the queue."""


class Turns:
    """Goes round the tenants that have something queued, by name, from where it was last time.

    However many tenants there are and however much each of them has queued, none waits for more than one round, and a
    look costs as many queries as tenants are wanted. It is the memory of one process: losing it costs nobody more than
    a turn.
    """

    def __init__(self, tasks: Repository[Task], lane: Lane) -> None:
        self._tasks = tasks
        self._lane = lane
        self._last = ""

    def served(self, tenant: str) -> None:
        """The tenant had its turn: the next look begins behind it."""
        self._last = tenant

    async def look(self, wanted: int, shut: Collection[str]) -> list[Task]:
        """The next queued tasks in the order in which they are to be taken, some more than wanted. `shut` are the gates
        behind which nothing is to be had."""
        queues: dict[str, deque[Task]] = {}
        # From the last turn to the end of the names, then from the beginning up to the last turn.
        for bounds in ({"$gt": self._last}, {"$lte": self._last}):
            while len(queues) < wanted:
                page = await self._page(wanted * SPARE, bounds, shut)
                for tenant, tasks in page.items():
                    queues.setdefault(tenant, deque()).extend(tasks)
                if not page:
                    break
                bounds = {**bounds, "$gt": next(reversed(page))}
            if not self._last:
                break
        return list(_one_each(queues))

    async def _page(self, limit: int, bounds: Mapping[str, str], shut: Collection[str]) -> dict[str, list[Task]]:
        """Tasks of the next tenants within these bounds, each tenant's with nothing left out at the front."""
        where: dict[str, Any] = {"state": TaskState.QUEUED.value, "lane": self._lane.value}
        closed = {scope: [gate.partition(":")[2] for gate in shut if gate.startswith(f"{scope}:")] for scope in SCOPES}
        where["tenant"] = {**bounds, "$nin": closed["tenant"]} if closed["tenant"] else dict(bounds)
        if closed["pipeline"]:
            where["pipeline_id"] = {"$nin": closed["pipeline"]}
        found = await self._tasks.find(where, sort=[("tenant", Order.ASC), ("order", Order.ASC)], limit=limit)
        page: dict[str, list[Task]] = {}
        for task in found:
            page.setdefault(task.tenant, []).append(task)
        if len(found) == limit and len(page) > 1:
            page.popitem()  # may be cut off, and would get less than its share: it opens the next page
        return page


def _one_each(queues: Mapping[str, deque[Task]]) -> Iterator[Task]:
    """One task of each tenant in turn, until there are none."""
    turn = deque(queues.values())
    while turn:
        tasks = turn.popleft()
        yield tasks.popleft()
        if tasks:
            turn.append(tasks)
