"""Each case through the node, its output measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.media.probe import probe
from services.workers.nodes.base import NodeOutcome
from services.workers.nodes.transcode import Transcode
from tests.integration.media.cases import sources
from tests.integration.media.cases.case import Case, Expect, Wire, rows
from tests.integration.media.cases.measured import Measured, Track, measure
from tests.integration.media.cases.tables import ALL
from tests.integration.media.context import FakeContext, task_for

Sources = Callable[[str], Path]
SHARE = 0.15
"""Of a bit rate that was asked for."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return sources.make(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="session")
def known() -> dict[str, Wire]:
    """Metadata of the sources, as the input node gives it to the others."""
    return {}


@pytest.mark.parametrize("case", rows(ALL))
async def test_output_is_what_was_asked_for(case: Case, made: Sources, known: dict[str, Wire], tmp_path: Path) -> None:
    path = made(case.source)
    if case.source not in known:
        known[case.source] = (await probe(path)).to_wire()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    context = FakeContext(task_for("transcode", case.params, metadata=known[case.source]), scratch, path)
    outcome = await Transcode(media_tools(threads=1)).execute(context)
    main = _in_bucket(outcome, tmp_path / "bucket")
    found = measure(main)
    _check(found, case.expect)
    _check_told(found, outcome)
    if case.expect.segments:
        assert _segments(main) == pytest.approx(case.expect.segments, abs=0.1)


def test_there_are_enough_cases_and_no_two_of_a_name() -> None:
    assert len(ALL) >= 120
    assert max(Counter(case.name for case in ALL).values()) == 1


def _in_bucket(outcome: NodeOutcome, bucket: Path) -> Path:
    """The main output, with the others beside it where a player would find them."""
    for file in outcome.files:
        target = bucket / file.key
        target.parent.mkdir(parents=True, exist_ok=True)
        file.path.rename(target)
    return bucket / outcome.files[-1].key


def _segments(playlist: Path) -> list[float]:
    """Seconds that a playlist says of each."""
    lines = playlist.read_text().splitlines()
    return [float(line.removeprefix("#EXTINF:").rstrip(",")) for line in lines if line.startswith("#EXTINF:")]


def _check(found: Measured, expect: Expect) -> None:
    """One assertion for each thing that was asked for."""
    assert (found.video and found.video.codec) == expect.video
    assert (found.audio and found.audio.codec) == expect.audio
    if expect.container:
        assert expect.container in found.container.split(",")
    for track in (found.video, found.audio):
        if track and expect.seconds is not None:
            assert track.seconds == pytest.approx(expect.seconds, abs=0.1)
    if found.video:
        assert found.rotation == 0
        assert found.frames == len(found.video.times), "every packet is a frame that can be decoded"
        _check_picture(found, found.video, expect)
    if found.audio:
        _check_sound(found, found.audio, expect)


def _check_picture(found: Measured, track: Track, expect: Expect) -> None:
    for name in ("size", "sar", "pixels", "level", "transfer", "frames"):
        wanted = getattr(expect, name)
        assert wanted is None or (name, getattr(found, name)) == (name, wanted)
    assert expect.profile is None or track.profile == expect.profile
    assert expect.b_frames is None or bool(found.b_frames) == expect.b_frames
    assert expect.fps is None or track.fps == pytest.approx(expect.fps, rel=0.01)
    assert expect.kbps is None or track.kbps == pytest.approx(expect.kbps, rel=SHARE)
    assert expect.kbps_at_most is None or 50 < track.kbps <= expect.kbps_at_most
    assert track.keys[0] == 0
    if expect.gop:
        assert track.gops, "there are several groups to compare"
        assert set(track.gops) == {expect.gop}
        assert len(track.times) - track.keys[-1] <= expect.gop
    if expect.gop_at_most:
        assert max([*track.gops, len(track.times) - track.keys[-1]]) <= expect.gop_at_most
    for moment in expect.keys_at or ():
        assert min(abs(key - track.start_s - moment) for key in track.key_times) < 0.5 / track.fps
    assert all(later > earlier for earlier, later in pairwise(track.times))


def _check_sound(found: Measured, track: Track, expect: Expect) -> None:
    for name in ("channels", "layout", "rate"):
        wanted = getattr(expect, name)
        assert wanted is None or (name, getattr(found, name)) == (name, wanted)
    assert expect.audio_kbps is None or track.kbps == pytest.approx(expect.audio_kbps, rel=SHARE)
    tags = {name.lower(): value for name, value in track.tags.items()}
    assert {name: tags.get(name) for name in expect.tags} == expect.tags
    if found.video:
        # Sound and picture begin together, within what two frames of sound take.
        assert track.start_s == pytest.approx(found.video.start_s, abs=0.05)


def _check_told(found: Measured, outcome: NodeOutcome) -> None:
    """What the result says of the output is so."""
    told = outcome.payload
    assert (told["Width"], told["Height"]) == found.size
    videos, audios = told["VideoStreamSet"], told["AudioStreamSet"]
    assert [stream["Codec"] for stream in videos] == ([found.video.codec] if found.video else [])
    assert len(audios) == found.audio_streams
    if found.audio:
        assert (audios[0]["Codec"], audios[0]["Channel"]) == (found.audio.codec, found.channels)
        assert audios[0]["SamplingRate"] == found.rate
