"""Uploads to runs and ledger entries, over the memory store with hand-written storage and bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.trigger import reconciler as reconciler_module
from services.trigger.domain.normalise import normalise
from services.trigger.intake import Intake
from services.trigger.reconciler import Reconciler
from shared.clock import ManualClock
from shared.errors import ReelwayError
from shared.messages.messages import RunRequested
from shared.messages.topics import Topics
from shared.model.pipeline import Node, Pipeline, PipelineStatus
from shared.model.run import Run, RunState
from shared.model.template import TemplateKind
from shared.model.upload import (
    PLACE_METADATA,
    RUN_METADATA,
    OutputRecord,
    Upload,
    UploadRecord,
    UploadSource,
    output_id,
    place,
)
from shared.ports.objects import ObjectAccessDenied, ObjectInfo, ObjectsUnavailable
from shared.ports.state import StateUnavailable
from shared.state.records import Records
from shared.state.templates import Templates
from tests.builders import BUCKET, REGION, T0, TENANT, a_pipeline
from tests.unit.shared.fakes import FakeObjects, HookedStore, RecordingPublisher, memory_records
from tests.unit.trigger import events


class World:
    """A trigger with everything around it in memory."""

    def __init__(self, records: Records | None = None) -> None:
        self.clock = ManualClock(T0)
        self.records = records or memory_records(self.clock)
        self.objects = FakeObjects(self.clock)
        self.publisher = RecordingPublisher()
        self.intake = Intake(self.records, self.objects, self.publisher, Topics(), region=REGION)
        self.reconciler = Reconciler(self.records, self.objects, self.intake, remember=1000)

    async def pipelines(self, *pipelines: Pipeline) -> None:
        for pipeline in pipelines:
            await self.records.pipelines.insert(pipeline)

    async def told(self, *uploads: Upload) -> None:
        await self.intake.on_events([list(uploads)])

    async def runs(self) -> list[Run]:
        return await self.records.runs.find({})

    async def ledger(self) -> list[UploadRecord]:
        return await self.records.uploads.find({})

    async def reasons(self) -> list[str | None]:
        return [record.reason for record in await self.ledger()]


@pytest.fixture
def world() -> World:
    return World()


def an_upload(key: str = "in/clip.mp4", *, bucket: str = BUCKET, **members: Any) -> Upload:
    return Upload(source="test", bucket=bucket, key=key, **members)


async def an_output(world: World, key: str, etag: str | None, run_id: str = "run-9") -> None:
    record = OutputRecord(id=output_id(BUCKET, key), bucket=BUCKET, key=key, run_id=run_id, node=1, fence=1, etag=etag)
    await world.records.outputs.insert(record)


def our_metadata(key: str, run_id: str = "run-9") -> dict[str, str]:
    return {RUN_METADATA: run_id, PLACE_METADATA: place(BUCKET, key)}


# -- one upload, one run ------------------------------------------------------------------------------------------


async def test_upload_starts_a_run_and_says_so(world: World) -> None:
    await world.pipelines(a_pipeline())
    info = world.objects.put("in/clip.mp4")
    await world.told(an_upload())
    [run] = await world.runs()
    assert (run.state, run.due_at, run.input.etag) == (RunState.REQUESTED, T0, info.etag)
    assert [item.topic for item in world.publisher.sent] == ["reelway.runs.v1"]
    assert [message.run_id for message in world.publisher.of(RunRequested)] == [run.id]
    [record] = await world.ledger()
    assert [line.run_id for line in record.matches] == [run.id]
    assert (record.reason, record.seen_by, record.object) == (None, UploadSource.EVENT, run.input)


async def test_duplicate_upload_event_starts_one_run(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4")
    for _ in range(3):
        await world.told(an_upload(), an_upload(sequencer="2"))
    await asyncio.gather(*(world.told(an_upload()) for _ in range(5)))
    assert len(await world.runs()) == 1
    assert len(await world.ledger()) == 1


@pytest.mark.parametrize("shape", ["s3", "minio", "eventbridge", "cos", "own"])
async def test_event_of_every_shape_and_the_reconciler_start_one_run(world: World, shape: str) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/视频 1+1.mp4")
    await world.intake.on_events([normalise(events.as_bytes(events.SHAPES[shape]("in/视频 1+1.mp4")))])
    await world.intake.on_events([normalise(events.as_bytes(events.s3("in/视频 1+1.mp4")))])
    assert await world.reconciler.reconcile() == 0
    assert len(await world.runs()) == 1
    assert len(await world.ledger()) == 1


async def test_event_and_reconciler_at_the_same_moment_start_one_run(world: World) -> None:
    await world.pipelines(a_pipeline())
    for number in range(5):
        world.objects.put(f"in/{number}.mp4")
    await asyncio.gather(
        world.reconciler.reconcile(),
        world.told(*(an_upload(f"in/{number}.mp4") for number in range(5))),
        world.reconciler.reconcile(),
    )
    assert len(await world.runs()) == 5
    assert len(await world.ledger()) == 5


async def test_every_matching_pipeline_starts_its_own_run(world: World) -> None:
    await world.pipelines(
        a_pipeline("1"), a_pipeline("2"), a_pipeline("3", trigger={"formats": ("mov",)}), a_pipeline("4", tenant="9")
    )
    world.objects.put("in/clip.mp4")
    await world.told(an_upload())
    assert sorted(run.pipeline_id for run in await world.runs()) == ["1", "2", "4"]
    [record] = await world.ledger()
    assert {line.pipeline_id: bool(line.run_id) for line in record.matches} == {
        "1": True,
        "2": True,
        "3": False,
        "4": True,
    }
    assert "mov" in next(line.reason or "" for line in record.matches if line.pipeline_id == "3")


async def test_same_bytes_uploaded_again_later_are_a_new_upload(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4")
    await world.told(an_upload())
    world.clock.advance(timedelta(hours=1))
    world.objects.put("in/clip.mp4")
    await world.told(an_upload())
    assert len({run.id for run in await world.runs()}) == 2


async def test_other_bytes_in_the_same_second_are_a_new_upload(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4", b"one")
    await world.told(an_upload())
    world.objects.put("in/clip.mp4", b"two")
    await world.told(an_upload())
    assert len(await world.runs()) == 2


async def test_quick_overwrites_in_a_versioned_bucket_are_all_seen(world: World) -> None:
    world.objects.versioned.add(BUCKET)
    await world.pipelines(a_pipeline())
    infos = [world.objects.put("in/clip.mp4", b"same") for _ in range(3)]
    await world.told(*(an_upload(version_id=info.version_id) for info in infos))
    assert sorted(run.input.version_id or "" for run in await world.runs()) == ["v1", "v2", "v3"]


async def test_version_that_is_gone_falls_back_on_what_is_there(world: World) -> None:
    world.objects.versioned.add(BUCKET)
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4")
    await world.told(an_upload(version_id="gone"), an_upload(version_id="v1"))
    assert [run.input.version_id for run in await world.runs()] == ["v1"]


async def test_reconciler_finds_the_current_version_as_the_event_does(world: World) -> None:
    world.objects.versioned.add(BUCKET)
    await world.pipelines(a_pipeline())
    info = world.objects.put("in/clip.mp4")
    assert await world.reconciler.reconcile() == 1
    await world.told(an_upload(version_id=info.version_id))
    assert len(await world.runs()) == 1


# -- nothing, because ... -----------------------------------------------------------------------------------------


async def test_unwatched_bucket_is_told_in_the_ledger_without_asking_the_storage(world: World) -> None:
    await world.pipelines(a_pipeline(status=PipelineStatus.DISABLED), a_pipeline("2", trigger={"bucket": "other"}))
    await world.told(an_upload())
    await world.told(an_upload())
    assert await world.reasons() == ["no enabled pipeline watches this bucket"]
    assert world.objects.calls == []


async def test_object_that_is_gone_is_told_in_the_ledger(world: World) -> None:
    await world.pipelines(a_pipeline())
    await world.told(an_upload(etag="e1"))
    assert await world.reasons() == ["the object does not exist (any more)"]
    assert await world.runs() == []


async def test_object_that_was_gone_and_comes_back_starts_a_run(world: World) -> None:
    await world.pipelines(a_pipeline())
    await world.told(an_upload(etag="e1"))
    world.objects.put("in/clip.mp4")
    await world.told(an_upload(etag="e1"))
    assert len(await world.runs()) == 1


async def test_refusing_storage_is_told_in_the_ledger(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.refuses[BUCKET] = ObjectAccessDenied("denied", bucket=BUCKET)
    await world.told(an_upload())
    assert await world.reasons() == ["the storage refuses to show the object"]


async def test_upload_that_matches_nothing_has_every_pipelines_reason(world: World) -> None:
    await world.pipelines(a_pipeline("1"), a_pipeline("2", trigger={"formats": ("mov",), "dir": "/"}))
    world.objects.put("out/clip.mp4")
    await world.told(an_upload("out/clip.mp4"))
    [record] = await world.ledger()
    assert record.reason == "no pipeline matches"
    assert ["not under" in (line.reason or "") or "mov" in (line.reason or "") for line in record.matches] == [True] * 2


async def test_object_older_than_enabling_starts_nothing(world: World) -> None:
    await world.pipelines(a_pipeline(enabled_at=T0))
    world.objects.put("in/old.mp4", at=T0 - timedelta(seconds=10))
    world.objects.put("in/new.mp4", at=T0)
    await world.told(an_upload("in/old.mp4"), an_upload("in/new.mp4"))
    await world.reconciler.reconcile()
    assert [run.input.key for run in await world.runs()] == ["in/new.mp4"]


# -- loop guard ---------------------------------------------------------------------------------------------------


async def test_recorded_output_starts_nothing(world: World) -> None:
    await world.pipelines(a_pipeline())
    info = world.objects.put("in/clip.mp4")
    await an_output(world, "in/clip.mp4", info.etag)
    await world.told(an_upload())
    await world.reconciler.reconcile()
    assert await world.runs() == []
    assert await world.reasons() == ["written by run run-9"]


@pytest.mark.parametrize("recorded", [True, False], ids=["registered, not confirmed", "record lost"])
async def test_output_known_by_its_metadata_alone_starts_nothing(world: World, recorded: bool) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4", metadata=our_metadata("in/clip.mp4"))
    if recorded:
        await an_output(world, "in/clip.mp4", None)
    await world.told(an_upload())
    assert await world.runs() == []
    assert await world.reasons() == ["written by run run-9"]


async def test_reconciler_sees_the_metadata_that_listings_do_not_show(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4", metadata=our_metadata("in/clip.mp4"))
    await world.reconciler.reconcile()
    assert await world.runs() == []


async def test_output_overwritten_by_a_user_is_an_upload(world: World) -> None:
    await world.pipelines(a_pipeline())
    await an_output(world, "in/clip.mp4", "etag-of-ours")
    world.objects.put("in/clip.mp4", b"a user's file")
    await world.told(an_upload())
    assert len(await world.runs()) == 1


async def test_output_copied_elsewhere_with_its_metadata_is_an_upload(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/copy.mp4", metadata=our_metadata("out/clip.mp4"))
    await world.told(an_upload("in/copy.mp4"))
    assert len(await world.runs()) == 1


async def test_output_replaced_by_a_later_run_is_still_ours(world: World) -> None:
    """The record still holds the former etag while the second run has written but not confirmed."""
    await world.pipelines(a_pipeline())
    await an_output(world, "in/clip.mp4", "etag-of-the-first-run")
    world.objects.put("in/clip.mp4", b"second", metadata=our_metadata("in/clip.mp4", "run-10"))
    await world.told(an_upload())
    assert await world.reasons() == ["written by run run-10"]


# -- what fails ---------------------------------------------------------------------------------------------------


async def test_storage_that_is_away_raises_and_loses_nothing(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4")
    world.objects.down = True
    with pytest.raises(ObjectsUnavailable) as caught:
        await world.told(an_upload())
    assert caught.value.retryable
    assert await world.ledger() == []
    world.objects.down = False
    await world.told(an_upload())
    assert len(await world.runs()) == 1


async def test_run_is_written_and_due_although_the_bus_is_away(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4")
    world.publisher.down = True
    await world.told(an_upload())
    [run] = await world.runs()
    assert run.due_at == T0
    assert await world.reasons() == [None]


@pytest.mark.parametrize("collection", ["runs", "uploads", "outputs", "pipelines"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_store_that_fails_anywhere_is_made_good_by_the_same_event(collection: str, after: bool) -> None:
    broken = True

    async def hook(method: str, name: str, done: bool) -> None:
        if broken and name == collection and done is after and method != "insert":
            raise StateUnavailable("no answer")

    clock = ManualClock(T0)
    inner = memory_records(clock)
    world = World(Records(HookedStore(inner.store, hook)))  # type: ignore[arg-type]
    await world.pipelines(a_pipeline())
    world.objects.put("in/clip.mp4")
    with pytest.raises(ReelwayError) as caught:
        await world.told(an_upload())
    assert caught.value.retryable
    broken = False
    await world.told(an_upload())
    [run] = await world.runs()
    assert [line.run_id for record in await world.ledger() for line in record.matches] == [run.id]
    # The first try may have died before it told anybody.
    assert run.id in [message.run_id for message in world.publisher.of(RunRequested)]


# -- reconciler ---------------------------------------------------------------------------------------------------


async def test_reconciler_makes_up_for_lost_events_once(world: World) -> None:
    await world.pipelines(a_pipeline("1"), a_pipeline("2", trigger={"dir": "/in/deep/"}))
    world.objects.put("in/a.mp4")
    world.objects.put("in/deep/b.mp4")
    world.objects.put("elsewhere/c.mp4")
    assert await world.reconciler.reconcile() == 2
    assert await world.reconciler.reconcile() == 0
    assert len(await world.runs()) == 3
    assert {record.seen_by for record in await world.ledger()} == {UploadSource.RECONCILER}


async def test_a_pass_that_took_long_delays_the_next_one_for_minutes_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped for an hour must not leave uploads alone for ten more."""
    await world.pipelines(a_pipeline())
    moments = iter((0.0, 2.0, 10.0, 3610.0))
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(world.reconciler, "_monotonic", lambda: next(moments))
    monkeypatch.setattr(reconciler_module, "asyncio", SimpleNamespace(sleep=pause))
    with pytest.raises(asyncio.CancelledError):
        await world.reconciler.run(interval_s=2)
    assert pauses == [20, reconciler_module.MAX_PAUSE_S]


async def test_a_run_gets_the_tenants_template_as_it_is_when_the_upload_comes(world: World) -> None:
    templates = Templates(world.records)
    made = await templates.create(TENANT, TemplateKind.SNAPSHOT_BY_TIME, {"Width": 320})
    params = {"Definition": made.definition, "ExtTimeOffsetSet": ["1s"]}
    node = Node(kind="snapshot_by_time", params=params, successors=(2,))
    await world.pipelines(
        a_pipeline(nodes=(Node(kind="input", successors=(1,)), node, Node(kind="output"))),
    )
    for key, width in (("in/a.mp4", 320), ("in/b.mp4", 640)):
        await templates.modify(TENANT, TemplateKind.SNAPSHOT_BY_TIME, made.definition, {"Width": width})
        world.objects.put(key)
        await world.told(an_upload(key))
    widths = {
        run.input.key: run.nodes[1].templates[f"snapshot_by_time:{made.definition}"]["Width"]
        for run in await world.runs()
    }
    assert widths == {"in/a.mp4": 320, "in/b.mp4": 640}


async def test_reconciler_asks_about_a_known_object_no_more(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/a.mp4")
    await world.reconciler.reconcile()
    world.objects.calls.clear()
    await world.reconciler.reconcile()
    assert [what for what, _ in world.objects.calls] == ["list"]


async def test_fresh_reconciler_takes_the_ledgers_word(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/a.mp4")
    await world.reconciler.reconcile()
    world.objects.calls.clear()
    again = Reconciler(world.records, world.objects, world.intake, remember=1000)
    assert await again.reconcile() == 0
    assert [what for what, _ in world.objects.calls] == ["list"]


async def test_reconciler_takes_more_objects_than_a_page(world: World) -> None:
    await world.pipelines(a_pipeline())
    for number in range(201):
        world.objects.put(f"in/{number:04d}.mp4")
    assert await world.reconciler.reconcile() == 201
    assert await world.records.runs.count({}) == 201


class SlowStorage(FakeObjects):
    """Takes 0.1 s to show one object in a listing, a minute to be asked about one; nobody really waits."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.passed_s = 0.0

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async for info in super().list(bucket, prefix):
            self.passed_s += 0.1
            yield info

    async def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo:
        self.passed_s += 60
        return await super().head(bucket, key, version_id=version_id)


async def test_pause_between_listings_grows_with_listing_alone(world: World) -> None:
    storage = SlowStorage(world.clock)
    reconciler = Reconciler(world.records, storage, world.intake, remember=1000, monotonic=lambda: storage.passed_s)
    await world.pipelines(a_pipeline())
    assert reconciler.pause_s(2) == 2
    for number in range(250):
        storage.put(f"in/{number}.mp4")
    assert await reconciler.reconcile() == 250
    assert storage.passed_s > 10_000, "asking about so many new objects has taken hours"
    assert reconciler.pause_s(2) == pytest.approx(250)
    storage.put("in/late.mp4")
    storage.refuses[BUCKET] = ObjectsUnavailable("storage is down", bucket=BUCKET)
    with pytest.raises(ObjectsUnavailable):
        await reconciler.reconcile()
    assert reconciler.pause_s(2) == 2, "a storage that was away is looked at again soon"


@pytest.mark.parametrize("error", ["ObjectNotFound", "ObjectAccessDenied"])
async def test_one_tenants_broken_bucket_does_not_stop_the_others(world: World, error: str) -> None:
    from shared.ports import objects

    await world.pipelines(*(a_pipeline(f"{n}", trigger={"bucket": f"bucket-{n}"}) for n in range(3)))
    for number in range(3):
        world.objects.put("in/a.mp4", bucket=f"bucket-{number}")
    world.objects.refuses["bucket-0"] = getattr(objects, error)("no", bucket="bucket-0")
    world.objects.refuses["bucket-1"] = getattr(objects, error)("no", bucket="bucket-1")
    await world.reconciler.reconcile()
    assert [run.input.bucket for run in await world.runs()] == ["bucket-2"]


async def test_storage_that_is_away_ends_the_pass_and_the_next_one_finds_all(world: World) -> None:
    await world.pipelines(a_pipeline())
    world.objects.put("in/a.mp4")
    world.objects.down = True
    with pytest.raises(ObjectsUnavailable):
        await world.reconciler.reconcile()
    world.objects.down = False
    assert await world.reconciler.reconcile() == 1


# -- enabling while uploads come ----------------------------------------------------------------------------------


class EnablingObjects(FakeObjects):
    """Between the moment the trigger has read the pipelines and the moment it asks for the object, another pipeline is
    enabled and the object is overwritten."""

    world: World
    late: Sequence[Pipeline] = ()

    async def head(self, bucket: str, key: str, *, version_id: str | None = None) -> Any:
        if self.late:
            pipelines, self.late = self.late, ()
            self.clock.advance(timedelta(seconds=5))
            await self.world.pipelines(*pipelines)
            self.clock.advance(timedelta(seconds=5))
            self.put(key, b"a newer upload")
        return await super().head(bucket, key, version_id=version_id)


@pytest.mark.parametrize("by", ["event", "reconciler"])
async def test_pipeline_enabled_before_an_upload_gets_it_though_the_trigger_had_looked_earlier(
    world: World, by: str
) -> None:
    objects = EnablingObjects(world.clock)
    objects.world = world
    objects.late = [a_pipeline("2", enabled_at=T0 + timedelta(seconds=5))]
    intake = Intake(world.records, objects, world.publisher, Topics(), region=REGION)
    await world.pipelines(a_pipeline("1"))
    objects.put("in/clip.mp4")
    if by == "event":
        await intake.on_events([[an_upload()]])
    else:
        await Reconciler(world.records, objects, intake, remember=1000).reconcile()
    await intake.on_events([[an_upload()]])
    assert sorted(run.pipeline_id for run in await world.runs()) == ["1", "2"]
