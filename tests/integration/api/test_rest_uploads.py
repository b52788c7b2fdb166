"""What happened to a file, over REST; the ledger is written by the trigger's own intake."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.trigger.intake import Intake
from shared.messages.topics import Topics
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.model.run import RunState
from shared.model.upload import PLACE_METADATA, RUN_METADATA, Upload, place
from tests.builders import a_pipeline
from tests.integration.api.stand import BUCKET, OTHER_ID, OTHER_KEY, OTHER_TENANT, TENANT, Stand
from tests.integration.api.test_rest_face import problem


class Ledger:
    """Uploads as the trigger sees them."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.intake = Intake(stand.records, stand.objects, stand.publisher, Topics(), region="ap-guangzhou")  # type: ignore[arg-type]

    async def arrive(self, key: str, *, bucket: str = BUCKET, there: bool = True, **members: Any) -> None:
        if there:
            self.stand.objects.put(bucket, key, **members)
        self.stand.store_clock.advance(timedelta(seconds=1))
        await self.intake.on_events([[Upload(source="test", bucket=bucket, key=key, sequencer=key)]])

    async def pipeline(self, pipeline_id: str, directory: str = "/in/", **members: Any) -> Pipeline:
        trigger = {"dir": directory} | members.pop("trigger", {})
        long_ago = self.stand.store_clock.now() - timedelta(days=1)
        made = a_pipeline(pipeline_id, trigger=trigger, **({"enabled_at": long_ago} | members))
        await self.stand.records.pipelines.insert(made)
        return made


@pytest.fixture
def ledger(stand: Stand) -> Ledger:
    return Ledger(stand)


async def uploads(rest: httpx.AsyncClient, **params: Any) -> list[Any]:
    answer = await rest.get("/uploads", params=params)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["uploads"]
    return found


async def test_every_end_of_an_upload_has_its_reason(ledger: Ledger, rest: httpx.AsyncClient) -> None:
    await ledger.pipeline("1", name="films", trigger={"formats": ("mp4",)})
    await ledger.pipeline("2", "/other/", name="elsewhere")
    await ledger.pipeline("3", name="sleeping", status=PipelineStatus.DISABLED, enabled_at=None)
    ledger.stand.objects.denied.add("plain-s3")
    await ledger.pipeline("4", name="refused", trigger={"bucket": "plain-s3"})
    mine = {RUN_METADATA: f"{TENANT}-ScheduleTask-1tt0", PLACE_METADATA: place(BUCKET, "in/own.mp4")}
    await ledger.arrive("in/film.mp4")
    await ledger.arrive("in/film.mkv")
    await ledger.arrive("in/own.mp4", **{name.replace("-", "_"): value for name, value in mine.items()})
    await ledger.arrive("in/gone.mp4", there=False)
    await ledger.arrive("film.mp4", bucket=f"out-{TENANT}")
    await ledger.arrive("in/a.mp4", bucket="plain-s3")
    found = {one["key"]: one for one in await uploads(rest, bucket=BUCKET)}
    ends = {key: (one["outcome"], one["reason"]) for key, one in found.items()}
    assert ends == {
        "in/film.mp4": ("started", None),
        "in/film.mkv": ("unmatched", "no pipeline matches"),
        "in/own.mp4": ("own_output", f"written by run {TENANT}-ScheduleTask-1tt0"),
        "in/gone.mp4": ("gone", "the object does not exist (any more)"),
    }
    assert [one["outcome"] for one in await uploads(rest, bucket=f"out-{TENANT}")] == ["unwatched"]
    assert [one["outcome"] for one in await uploads(rest, bucket="plain-s3")] == ["denied"]

    film = (await rest.get(f"/uploads/{found['in/film.mp4']['id']}")).json()
    verdicts = {one["pipeline_name"]: one for one in film["pipelines"]}
    assert film["object"]["key"] == "in/film.mp4"
    assert verdicts["films"]["run_id"] == film["run_ids"][0]
    assert (verdicts["films"]["run_state"], verdicts["films"]["rule"]) == ("requested", None)
    assert (verdicts["elsewhere"]["rule"], verdicts["elsewhere"]["reason"]) == (
        "directory",
        "the key is not under /other/",
    )
    assert verdicts["sleeping"]["rule"] == "disabled"
    mkv = (await rest.get(f"/uploads/{found['in/film.mkv']['id']}")).json()
    assert {one["pipeline_name"]: one["rule"] for one in mkv["pipelines"]} == {
        "films": "format",
        "elsewhere": "directory",
        "sleeping": "disabled",
    }


async def test_list_is_newest_first_over_all_buckets_page_by_page(ledger: Ledger, rest: httpx.AsyncClient) -> None:
    for number in range(7):
        await ledger.arrive(f"in/{number}.mp4", bucket=BUCKET if number % 3 else f"out-{TENANT}")
    await ledger.arrive("in/foreign.mp4", bucket=f"media-{OTHER_TENANT}")
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = (await rest.get("/uploads", params=params)).json()
        seen += [one["key"] for one in page["uploads"]]
        if page["cursor"] is None:
            break
        params["cursor"] = page["cursor"]
    assert seen == [f"in/{number}.mp4" for number in reversed(range(7))]


async def test_search_by_key_and_time_and_outcome(ledger: Ledger, rest: httpx.AsyncClient) -> None:
    await ledger.pipeline("1")
    for key in ("in/a/1.mp4", "in/a/2.mp4", "in/b/1.mp4", "out/1.mp4"):
        await ledger.arrive(key)
    middle = (await uploads(rest, key="/in/b/1.mp4"))[0]["seen_at"]

    async def keys(**params: Any) -> list[str]:
        return [one["key"] for one in await uploads(rest, **params)]

    assert await keys(key="in/a/1.mp4") == ["in/a/1.mp4"]
    assert await keys(key="in/a") == []
    assert await keys(key_prefix="in/a/") == ["in/a/2.mp4", "in/a/1.mp4"]
    assert await keys(outcome="unmatched") == ["out/1.mp4"]
    assert await keys(**{"from": middle}) == ["out/1.mp4", "in/b/1.mp4"]
    assert await keys(to=middle, key_prefix="in/a/2") == ["in/a/2.mp4"]
    problem(await rest.get("/uploads", params={"cursor": "x"}), 422, "invalid")


async def test_what_was_never_noticed_is_explained(ledger: Ledger, rest: httpx.AsyncClient) -> None:
    taker = await ledger.pipeline("1", name="takes")
    await ledger.pipeline("2", name="refuses", trigger={"formats": ("mov",)})
    await ledger.pipeline("3", name="sleeps", status=PipelineStatus.DISABLED)

    async def explain(key: str) -> Any:
        return (await rest.get("/uploads/explain", params={"bucket": BUCKET, "key": key})).json()

    assert await explain("in/none.mp4") == {
        "bucket": BUCKET,
        "key": "in/none.mp4",
        "object": None,
        "written_by": None,
        "uploads": [],
        "pipelines": [],
    }
    ledger.stand.objects.put(BUCKET, "in/new.mp4")
    new = await explain("in/new.mp4")
    assert {one["pipeline_name"]: one["rule"] for one in new["pipelines"]} == {
        "takes": None,
        "refuses": "format",
        "sleeps": "disabled",
    }
    [takes] = [one for one in new["pipelines"] if one["pipeline_id"] == taker.id]
    assert takes["run_state"] is None
    await ledger.arrive("in/new.mp4")
    after = await explain("in/new.mp4")
    [started] = [one for one in after["pipelines"] if one["pipeline_id"] == taker.id]
    # It is the very run that was foretold.
    assert (started["run_id"], started["run_state"]) == (takes["run_id"], RunState.REQUESTED.value)
    assert [one["outcome"] for one in after["uploads"]] == ["started"]
    problem(await rest.get("/uploads/explain", params={"bucket": BUCKET, "key": "in/"}), 422, "invalid")


async def test_a_shared_bucket_tells_nobody_about_others(ledger: Ledger, rest: httpx.AsyncClient) -> None:
    """Names without an app id are open to every tenant."""
    await ledger.pipeline("1", name="mine", trigger={"bucket": "plain-s3", "formats": ("mov",)})
    await ledger.pipeline("2", name="theirs", tenant=OTHER_TENANT, trigger={"bucket": "plain-s3"})
    await ledger.arrive("in/film.mp4", bucket="plain-s3")
    [line] = await uploads(rest, bucket="plain-s3")
    assert (line["outcome"], line["run_ids"], line["reason"]) == ("unmatched", [], "no pipeline matches")
    for path in (f"/uploads/{line['id']}", "/uploads/explain?bucket=plain-s3&key=in/film.mp4"):
        assert [one["pipeline_name"] for one in (await rest.get(path)).json()["pipelines"]] == ["mine"]
    async with ledger.stand.rest(OTHER_ID, OTHER_KEY) as other:
        [theirs] = await uploads(other, bucket="plain-s3")
        assert theirs["outcome"] == "started"
        assert len(theirs["run_ids"]) == 1
        await ledger.arrive("in/film.mp4")
        [mine] = await uploads(rest, bucket=BUCKET)
        problem(await other.get(f"/uploads/{mine['id']}"), 404, "not_found")
        problem(await other.get("/uploads", params={"bucket": BUCKET}), 404, "not_found")
        problem(await other.get("/uploads/explain", params={"bucket": BUCKET, "key": "in/film.mp4"}), 404, "not_found")
        assert BUCKET not in {one["bucket"] for one in await uploads(other)}
