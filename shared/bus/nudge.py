"""Nudges between the processes of one machine: "topic X has news", for a broker that does not wake waiting fetches.

The embedded broker sleeps through the whole wait of a fetch, whether something comes meanwhile or not (FACTS §2), so a
consumer there asks with no wait at all and lets its own side do the waiting: on a named pipe, which whoever has
published writes a byte into. A nudge carries nothing and may be lost; the consumer looks by itself from time to time.
A hint goes the same way and names what the news will be about: it is in the store already, so a consumer that can look
there need not wait for the broker.

    <folder>/<topic>/<name>     one pipe for each consumer, removed by it, or by the first who finds it without a reader
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

_DRAIN_BYTES = 65536
_END = b"\n"
"""A nudge is an empty line, a hint a line of text."""
_HINT_BYTES = 512
"""No hint is longer: what is at most PIPE_BUF is written whole or not at all."""
_SETTLED_NS = 100_000_000


class Nudged:
    """The consumer's end. Made inside the event loop that waits on it; `close` removes the pipe. `on_hint` is called in
    that loop."""

    def __init__(self, folder: Path, topic: str, on_hint: Callable[[Sequence[str]], None] | None = None) -> None:
        self._on_hint = on_hint
        self._rest = b""
        place = folder / topic
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._path = place / name
        # It gets its name when it has a reader: a pipe without one would be taken for a dead consumer's.
        unnamed = place / f".{name}"
        os.mkfifo(unnamed, 0o600)
        # For writing too, so that it never ends for want of writers.
        self._fd = os.open(unnamed, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        unnamed.rename(self._path)
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._on_readable)

    def _on_readable(self) -> None:
        read = b""
        with contextlib.suppress(BlockingIOError):
            read = os.read(self._fd, _DRAIN_BYTES)
        *lines, self._rest = (self._rest + read).split(_END)
        if b"" in lines:
            self._event.set()
        hints = [line.decode(errors="replace") for line in lines if line]
        if hints and self._on_hint is not None:
            self._on_hint(hints)

    def forget(self) -> None:
        """Earlier nudges do not count any more."""
        self._event.clear()

    async def wait(self, timeout_s: float) -> None:
        """Returns at the first nudge since `forget`, or after the timeout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()

    def close(self) -> None:
        """Removes the pipe; may be called twice."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._path.unlink(missing_ok=True)


class Nudges:
    """The publisher's end. Never waits, never raises for a consumer that is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, int] = {}
        self._open: dict[str, dict[str, int]] = {}

    def nudge(self, topics: Iterable[str]) -> None:
        """Wakes all consumers of these topics on this machine: there is news at the broker."""
        self._write(topics, _END)

    def hint(self, topic: str, text: str) -> None:
        """Says to the same that the store has what `text`, one short line, names."""
        line = text.encode() + _END
        if len(line) <= _HINT_BYTES and line.count(_END) == 1:
            self._write([topic], line)

    def _write(self, topics: Iterable[str], line: bytes) -> None:
        for topic in topics:
            pipes = self._pipes(topic)
            for name, fd in list(pipes.items()):
                try:
                    os.write(fd, line)
                except BlockingIOError:
                    continue  # full: that consumer has more nudges than it needs
                except OSError:
                    os.close(pipes.pop(name))
                    (self._folder / topic / name).unlink(missing_ok=True)

    def _pipes(self, topic: str) -> dict[str, int]:
        """The open pipes of a topic, looked up anew when its folder has changed."""
        place = self._folder / topic
        try:
            changed = place.stat().st_mtime_ns
        except OSError:
            return {}
        pipes = self._open.setdefault(topic, {})
        if self._seen.get(topic) != changed:
            names = {pipe.name for pipe in place.iterdir() if not pipe.name.startswith(".")}
            for gone in set(pipes) - names:
                os.close(pipes.pop(gone))
            for name in names - set(pipes):
                if (fd := _opened(place / name)) is not None:
                    pipes[name] = fd
            # File times stand still for milliseconds: what has just changed may change again and look the same.
            self._seen[topic] = changed if time.time_ns() - changed > _SETTLED_NS else 0
        return pipes

    def close(self) -> None:
        """Closes all pipes."""
        for pipes in self._open.values():
            for fd in pipes.values():
                os.close(fd)
        self._open.clear()
        self._seen.clear()


def _opened(pipe: Path) -> int | None:
    """The pipe for writing; None, and it is removed, if nobody reads it."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            pipe.unlink(missing_ok=True)
        return None
