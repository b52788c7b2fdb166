"""Those who are told of a pipeline's runs: test events, and rotation of secrets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.deliveries import DeliveryDetail, detail
from services.api.rest.parameters import PipelineId, Wait
from services.api.subscribers import DEFAULT, own_subscription, rotate, try_out
from shared.model.base import Instant
from shared.model.credential import Role

router = APIRouter(prefix="/pipelines/{pipeline_id}/subscriptions", tags=["deliveries"])

SubscriptionName = Annotated[
    str, Path(max_length=64, description=f"The subscription's name; `{DEFAULT}` is TaskNotifyConfig.")
]


@router.post("/{subscription}/test", status_code=202)
@changes("delivery")
async def send_test_event(
    caller: Caller, pipeline_id: PipelineId, subscription: SubscriptionName, wait: Wait = 10
) -> DeliveryDetail:
    """Send a test event: the end of a task in which nothing was done (`SessionId` is `reelway-test`), signed like every
    other, tried once. The answer has the attempt if it ended within `wait`; `state` is `pending` otherwise."""
    pipeline, found = await own_subscription(pipeline_id, subscription, caller)
    return await detail(await try_out(pipeline, found, wait, caller), caller)


class RotationWish(BaseModel):
    """A new secret, and for how long the one before it is valid too."""

    model_config = ConfigDict(extra="forbid")

    secret: str | None = Field(
        default=None, min_length=16, max_length=256, description="Default: a random one is made and answered."
    )
    keep_previous_s: float = Field(default=86_400, ge=0, le=30 * 86_400)


class Rotation(BaseModel):
    """What holds now. It is the only time that the secret is shown."""

    subscription: str
    secret: str
    rotated_at: Instant
    previous_valid_until: Instant


@router.post("/{subscription}/rotate-secret")
@changes("secret", by=Role.ADMIN)
async def rotate_secret(
    caller: Caller, pipeline_id: PipelineId, subscription: SubscriptionName, wish: RotationWish
) -> Rotation:
    """Sign with a new secret, also what is told of runs that exist already; the pipeline may be enabled.
    `webhook-signature` has both signatures until `previous_valid_until`, the contract's `Sign` is the new one's at
    once. Of two rotations in a row only the last two secrets are valid."""
    pipeline, found = await own_subscription(pipeline_id, subscription, caller)
    ring = await rotate(pipeline, found, wish.secret, wish.keep_previous_s, caller)
    return Rotation(
        subscription=subscription,
        secret=ring.notify_key,
        rotated_at=ring.rotated_at,
        previous_valid_until=ring.previous_until or ring.rotated_at,
    )
