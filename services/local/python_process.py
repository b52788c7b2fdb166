"""How one of our own modules is run as a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import services

SOURCE_ROOT = Path(services.__file__).resolve().parent.parent


def module_argv(module: str) -> tuple[str, ...]:
    """Runs a module with this interpreter. The working folder is data there, never code (-P)."""
    return (sys.executable, "-P", "-m", module)


def with_source_root(env: Mapping[str, str]) -> dict[str, str]:
    """The environment, in which the process finds the same Reelway as this one, installed or not."""
    paths = [str(SOURCE_ROOT), env.get("PYTHONPATH", "")]
    return {**env, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
