"""The ready file: what a program needs to use a running installation, there only while it runs."""

from __future__ import annotations

from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict

from services.local.data_folder import write_private


class Ready(BaseModel):
    """Where everything is and how to log in. `pids` follows every restart of a process."""

    model_config = ConfigDict(frozen=True)

    api: str
    secret_id: str
    secret_key: str
    app_id: str
    region: str
    bucket: str
    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: str
    kafka: str
    """host:port of the bootstrap server."""
    data: str
    state: str
    pids: dict[str, int]


class ReadyFiles:
    """The ready file in the data folder, and a second one where the user asked for it."""

    def __init__(self, *paths: Path | None) -> None:
        self._paths = [path.expanduser().resolve() for path in paths if path is not None]

    def write(self, ready: Ready) -> None:
        """Writes all of them, each atomically and with mode 0600."""
        content = orjson.dumps(ready.model_dump(mode="json"), option=orjson.OPT_INDENT_2) + b"\n"
        for path in self._paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, content)

    def remove(self) -> None:
        """Removes them; fine if they are not there."""
        for path in self._paths:
            path.unlink(missing_ok=True)
