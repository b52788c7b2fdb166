"""Processing what lies in the bucket already."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.trigger.domain.matching import match
from shared.messages.messages import RunRequested
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.model.rerun import rerun_id
from shared.model.run import RunState
from shared.model.starting import run_for
from shared.model.upload import OutputRecord, output_id, place
from shared.ports.publisher import Outgoing
from tests.builders import a_diamond, a_pipeline
from tests.integration.api.stand import BUCKET, Stand
from tests.integration.api.test_rest_face import problem


async def put_pipeline(stand: Stand, **members: Any) -> Pipeline:
    given: dict[str, Any] = {"status": PipelineStatus.DISABLED, "enabled_at": None, "trigger": {"formats": ("mp4",)}}
    pipeline = a_pipeline("7", **(given | members))
    await stand.records.pipelines.insert(pipeline)
    return pipeline


async def process(rest: httpx.AsyncClient, **wish: Any) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await rest.post("/pipelines/7/process", json=wish)
        assert answer.status_code == 200, answer.text
        found += answer.json()["objects"]
        if answer.json()["cursor"] is None:
            return found
        wish["cursor"] = answer.json()["cursor"]


def outcomes(found: list[dict[str, Any]]) -> dict[str, str]:
    assert len({one["key"] for one in found}) == len(found)
    return {one["key"]: one["outcome"] for one in found}


async def test_objects_get_the_runs_that_their_uploads_would_have_started(
    stand: Stand, rest: httpx.AsyncClient
) -> None:
    pipeline = await put_pipeline(stand)
    infos = [stand.objects.put(BUCKET, key) for key in ("in/a.mp4", "in/sub/片 段.MP4", "in/z+1%.mp4")]
    stand.objects.put(BUCKET, "elsewhere/b.mp4")
    found = await process(rest)
    assert outcomes(found) == dict.fromkeys(("in/a.mp4", "in/sub/片 段.MP4", "in/z+1%.mp4"), "started")
    enabled = pipeline.with_changes(status=PipelineStatus.ENABLED, enabled_at=infos[0].last_modified)
    by_upload = [match(enabled, info).run_id for info in infos]
    assert [one["run_id"] for one in found] == by_upload
    assert stand.publisher.sent == [Outgoing("reelway.runs.v1", RunRequested(run_id=str(run))) for run in by_upload]
    now = stand.store_clock.now()
    for info, run in zip(infos, by_upload, strict=True):
        written = await stand.records.runs.get(str(run))
        assert written is not None
        assert written.traceparent is not None, "the request that started it is its trace"
        assert written == run_for(pipeline, str(run), info, now).with_changes(traceparent=written.traceparent)
    assert await stand.records.versions.get("7:1") is not None


async def test_calling_again_starts_nothing_twice(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    stand.objects.put(BUCKET, "in/a.mp4")
    [first] = await process(rest)
    stand.publisher.sent.clear()
    [second] = await process(rest)
    assert (second["outcome"], second["run_id"]) == ("known", first["run_id"])
    assert await stand.records.runs.count({}) == 1
    assert stand.publisher.sent == []


async def test_what_is_nothing_for_the_trigger_is_skipped_and_said(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    stand.objects.put(BUCKET, "in/text.txt")
    stand.objects.put(BUCKET, "in/empty.mp4", size=0)
    stand.objects.put(BUCKET, "in/folder.mp4/")
    found = await process(rest)
    assert set(outcomes(found).values()) == {"skipped"}
    assert {one["key"]: one["reason"] for one in found} == {
        "in/text.txt": "format 'txt' is not among mp4",
        "in/empty.mp4": "the object is empty",
        "in/folder.mp4/": "the key is a folder",
    }
    assert await stand.records.runs.count({}) == 0


async def test_outputs_of_our_runs_are_skipped(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    known = stand.objects.put(BUCKET, "in/known.mp4")
    await stand.records.outputs.insert(
        OutputRecord(
            id=output_id(BUCKET, known.key),
            bucket=BUCKET,
            key=known.key,
            run_id="r1",
            node=1,
            fence=1,
            etag=known.etag,
        )
    )
    stand.objects.put(
        BUCKET, "in/marked.mp4", reelway_run="r2", reelway_place=place(BUCKET, "in/marked.mp4")
    )  # fmt: skip
    stand.objects.put(BUCKET, "in/copy.mp4", reelway_run="r2", reelway_place=place(BUCKET, "out/original.mp4"))
    found = {one["key"]: one for one in await process(rest)}
    assert (found["in/known.mp4"]["outcome"], found["in/known.mp4"]["reason"]) == ("skipped", "written by run r1")
    assert (found["in/marked.mp4"]["outcome"], found["in/marked.mp4"]["reason"]) == ("skipped", "written by run r2")
    assert found["in/copy.mp4"]["outcome"] == "started"


@pytest.mark.parametrize("prefix", ["in/a", "/in/a"])
async def test_prefix_is_taken_as_given(stand: Stand, rest: httpx.AsyncClient, prefix: str) -> None:
    await put_pipeline(stand)
    for key in ("in/a.mp4", "in/ab/c.mp4", "in/b.mp4"):
        stand.objects.put(BUCKET, key)
    assert list(outcomes(await process(rest, prefix=prefix))) == ["in/a.mp4", "in/ab/c.mp4"]


async def test_empty_prefix_is_the_whole_bucket(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    for key in ("top.mp4", "in/a.mp4"):
        stand.objects.put(BUCKET, key)
    assert set(outcomes(await process(rest, prefix=""))) == {"top.mp4", "in/a.mp4"}


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_pages_miss_nothing(stand: Stand, rest: httpx.AsyncClient, limit: int) -> None:
    await put_pipeline(stand)
    keys = [f"in/{number}.mp4" for number in range(5)] + ["in/0.mp4/x.mp4", "in/0.mp4/y.mp4"]
    for key in keys:
        stand.objects.put(BUCKET, key)
    assert outcomes(await process(rest, limit=limit)) == dict.fromkeys(sorted(keys), "started")


async def test_page_does_not_end_where_a_storage_could_not_go_on(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    for key in ("in/a.mp4", "in/a.mp4/x.mp4", "in/b.mp4"):
        stand.objects.put(BUCKET, key)
    page = (await rest.post("/pipelines/7/process", json={"limit": 1})).json()
    assert [one["key"] for one in page["objects"]] == ["in/a.mp4", "in/a.mp4/x.mp4"]


async def test_object_that_vanishes_meanwhile(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    info = stand.objects.put(BUCKET, "in/a.mp4")

    async def gone(*_: Any, **__: Any) -> Any:
        from shared.ports.objects import ObjectNotFound

        raise ObjectNotFound("gone", bucket=BUCKET, key=info.key)

    stand.objects.head = gone  # type: ignore[method-assign]
    [one] = await process(rest)
    assert (one["outcome"], one["reason"]) == ("skipped", "the object does not exist any more")


# -- again --------------------------------------------------------------------------------------------------------


async def test_again_reruns_what_has_ended_with_the_latest_definition(stand: Stand, rest: httpx.AsyncClient) -> None:
    pipeline = await put_pipeline(stand)
    stand.objects.put(BUCKET, "in/a.mp4")
    stand.objects.put(BUCKET, "in/b.mp4")
    first, second = await process(rest)
    run = await stand.records.runs.get(first["run_id"])
    assert run is not None
    assert await stand.records.runs.replace(run.with_changes(state=RunState.SUCCEEDED))
    assert await stand.records.pipelines.replace(pipeline.with_changes(definition=2, nodes=a_diamond()))
    again, busy = await process(rest, again=True)
    assert (again["outcome"], again["run_id"], again["reason"]) == (
        "started",
        rerun_id(run),
        f"again, after run {run.id}",
    )
    assert (busy["outcome"], busy["run_id"]) == ("known", second["run_id"])
    assert busy["reason"].startswith("the run has not ended")
    made = await stand.records.runs.get(rerun_id(run))
    assert made is not None
    assert (made.definition, made.nodes, made.epoch) == (2, a_diamond(), 1)
    # The rerun is at work now: asking once more starts nothing.
    assert outcomes(await process(rest, again=True)) == {"in/a.mp4": "known", "in/b.mp4": "known"}
    assert await stand.records.runs.replace(made.with_changes(state=RunState.FAILED))
    assert (await process(rest, again=True))[0]["run_id"] == rerun_id(made)


# -- what cannot be -----------------------------------------------------------------------------------------------


async def test_bucket_that_is_gone_or_shut(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    stand.objects.denied.add(BUCKET)
    problem(await rest.post("/pipelines/7/process", json={}), 409, "bucket_unusable")
    stand.objects.denied.clear()
    stand.objects.buckets.clear()
    problem(await rest.post("/pipelines/7/process", json={}), 409, "bucket_unusable")
    stand.objects.down = True
    problem(await rest.post("/pipelines/7/process", json={}), 503, "busy")


@pytest.mark.parametrize("cursor", ["%", "x", "4pyT4", "/w=="])
async def test_cursor_of_nobody(stand: Stand, rest: httpx.AsyncClient, cursor: str) -> None:
    await put_pipeline(stand)
    problem(await rest.post("/pipelines/7/process", json={"cursor": cursor}), 422, "invalid")


async def test_deleted_and_unknown_pipelines(stand: Stand, rest: httpx.AsyncClient) -> None:
    problem(await rest.post("/pipelines/7/process", json={}), 404, "not_found")
    pipeline = await put_pipeline(stand)
    stand.objects.put(BUCKET, "in/a.mp4")
    await process(rest)
    assert await stand.records.pipelines.delete(pipeline)
    problem(await rest.post("/pipelines/7/process", json={}), 409, "pipeline_deleted")
