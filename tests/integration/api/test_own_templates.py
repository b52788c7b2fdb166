"""Nodes that name a tenant's own template: at save, in a run, in reruns."""

from __future__ import annotations

from typing import Any

from services.scheduler.domain.tasks import task_for
from shared.model.rerun import rerun_id
from shared.model.run import NodeRun, NodeState, Run, RunState
from shared.model.template import TemplateKind
from shared.state.templates import Templates
from tests.integration.api.stand import BUCKET, OTHER_TENANT, REGION, TENANT, Stand

KEY = "in/clip.mp4"
TEMPLATE: dict[str, Any] = {
    "Container": "mkv",
    "VideoTemplate": {"Codec": "h264", "Fps": 0, "Bitrate": 300},
    "AudioTemplate": {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100},
}


def graph(definition: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        {
            "ActivityType": "action-trans",
            "ReardriveIndex": [2],
            "ActivityPara": {"TranscodeTask": {"Definition": definition} | more},
        },
        {"ActivityType": "output"},
    ]


async def make(stand: Stand, tenant: str = TENANT) -> int:
    return (await Templates(stand.records).create(tenant, TemplateKind.TRANSCODE, TEMPLATE)).definition


async def change(stand: Stand, definition: int, bitrate: int) -> None:
    changes = {"VideoTemplate": {"Bitrate": bitrate}}
    await Templates(stand.records).modify(TENANT, TemplateKind.TRANSCODE, definition, changes)


async def process(stand: Stand, schedule: int) -> Run:
    stand.objects.put(BUCKET, KEY)
    place = {"Type": "COS", "CosInputInfo": {"Bucket": BUCKET, "Region": REGION, "Object": f"/{KEY}"}}
    answer = await stand.call("ProcessMedia", {"InputInfo": place, "ScheduleId": schedule})
    run = await stand.records.runs.get(answer.TaskId)
    assert run is not None
    return run


def bitrate_in(run: Run) -> int:
    """What a worker is told."""
    [body] = task_for(run, 1, run.created_at).templates.values()
    rate: int = body["VideoTemplate"]["Bitrate"]
    return rate


async def test_a_template_must_exist_when_a_schedule_is_saved(stand: Stand) -> None:
    refused = await stand.refusal("CreateSchedule", _schedule(graph(1_000_001)))
    assert refused.code == "InvalidParameterValue.Definition"
    assert "Activities[1].ActivityPara.TranscodeTask.Definition" in refused.message
    assert "1000001" in refused.message
    await make(stand, OTHER_TENANT)
    assert (await stand.refusal("CreateSchedule", _schedule(graph(1_000_001)))).code == refused.code
    definition = await make(stand)
    number = await stand.create(Activities=graph(definition))
    refused = await stand.refusal("ModifySchedule", {"ScheduleId": number, "Activities": graph(definition + 1)})
    assert refused.code == "InvalidParameterValue.Definition"


async def test_overrides_must_fit_the_own_template(stand: Stand) -> None:
    definition = await make(stand)
    wrong = graph(definition, OverrideParameter={"Container": "webm"})
    refused = await stand.refusal("CreateSchedule", _schedule(wrong))
    assert "h264 does not go into webm" in refused.message
    assert "OverrideParameter" in refused.message
    await stand.create(Activities=graph(definition, OverrideParameter={"Container": "mp4"}))


async def test_a_save_that_leaves_the_nodes_alone_still_knows_their_templates(stand: Stand) -> None:
    number = await stand.create(Activities=graph(await make(stand)))
    await stand.call("ModifySchedule", {"ScheduleId": number, "OutputDir": "/elsewhere/"})
    shown = await stand.call("DescribeSchedules", {"ScheduleIds": [number]})
    node = shown.ScheduleInfoSet[0].Activities[1]
    assert node.ActivityPara.TranscodeTask.Definition == 1_000_001
    pipeline = await stand.records.pipelines.get(str(number))
    assert pipeline is not None
    assert pipeline.nodes[1].templates == {}


async def test_a_run_keeps_the_template_that_it_was_made_with(stand: Stand) -> None:
    definition = await make(stand)
    number = await stand.create(Activities=graph(definition))
    first = await process(stand, number)
    assert bitrate_in(first) == 300
    await change(stand, definition, 800)
    read = await stand.records.runs.get(first.id)
    assert read is not None
    assert bitrate_in(read) == 300
    assert bitrate_in(await process(stand, number)) == 800


async def test_a_rerun_has_the_runs_template_or_the_latest_as_it_was_asked(stand: Stand) -> None:
    definition = await make(stand)
    number = await stand.create(Activities=graph(definition))
    runs = [await _ended(stand, await process(stand, number)) for _ in range(3)]
    await change(stand, definition, 800)
    async with stand.rest() as rest:
        for run, wish, expected in zip(
            runs,
            (
                {"scope": "all", "definition": "same"},
                {"scope": "all", "definition": "latest"},
                {"scope": "failed", "definition": "latest"},
            ),
            (300, 800, 800),
            strict=True,
        ):
            answer = await rest.post(f"/runs/{run.id}/rerun", json=wish)
            assert answer.status_code == 201, answer.text
            made = await stand.records.runs.get(rerun_id(run))
            assert made is not None
            assert bitrate_in(made) == expected
    # Nothing of the third had failed: only its template makes the node another one.
    assert answer.json()["nodes"][1]["reason"] == "new or changed in this definition"


async def test_a_template_that_was_deleted_is_not_in_the_run(stand: Stand) -> None:
    definition = await make(stand)
    number = await stand.create(Activities=graph(definition))
    await Templates(stand.records).delete(TENANT, TemplateKind.TRANSCODE, definition)
    assert task_for(await process(stand, number), 1, stand.store_clock.now()).templates == {}


def _schedule(activities: list[dict[str, Any]]) -> dict[str, Any]:
    trigger = {"Bucket": BUCKET, "Region": REGION, "Dir": "/in/"}
    return {
        "ScheduleName": "own",
        "Trigger": {"Type": "CosFileUpload", "CosFileUploadTrigger": trigger},
        "Activities": activities,
    }


async def _ended(stand: Stand, run: Run) -> Run:
    done = NodeRun(state=NodeState.SUCCEEDED, attempt=1)
    ended = run.with_changes(state=RunState.SUCCEEDED, node_runs=(done,) * len(run.nodes), due_at=None)
    assert await stand.records.runs.replace(ended)
    return ended
