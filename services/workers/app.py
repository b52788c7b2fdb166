"""How a worker is wired."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from services.workers.execution import Execution
from services.workers.nodes.registry import node_kinds
from services.workers.presence import Presence
from services.workers.scratch import Scratch
from services.workers.settings import WorkerSettings
from services.workers.source_cache import SourceCache
from services.workers.worker import Worker
from shared.bus.subscription import Subscription
from shared.concurrency import run_to_end
from shared.messages.codec import decode
from shared.messages.messages import TaskReady
from shared.model.task import Lane
from shared.runtime import Runtime
from shared.state.task_queue import Holder, TaskQueue

SERVICE = "worker"


async def build(runtime: Runtime) -> None:
    """Takes a name and a scratch folder, gives back what a dead predecessor held, serves the lanes."""
    settings = runtime.settings
    if not isinstance(settings, WorkerSettings):
        raise TypeError("a worker needs WorkerSettings")
    bus = runtime.bus
    scratch = await asyncio.to_thread(Scratch.open, settings.scratch_dir, settings.worker_name)
    holder = Holder(scratch.worker, f"{scratch.worker}/{os.getpid()}-{os.urandom(4).hex()}")
    queue = TaskQueue(runtime.records, timedelta(seconds=settings.lease_s))
    execution = Execution(
        runtime.records,
        queue,
        runtime.objects,
        node_kinds(settings.ffmpeg, settings.threads, settings.output_limit_bytes),
        scratch,
        SourceCache(runtime.objects, scratch.sources, settings.source_cache_bytes),
        owner=holder.owner,
        storage_patience_s=settings.storage_patience_s,
    )
    worker = Worker(queue, execution, bus, bus.topics, holder, settings, hint=bus.hint)
    await worker.take_back_own()
    bus.declare_topics(bus.topics.task_events)
    for lane in settings.slots():
        bus.subscribe(
            Subscription(
                bus.topics.tasks(lane),
                partial(decode, TaskReady),
                worker.on_ready,
                service=SERVICE,
                clock=runtime.clock,
            )
        )
        bus.on_hint(bus.topics.tasks(lane), partial(look, worker, lane))
        runtime.background.append(worker.fill(lane))
    runtime.background.append(worker.heartbeat())
    runtime.on_stop.append(partial(leave, worker, scratch))
    if settings.presence_s:
        presence = Presence(runtime.records, worker, holder, settings.presence_s)
        runtime.background.append(presence.tell())
        runtime.on_stop.append(presence.leave)


def look(worker: Worker, lane: Lane, _: Sequence[str]) -> None:
    """On a hint: which tasks they are is the queue's business."""
    worker.look(lane)


async def leave(worker: Worker, scratch: Scratch) -> None:
    """Drains and removes the scratch folder; the latter also if draining is cancelled because it takes too long."""
    try:
        await worker.drain()
    finally:
        await run_to_end(asyncio.to_thread(scratch.close))
