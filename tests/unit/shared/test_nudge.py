"""Pipes that wake consumers of other processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.bus.nudge import Nudged, Nudges

FOREVER_S = 30


@pytest.fixture
def nudges(tmp_path: Path) -> Iterator[Nudges]:
    publisher = Nudges(tmp_path)
    yield publisher
    publisher.close()


async def woken(consumer: Nudged) -> None:
    """Fails if the nudge did not come."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await consumer.wait(FOREVER_S)
    assert loop.time() - began < FOREVER_S / 2


async def test_every_consumer_of_the_topic_is_woken_and_no_other(tmp_path: Path, nudges: Nudges) -> None:
    consumers = [Nudged(tmp_path, "a"), Nudged(tmp_path, "a")]
    other = Nudged(tmp_path, "b")
    nudges.nudge(["a", "nobody reads this"])
    for consumer in consumers:
        await woken(consumer)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(other.wait(FOREVER_S), 0.05)
    for pipe in (*consumers, other):
        pipe.close()


async def test_a_nudge_before_the_wait_counts_until_it_is_forgotten(tmp_path: Path, nudges: Nudges) -> None:
    consumer = Nudged(tmp_path, "a")
    nudges.nudge(["a"])
    await woken(consumer)
    await woken(consumer)
    consumer.forget()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(consumer.wait(FOREVER_S), 0.05)
    consumer.close()


async def test_a_consumer_that_comes_later_is_found(tmp_path: Path, nudges: Nudges) -> None:
    nudges.nudge(["a"])
    for _ in range(3):  # in quick succession, so that the folder's time may not change
        consumer = Nudged(tmp_path, "a")
        nudges.nudge(["a"])
        await woken(consumer)
        consumer.close()


async def test_the_pipe_of_a_dead_consumer_is_removed(tmp_path: Path, nudges: Nudges) -> None:
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            "import asyncio, os, pathlib, signal, sys\n"
            "from shared.bus.nudge import Nudged\n"
            "async def main():\n"
            "    Nudged(pathlib.Path(sys.argv[1]), 'a')\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "asyncio.run(main())\n",
            str(tmp_path),
        ],
        check=False,
    )
    assert child.returncode == -9
    assert len(list((tmp_path / "a").iterdir())) == 1
    nudges.nudge(["a"])
    assert not list((tmp_path / "a").iterdir())


async def test_a_consumer_that_goes_while_its_pipe_is_open_is_forgotten(tmp_path: Path, nudges: Nudges) -> None:
    staying, going = Nudged(tmp_path, "a"), Nudged(tmp_path, "a")
    nudges.nudge(["a"])
    await woken(staying)
    staying.forget()
    going.close()
    going.close()
    nudges.nudge(["a"])
    await woken(staying)
    staying.close()
    assert not list((tmp_path / "a").iterdir())


async def test_a_consumer_that_sleeps_does_not_block_its_publishers(tmp_path: Path, nudges: Nudges) -> None:
    consumer = Nudged(tmp_path, "a")
    for _ in range(70_000):  # more than a pipe holds
        nudges.nudge(["a"])
    await woken(consumer)
    consumer.close()
