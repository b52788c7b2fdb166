"""Every limit of a media process stops it, and says which one it was."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from services.workers.media import ffmpeg, process
from services.workers.media.ffmpeg import MediaTools, media_tools
from services.workers.media.isolation import announce_isolation
from services.workers.media.probe import probe
from services.workers.media.process import (
    PROBE_LIMITS,
    CpuExceeded,
    Ended,
    Limits,
    OutputTooLarge,
    ProcessTimeout,
    run,
)
from shared.model.failure import ErrCode, InternalError, SourceFileError
from tests.integration.media.conftest import BUNNY

MB = 1024**2


async def child(code: str, folder: Path, limits: Limits) -> tuple[Ended, list[str]]:
    """Runs Python code with limits."""
    lines: list[str] = []

    def keep(line: str) -> bool:
        lines.append(line)
        return True

    return await run([sys.executable, "-I", "-S", "-c", code], folder, keep, limits), lines


async def test_memory(tmp_path: Path) -> None:
    greedy = "kept = bytearray(3 * 1024**3)"
    ended, _ = await child(greedy, tmp_path, Limits(address_space_bytes=2 * 1024**3))
    assert ended.returncode == 1
    assert "MemoryError" in ended.errors


async def test_memory_of_ffmpeg_is_our_side_and_may_be_tried_again(tmp_path: Path) -> None:
    tools = MediaTools(media_tools().ffmpeg, Limits(address_space_bytes=700 * MB))
    large = ["-f", "lavfi", "-i", "color=size=8000x8000:rate=1:duration=40", "-vf", "negate,reverse", "-f", "null", "-"]
    with pytest.raises(InternalError, match=r"memory|signal"):
        await ffmpeg.call(tools, large, tmp_path)


async def test_processor_time(tmp_path: Path) -> None:
    with pytest.raises(CpuExceeded, match="used 1 s of processor time") as stopped:
        await child("while True: pass", tmp_path, Limits(cpu_s=1))
    assert stopped.value.failure.retryable


async def test_a_source_that_takes_too_much_processor_time_to_probe_is_the_sources_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = tmp_path / "busy.py"
    busy.write_text("while True: pass")
    monkeypatch.setattr("services.workers.media.probe.CHILD", busy)
    monkeypatch.setattr("services.workers.media.probe.PROBE_LIMITS", replace(PROBE_LIMITS, cpu_s=1))
    with pytest.raises(SourceFileError, match="takes too long to read"):
        await probe(BUNNY)


async def test_size_of_one_file(tmp_path: Path) -> None:
    writes = (
        # Python ignores the signal, which most programs do not.
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "file = open('out', 'wb', buffering=0)\nfor _ in range(10): file.write(bytes(1024 * 1024))"
    )
    with pytest.raises(OutputTooLarge, match=r"larger than the 0\.00391 GiB") as stopped:
        await child(writes, tmp_path, Limits(output_bytes=4 * MB))
    assert stopped.value.failure.code is ErrCode.RESULT_TOO_LARGE
    assert not stopped.value.failure.retryable
    assert (tmp_path / "out").stat().st_size == 4 * MB


async def test_size_of_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WATCH_S", 0.1)
    writes = (
        "import os, time\nos.mkdir('deep')\n"
        "for number in range(100):\n"
        "    open(f'deep/{number}', 'wb').write(bytes(1024 * 1024))\n"
        "    time.sleep(0.05)"
    )
    with pytest.raises(OutputTooLarge):
        await child(writes, tmp_path, Limits(output_bytes=4 * MB))
    assert len(list((tmp_path / "deep").iterdir())) < 100


async def test_size_of_what_ffmpeg_writes(tmp_path: Path) -> None:
    tools = MediaTools(media_tools().ffmpeg, Limits(output_bytes=MB))
    noise = ["-f", "lavfi", "-i", "testsrc2=size=320x180:duration=60", "-c:v", "rawvideo", "file:out.avi"]
    with pytest.raises(OutputTooLarge):
        await ffmpeg.call(tools, noise, tmp_path)


async def test_the_probe_can_write_nothing(tmp_path: Path) -> None:
    ended, _ = await child("with open('out', 'w') as file: file.write('x')", tmp_path, PROBE_LIMITS)
    assert "File too large" in ended.errors
    assert (tmp_path / "out").read_bytes() == b""


async def test_time_and_standing_still(tmp_path: Path) -> None:
    with pytest.raises(ProcessTimeout, match=r"ran for 0\.5 s"):
        await child("import time\nwhile True: print(1, flush=True); time.sleep(0.01)", tmp_path, Limits(wall_s=0.5))
    with pytest.raises(ProcessTimeout, match=r"no progress for 0\.5 s"):
        await child("import time; time.sleep(60)", tmp_path, Limits(stall_s=0.5))


async def test_no_network(tmp_path: Path) -> None:
    """As root on a kernel that allows it; elsewhere white lists have to do, and the log says so."""
    with structlog.testing.capture_logs() as logs:
        isolated = announce_isolation()
    assert [entry["event"].split(":")[0] for entry in logs] == [
        "media processes have no network"
        if isolated
        else "media processes are kept from the network by white lists alone"
    ]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)\nprint('connected')"
        _, lines = await child(connect, tmp_path, Limits(isolated=False))
        assert lines == ["connected"], "the test would see a connection"
        if not isolated:
            pytest.skip("the kernel gives us no network namespace")
        ended, lines = await child(connect, tmp_path, Limits())
        assert lines == []
        assert "unreachable" in ended.errors


async def test_a_child_gains_no_privileges(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("Linux only")
    _, lines = await child("print(open('/proc/self/status').read())", tmp_path, Limits())
    assert "NoNewPrivs:\t1" in lines or "NoNewPrivs: 1" in " ".join(lines).replace("\t", " ")


async def test_who_listens_can_end_it(tmp_path: Path) -> None:
    def enough(line: str) -> bool:
        raise SourceFileError(f"heard {line}")

    with pytest.raises(SourceFileError, match="heard 1"):
        await run(
            [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"], tmp_path, enough, Limits()
        )
