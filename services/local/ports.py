"""Free ports on the loopback interface."""

from __future__ import annotations

import random
import socket

from services.local.errors import PortTaken

LOOPBACK = "127.0.0.1"
# Below Linux's range for outgoing connections (32768-60999): nothing grabs a port between the look and the use.
LOWEST, HIGHEST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class PortChoice:
    """Hands out ports that are free and were not handed out before."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.SystemRandom()
        self._given: set[int] = set()

    def take(self, wanted: int | None = None) -> int:
        """The wanted port, or any free one. Raises PortTaken if the wanted one is not free."""
        if wanted is not None:
            if wanted in self._given or not is_free(wanted):
                raise PortTaken(wanted)
            self._given.add(wanted)
            return wanted
        for _ in range(1000):
            port = self._rng.randrange(LOWEST, HIGHEST)
            if port not in self._given and is_free(port):
                self._given.add(port)
                return port
        raise PortTaken(0)
