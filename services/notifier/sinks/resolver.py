"""Looking up names without letting names that hang stop the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

_Found = list[str] | OSError | UnicodeError
"""What a lookup comes to: addresses, or why there are none."""


class Resolver:
    """Asks the system for the addresses of names, each name in a thread of its own.

    The loop's own `getaddrinfo` will not do: on uvloop it runs on libuv's pool, of which two threads at most look up
    names, so that two names that hang stop all others of the process. Here a name takes one thread, however many ask
    for it meanwhile, and at most `most` names are looked up at once; who comes then waits for a thread.

    A lookup cannot be broken off: it ends when the system's resolver gives up, perhaps long after whoever asked. The
    threads are daemons, because those of an executor would be waited for at the end of the process.
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self._lookups: dict[str, asyncio.Future[_Found]] = {}

    async def addresses(self, host: str) -> list[str]:
        """All addresses of a host, once each; cancel it when it takes too long. Raises OSError, UnicodeError."""
        name = host.lower()
        lookup = self._lookups.get(name)
        if lookup is None:
            await self._free.acquire()
            lookup = self._lookups.get(name)
            if lookup is None:
                lookup = self._begin(name)
            else:  # begun by another while this one waited
                self._free.release()
        found = await asyncio.shield(lookup)
        if isinstance(found, Exception):
            raise found
        return found

    def _begin(self, name: str) -> asyncio.Future[_Found]:
        loop = asyncio.get_running_loop()
        lookup: asyncio.Future[_Found] = loop.create_future()

        def end(found: _Found) -> None:
            del self._lookups[name]
            self._free.release()
            lookup.set_result(found)

        def work() -> None:
            found = _look_up(name)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(end, found)

        self._lookups[name] = lookup
        try:
            threading.Thread(target=work, name="reelway-lookup", daemon=True).start()
        except RuntimeError as error:
            end(OSError(f"no thread for the lookup: {error}"))
        return lookup


def _look_up(name: str) -> _Found:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return list(dict.fromkeys(str(info[4][0]) for info in found))
