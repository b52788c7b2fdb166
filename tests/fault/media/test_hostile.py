"""Hostile files fail cleanly or work, soon and with little, and read and reach nothing.

The white lists alone are tried: here no process has a network namespace of its own.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from services.workers.media import ffmpeg
from services.workers.media.ffmpeg import MediaTools, media_tools
from services.workers.media.process import PROBE_LIMITS, Limits
from services.workers.nodes import registry
from services.workers.nodes.base import NodeKind, NodeOutcome
from shared.model.failure import InternalError, InvalidInput, NodeError, SourceFileError
from shared.model.kinds import known_kinds
from tests.eventually import eventually
from tests.fault.media.bombs import BOMBS
from tests.fault.media.conftest import CANARY
from tests.fault.media.kinds import ASKED
from tests.fault.media.references import IGNORED, REFERENCES, Lures
from tests.fault.media.watching import Listener, Touches, Usage
from tests.integration.media.conftest import FFMPEG
from tests.integration.media.context import FakeContext, task_for

LITTLE_CPU_S = 30
"""Of one node with one file: processor time, because the machine may have more to do."""
LITTLE_BYTES = 3.5 * 1024**3
HONEST_LIMITS = Limits(isolated=False, wall_s=120, output_bytes=1024**3)


@pytest.fixture(scope="module")
def kinds() -> dict[str, NodeKind]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "media_tools", lambda *_: media_tools(threads=1))
        patch.setattr(registry, "Limits", lambda **_: HONEST_LIMITS)
        return registry.node_kinds()


@pytest.fixture(autouse=True)
def _white_lists_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.workers.media.probe.PROBE_LIMITS", replace(PROBE_LIMITS, isolated=False))


def made(name: str, lures: Lures, folder: Path) -> Path:
    path = folder / name
    path.write_bytes((REFERENCES | BOMBS)[name](lures))  # type: ignore[operator]
    assert path.stat().st_size < 8 * 1024**2, "a bomb is small"
    return path


def check_message(error: NodeError) -> None:
    """One line that says what is wrong, in words, without addresses or paths of this machine."""
    message = error.failure.message
    assert 10 < len(message) < 400
    assert re.fullmatch(r"[^\n\r\x00]+", message)
    assert " " in message
    assert not re.search(r"0x[0-9a-f]{6}|/tmp/|Traceback", message), message


def check_untouched(touches: Touches, listener: Listener) -> None:
    assert not touches.seen(), "the canary was opened"
    assert listener.count == 0, "somebody connected"


async def attempt(kind: NodeKind, params: dict[str, object], path: Path, scratch: Path) -> NodeOutcome | NodeError:
    """Runs a node on a file; checks that it ends soon and uses little."""
    scratch.mkdir()
    result: NodeOutcome | NodeError
    with Usage() as used:
        try:
            result = await kind.execute(FakeContext(task_for(kind.name, dict(params)), scratch, path))
        except NodeError as error:
            result = error
    assert used.cpu_s < LITTLE_CPU_S
    assert used.peak_bytes < LITTLE_BYTES
    if isinstance(result, NodeError):
        check_message(result)
        assert not isinstance(result, InternalError), f"not the source's fault: {result}"
    else:
        for file in result.files:
            assert CANARY not in file.path.read_bytes()
    return result


@pytest.mark.parametrize("name", REFERENCES)
async def test_references_are_not_followed(
    name: str, kinds: dict[str, NodeKind], lures: Lures, touches: Touches, listener: Listener, tmp_path: Path
) -> None:
    path = made(name, lures, tmp_path)
    seen = await attempt(kinds["probe"], {}, path, tmp_path / "probe")
    assert isinstance(seen, SourceFileError) is (name not in IGNORED)
    # As if the probe had been deceived.
    tools = MediaTools(media_tools().ffmpeg, HONEST_LIMITS)
    with contextlib.suppress(SourceFileError, InvalidInput) if name in IGNORED else pytest.raises(SourceFileError):
        await ffmpeg.call(tools, [*ffmpeg.source(path), "-f", "null", "-"], tmp_path)
    check_untouched(touches, listener)


@pytest.mark.parametrize("name", BOMBS)
async def test_bombs_do_not_hurt_the_probe(name: str, kinds: dict[str, NodeKind], lures: Lures, tmp_path: Path) -> None:
    path = made(name, lures, tmp_path)
    seen = await attempt(kinds["probe"], {}, path, tmp_path / "probe")
    assert isinstance(seen, SourceFileError | NodeOutcome)


IN_SHORT_FORM = ("text.png", "frames.gif", "delta.mp4")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in IN_SHORT_FORM else pytest.mark.long)
        for name in (*sorted(IGNORED), *BOMBS)
    ],
)
async def test_hostile_files_in_every_kind_of_node(
    name: str, kinds: dict[str, NodeKind], lures: Lures, touches: Touches, listener: Listener, tmp_path: Path
) -> None:
    path = made(name, lures, tmp_path)
    if isinstance(await attempt(kinds["probe"], {}, path, tmp_path / "first"), SourceFileError):
        return  # every other node begins like that
    for kind in kinds.values():
        for number, params in enumerate(ASKED[kind.name]):
            await attempt(kind, params, path, tmp_path / f"{kind.name}-{number}")
    check_untouched(touches, listener)


def test_every_kind_of_node_is_tried() -> None:
    assert known_kinds() == ASKED.keys()


async def test_the_watch_would_see_a_leak(lures: Lures, touches: Touches, tmp_path: Path) -> None:
    """Without our arguments ffmpeg follows references, and both watches notice."""
    with Listener() as own:
        bait = replace(lures, port=own.port)
        for name, unsafe in (
            ("ffconcat-file.mp4", ["-safe", "0"]),
            ("hls-http.m3u8", ["-protocol_whitelist", "file,http,tcp"]),
        ):
            path = made(name, bait, tmp_path)
            subprocess.run(
                [FFMPEG, "-v", "quiet", "-nostdin", *unsafe, "-i", str(path), "-f", "null", "-"],
                check=False,
                timeout=30,
            )
        await eventually(lambda: own.count > 0, within_s=5)
    assert touches.seen()
