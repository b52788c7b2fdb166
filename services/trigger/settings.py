"""Settings of the trigger."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class TriggerSettings(ServiceSettings):
    """`REELWAY_*` variables of the trigger."""

    reconcile_interval_s: float = Field(default=60, gt=0)
    """How often the trigger prefixes are listed for uploads whose event never came. A listing that takes long makes
    the pauses longer, up to five minutes: where that is enough, at most a tenth of the time goes into listing."""
    reconcile: bool = True
    """Whether this process reconciles at all."""
    head_concurrency: int = Field(default=16, ge=1, le=256)
    """How many objects are asked about at once."""
    seen_cache: int = Field(default=100_000, ge=1000)
    """How many listed objects the reconciler remembers, to not ask the ledger about them each time."""
