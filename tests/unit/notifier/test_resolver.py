"""Names that hang take nothing from the others."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpcore
import pytest
import uvloop

from services.notifier.domain.notice import Notice
from services.notifier.sinks.checked_network import CheckedNetwork
from services.notifier.sinks.http import HttpSink
from services.notifier.sinks.resolver import Resolver
from tests.unit.notifier.builders import START, until


class FakeSystem:
    """`socket.getaddrinfo` whose names under `.hangs` are not answered before `answer` is set."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked: list[str] = []

    def getaddrinfo(self, host: Any, *_: Any, **__: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        self.asked.append(name)
        if name.endswith(".hangs"):
            self.answer.wait(30)
        if name.startswith("nowhere"):
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("1.1.1.1", "1.1.1.1")]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSystem]:
    fake = FakeSystem()
    monkeypatch.setattr(socket, "getaddrinfo", fake.getaddrinfo)
    yield fake
    fake.answer.set()


async def ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_hanging_names_delay_no_other_name(system: FakeSystem) -> None:
    network = CheckedNetwork(())
    hanging = [asyncio.create_task(network.resolve(f"{number}.hangs")) for number in range(100)]
    await until(lambda: len(system.asked) == 100, "all being looked up")
    assert await asyncio.wait_for(network.resolve("good.example"), 5) == ["1.1.1.1"]
    await ended(*hanging)


async def test_one_name_takes_one_thread_however_many_ask(system: FakeSystem) -> None:
    resolver = Resolver(2)
    asking = [asyncio.create_task(resolver.addresses(name)) for name in ("One.hangs", "one.hangs") * 10]
    assert await asyncio.wait_for(resolver.addresses("good.example"), 5) == ["1.1.1.1"]
    assert sorted(system.asked) == ["good.example", "one.hangs"]
    system.answer.set()
    assert await asyncio.gather(*asking) == [["1.1.1.1"]] * 20


async def test_lookups_are_bounded_although_nobody_waits_for_them_any_more(system: FakeSystem) -> None:
    resolver = Resolver(3)
    given_up = [asyncio.create_task(resolver.addresses(f"{number}.hangs")) for number in range(3)]
    await until(lambda: len(system.asked) == 3, "three threads")
    await ended(*given_up)
    late = [asyncio.create_task(resolver.addresses("late.example")) for _ in range(5)]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(late[0]), 0.01)
    assert len(system.asked) == 3
    system.answer.set()
    assert await asyncio.gather(*late) == [["1.1.1.1"]] * 5


async def test_name_is_looked_up_anew_after_a_failure(system: FakeSystem) -> None:
    resolver = Resolver(1)
    for _ in range(3):
        with pytest.raises(socket.gaierror):
            await resolver.addresses("nowhere.example")
    assert await resolver.addresses("good.example") == ["1.1.1.1"]
    assert system.asked == ["nowhere.example"] * 3 + ["good.example"]


async def test_no_thread_is_a_failed_lookup(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolver = Resolver(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OSError, match="can't start new thread"):
            await resolver.addresses("good.example")
    assert await resolver.addresses("good.example") == ["1.1.1.1"]


def test_hanging_lookup_outlives_neither_its_attempt_nor_the_loop(system: FakeSystem) -> None:
    async def send() -> None:
        async with HttpSink(timeout_s=0.05) as sink:
            for name in ("one.hangs", "two.hangs", "nowhere.hangs"):
                report = await sink.send(Notice("id", "run", f"http://{name}/", b"{}", None, START))
                assert (report.answered, report.error) == (False, "no answer within 0.05 s")
            with pytest.raises(httpcore.ConnectError, match=r"cannot resolve nowhere\.example"):
                await CheckedNetwork(()).resolve("nowhere.example")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(send())
    threads = [thread for thread in threading.enumerate() if thread.name == "reelway-lookup"]
    assert len(threads) == 3
    assert all(thread.daemon for thread in threads)
    system.answer.set()
    for thread in threads:
        thread.join(5)
