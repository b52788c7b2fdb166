"""Inserts documents for ever and says which were acknowledged: `python -m tests.contract.state.writer URL`."""

from __future__ import annotations

import asyncio
import itertools
import sys

from shared.adapters.state_url import open_state
from tests.contract.state.stores import SPECS, thing


async def main(url: str) -> None:
    store = await open_state(url, SPECS)

    async def write(name: str) -> None:
        for n in itertools.count():
            await store.insert("things", thing(f"{name}{n}", text="x" * 500))
            sys.stdout.write(f"{name}{n}\n")
            sys.stdout.flush()

    await asyncio.gather(*(write(name) for name in "abcd"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
