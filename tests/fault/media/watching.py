"""Sees whether anybody opened a file or connected to a port."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import socket
import threading
import time
from pathlib import Path
from typing import Self

import psutil

_OPEN_OR_READ = 0x20 | 0x01
"""IN_OPEN, IN_ACCESS of sys/inotify.h."""


class Touches:
    """Opened or read files among those watched: inotify, so Linux only."""

    def __init__(self, *paths: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        for path in paths:
            if libc.inotify_add_watch(self._fd, os.fsencode(path), _OPEN_OR_READ) < 0:
                raise OSError(ctypes.get_errno(), "inotify")

    def seen(self) -> bool:
        """Whether there was one since the last time."""
        try:
            return bool(os.read(self._fd, 65536))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._fd)


class Listener:
    """A TCP and a UDP port of one number on the loopback; counts who comes."""

    def __init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self.count = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._tcp.close()
        self._udp.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for each in (self._tcp, self._udp):
                each.setblocking(False)
                selector.register(each, selectors.EVENT_READ)
            while not self._ending.is_set():
                for key, _ in selector.select(0.05):
                    self.count += 1
                    if key.fileobj is self._tcp:
                        self._tcp.accept()[0].close()
                    else:
                        self._udp.recv(65536)


class Usage:
    """What children of this process used within a `with`: processor seconds, and the most memory of any one, looked at
    fifty times a second."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.peak_bytes = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self.cpu_s = -_cpu_s()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self.cpu_s += _cpu_s()

    def _look(self) -> None:
        me = psutil.Process()
        while not self._ending.is_set():
            for child in me.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    self.peak_bytes = max(self.peak_bytes, child.memory_info().rss)
            time.sleep(0.02)


def _cpu_s() -> float:
    """Of the children that have ended."""
    times = os.times()
    return times.children_user + times.children_system
