"""What the launcher says: a line for the person at the terminal and a JSON line for the log."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import structlog
from rich.console import Console, RenderableType
from rich.text import Text

from services.local.log_files import open_log

_STYLES = {"info": "green", "warning": "yellow", "error": "bold red"}


class Announcer:
    """Says every event twice: on the console and in `launcher.log`.

    Never raises an OSError: the terminal may be closed, the pipe broken, the disk full, and the processes must be
    kept running and be stopped all the same.
    """

    def __init__(self, console: Console, log: Path) -> None:
        self._console = console
        self._file: BinaryIO = open(open_log(log), "wb", buffering=0)  # noqa: PTH123, SIM115 -- a descriptor
        self._log = structlog.wrap_logger(
            structlog.BytesLogger(self._file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str)),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def info(self, event: str, message: str, **data: object) -> None:
        """Something went as it should."""
        self._say("info", event, message, data)

    def warning(self, event: str, message: str, **data: object) -> None:
        """Something went wrong and is being put right."""
        self._say("warning", event, message, data)

    def error(self, event: str, message: str, **data: object) -> None:
        """Something went wrong and needs the user."""
        self._say("error", event, message, data)

    def show(self, what: RenderableType, **options: Any) -> None:
        """Prints on the console only."""
        # Rich exits the program on a broken pipe, having silenced the console.
        with contextlib.suppress(OSError, SystemExit):
            self._console.print(what, **options)

    def close(self) -> None:
        """Closes the log."""
        self._file.close()

    def _say(self, level: str, event: str, message: str, data: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            getattr(self._log, level)(event, message=message, **data)
        self.show(Text.assemble(("● ", _STYLES[level]), message), soft_wrap=True)
