"""Settings of the scheduler."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class SchedulerSettings(ServiceSettings):
    """`REELWAY_*` variables of the scheduler."""

    sweep_interval_s: float = Field(default=0.5, gt=0, le=60)
    """How often due timers and expired leases are looked for."""
    sweep_batch: int = Field(default=200, ge=1, le=5000)
    """How many runs one sweep takes on."""
    lease_s: float = Field(default=30, gt=0)
    """Length of the workers' leases: how long they are spared after the store was away."""
