"""The end of a launch."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest
from rich.console import Console

from services.local import launcher as launcher_module
from services.local.launcher import Launcher
from services.local.ready_file import ReadyFiles
from services.local.settings import LocalSettings


async def test_ready_file_that_cannot_be_removed_keeps_nothing_from_being_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    out = io.StringIO()

    class FakeSupervisor:
        """Runs nothing."""

        def __init__(self, *_: object, **__: object) -> None:
            return

        async def stop(self) -> None:
            stopped.append("all")

    async def start(self: Launcher, *_: object) -> None:
        def refuse(_: ReadyFiles) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(ReadyFiles, "remove", refuse)
        self._stop.set()

    monkeypatch.setattr(launcher_module, "Supervisor", FakeSupervisor)
    monkeypatch.setattr(Launcher, "_start", start)
    await Launcher(LocalSettings(data=tmp_path), Console(file=out, width=200)).run()
    assert stopped == ["all"]
    assert "the ready file cannot be removed" in out.getvalue()
