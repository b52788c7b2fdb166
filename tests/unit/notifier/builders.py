"""Runs as the scheduler would have written them, and stands-in for what is around the notifier."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from services.notifier.domain.notice import Notice, Report
from shared.model.delivery import Delivery, DeliveryState
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Node, Notification, NotifyMode, SinkType
from shared.model.run import NodeRun, NodeState, Run, RunEvent, RunEventType, RunState, new_run
from shared.model.task import MediaObject, NodeResult, OutputTarget

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = "my-notify-key"
RUN_ID = "1250000000-ScheduleTask-774f1010aa6e4a6f9c3d2b1e0f5a7c981tt0"
SOURCE = MediaObject(bucket="media-in-1250000000", region="ap-guangzhou", key="in/clip 片.mp4", etag="e", size=3539987)
STORAGE = {"Type": "COS", "CosOutputStorage": {"Bucket": "media-out-1250000000", "Region": "ap-guangzhou"}}
METADATA = {
    "Size": 3539987,
    "Container": "mov,mp4,m4a,3gp,3g2,mj2",
    "Bitrate": 2681468,
    "Height": 720,
    "Width": 1280,
    "Duration": 10.56,
    "Rotate": 0,
    "VideoStreamSet": [{"Bitrate": 2553697, "Height": 720, "Width": 1280, "Codec": "h264", "Fps": 25}],
    "AudioStreamSet": [{"Bitrate": 127771, "SamplingRate": 44100, "Codec": "aac", "Channel": 2}],
    "VideoDuration": 10.52,
    "AudioDuration": 10.56,
    # Ours: no client of the contract may see it.
    "Facts": {"PixelFormat": "yuv420p"},
}
TRANSCODE = {"Definition": 100020}
SAMPLES = {"Definition": 10}
TIMES = {"Definition": 10, "ExtTimeOffsetSet": ["0s", "50%"]}
SPRITE = {"Definition": 10}
MOVING = {"Definition": 20000, "StartTimeOffset": 1.0, "EndTimeOffset": 4.0}
RESULTS: Mapping[str, NodeResult] = {
    "transcode": NodeResult(
        echo={**TRANSCODE, "OutputStorage": STORAGE, "OutputObjectPath": "/out/clip_transcode_100020.mp4"},
        payload={
            "OutputStorage": STORAGE,
            "Path": "/out/clip_transcode_100020.mp4",
            "Definition": 100020,
            "Bitrate": 1062144,
            "Size": 1402331,
            "Duration": 10.56,
            "Md5": "31dcf904c03d0cd78346a12c25c0acc9",
        },
    ),
    "sample_snapshot": NodeResult(
        echo={**SAMPLES, "OutputStorage": STORAGE, "OutputObjectPath": "/out/clip_sampleSnapshot_10_{number}.jpg"},
        payload={
            "Definition": 10,
            "SampleType": "Percent",
            "Interval": 10,
            "Storage": STORAGE,
            "ImagePathSet": ["/out/clip_sampleSnapshot_10_0.jpg"],
            "WaterMarkDefinition": [],
        },
    ),
    "snapshot_by_time": NodeResult(
        echo={**TIMES, "OutputStorage": STORAGE, "OutputObjectPath": "/out/clip_snapshotByTimeOffset_10_{number}.jpg"},
        payload={
            "Definition": 10,
            "Storage": STORAGE,
            "PicInfoSet": [
                {"TimeOffset": 0, "Path": "/out/clip_snapshotByTimeOffset_10_0.jpg", "WaterMarkDefinition": []}
            ],
        },
    ),
    "image_sprite": NodeResult(
        echo={
            **SPRITE,
            "OutputStorage": STORAGE,
            "OutputObjectPath": "/out/clip_imageSprite_10_{number}.jpg",
            "WebVttObjectName": "/out/clip_imageSprite_10.vtt",
        },
        payload={
            "Definition": 10,
            "Height": 80,
            "Width": 142,
            "TotalCount": 2,
            "ImagePathSet": ["/out/clip_imageSprite_10_0.jpg"],
            "WebVttPath": "/out/clip_imageSprite_10.vtt",
            "Storage": STORAGE,
        },
    ),
    "animated_graphics": NodeResult(
        echo={**MOVING, "OutputStorage": STORAGE, "OutputObjectPath": "/out/clip_animatedGraphic_20000.gif"},
        payload={
            "Storage": STORAGE,
            "Path": "/out/clip_animatedGraphic_20000.gif",
            "Definition": 20000,
            "Container": "gif",
            "Height": 720,
            "Width": 1280,
            "Bitrate": 9637523,
            "Size": 3614071,
            "Md5": "af2342475551030d89fabe942cb71aed",
            "StartTimeOffset": 1.0,
            "EndTimeOffset": 4.0,
        },
    ),
}
DAMAGED = Failure(code=ErrCode.SOURCE_FILE, message="source is damaged")
LATE = Failure(code=ErrCode.INVALID_TIME_OFFSET, message="start offset is beyond the end of the source")


def notification(
    target: str = "http://cb.local/mps",
    *,
    mode: NotifyMode = NotifyMode.CHANGE,
    sink: SinkType = SinkType.HTTP,
    key: str | None = KEY,
) -> Notification:
    return Notification(sink=sink, mode=mode, target=target, key=key)


PICTURE_NODES = (
    Node(kind="input", successors=(1, 2)),
    Node(kind="image_sprite", params=SPRITE, successors=(3,)),
    Node(kind="animated_graphics", params=MOVING, successors=(3,)),
    Node(kind="output"),
)


def requested(
    told: Notification | None = None, run_id: str = RUN_ID, nodes: tuple[Node, ...] = (), **extra: Any
) -> Run:
    """input -> transcode -> snapshots at times -> output, and input -> sample snapshots -> output, or other nodes."""
    nodes = nodes or (
        Node(kind="input", successors=(1, 2)),
        Node(kind="transcode", params=TRANSCODE, successors=(3,)),
        Node(kind="sample_snapshot", params=SAMPLES, successors=(4,)),
        Node(kind="snapshot_by_time", params=TIMES, successors=(4,)),
        Node(kind="output"),
    )
    return new_run(
        run_id=run_id,
        tenant="1250000000",
        pipeline_id="7",
        pipeline_name="demo",
        definition=1,
        nodes=nodes,
        source=SOURCE,
        target=OutputTarget(bucket="media-out-1250000000", region="ap-guangzhou", dir="/out/"),
        now=START,
        notification=told,
        **extra,
    )


class Story:
    """Tells a run's life step by step, as the scheduler writes it; `stages[n]` is the run at sequence n."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.stages: dict[int, Run] = {}

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.run.sequence)

    def _event(self, kind: RunEventType, **about: Any) -> int:
        event = RunEvent(sequence=self.run.sequence + 1, type=kind, at=self.now, **about)
        self.run = self.run.with_changes(
            history=(*self.run.history, event), notify_due_at=self.run.notify_due_at or self.now + timedelta(seconds=3)
        )
        self.stages[event.sequence] = self.run
        return event.sequence

    def _set(self, index: int, **changes: Any) -> None:
        nodes = list(self.run.node_runs)
        nodes[index] = nodes[index].model_copy(update=changes)
        self.run = self.run.with_changes(node_runs=tuple(nodes))
        self.stages[self.run.sequence] = self.run

    def _queue(self, *indexes: int) -> None:
        for index in indexes:
            self._set(index, state=NodeState.QUEUED, attempt=1, queued_at=self.now)

    def started(self) -> Story:
        self.run = self.run.with_changes(state=RunState.RUNNING, started_at=START)
        self._event(RunEventType.RUN_STARTED)
        self._queue(0)
        return self

    def succeeded(self, index: int, *then: int, result: NodeResult | None = None) -> Story:
        kind = self.run.nodes[index].kind
        sequence = self._event(RunEventType.NODE_SUCCEEDED, node=index, attempt=1)
        result = result or (NodeResult(metadata=METADATA) if kind == "input" else RESULTS[kind])
        times = {"started_at": self.now - timedelta(seconds=1), "finished_at": self.now}
        self._set(index, state=NodeState.SUCCEEDED, sequence=sequence, result=result, **times)
        if kind == "input":
            self.run = self.run.with_changes(metadata=METADATA)
        self._queue(*then)
        self.stages[self.run.sequence] = self.run
        return self

    def failed(self, index: int, failure: Failure, *skipped: int) -> Story:
        if self.run.nodes[index].kind == "input":
            self.run = self.run.with_changes(failure=failure)
        sequence = self._event(RunEventType.NODE_FAILED, node=index, attempt=1)
        times = {"started_at": self.now - timedelta(seconds=1), "finished_at": self.now}
        self._set(index, state=NodeState.FAILED, sequence=sequence, failure=failure, **times)
        for other in skipped:
            sequence = self._event(RunEventType.NODE_SKIPPED, node=other)
            self._set(other, state=NodeState.SKIPPED, sequence=sequence, reason=f"node {index} failed")
        self.stages[self.run.sequence] = self.run
        return self

    def finished(self) -> Story:
        self._set(len(self.run.nodes) - 1, state=NodeState.SUCCEEDED, finished_at=self.now)
        failed = any(node.state is NodeState.FAILED for node in self.run.node_runs)
        state = RunState.FAILED if failed else RunState.SUCCEEDED
        self.run = self.run.with_changes(state=state, finished_at=self.now)
        self._event(RunEventType.RUN_FINISHED, state=state.value)
        return self


def whole_story(run: Run) -> Story:
    """Everything succeeds; notifiable sequences 1 to 6."""
    return Story(run).started().succeeded(0, 1, 2).succeeded(1, 3).succeeded(2).succeeded(3).finished()


def with_node(run: Run, index: int, **changes: Any) -> Run:
    nodes: list[NodeRun] = list(run.node_runs)
    nodes[index] = nodes[index].model_copy(update=changes)
    return run.with_changes(node_runs=tuple(nodes))


def delivery(sequence: int = 6, **changes: Any) -> Delivery:
    return Delivery(
        id=f"{RUN_ID}:{sequence}:URL",
        tenant="1250000000",
        run_id=RUN_ID,
        sequence=sequence,
        sink=SinkType.HTTP,
        target="http://cb.local/mps",
        state=DeliveryState.PENDING,
        due_at=START,
        created_at=START,
    ).with_changes(**changes)


class ScriptedSink:
    """A sink whose answers are given beforehand; the last one is repeated. Keeps what it was given."""

    def __init__(self, *reports: Report) -> None:
        self.reports = list(reports) or [Report(delivered=True, status=200)]
        self.notices: list[Notice] = []
        self.hold: dict[str, asyncio.Event] = {}
        self.busy: dict[str, int] = {}
        self.most: dict[str, int] = {}

    def lane(self, target: str) -> str:
        return target

    def sequences(self, run_id: str = RUN_ID) -> list[int]:
        return [int(notice.id.split(":")[1]) for notice in self.notices if notice.run_id == run_id]

    async def send(self, notice: Notice) -> Report:
        lane = notice.target
        self.notices.append(notice)
        self.busy[lane] = self.busy.get(lane, 0) + 1
        self.most[lane] = max(self.most.get(lane, 0), self.busy[lane])
        try:
            if lane in self.hold:
                await self.hold[lane].wait()
            await asyncio.sleep(0)
            return self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]
        finally:
            self.busy[lane] -= 1


async def until(condition: Callable[[], Any], what: str, timeout_s: float = 10) -> None:
    """Waits for a condition, plain or awaitable; fails with `what` after the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if await value if asyncio.iscoroutine(value) else value:
            return
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        await asyncio.sleep(0.005)
