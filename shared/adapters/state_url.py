"""From the setting `REELWAY_STATE_URL` to an open state store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.adapters.memory import MemoryStateStore
from shared.adapters.sqlite import SqliteStateStore
from shared.adapters.state_query import check_field
from shared.errors import ReelwayError
from shared.ports.state import CollectionSpec, StateStore


class BadStateUrl(ReelwayError, ValueError):
    """REELWAY_STATE_URL does not name a state store."""

    code = "bad_state_url"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"REELWAY_STATE_URL: {reason}; it must be sqlite:////absolute/path, mongodb://host/database or memory://"
        )


async def open_state(url: str, specs: Iterable[CollectionSpec]) -> StateStore:
    """The store that the URL names, opened, with its tables or indexes in place.

    Raises BadStateUrl, which no repetition cures, and StateUnavailable, within seconds, which one may.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise BadStateUrl("not a URL")
    match scheme:
        case "memory":
            if rest.strip("/"):
                raise BadStateUrl("memory:// takes no path")
            return MemoryStateStore(specs)
        case "sqlite":
            return await SqliteStateStore.open(_file(rest), specs)
        case "mongodb" | "mongodb+srv":
            return await _open_mongo(url, _database(url), specs)
        case _:
            raise BadStateUrl(f"unknown scheme {scheme!r}")


def sqlite_file(url: str) -> Path:
    """The file of a `sqlite:` URL. Raises BadStateUrl."""
    return _file(url.partition("://")[2])


def _file(rest: str) -> Path:
    """`rest` is `//absolute/path`, one slash of which separates the empty host."""
    path = Path(unquote(rest[1:]))
    if not rest.startswith("//") or not path.name:
        raise BadStateUrl("the SQLite file needs an absolute path, so four slashes")
    return path


def _database(url: str) -> str:
    try:
        name = unquote(urlsplit(url).path.lstrip("/"))
        return check_field(name)
    except ValueError:
        raise BadStateUrl("the MongoDB URL must end with the name of the database, in letters, digits and _") from None


async def _open_mongo(url: str, database: str, specs: Iterable[CollectionSpec]) -> StateStore:
    from shared.adapters.mongo import MongoStateStore  # only who uses MongoDB pays for the import of Motor

    try:
        return await MongoStateStore.open(url, database, specs)
    except ValueError as error:
        raise BadStateUrl(str(error)) from error
