"""An adaptive streaming node on the wire: golden, through the official SDK, and without its key."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

from tencentcloud.mps.v20190612 import models

from shared.model.pipeline import Node
from shared.model.run import Run, new_run
from shared.model.task import NodeResult, OutputTarget
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.media import AdaptiveDynamicStreamingInfoItem
from shared.mps.render import task_event
from shared.mps.storage import TaskOutputStorage
from tests.unit.notifier.builders import KEY, RUN_ID, SOURCE, START, Story

GOLDEN = Path(__file__).parent / "golden" / "adaptive.json"
SECRET = "00112233445566778899aabbccddeeff"
PARAMS = {
    "Definition": 12,
    "DrmInfo": {"Type": "simpleaes", "SimpleAesDrm": {"Uri": "https://keys.example/film", "Key": SECRET}},
}


def story() -> Story:
    """input -> adaptive streaming -> output."""
    nodes = (
        Node(kind="input", successors=(1,)),
        Node(kind="adaptive_streaming", params=PARAMS, successors=(2,)),
        Node(kind="output"),
    )
    run = new_run(
        run_id=RUN_ID,
        tenant="1250000000",
        pipeline_id="7",
        pipeline_name="demo",
        definition=1,
        nodes=nodes,
        source=SOURCE,
        target=OutputTarget(bucket="media-out-1250000000", region="ap-guangzhou", dir="/out/"),
        now=START,
    )
    return Story(run).started().succeeded(0, 1)


def finished() -> Run:
    params = AdaptiveDynamicStreamingTaskInput.model_validate(PARAMS)
    storage = TaskOutputStorage.cos("media-out-1250000000", "ap-guangzhou")
    stem = "clip_adaptiveDynamicStreaming_12"
    item = AdaptiveDynamicStreamingInfoItem(definition=12, package="HLS", path=f"/out/{stem}.m3u8", storage=storage)
    echo = params.echo(
        storage,
        f"/out/{stem}.m3u8",
        f"{stem}_{{subStreamNumber}}.{{format}}",
        f"{stem}_{{subStreamNumber}}_{{segmentNumber}}.{{format}}",
    )
    return story().succeeded(1, result=NodeResult(echo=echo, payload=item.to_wire())).finished().run


def test_the_event_is_golden_and_the_sdk_loses_nothing() -> None:
    run = finished()
    event = task_event(run, up_to=run.sequence, notify_key=KEY, now=START)
    text = json.dumps(event, ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("REELWAY_WRITE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    item = event["ScheduleTaskEvent"]["ActivityResultSet"][0]
    assert item["ActivityType"] == "AdaptiveDynamicStreaming"
    result = item["ActivityResItem"]["AdaptiveDynamicStreamingTask"]
    parsed = models.MediaProcessTaskAdaptiveDynamicStreamingResult()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed._deserialize(result)
    assert (parsed.Output.Package, parsed.Output.Path) == ("HLS", "/out/clip_adaptiveDynamicStreaming_12.m3u8")
    assert parsed.Input.DrmInfo.SimpleAesDrm.Uri == "https://keys.example/film"


def test_no_event_shows_the_key() -> None:
    run = finished()
    for up_to in range(1, run.sequence + 1):
        text = json.dumps(task_event(run, up_to=up_to, notify_key=KEY, now=START))
        assert SECRET not in text
    assert "******" in json.dumps(task_event(story().run, up_to=story().run.sequence, notify_key=KEY, now=START))
