"""Where the API is and who is calling: options, variables, or the ready file of `reelway up`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

VARIABLES = {"api": "REELWAY_API", "secret_id": "REELWAY_SECRET_ID", "secret_key": "REELWAY_SECRET_KEY"}
READY_FILE = "REELWAY_READY_FILE"


@dataclass(frozen=True, slots=True)
class Connection:
    """An API and a credential for it."""

    api: str
    secret_id: str
    secret_key: str


class NotConnected(Exception):
    """It is not known where the API is or who is calling; the text says what to give."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says."""

    api: str | None = None
    secret_id: str | None = None
    secret_key: str | None = None
    ready_file: Path | None = None


def connection(given: Given, variables: Mapping[str, str], default_ready_file: Callable[[], Path]) -> Connection:
    """Each member from the first place that has it: the option, the file of `--ready-file`, the variable, the file that
    `REELWAY_READY_FILE` names. Only if nobody says anything the ready file of a `reelway up` with the default data
    folder is taken: a secret must not go to an API that it is not for. Raises NotConnected."""
    found = {field.name: getattr(given, field.name) for field in fields(Connection)}
    if given.ready_file is not None:
        _fill(found, _read(given.ready_file))
    _fill(found, {name: variables.get(variable) for name, variable in VARIABLES.items()})
    if named := variables.get(READY_FILE):
        if not all(found.values()):
            _fill(found, _read(Path(named)))
    elif not any(found.values()) and default_ready_file().exists():
        _fill(found, _read(default_ready_file()))
    missing = [name for name, value in found.items() if not value]
    if missing:
        options = ", ".join(f"--{name.replace('_', '-')} ({VARIABLES[name]})" for name in missing)
        raise NotConnected(f"give {options}, or the --ready-file of a `reelway up` that is ready")
    return Connection(api=str(found["api"]).rstrip("/"), secret_id=found["secret_id"], secret_key=found["secret_key"])


def _fill(found: dict[str, str], more: Mapping[str, object]) -> None:
    for name, value in found.items():
        if not value and (text := more.get(name)):
            found[name] = str(text)


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise NotConnected(f"the ready file {path} cannot be read: {error.strerror}; is `reelway up` ready?") from None
    except ValueError:
        raise NotConnected(f"the ready file {path} is not JSON") from None
    if not isinstance(found, dict):
        raise NotConnected(f"the ready file {path} is not a JSON object")
    return found
