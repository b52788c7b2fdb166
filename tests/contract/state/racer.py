"""One of several processes that add to one document: `python -m tests.contract.state.racer URL NAME RACERS TIMES`."""

from __future__ import annotations

import asyncio
import contextlib
import sys

from shared.adapters.state_url import open_state
from shared.ports.state import DuplicateKey, StateStore
from tests.contract.state.stores import SPECS, thing


async def add(store: StateStore, doc_id: str, times: int) -> int:
    """Counts up by compare-and-set `times` times; how often somebody else was faster."""
    lost = 0
    for _ in range(times):
        while True:
            doc = await store.get("things", doc_id)
            assert doc is not None
            await asyncio.sleep(0)  # lets the others read the same version
            if await store.replace("things", {**doc, "n": doc["n"] + 1}):
                break
            lost += 1
    return lost


async def main(url: str, me: str, racers: int, times: int) -> None:
    store = await open_state(url, SPECS)
    await store.insert("plain", thing(me))
    while await store.count("plain", {}) < racers:  # nobody starts before all are there
        await store.ping()
    with contextlib.suppress(DuplicateKey):  # another process was first
        await store.insert("things", thing("shared", n=0))
    await add(store, "shared", times)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
