"""The snapshot nodes on real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.base import NodeOutcome
from services.workers.nodes.probe import Probe
from services.workers.nodes.sample_snapshot import SampleSnapshot
from services.workers.nodes.snapshot_by_time import SnapshotByTime
from shared.model.failure import ErrCode, InvalidInput, SourceFileError
from tests.integration.media.conftest import BUNNY
from tests.integration.media.context import FakeContext, task_for


async def by_time(params: dict[str, Any], source: Path, scratch: Path) -> NodeOutcome:
    context = FakeContext(task_for("snapshot_by_time", {"Definition": 10} | params), scratch, source)
    return await SnapshotByTime(media_tools()).execute(context)


def folder_in(parent: Path, name: str) -> Path:
    """Another empty folder."""
    folder = parent / name
    folder.mkdir()
    return folder


async def test_ten_pictures_at_every_tenth(tmp_path: Path) -> None:
    context = FakeContext(task_for("sample_snapshot", {"Definition": 10}), tmp_path, BUNNY)
    outcome = await SampleSnapshot(media_tools()).execute(context)
    assert [file.key for file in outcome.files] == [f"out/clip_sampleSnapshot_10_{n}.jpg" for n in range(10)]
    assert outcome.payload["ImagePathSet"] == ["/" + file.key for file in outcome.files]
    assert (outcome.payload["SampleType"], outcome.payload["Interval"]) == ("Percent", 10)
    assert outcome.echo is not None
    assert outcome.echo["OutputObjectPath"] == "/out/clip_sampleSnapshot_10_{number}.jpg"
    assert outcome.media is None
    pictures = []
    for file in outcome.files:
        with Image.open(file.path) as image:
            assert (image.format, image.size) == ("JPEG", (1280, 720))
            pictures.append(image.tobytes())
    assert len(set(pictures)) == 10
    assert context.progress[-1] == 100


async def test_times_in_seconds_and_per_cent_up_to_the_very_end(clips: Path, tmp_path: Path) -> None:
    params = {
        "ExtTimeOffsetSet": ["0s", "50%", "1.999s", "100%"],
        "OutputObjectPath": "/shots/{inputName}-{number}.{format}",
        "ObjectNumberFormat": {"InitialValue": 5, "Increment": 5, "MinLength": 3},
    }
    outcome = await by_time(params, clips / "plain.mp4", tmp_path)
    keys = [f"shots/clip-{number}.jpg" for number in ("005", "010", "015", "020")]
    assert [file.key for file in outcome.files] == keys
    times = [item["TimeOffset"] for item in outcome.payload["PicInfoSet"]]
    assert times == pytest.approx([0, 1, 1.999, 2.0], abs=0.05)
    assert all(file.path.stat().st_size > 500 for file in outcome.files)


async def test_the_older_spelling_of_times_counts(clips: Path, tmp_path: Path) -> None:
    outcome = await by_time({"TimeOffsetSet": [0, 1.5]}, clips / "plain.mp4", tmp_path)
    assert [item["TimeOffset"] for item in outcome.payload["PicInfoSet"]] == [0, 1.5]


@pytest.mark.parametrize(
    ("name", "size"), [("rotated.mp4", (180, 320)), ("anamorphic.mp4", (640, 180)), ("odd.mkv", (161, 121))]
)
async def test_pictures_are_upright_and_undistorted(
    clips: Path, tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    outcome = await by_time({"ExtTimeOffsetSet": ["0.5s"]}, clips / name, tmp_path)
    with Image.open(outcome.files[0].path) as image:
        assert image.size == size


async def test_a_name_like_a_pattern_reads_no_other_file(clips: Path, tmp_path: Path) -> None:
    named = folder_in(tmp_path, "named")
    (named / "img%d.jpg").write_bytes((clips / "still.jpg").read_bytes())
    Image.new("RGB", (20, 10)).save(named / "img1.jpg")
    outcome = await by_time({"ExtTimeOffsetSet": ["0s"]}, named / "img%d.jpg", tmp_path)
    with Image.open(outcome.files[0].path) as image:
        assert image.size == (161, 121)
    probed = await Probe().execute(
        FakeContext(task_for("probe", {}), folder_in(tmp_path, "probe"), named / "img%d.jpg")
    )
    assert probed.metadata is not None
    assert probed.metadata["Width"] == 161


async def test_a_time_beyond_the_end_is_invalid(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="beyond the end") as refused:
        await by_time({"ExtTimeOffsetSet": ["0s", "60s"]}, clips / "plain.mp4", tmp_path)
    assert refused.value.failure.code is ErrCode.INVALID_TIME_OFFSET


async def test_sound_alone_has_no_pictures(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceFileError) as refused:
        await by_time({"ExtTimeOffsetSet": ["0s"]}, clips / "sound.m4a", tmp_path)
    assert refused.value.failure.code is ErrCode.NO_VIDEO


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
async def test_a_truncated_source_has_no_pictures_behind_the_cut(clips: Path, tmp_path: Path, name: str) -> None:
    before = await by_time({"ExtTimeOffsetSet": ["0.2s"]}, clips / name, tmp_path)
    assert len(before.files) == 1
    again = folder_in(tmp_path, "again")
    with pytest.raises(SourceFileError, match="truncated or damaged") as refused:
        await by_time({"ExtTimeOffsetSet": ["0.2s", "1.8s"]}, clips / name, again)
    assert not refused.value.failure.retryable


async def test_pictures_of_hdr_stills_and_sparse_frames(clips: Path, tmp_path: Path) -> None:
    hdr = await by_time({"ExtTimeOffsetSet": ["0.5s"]}, clips / "hdr.mp4", tmp_path)
    assert len(hdr.files) == 1
    still = await by_time({"ExtTimeOffsetSet": ["0s", "10%"]}, clips / "still.jpg", folder_in(tmp_path, "still"))
    assert len(still.files) == 2
    sparse = await by_time({"ExtTimeOffsetSet": ["0s", "90%"]}, clips / "sparse.mp4", folder_in(tmp_path, "sparse"))
    assert len(sparse.files) == 2
