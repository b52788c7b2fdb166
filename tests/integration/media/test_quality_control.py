"""The quality-control node on clips with faults at known times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.quality_control import QualityControl
from shared.model.failure import ErrCode, InvalidInput, SourceFileError
from shared.mps.presets import QUALITY_CONTROL
from tests.integration.media.conftest import BUNNY, FAST, make
from tests.integration.media.context import FakeContext, task_for

PICTURE = {
    "SolidColorScreen": (2.0, 4.0),
    "VideoDuplicatedFrame": (6.0, 9.0),
    "Blur": (11.0, 13.0),
    "Mosaic": (15.0, 17.0),
    "HighLighting": (19.0, 21.0),
    "LowLighting": (22.0, 24.0),
    "BlackWhiteEdge": (25.0, 27.0),
}
SOUND = {
    "NoVoice": (3.0, 5.0),
    "LowVoice": (7.0, 11.0),
    "HighVoice": (13.0, 15.0),
    "AudioOutOfPhase": (18.0, 20.0),
}
LENGTH_S = 28


def during(item: str) -> str:
    start, end = {**PICTURE, **SOUND}[item]
    return f"between(t,{start},{end - 0.01})"


def faulty(path: Path) -> None:
    """One clip with every fault in its own place."""
    frozen_from, frozen_to = PICTURE["VideoDuplicatedFrame"]
    pictures = [
        "scale=320:180",
        f"drawbox=color=black:t=fill:enable='{during('SolidColorScreen')}'",
        f"gblur=sigma=4:enable='{during('Blur')}'",
        f"pixelize=w=8:h=8:enable='{during('Mosaic')}'",
        f"eq=brightness=0.5:enable='{during('HighLighting')}'",
        f"eq=brightness=-0.5:enable='{during('LowLighting')}'",
        f"drawbox=h=20:color=black:t=fill:enable='{during('BlackWhiteEdge')}'",
        f"drawbox=y=160:h=20:color=black:t=fill:enable='{during('BlackWhiteEdge')}'",
        f"select='not(between(t,{frozen_from + 0.02},{frozen_to - 0.02}))'",
        "fps=25",
    ]
    sounds = [
        f"volume='if({during('NoVoice')},0,if({during('LowVoice')},0.02,if({during('HighVoice')},40,1)))':eval=frame",
        "asoftclip=type=hard",
        f"aeval='val(0)|val(0)*if({during('AudioOutOfPhase')},-1,1)':c=stereo",
        "aformat=channel_layouts=stereo",
    ]
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={LENGTH_S}"]
    loop = ["-stream_loop", "5", "-t", str(LENGTH_S), "-i", str(BUNNY)]
    filters = ["-vf", ",".join(pictures), "-af", ",".join(sounds)]
    make(*loop, *tone, "-map", "0:v", "-map", "1:a", *filters, *FAST, "-crf", "18", "-b:a", "128k", str(path))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    faulty(folder / "faulty.mp4")
    small = ["-i", str(BUNNY), "-vf", "scale=320:180", *FAST]
    make(*small, "-crf", "20", "-ac", "2", str(folder / "clean.mp4"))
    soft = ["-i", str(BUNNY), "-vf", "scale=320:180,gblur=sigma=4", *FAST]
    make(*soft, "-an", "-crf", "40", str(folder / "poor.mp4"))
    make("-i", str(folder / "clean.mp4"), "-t", "3", "-c:v", "mpeg2video", "-an", str(folder / "first.ts"))
    black = ["-f", "lavfi", "-i", "color=black:size=160x120:rate=25:duration=3"]
    make(*black, "-c:v", "mpeg2video", "-output_ts_offset", "3", str(folder / "second.ts"))
    joined = b"".join((folder / name).read_bytes() for name in ("first.ts", "second.ts"))
    (folder / "resized.ts").write_bytes(joined)
    return folder


async def examine(source: Path, scratch: Path, definition: int = 10, **more: Any) -> dict[str, Any]:
    context = FakeContext(task_for("quality_control", {"Definition": definition}, **more), scratch, source)
    outcome = await QualityControl(media_tools()).execute(context)
    assert outcome.files == ()
    assert outcome.media is None, "the next node reads what this one read"
    assert outcome.echo == {"Definition": definition, "ChannelExtPara": ""}
    assert context.progress == sorted(context.progress)
    payload: dict[str, Any] = outcome.payload
    return payload


def found(payload: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    return {
        each["Type"]: [(item["StartTimeOffset"], item["EndTimeOffset"]) for item in each["QualityControlItems"]]
        for each in payload["QualityControlResultSet"]
    }


def diagnosed(payload: dict[str, Any]) -> dict[str, list[float]]:
    return {each["Type"]: each["TimestampSet"] for each in payload["ContainerDiagnoseResultSet"]}


async def test_every_planted_fault_is_found_where_it_is_and_nothing_else(films: Path, tmp_path: Path) -> None:
    payload = await examine(films / "faulty.mp4", tmp_path)
    assert payload["NoAudio"] is payload["NoVideo"] is False
    segments = found(payload)
    assert segments.keys() == PICTURE.keys() | SOUND.keys()
    for item, planted in {**PICTURE, **SOUND}.items():
        assert segments[item] == [pytest.approx(planted, abs=0.5)], item
    for each in payload["QualityControlResultSet"]:
        for item in each["QualityControlItems"]:
            assert 50 <= item["Confidence"] <= 100
    areas = {
        each["Type"]: each["QualityControlItems"][0]["AreaCoordSet"] for each in payload["QualityControlResultSet"]
    }
    assert areas["BlackWhiteEdge"] == pytest.approx([0, 20, 320, 160], abs=2)
    assert areas["Blur"] == areas["Mosaic"] == [0, 0, 320, 180]
    assert areas["NoVoice"] == []
    diagnosis = diagnosed(payload)
    assert diagnosis["VideoDuplicatedFrame"] == pytest.approx([6], abs=0.5)
    assert diagnosis["AudioOutOfPhase"] == pytest.approx([18], abs=0.5)


async def test_a_clean_clip_has_no_faults_and_a_better_score(films: Path, tmp_path: Path) -> None:
    payload = await examine(films / "clean.mp4", tmp_path)
    assert payload["QualityControlResultSet"] == payload["ContainerDiagnoseResultSet"] == []
    assert payload["QualityEvaluationScore"] > 70
    folder = tmp_path / "poor"
    folder.mkdir()
    poor = await examine(films / "poor.mp4", folder, 30)
    assert poor["QualityEvaluationScore"] < 50
    assert poor["QualityEvaluationMeanOpinionScore"] < payload["QualityEvaluationMeanOpinionScore"] - 1
    assert list(found(poor)) == ["LowEvaluation"]
    assert poor["NoAudio"] is True


async def test_the_original_clip_is_clean(tmp_path: Path) -> None:
    payload = await examine(BUNNY, tmp_path)
    assert payload["QualityControlResultSet"] == payload["ContainerDiagnoseResultSet"] == []


async def test_measures_survive_a_picture_that_changes_its_size(films: Path, tmp_path: Path) -> None:
    payload = await examine(films / "resized.ts", tmp_path, 40)
    assert found(payload)["SolidColorScreen"] == [pytest.approx((3, 6), abs=0.5)]


@pytest.mark.parametrize(
    ("name", "arguments", "item", "at"),
    [
        ("jump.mkv", ["-c", "copy", "-bsf:v", "setts=ts=TS+if(gte(N\\,50)\\,3/TB\\,0)"], "PtsJitter", [5]),
        ("hole.mkv", ["-c:v", "libx264", "-bf", "0", "-bsf:v", "noise=drop=eq(n\\,50)"], "VideoDroppingFrames", [2.04]),
        ("damaged.mkv", ["-c", "copy", "-bsf:v", "noise=amount=500"], "VideoDecodeFailed", []),
        ("hev1.mp4", ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"], None, []),
        ("timecode.mov", ["-c", "copy", "-timecode", "00:00:00:00"], "TimecodeTrackExist", []),
        ("anamorphic.mp4", ["-c:v", "libx264", "-preset", "ultrafast", "-vf", "setsar=9/1"], "DarOrSarInvalid", []),
    ],
)
async def test_faults_of_the_container_are_diagnosed(
    films: Path, tmp_path: Path, name: str, arguments: list[str], item: str | None, at: list[float]
) -> None:
    path = tmp_path / name
    make("-i", str(films / "clean.mp4"), "-map", "0:v", "-t", "4", *arguments, str(path))
    diagnosis = diagnosed(await examine(path, tmp_path, 20))
    expected = item or "Mp4InvalidCodecFourcc"
    assert expected in diagnosis
    assert diagnosis[expected] == pytest.approx(at, abs=0.1)
    assert "AudioStreamLack" in diagnosis


async def test_rotation_and_sound_alone(clips: Path, tmp_path: Path) -> None:
    assert "VideoRotation" in diagnosed(await examine(clips / "rotated.mp4", tmp_path, 20))
    folder = tmp_path / "sound"
    folder.mkdir()
    payload = await examine(clips / "sound.m4a", folder)
    assert payload["NoVideo"] is True
    assert "VideoStreamLack" in diagnosed(payload)
    assert "QualityEvaluationScore" not in payload


async def test_a_file_that_breaks_off_is_reported_and_not_refused(clips: Path, tmp_path: Path) -> None:
    payload = await examine(clips / "cut.mp4", tmp_path, 20)
    assert diagnosed(payload).keys() & {"StreamParseFailed", "VideoDecodeFailed"}
    folder = tmp_path / "text"
    folder.mkdir()
    with pytest.raises(SourceFileError):
        await examine(clips / "text.mp4", folder)


async def test_own_templates_set_threshold_and_duration(films: Path, tmp_path: Path) -> None:
    def own(**config: Any) -> dict[str, Any]:
        return {"quality_control:30001": {"QualityControlItemSet": [{"Type": "Blur", **config}]}}

    longer = own(Duration=3000)
    assert found(await examine(films / "faulty.mp4", tmp_path, 30001, templates=longer)) == {}
    for number, (threshold, count) in enumerate((("3", 1), ("90", 0))):
        folder = tmp_path / str(number)
        folder.mkdir()
        templates = own(Threshold=threshold, IntervalTime=500)
        blurred = found(await examine(films / "faulty.mp4", folder, 30001, templates=templates))
        assert len(blurred) == count
    folder = tmp_path / "unknown"
    folder.mkdir()
    with pytest.raises(InvalidInput) as refused:
        await examine(films / "clean.mp4", folder, 30002)
    assert refused.value.failure.code is ErrCode.DEFINITION_NOT_EXIST


def test_the_presets_differ() -> None:
    assert {number: len(template.items) for number, template in QUALITY_CONTROL.items()}.keys() == {10, 20, 30, 40}
    assert list(QUALITY_CONTROL[30].items) == ["LowEvaluation"]
    assert "Blur" in QUALITY_CONTROL[40].items
    assert "Blur" not in QUALITY_CONTROL[20].items
