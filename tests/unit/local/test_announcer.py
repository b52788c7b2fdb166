"""What is said must never keep the launcher from its work."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from services.local.announcer import Announcer


class Gone(io.StringIO):
    """A terminal or pipe that is not there any more."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, _: str) -> int:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "closed terminal"), BrokenPipeError(errno.EPIPE, "pipe"), OSError(errno.ENOSPC, "full")],
)
def test_console_that_is_gone_is_no_error_and_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    with (tmp_path / "stdout").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)  # Rich redirects it on a broken pipe
        say = Announcer(Console(file=Gone(error)), tmp_path / "launcher.log")
        say.info("one", "the first")
        say.error("two", "the second")
        say.show("a panel")
        say.close()
    events = [orjson.loads(line)["event"] for line in (tmp_path / "launcher.log").read_bytes().splitlines()]
    assert events == ["one", "two"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_does_not_keep_the_console_from_being_told() -> None:
    out = io.StringIO()
    say = Announcer(Console(file=out), Path("/dev/full"))
    say.warning("any", "something happened")
    say.close()
    assert "something happened" in out.getvalue()
