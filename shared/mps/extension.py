"""`Activity.Extension`: what a node can be told that the contract has no member for (docs/reference/extensions.md).

The official SDK sends no member that its models do not know, and ignores one that comes back: it shows the rest.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared.model.failure import ErrCode
from shared.model.pipeline import Join, Node, RetryRule, Timeouts
from shared.mps.base import MpsModel

_DAY = 86_400
_MONTH = 30 * _DAY

Wait = Annotated[float, Field(ge=0, le=_DAY, allow_inf_nan=False)]
Limit = Annotated[float, Field(gt=0, le=_MONTH, allow_inf_nan=False)]


def _tried_again(code: str) -> str:
    known = [each.value for each in ErrCode]
    if code not in known:
        raise ValueError(f"is not an error code; they are {', '.join(known)}")
    if code.partition(".")[0] != ErrCode.INTERNAL.value:
        raise ValueError(f"{code} is never tried again: another attempt would end the same")
    return code


class RetryExtension(MpsModel):
    """How often an attempt that failed is followed by another; what is absent follows the kind of node."""

    max_attempts: int | None = Field(default=None, ge=1, le=20)
    base_seconds: Wait | None = None
    cap_seconds: Wait | None = None
    on: list[Annotated[str, AfterValidator(_tried_again)]] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.base_seconds is not None and self.cap_seconds is not None and self.cap_seconds < self.base_seconds:
            raise ValueError("CapSeconds must not be less than BaseSeconds")
        return self


class TimeoutsExtension(MpsModel):
    """How long an attempt may wait for a worker, work, and stand still; what is absent follows the kind of node."""

    queued_seconds: Limit | None = None
    running_seconds: Limit | None = None
    stalled_seconds: Limit | None = None


class ActivityExtension(MpsModel):
    """Name, join mode, source, retries, timeouts and priority of one node."""

    name: str | None = None
    join: Literal["all", "any"] | None = None
    source: Literal["previous", "original"] | None = None
    retry: RetryExtension | None = None
    timeouts: TimeoutsExtension | None = None
    priority: int | None = Field(default=None, ge=-10, le=10)

    def members(self) -> dict[str, Any]:
        """The members of a Node that this sets."""
        found: dict[str, Any] = {"name": self.name, "priority": self.priority}
        if self.join is not None:
            found["join"] = Join(self.join)
        if self.source is not None:
            found["source"] = self.source
        if self.retry is not None and self.retry.to_wire():
            given = self.retry
            found["retry"] = RetryRule(
                max_attempts=given.max_attempts,
                base_s=given.base_seconds,
                cap_s=given.cap_seconds,
                on=None if given.on is None else tuple(given.on),
            )
        if self.timeouts is not None and self.timeouts.to_wire():
            limits = self.timeouts
            found["timeouts"] = Timeouts(
                queued_s=limits.queued_seconds, running_s=limits.running_seconds, stalled_s=limits.stalled_seconds
            )
        return found

    @classmethod
    def of(cls, node: Node) -> ActivityExtension:
        """What tells this node from one without an extension."""
        retry, timeouts = node.retry, node.timeouts
        return cls(
            name=node.name,
            join="any" if node.join is Join.ANY else None,
            source="original" if node.source == "original" else None,
            retry=retry
            and RetryExtension(
                max_attempts=retry.max_attempts,
                base_seconds=retry.base_s,
                cap_seconds=retry.cap_s,
                on=None if retry.on is None else list(retry.on),
            ),
            timeouts=timeouts
            and TimeoutsExtension(
                queued_seconds=timeouts.queued_s,
                running_seconds=timeouts.running_s,
                stalled_seconds=timeouts.stalled_s,
            ),
            priority=node.priority,
        )
