"""The state store in one SQLite file that all processes of a machine share."""

from shared.adapters.sqlite.store import SqliteStateStore

__all__ = ["SqliteStateStore"]
