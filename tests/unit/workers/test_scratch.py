from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from services.workers import scratch as scratch_module
from services.workers.scratch import Scratch
from tests.eventually import eventually, let_others_run

HOLD = """
import sys
from pathlib import Path
from services.workers.scratch import Scratch
scratch = Scratch.open(Path(sys.argv[1]), "w")
scratch.sources.joinpath("leftover").write_bytes(b"x")
print(scratch.worker, flush=True)
sys.stdin.read()
"""


async def test_folder_is_empty_and_gone_afterwards_whatever_happens(tmp_path: Path) -> None:
    scratch = Scratch.open(tmp_path, "w")
    async with scratch.folder() as first, scratch.folder() as second:
        assert first != second
        assert list(first.iterdir()) == []
        (first / "sub").mkdir()
        (first / "sub" / "file").write_bytes(b"x")
    with pytest.raises(RuntimeError):  # noqa: PT012
        async with scratch.folder() as third:
            (third / "file").write_bytes(b"x")
            raise RuntimeError
    assert not any(path.exists() for path in (first, second, third))
    scratch.close()


def test_close_removes_everything_and_frees_the_name(tmp_path: Path) -> None:
    scratch = Scratch.open(tmp_path, "w")
    (scratch.sources / "file").write_bytes(b"x")
    scratch.close()
    assert not (tmp_path / "w").exists()
    again = Scratch.open(tmp_path, "w")
    assert again.worker == "w"
    again.close()


def test_base_folder_is_made(tmp_path: Path) -> None:
    scratch = Scratch.open(tmp_path / "a" / "b", "w")
    assert scratch.sources.is_dir()
    assert (tmp_path / "a" / "b" / "w").stat().st_mode & 0o777 == 0o700
    scratch.close()


def test_another_process_gets_another_name_and_a_dead_ones_leftovers_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "w"
        second = Scratch.open(tmp_path, "w")
        third = Scratch.open(tmp_path, "w")
        try:
            assert (second.worker, third.worker) == ("w-2", "w-3")
            assert (tmp_path / "w" / "sources" / "leftover").exists(), "the living one is left alone"
        finally:
            third.close()
            other.kill()
            other.wait()
        assert (tmp_path / "w" / "sources" / "leftover").exists()
        first = Scratch.open(tmp_path, "w")
        assert first.worker == "w"
        assert not (tmp_path / "w" / "sources").exists()
        first.close()
        second.close()


async def test_folder_is_removed_beside_the_event_loop_and_to_the_end_though_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removing, go_on = asyncio.Event(), threading.Event()
    loop, rmtree = asyncio.get_running_loop(), shutil.rmtree

    def slow_rmtree(path: Path, *, ignore_errors: bool) -> None:
        loop.call_soon_threadsafe(removing.set)
        assert go_on.wait(5)
        rmtree(path, ignore_errors=ignore_errors)

    scratch = Scratch.open(tmp_path, "w")
    monkeypatch.setattr(scratch_module.shutil, "rmtree", slow_rmtree)
    found: list[Path] = []

    async def use() -> None:
        async with scratch.folder() as folder:
            found.append(folder)
            await asyncio.Event().wait()

    using = asyncio.create_task(use())
    await eventually(lambda: found)
    using.cancel()
    await asyncio.wait_for(removing.wait(), 5)
    for _ in range(2):
        using.cancel()
        await let_others_run()
        assert not using.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert not found[0].exists()
    scratch.close()


def test_what_dead_workers_of_other_names_left_is_removed_and_the_living_are_left_alone(tmp_path: Path) -> None:
    """The name of a container is its id: it never comes back."""
    living = Scratch.open(tmp_path, "c0ffee")
    (living.sources / "file").write_bytes(b"x")
    dead = Scratch.open(tmp_path, "decade")
    (dead.sources / "file").write_bytes(b"x")
    os.close(dead._lock)  # as the kernel does when the process dies
    (tmp_path / "~half-0000").mkdir()  # as a worker that died while removing leaves it
    new = Scratch.open(tmp_path, "facade")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c0ffee", "c0ffee.lock", "facade", "facade.lock"]
    assert (living.sources / "file").exists()
    living.close()
    new.close()


def test_lock_file_that_was_removed_meanwhile_holds_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had it open already when a sweeper removed it would share the name with the next one."""
    flock = scratch_module.fcntl.flock
    swept: list[int] = []

    def swept_first(lock: int, operation: int) -> None:
        if not swept:
            swept.append(lock)
            (tmp_path / "w.lock").unlink()
        flock(lock, operation)

    monkeypatch.setattr(scratch_module.fcntl, "flock", swept_first)
    scratch = Scratch.open(tmp_path, "w")
    assert scratch.worker == "w"
    assert os.path.samestat(os.fstat(scratch._lock), (tmp_path / "w.lock").stat())
    scratch.close()
