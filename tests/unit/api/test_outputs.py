"""Two activities may not write the same object. The names are those that the workers give."""

from typing import Any

import pytest

from services.api.domain.errors import ApiError
from services.api.domain.outputs import NodeParameters, check_outputs, written_by
from services.workers.media.containers import CONTAINERS, container_format
from services.workers.nodes import sample_snapshot, snapshot_by_time, transcode
from shared.mps.media import MediaAudioStreamItem, MediaMetaData, MediaVideoStreamItem
from shared.mps.naming import OutputNames
from shared.mps.presets import PARAMETERS, TRANSCODE, resolve

BUCKET = "media-1250000000"
VIDEO = {"Codec": "h264", "Fps": 25, "Bitrate": 500}
AUDIO = {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100}
SOURCE = MediaMetaData(
    width=1280,
    height=720,
    duration=10.0,
    video_duration=10.0,
    audio_duration=10.0,
    video_stream_set=[
        MediaVideoStreamItem(width=1280, height=720, codec="h264", fps=25, fps_numerator=25, fps_denominator=1)
    ],
    audio_stream_set=[MediaAudioStreamItem(codec="aac", channel=2, sampling_rate=44100)],
)


def raw(container: str = "mp4", *, segment_type: int | None = None, **more: Any) -> tuple[str, dict[str, Any]]:
    video = VIDEO if segment_type is None else VIDEO | {"SegmentType": segment_type}
    template = {"Container": container, "VideoTemplate": video, "AudioTemplate": AUDIO}
    return "transcode", {"Definition": 0, "RawParameter": template, **more}


def preset(definition: int, **more: Any) -> tuple[str, dict[str, Any]]:
    return "transcode", {"Definition": definition, **more}


def at_times(*times: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "snapshot_by_time", {"Definition": 10, "ExtTimeOffsetSet": list(times), **more}


def sampled(**more: Any) -> tuple[str, dict[str, Any]]:
    return "sample_snapshot", {"Definition": 10, **more}


def path(template: str) -> dict[str, Any]:
    return {"OutputObjectPath": template}


def numbers(first: int, step: int = 1) -> dict[str, Any]:
    return {"ObjectNumberFormat": {"InitialValue": first, "Increment": step}}


def in_bucket(bucket: str) -> dict[str, Any]:
    return {"OutputStorage": {"Type": "COS", "CosOutputStorage": {"Bucket": bucket, "Region": "ap-guangzhou"}}}


def params_of(node: tuple[str, dict[str, Any]]) -> Any:
    return PARAMETERS[node[0]].model_validate(node[1])


def check(*nodes: tuple[str, dict[str, Any]], directory: str | None = "/out/") -> None:
    found = [
        NodeParameters(index, f"Activities[{index}].ActivityPara.X", params_of(node))
        for index, node in enumerate(nodes, 1)
    ]
    check_outputs(found, BUCKET, directory)


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (raw(), raw(), "/out/{inputName}_transcode_0.mp4"),
        (raw(), raw(StartTimeOffset=5), "/out/{inputName}_transcode_0.mp4"),
        (raw(), raw(**path("{inputName}_transcode_{definition}.{format}")), "/out/{inputName}_transcode_0.mp4"),
        (raw(), raw(**path("/out/{inputName}_transcode_0.{format}")), "/out/{inputName}_transcode_0.mp4"),
        (raw(), raw(**in_bucket(BUCKET)), "/out/{inputName}_transcode_0.mp4"),
        (raw(**path("a.{format}")), preset(100010, **path("a.{format}")), "/out/a.mp4"),
        (preset(100010), preset(100010), "/out/{inputName}_transcode_100010.mp4"),
        (preset(100210), preset(100210), "/out/{inputName}_transcode_100210.m3u8"),
        (
            preset(100210, SegmentObjectName="s_{number}.{format}"),
            preset(100220, SegmentObjectName="s_{segmentNumber}.{format}", **numbers(7)),
            "/out/s_{number}.ts",
        ),
        (
            preset(100210, **path("a/{inputName}.{format}")),
            preset(100220, SegmentObjectName="a/{inputName}_{number}.{format}"),
            "/out/a/{inputName}_{number}.ts",
        ),
        (
            raw("hls", segment_type=7),
            raw(**path("{inputName}_transcode_0_init.{format}")),
            "/out/{inputName}_transcode_0_init.mp4",
        ),
        (at_times("1s"), at_times("2s"), "/out/{inputName}_snapshotByTimeOffset_10_0.jpg"),
        (
            at_times("1s", "2s", "3s"),
            at_times("4s", **numbers(2)),
            "/out/{inputName}_snapshotByTimeOffset_10_2.jpg",
        ),
        (at_times("1s", **path("x.{format}")), sampled(**path("{number}.{format}")), None),
        (at_times("1s", **path("3.{format}")), sampled(**path("{number}.{format}")), "/out/3.jpg"),
        (sampled(), sampled(), "/out/{inputName}_sampleSnapshot_10_0.jpg"),
        (sampled(), sampled(**numbers(9)), "/out/{inputName}_sampleSnapshot_10_9.jpg"),
        (raw(), raw("mov"), None),
        (raw(), raw(**path("{inputName}_b.{format}")), None),
        (raw(), raw(**path("/{inputName}_transcode_0.{format}")), None),
        (raw(), raw(**in_bucket("other-1250000000")), None),
        (preset(100010), preset(100020), None),
        (preset(100210), preset(100210, **path("low/{inputName}.{format}")), None),
        (preset(100010), preset(100010, OverrideParameter={"Container": "mov"}), None),
        (at_times("1s", "2s"), at_times("3s", **numbers(2)), None),
        (sampled(**numbers(0, 2)), sampled(**numbers(1, 2)), None),
        (at_times("1s"), sampled(), None),
    ],
)
def test_two_activities_that_write_the_same_object_are_refused(first: Any, second: Any, shown: str | None) -> None:
    if shown is None:
        check(first, second)
        return
    with pytest.raises(ApiError) as caught:
        check(first, second)
    assert caught.value.wire_code == "InvalidParameterValue"
    assert caught.value.message.startswith("Activities[2].ActivityPara.X.")
    assert f"Activities[1] and Activities[2] would both write {shown} in {BUCKET}" in caught.value.message


def test_the_directory_of_the_input_is_the_same_for_all_nodes() -> None:
    check(raw(), raw("mov"), directory=None)
    with pytest.raises(ApiError, match=r"/\{inputDir\}/\{inputName\}_transcode_0\.mp4"):
        check(raw(), raw(), directory=None)


def named(node: tuple[str, dict[str, Any]]) -> list[str]:
    paths = (written.path for written in written_by(params_of(node), "/out/"))
    return [path.replace("{inputName}", "clip").replace("{inputFormat}", "mov") for path in paths]


def worker_names(definition: int, params: Any) -> OutputNames:
    return OutputNames("in/clip.mov", definition, "/out/", params.numbers)


@pytest.mark.parametrize(
    "node",
    [
        raw(),
        raw("mov", **path("/a/{inputName}_{inputFormat}_{definition}.{format}")),
        raw("hls"),
        raw("hls", segment_type=7),
        raw("hls", **path("a/{inputName}.{format}")),
        raw("hls", SegmentObjectName="seg/{number}.{format}"),
        *(preset(definition) for definition in TRANSCODE),
    ],
)
def test_names_of_transcodes_are_those_of_the_worker(node: Any) -> None:
    params = params_of(node)
    names = worker_names(params.definition, params)
    work = transcode.plan(params, resolve(params), SOURCE, names)
    found = named(node)
    assert found[0] == f"/{work.key}"
    if work.segment_template is None:
        assert found[1:] == []
    else:
        segment = names.sibling("SegmentObjectName", work.segment_template, work.segment_extension, 4)
        folder = work.key.rpartition("/")[0]
        assert found[1].replace("\x00", "4") == f"/{folder}/{segment}"


@pytest.mark.parametrize("container", sorted(CONTAINERS))
def test_extensions_are_those_of_the_worker(container: str) -> None:
    template = TRANSCODE[100010].model_copy(update={"container": container})
    assert template.extension == container_format(container, 0).extension


@pytest.mark.parametrize(
    ("node", "plan"),
    [
        (at_times("1s", "50%"), snapshot_by_time.plan),
        (at_times("1s", **path("x.{format}")), snapshot_by_time.plan),
        (
            at_times("1s", "2s", OutputObjectPath="/p/{segmentNumber}.{format}", **numbers(5, 5)),
            snapshot_by_time.plan,
        ),
        (sampled(), sample_snapshot.plan),
        (sampled(OutputObjectPath="{number}/{inputName}.{format}", **numbers(1)), sample_snapshot.plan),
    ],
)
def test_names_of_pictures_are_those_of_the_worker(node: Any, plan: Any) -> None:
    params = params_of(node)
    work = plan(params, SOURCE, worker_names(params.definition, params))
    assert named(node) == [f"/{key}" for key in work.keys]
