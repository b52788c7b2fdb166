"""One message of every type, with every member set: what the golden files hold."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.messages.messages import (
    DeadLetter,
    Message,
    RunChanged,
    RunRequested,
    TaskEnded,
    TaskReady,
    UploadCreated,
)
from shared.model.run import RunEvent, RunEventType
from shared.model.task import Lane, TaskState

AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
RUN = "1250000000-ScheduleTask-0123456789abcdef0123456789abcdef01234567tt0"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

SAMPLES: tuple[Message, ...] = (
    RunRequested(run_id=RUN, traceparent=TRACE),
    TaskReady(task_id=f"{RUN}:0.3:1", run_id=RUN, lane=Lane.MEDIA, traceparent=TRACE),
    TaskEnded(task_id=f"{RUN}:0.3:2", run_id=RUN, state=TaskState.FAILED, traceparent=TRACE),
    RunChanged(
        run_id=RUN,
        tenant="1250000000",
        pipeline_id="7001",
        pipeline_name="转码-1",
        bucket="media-1250000000",
        key="in/视频 1+1.mp4",
        event=RunEvent(
            sequence=4,
            type=RunEventType.NODE_FAILED,
            at=AT,
            node=3,
            attempt=2,
            state="failed",
            code="SourceFileError",
            message="damaged",
        ),
        notifies=True,
        traceparent=TRACE,
    ),
    UploadCreated(
        bucket="media-1250000000",
        key="in/视频 1+1.mp4",
        region="ap-guangzhou",
        etag="d41d8cd98f00b204e9800998ecf8427e",
        version_id="v1",
        size=3539987,
        at=AT,
        traceparent=TRACE,
    ),
    DeadLetter(
        topic="reelway.uploads.v1",
        partition=2,
        offset=17,
        key="media-1250000000/in/a.mp4",
        body="e30=",
        body_bytes=2,
        reason="not JSON",
        service="trigger",
        at=AT,
    ),
)
