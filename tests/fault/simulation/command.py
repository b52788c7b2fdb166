"""The simulator as a command, as people and CI run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fault.simulation.planted import ROOT


def simulate(*arguments: str, folder: Path = ROOT, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
    """`python -m tests.fault.simulation` with the code of a folder."""
    command = [sys.executable, "-m", "tests.fault.simulation", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
