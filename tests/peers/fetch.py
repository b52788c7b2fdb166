"""Fetches a server for the tests: `python -m tests.peers.fetch kafka|ferretdb|node`.

Nothing is done if it is in the cache already. What cannot be fetched for want of a tool is said and skipped (exit code
0): the tests that need it skip too. A download or build that fails is an error.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.peers import ferretdb_binary, kafka_jars, node_sdk_packages
from tests.peers.tools import ToolMissing

FETCH: Mapping[str, Callable[[], Path]] = {
    "kafka": kafka_jars.fetch,
    "ferretdb": ferretdb_binary.fetch,
    "node": node_sdk_packages.fetch,
}


def main(names: list[str]) -> int:
    for name in names:
        began = time.monotonic()
        try:
            found = FETCH[name]()
        except ToolMissing as missing:
            say(f"SKIPPED: {missing}")
        except subprocess.SubprocessError as error:
            say(f"{name} could not be fetched: {error}")
            return 1
        else:
            say(f"{name} is in {found} ({time.monotonic() - began:.0f} s)")
    return 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
