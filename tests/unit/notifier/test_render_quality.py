"""A quality-control node on the wire: the event of MPS_EVENTS §7.5, golden and through the official SDK."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

from tencentcloud.mps.v20190612 import models

from shared.model.pipeline import Node
from shared.model.run import Run, new_run
from shared.model.task import NodeResult, OutputTarget
from shared.mps.quality_control import (
    AiQualityControlTaskInput,
    ContainerDiagnoseResultItem,
    QualityControlData,
    QualityControlItem,
    QualityControlResult,
)
from shared.mps.render import task_event
from tests.unit.notifier.builders import KEY, RUN_ID, SOURCE, START, Story

GOLDEN = Path(__file__).parent / "golden" / "quality.json"
RULES = {
    "Rules": [
        {
            "Id": "r1",
            "Linker": "&&",
            "Conditions": [{"Key": "QualityEvaluationScore", "Value": ">=60"}],
            "RearDriveIndexs": [3],
        }
    ]
}
FOUND = QualityControlData(
    no_audio=False,
    no_video=False,
    quality_evaluation_score=71,
    quality_evaluation_mean_opinion_score=3.9,
    quality_control_result_set=[
        QualityControlResult(
            type="Blur",
            quality_control_items=[
                QualityControlItem(
                    confidence=93, start_time_offset=1.0, end_time_offset=2.5, area_coord_set=[0, 0, 1280, 720]
                )
            ],
        )
    ],
    container_diagnose_result_set=[
        ContainerDiagnoseResultItem(
            category="TimeStampException", type="DtsJitter", severity_level="Warning", timestamp_set=[4.2]
        )
    ],
)


def finished() -> Run:
    """input -> quality control -> rules -> output."""
    nodes = (
        Node(kind="input", successors=(1,)),
        Node(kind="quality_control", params={"Definition": 10}, successors=(2,)),
        Node(kind="rules", params=RULES, successors=(3,)),
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
    echo = AiQualityControlTaskInput(definition=10).echo()
    story = Story(run).started().succeeded(0, 1)
    story.succeeded(1, 2, result=NodeResult(echo=echo, payload=FOUND.to_wire()))
    return story.succeeded(2, result=NodeResult(payload={"RearDriveIndex": [3]})).finished().run


def test_the_event_is_golden_and_the_sdk_loses_nothing() -> None:
    run = finished()
    event = task_event(run, up_to=run.sequence, notify_key=KEY, now=START)
    text = json.dumps(event, ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("REELWAY_WRITE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()

    item = event["ScheduleTaskEvent"]["ActivityResultSet"][0]
    assert item["ActivityType"] == "AiQualityControl"
    result = item["ActivityResItem"]["QualityControlTask"]
    assert list(result) == ["Status", "ErrCodeExt", "ErrCode", "Message", "Progress", "Input", "Output"]
    parsed = models.ScheduleQualityControlTaskResult()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed._deserialize(result)
    assert parsed.Output.QualityControlResultSet[0].QualityControlItems[0].Confidence == 93
    assert parsed.Output.ContainerDiagnoseResultSet[0].TimestampSet == [4.2]
