"""DescribeMediaMetaData waits for a run that only probes."""

import asyncio

import pytest

from services.api.actions import metadata
from shared.model.failure import ErrCode, Failure
from shared.model.run import NodeRun, NodeState, RunState
from tests.eventually import eventually
from tests.integration.api.stand import BUCKET, OTHER_ID, OTHER_KEY, REGION, TENANT

VALUE = "InvalidParameterValue"
INPUT = {"Type": "COS", "CosInputInfo": {"Bucket": BUCKET, "Region": REGION, "Object": "/in/a.mp4"}}
FOUND = {"Size": 1000, "Container": "mov,mp4", "Width": 640, "Height": 360, "Duration": 2.0, "Facts": {"Sar": 1}}


@pytest.fixture(autouse=True)
def _there(stand):
    stand.objects.put(BUCKET, "in/a.mp4")


async def probe(stand, **changes):
    """A worker's part: the end of the run that waits."""

    async def written():
        runs = [run for run in await stand.records.runs.find({"pipeline_id": "metadata"}) if not run.state.final]
        return runs[0] if runs else None

    run = await eventually(written)
    end = {"state": RunState.SUCCEEDED, "metadata": FOUND, **changes}
    await stand.records.runs.change(run.id, lambda found: found.with_changes(**end))
    return run


def failed(message, code=ErrCode.SOURCE_FILE, *, retryable=False):
    node = NodeRun(state=NodeState.FAILED, failure=Failure(code=code, message=message, retryable=retryable))
    return {"state": RunState.FAILED, "metadata": None, "node_runs": (node, NodeRun(state=NodeState.SKIPPED))}


async def test_the_probe_is_answered_and_remembered(stand):
    asked = asyncio.create_task(stand.call("DescribeMediaMetaData", {"InputInfo": INPUT}))
    run = await probe(stand)
    data = (await asked).MetaData
    assert (data.Size, data.Width, data.Height, data.Duration) == (1000, 640, 360, 2.0)
    assert [sent.message.run_id for sent in stand.publisher.sent] == [run.id]
    again = await stand.call_json("DescribeMediaMetaData", {"InputInfo": INPUT, "Mode": "slow"}, method="GET")
    assert again["MetaData"] == {name: value for name, value in FOUND.items() if name != "Facts"}
    assert await stand.records.runs.count({"tenant": TENANT}) == 1


async def test_a_probe_is_no_task(stand):
    asked = asyncio.create_task(stand.call("DescribeMediaMetaData", {"InputInfo": INPUT}))
    await probe(stand)
    await asked
    for status in ("WAITING", "PROCESSING", "FINISH"):
        assert (await stand.call("DescribeTasks", {"Status": status})).TotalCount == 0


async def test_another_object_of_the_same_name_is_probed_anew(stand):
    for etag in ("one", "two"):
        stand.objects.put(BUCKET, "in/a.mp4", etag=etag)
        asked = asyncio.create_task(stand.call("DescribeMediaMetaData", {"InputInfo": INPUT}))
        assert (await probe(stand)).input.etag == etag
        await asked


async def test_what_is_no_media_is_a_source_file_error(stand):
    asked = asyncio.create_task(stand.refusal("DescribeMediaMetaData", {"InputInfo": INPUT}))
    await probe(stand, **failed("it is a text"))
    error = await asked
    assert (error.code, "it is a text" in error.message) == (f"{VALUE}.SrcFile", True)


async def test_failures_of_ours_are_tried_again_and_told_in_the_end(stand):
    asked = asyncio.create_task(stand.refusal("DescribeMediaMetaData", {"InputInfo": INPUT}))
    for _ in range(metadata.TRIES):
        await probe(stand, **failed("no disk", ErrCode.INTERNAL, retryable=True))
    error = await asked
    assert (error.code, "no disk" in error.message) == ("InternalError", True)


async def test_who_waits_too_long_is_told_to_call_again(stand, monkeypatch):
    monkeypatch.setitem(metadata.WAIT_S, "", 0.2)
    error = await stand.refusal("DescribeMediaMetaData", {"InputInfo": INPUT})
    assert (error.code, "call again" in error.message) == ("FailedOperation", True)


REFUSED = [
    ({}, {}, "MissingParameter", "InputInfo:"),
    ({"InputInfo": INPUT, "Mode": "fast"}, {}, VALUE, "Mode:"),
    ({"InputInfo": {"Type": "URL", "UrlInputInfo": {"Url": "http://a/b"}}}, {}, VALUE, "InputInfo.Type:"),
    (
        {"InputInfo": {"Type": "COS", "CosInputInfo": {**INPUT["CosInputInfo"], "Object": "/in/b.mp4"}}},
        {},
        f"{VALUE}.SrcFile",
        "InputInfo.CosInputInfo.Object:",
    ),
    (
        {"InputInfo": INPUT},
        {"secret_id": OTHER_ID, "secret_key": OTHER_KEY},
        "ResourceNotFound.CosBucketNotExist",
        "InputInfo.CosInputInfo.Bucket:",
    ),
]


async def test_refused(stand):
    for request_, client, code, field in REFUSED:
        error = await stand.refusal("DescribeMediaMetaData", request_, **client)
        assert (error.code, error.message.startswith(field)) == (code, True), error.message
