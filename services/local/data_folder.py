"""The data folder: where everything lies, and the lock that gives it to one launcher at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from services.local.errors import DataFolderInUse


class DataFolder:
    """The paths in one data folder. Entering it takes the lock, leaving it gives the lock back.

    The lock is an flock: it ends with its owner however that dies, and no child process inherits it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.credentials = self.root / "credentials.json"
        self.master_key = self.root / "master.key"
        self.state = self.root / "state.db"
        self.objects = self.root / "objects"
        self.scratch = self.root / "scratch"
        self.logs = self.root / "logs"
        self.run = self.root / "run"
        self.ready = self.run / "ready.json"
        self.launch = self.run / "launch.json"
        self._lock = self.root / "lock"
        self._fd: int | None = None

    def __enter__(self) -> Self:
        """Makes the folders (mode 0700) and takes the lock. Raises DataFolderInUse at once if it is taken."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(fd, 20).decode(errors="replace").strip()
            os.close(fd)
            raise DataFolderInUse(self.root, owner) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd
        for folder in (self.objects, self.scratch, self.logs, self.run):
            folder.mkdir(exist_ok=True, mode=0o700)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def write_private(path: Path, content: bytes) -> None:
    """Writes a file of mode 0600 that appears whole or not at all, whoever reads meanwhile."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
