"""Those who are told of a pipeline's runs: trying one out, and rotating its secret."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from datetime import timedelta

from services.api.dependencies import Context
from services.api.domain.problems import conflict, not_found
from services.api.lookup import own_pipeline
from shared.ids import delivery_id, digest
from shared.model.delivery import Delivery, DeliveryState
from shared.model.key_ring import KeyRing, ring_id, rotated, valid_keys
from shared.model.pipeline import Notification, Pipeline
from shared.mps.trial import TRIAL_SEQUENCE
from shared.ports.state import DuplicateKey
from shared.state.repository import Contention

DEFAULT = "default"
"""How REST calls the contract's own subscription, TaskNotifyConfig."""
LOOK_AGAIN_S = 0.05
_TRIES = 20


def internal_name(name: str) -> str | None:
    """The subscription's name in documents."""
    return None if name == DEFAULT else name


async def own_subscription(pipeline_id: str, name: str, context: Context) -> tuple[Pipeline, Notification]:
    """Raises Problem 404."""
    pipeline = await own_pipeline(pipeline_id, context)
    if pipeline is None:
        raise not_found("pipeline", pipeline_id)
    for one in pipeline.subscriptions:
        if one.subscription == internal_name(name):
            return pipeline, one
    raise not_found("subscription", name)


async def try_out(pipeline: Pipeline, subscription: Notification, wait_s: float, context: Context) -> Delivery:
    """Writes a test event for the notifier, which tries it once; waits at most so long for what comes of it."""
    records = context.deps.records
    now = await records.now()
    run = f"{pipeline.tenant}-ScheduleTask-{digest('test', pipeline.id, context.deps.new_id())}tt0"
    made = Delivery(
        id=delivery_id(run, TRIAL_SEQUENCE, subscription.name),
        tenant=pipeline.tenant,
        run_id=run,
        pipeline_id=pipeline.id,
        sequence=TRIAL_SEQUENCE,
        subscription=subscription.subscription,
        sink=subscription.sink,
        target=subscription.target,
        due_at=now,
        created_at=now,
        test=True,
    )
    await records.deliveries.insert(made)
    until = time.monotonic() + wait_s
    current: Delivery | None = made
    while current is not None and current.state is DeliveryState.PENDING and time.monotonic() < until:
        await asyncio.sleep(LOOK_AGAIN_S)
        current = await records.deliveries.get(made.id)
    return current or made


async def rotate(
    pipeline: Pipeline, subscription: Notification, new: str | None, keep_s: float, context: Context
) -> KeyRing:
    """Signs with a new secret from now on (a few seconds at most), and for `keep_s` with the one before it as
    well; also what is told of runs that exist already. Raises Problem 409 if there is no secret."""
    if not subscription.key:
        raise conflict("no_secret", "the subscription has no NotifyKey, so that nothing is signed")
    records = context.deps.records
    identity = ring_id(pipeline.id, subscription.subscription)
    for _ in range(_TRIES):
        now = await records.now()
        ring = await records.key_rings.get(identity)
        if new is not None and new in valid_keys(subscription.key, ring, now):
            raise conflict("same_secret", "this secret is valid already")
        names = KeyRing(
            id=identity,
            tenant=pipeline.tenant,
            pipeline_id=pipeline.id,
            subscription=subscription.subscription,
            notify_key="",
            rotated_at=now,
        )
        after = rotated(
            ring,
            carried=subscription.key,
            new=new or new_secret(),
            now=now,
            previous_until=now + timedelta(seconds=keep_s),
            names=names,
        )
        if ring is None:
            try:
                await records.key_rings.insert(after)
            except DuplicateKey:
                continue
            return after
        if await records.key_rings.replace(after) is not None:
            return after
    raise Contention(f"key_rings/{identity} changed {_TRIES} times under a rotation")


def new_secret() -> str:
    """32 random bytes as Standard Webhooks writes secrets."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
