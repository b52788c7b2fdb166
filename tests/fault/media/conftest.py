"""The lures, and the watch on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.fault.media.references import Lures
from tests.fault.media.watching import Listener, Touches
from tests.integration.media.conftest import FAST, make

CANARY = b"canary-7d1f0c"


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    with Listener() as running:
        yield running


@pytest.fixture(scope="session")
def lures(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Lures:
    """A text and a film that nobody may open, and an honest film with picture and sound, its header at the end."""
    folder = tmp_path_factory.mktemp("lures")
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=1"]
    sound = ["-f", "lavfi", "-i", "sine=duration=1"]
    make(*picture, *sound, *FAST, str(folder / "canary.mp4"))
    make(*picture, *sound, *FAST, str(folder / "honest.mp4"))
    (folder / "canary.txt").write_bytes(CANARY * 100)
    return Lures(folder / "canary.txt", folder / "canary.mp4", listener.port, folder / "honest.mp4")


@pytest.fixture
def touches(lures: Lures) -> Iterator[Touches]:
    if sys.platform != "linux":
        pytest.skip("only Linux tells who opened a file")
    watch = Touches(lures.text, lures.clip)
    yield watch
    watch.close()
