"""The event that a subscription is tried out with: the end of a run of its pipeline in which nothing was done."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared.model.pipeline import Pipeline
from shared.model.run import Run, RunEvent, RunEventType, RunState, new_run
from shared.model.task import MediaObject, OutputTarget

TRIAL_SEQUENCE = 1
SESSION_ID = "reelway-test"
SESSION_CONTEXT = "A test event of Reelway: no such task was executed"


def trial_run(pipeline: Pipeline, run_id: str, now: datetime) -> Run:
    """A run that never was, for one event (number `TRIAL_SEQUENCE`) in the form of real ones. It is not stored."""
    place = pipeline.trigger
    storage: Literal["COS", "AWS-S3"] = "AWS-S3" if place.type.startswith("Aws") else "COS"
    key = f"{place.dir.lstrip('/')}reelway-test.mp4"
    run = new_run(
        run_id=run_id,
        tenant=pipeline.tenant,
        pipeline_id=pipeline.id,
        pipeline_name=pipeline.name,
        definition=pipeline.definition,
        nodes=pipeline.nodes,
        source=MediaObject(bucket=place.bucket, region=place.region, key=key, etag="", size=0),
        target=OutputTarget(
            bucket=pipeline.output.bucket or place.bucket,
            region=pipeline.output.region or place.region,
            dir=pipeline.output.dir or place.dir,
            type=storage,
        ),
        now=now,
        notification=pipeline.notification,
        more_subscriptions=pipeline.more_subscriptions,
        input_type=storage,
        session_id=SESSION_ID,
        session_context=SESSION_CONTEXT,
    )
    ended = RunEvent(sequence=TRIAL_SEQUENCE, type=RunEventType.RUN_FINISHED, at=now, state=RunState.SUCCEEDED.value)
    return run.with_changes(state=RunState.SUCCEEDED, started_at=now, finished_at=now, history=(ended,), due_at=None)
