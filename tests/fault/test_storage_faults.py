"""The object storage answers errors, is slow, breaks connections: runs end right, memory is bounded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Callbacks, transcode, wait_for
from tests.fault.rig import Rig
from tests.fault.s3_proxy import CutAnswer, CutRequest, Fault, LoseAnswer, Plan, Refuse, Request, Slow, no_faults
from tests.fault.work import ENCODE_AND_SNAPSHOTS, OUTPUTS, Work, looped_clip

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

MB = 1_000_000
BIG = 60
"""So many megabytes has the big file: in parts of 8 MiB both ways."""
RSS_BYTES = 200 * MB
"""DESIGN §12: what a process may use while it moves large objects."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    running = Rig(tmp_path_factory.mktemp("storage") / "data", through_proxy=True)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def big_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return looped_clip(tmp_path_factory.mktemp("big"), BIG)


def some(seed: int, share: float, *faults: Fault) -> Plan:
    """One of the faults for this share of the requests; the same for the same seed and order of requests."""
    rng = random.Random(seed)

    def plan(_: Request) -> Fault | None:
        return rng.choice(faults) if rng.random() < share else None

    return plan


def every_answer_to_a_write_once(_: int) -> Plan:
    """The storage does each write, and the first answer of each kind to each object gets lost."""
    lost: set[tuple[str, str]] = set()

    def plan(request: Request) -> Fault | None:
        kind = request.path.partition("?")[0], request.method + request.path.partition("?")[2].partition("=")[0]
        if not request.writes or kind in lost:
            return None
        lost.add(kind)
        return LoseAnswer()

    return plan


ERRORS = (Refuse(500, "InternalError"), Refuse(503, "SlowDown"), Refuse(503, "ServiceUnavailable"))
CUTS = (CutRequest(), CutRequest(300_000), LoseAnswer(), CutAnswer(1), CutAnswer(300_000))
PLANS = {
    "errors": some(1, 0.3, *ERRORS),
    "cut connections": some(2, 0.25, *CUTS),
    "lost answers": every_answer_to_a_write_once(0),
    "slow": some(3, 1.0, Slow(3 * MB)),
    "everything": some(4, 0.3, *ERRORS, *CUTS, Slow(3 * MB)),
}


@pytest.mark.parametrize(
    "name",
    ["errors", pytest.param("cut connections", marks=pytest.mark.long), "lost answers", "slow", "everything"],
)
def test_storage_that_fails_in_the_middle_of_everything(
    rig: Rig, callbacks: Callbacks, big_clip: Path, name: str
) -> None:
    rig.wait_healthy()
    folder = name.replace(" ", "-")
    small = Work(rig, callbacks, f"small-{folder}")
    big = Work(rig, callbacks, f"big-{folder}", (transcode(875),), {"_transcode_875.mp4": 1})
    met = len(rig.proxy.met)
    with rig.peak_rss("workers", "trigger", "scheduler") as peaks:
        rig.proxy.plan = PLANS[name]
        try:
            small.upload(3)
            big.upload(2, big_clip)
            small.wait_ended(within_s=300)
            big.wait_ended(within_s=300)
        finally:
            rig.proxy.plan = no_faults
    small.check()
    big.check()
    assert len(rig.proxy.met) - met > 10, "the storage has hardly failed"
    assert {name: rss for name, rss in peaks.items() if rss > RSS_BYTES} == {}
    # What a failing storage could not be asked to abort is aborted by the next upload, or the next run's.
    wait_for("no unfinished uploads", lambda: not rig.unfinished_uploads(), within_s=30)
    assert {task.attempt for task in (*small.tasks(), *big.tasks())} == {1}, "waiting uses up no attempt"


def test_storage_away_for_20_s(rig: Rig, callbacks: Callbacks) -> None:
    rig.wait_healthy()
    work = Work(rig, callbacks, "away", ENCODE_AND_SNAPSHOTS, OUTPUTS)
    work.upload(4)
    work.wait_held("transcode")
    rig.proxy.plan = some(5, 1.0, Refuse(503, "ServiceUnavailable"))
    refused = len(rig.proxy.met)
    wait_for("refusals", lambda: len(rig.proxy.met) > refused + 5, within_s=40)
    from tests.fault.test_outages import wait_out

    wait_out()
    assert not all(run.state.final for run in work.runs())
    rig.proxy.plan = no_faults
    work.check()
    assert {task.attempt for task in work.tasks()} == {1}
