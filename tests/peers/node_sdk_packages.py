"""The official Node SDK, from the registry that npm is set up with; versions and hashes are in `node_sdk/`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.peers import cache
from tests.peers.tools import tool

PROJECT = Path(__file__).with_name("node_sdk")
PINS = [PROJECT / name for name in ("package.json", "package-lock.json")]
WHAT = "The Node SDK in tests"
FETCH_S = 300


def fetch() -> Path:
    """The folder with `node_modules`, filled by npm if need be. Raises ToolMissing and SubprocessError."""
    tool("node", WHAT)
    npm = tool("npm", WHAT)

    def install(folder: Path) -> None:
        for pin in PINS:
            shutil.copy(pin, folder)
        subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            check=True,
            timeout=FETCH_S,
        )

    return cache.made(cache.place("node-sdk", PINS), install)
