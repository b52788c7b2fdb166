"""Where fetched servers are kept: one folder per server and set of pins, made once and whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path


def cache_folder() -> Path:
    """`$REELWAY_TEST_PEERS`, or `reelway/peers` in the user's cache folder."""
    if named := os.environ.get("REELWAY_TEST_PEERS"):
        return Path(named).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "reelway" / "peers"


def place(name: str, pins: Sequence[Path]) -> Path:
    """The folder of what these files pin; another pin is another folder."""
    digest = hashlib.sha256(b"\0".join(pin.read_bytes() for pin in pins))
    return cache_folder() / f"{name}-{digest.hexdigest()[:12]}"


def made(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, filled by `make` if it is not there. Two that ask at once: one makes, the other waits."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = folder.with_suffix(".tmp")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder
