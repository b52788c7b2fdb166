"""What an attempt did on its worker: the programs it ran, with their exact arguments and the end of what they said."""

from __future__ import annotations

from shared.model.base import Document, Instant, Value


class Call(Value):
    """One program that was run. `arguments` are those that it got, its own name first; folders of the worker are
    written as `<scratch>` and `<reelway>`, secrets and the queries of addresses as `***`. `said` is the end of its
    standard error. `returncode` is None while it runs, negative for a signal; `stopped` says why we ended it.
    """

    arguments: tuple[str, ...]
    started_at: Instant
    ended_at: Instant | None = None
    returncode: int | None = None
    stopped: str | None = None
    said: str = ""


class AttemptLog(Document):
    """The programs of one claim of one task: an attempt that was taken over from a dead worker has one for each of its
    workers. Of very many calls the first and the last are kept, and `left_out` counts the others.
    """

    tenant: str
    run_id: str
    task_id: str
    fence: int
    worker: str | None = None
    calls: tuple[Call, ...] = ()
    left_out: int = 0


def log_id(task_id: str, fence: int) -> str:
    """The id of the log of one claim."""
    return f"{task_id}:{fence}"
