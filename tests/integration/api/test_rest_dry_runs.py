"""Dry runs over REST: what a pipeline would do with a file."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from shared.model.pipeline import INPUT
from shared.model.run import NodeRun, NodeState, Run, RunState
from shared.model.task import NodeResult
from tests.integration.api.stand import BUCKET, OTHER_ID, OTHER_KEY, REGION, Stand
from tests.integration.api.test_rest_face import problem

METADATA = {
    "Size": 5_000_000,
    "Container": "mov,mp4",
    "Bitrate": 4_000_000,
    "Width": 1920,
    "Height": 1080,
    "Duration": 10.0,
    "VideoStreamSet": [{"Codec": "h264", "Width": 1920, "Height": 1080, "Fps": 25, "Bitrate": 3_800_000}],
    "AudioStreamSet": [{"Codec": "aac", "SamplingRate": 48000, "Bitrate": 128_000}],
    "VideoDuration": 10.0,
    "AudioDuration": 10.0,
}


def document(**changes: Any) -> dict[str, Any]:
    """A pipeline that chooses by the height of the picture, and then by what quality control finds."""
    rule = {"Id": "hd", "Expression": "MetaData.Height >= 720", "RearDriveIndexs": [2]}
    later = {"Id": "good", "Expression": "nodes.check.state == 'succeeded'", "RearDriveIndexs": [6]}
    return {
        "name": "by_size",
        "trigger": {"bucket": BUCKET, "region": REGION, "dir": "/in/", "formats": ["mp4"]},
        "nodes": [
            {"kind": "input", "successors": [1, 4]},
            {
                "kind": "rules",
                "params": {"Rules": [rule], "ElseRearDriveIndexs": [3]},
                "successors": [2, 3],
            },
            {"kind": "transcode", "name": "hd", "params": {"Definition": 100030}, "successors": [7]},
            {"kind": "transcode", "name": "sd", "params": {"Definition": 100010}, "successors": [7]},
            {"kind": "quality_control", "name": "check", "params": {"Definition": 10}, "successors": [5]},
            {"kind": "rules", "params": {"Rules": [later]}, "successors": [6]},
            {"kind": "sample_snapshot", "params": {"Definition": 10}, "successors": [7]},
            {"kind": "output"},
        ],
        "output": {"dir": "/out/"},
        **changes,
    }


@pytest.fixture
async def pipeline(rest: httpx.AsyncClient) -> str:
    made = await rest.post("/pipelines", json=document())
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_metadata_decides_rules_names_and_costs(rest: httpx.AsyncClient, pipeline: str) -> None:
    wish = {"metadata": METADATA, "object": {"key": "in/影片.mp4"}}
    answer = await rest.post(f"/pipelines/{pipeline}/dry-run", json=wish)
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["exists"], done["trigger"]) == (False, {"starts": True, "rule": None, "reason": None})
    nodes = done["nodes"]
    fates = [node["fate"] for node in nodes]
    assert fates == ["runs", "runs", "runs", "skipped", "runs", "runs", "may_run", "runs"]
    assert (nodes[1]["rules"]["chosen"], nodes[1]["rules"]["held"]) == ([2], ["hd"])
    assert "1080" in nodes[1]["rules"]["explanation"]
    assert nodes[5]["rules"]["chosen"] is None
    assert "nodes.check.state" in nodes[5]["rules"]["explanation"]
    (written,) = nodes[2]["outputs"]
    assert written["bucket"] == BUCKET
    assert written["path"].startswith("/out/影片")
    assert written["path"].endswith(".mp4")
    assert nodes[3]["outputs"] == []
    assert nodes[2]["cpu_s"] > 1
    assert nodes[2]["output_bytes"] > 100_000
    assert 0 < done["cpu_s"] < done["cpu_s_at_most"]
    assert done["output_bytes"] < done["output_bytes_at_most"]
    small = METADATA | {"Height": 360, "Width": 640}
    done = (await rest.post(f"/pipelines/{pipeline}/dry-run", json={"metadata": small})).json()
    assert [node["fate"] for node in done["nodes"]][2:4] == ["skipped", "runs"]


async def test_without_a_file_what_hangs_on_it_is_open(rest: httpx.AsyncClient, pipeline: str) -> None:
    done = (await rest.post(f"/pipelines/{pipeline}/dry-run", json={})).json()
    assert [node["fate"] for node in done["nodes"]][1:4] == ["runs", "may_run", "may_run"]
    assert (done["cpu_s"], done["metadata"], done["nodes"][2]["cpu_s"]) == (None, None, None)
    assert "MetaData.Height" in done["nodes"][1]["rules"]["explanation"]


async def test_unsaved_pipeline_is_checked_and_not_saved(rest: httpx.AsyncClient) -> None:
    done = await rest.post("/pipelines/dry-run", json={"pipeline": document(), "metadata": METADATA})
    assert done.status_code == 200, done.text
    assert done.json()["nodes"][3]["fate"] == "skipped"
    assert (await rest.get("/pipelines")).json()["pipelines"] == []
    bad = document()
    bad["nodes"][2]["params"] = {"Definition": 1}
    refused = problem(await rest.post("/pipelines/dry-run", json={"pipeline": bad}), 422, "invalid")
    errors: Any = refused["errors"]
    assert errors[0]["field"] == "pipeline.nodes[2].params.Definition"
    refused = problem(
        await rest.post("/pipelines/dry-run", json={"pipeline": document(), "metadata": {"Height": "x"}}),
        422,
        "invalid",
    )
    errors = refused["errors"]
    assert errors[0]["field"] == "metadata.Height"


@pytest.mark.parametrize(
    ("key", "rule"), [("elsewhere/a.mp4", "directory"), ("in/a.avi", "format"), ("in/a.mp4", None)]
)
async def test_rule_of_the_trigger_is_named(rest: httpx.AsyncClient, pipeline: str, key: str, rule: str | None) -> None:
    wish = {"object": {"key": key}, "metadata": METADATA}
    verdict = (await rest.post(f"/pipelines/{pipeline}/dry-run", json=wish)).json()["trigger"]
    assert (verdict["rule"], verdict["starts"]) == (rule, rule is None)
    assert bool(verdict["reason"]) is bool(rule)


async def test_real_object_is_read_by_a_worker(stand: Stand, rest: httpx.AsyncClient, pipeline: str) -> None:
    path = f"/pipelines/{pipeline}/dry-run"
    problem(await rest.post(path, json={"object": {"key": "in/none.mp4"}}), 404, "not_found")
    problem(await rest.post(path, json={"object": {"bucket": "media-1260000000", "key": "in/a.mp4"}}), 404, "not_found")
    stand.objects.put(BUCKET, "in/clip.mp4")

    async def worker() -> None:
        """Stands in for scheduler and worker: the probe of whatever run appears has this metadata."""
        runs = stand.records.runs
        while not (found := await runs.find({}, limit=1)):
            await asyncio.sleep(0.01)

        def ended(run: Run) -> Run:
            assert run.nodes[0].kind == INPUT
            probe = NodeRun(state=NodeState.SUCCEEDED, result=NodeResult(metadata=METADATA))
            last = NodeRun(state=NodeState.SUCCEEDED)
            return run.with_changes(state=RunState.SUCCEEDED, node_runs=(probe, last), metadata=METADATA)

        await runs.change(found[0].id, ended)

    working = asyncio.create_task(worker())
    answer = await rest.post(path, json={"object": {"key": "in/clip.mp4"}})
    await working
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["exists"], done["metadata"]["Height"], done["trigger"]["starts"]) == (True, 1080, True)
    assert done["nodes"][2]["outputs"][0]["path"].startswith("/out/clip")
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        problem(await other.post(path, json={}), 404, "not_found")
