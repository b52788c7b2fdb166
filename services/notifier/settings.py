"""Settings of the notifier."""

from __future__ import annotations

from pydantic import Field

from shared.sink_settings import SinkSettings


class NotifierSettings(SinkSettings):
    """`REELWAY_*` variables of the notifier."""

    sweep_interval_s: float = Field(default=1, gt=0, le=60)
    """How often runs without their deliveries, and due deliveries, are looked for."""
    sweep_batch: int = Field(default=200, ge=1, le=5000)
    """How many runs one sweep takes on."""
    in_flight: int = Field(default=32, ge=1, le=1000)
    """How many deliveries are sent at once."""
    in_flight_per_host: int = Field(default=4, ge=1, le=1000)
    """How many of them to one host."""
    callback_timeout_s: float = Field(default=10, gt=0, le=60)
    """How long one attempt may take in all."""
    send_lease_s: float = Field(default=60, gt=0)
    """For how long a delivery that is being sent is left alone by others; after a crash it is sent again then."""
    retry_for_s: float = Field(default=3 * 86400, ge=0)
    """How long a delivery is tried before it is dead."""
    keep_delivered_s: float = Field(default=30 * 86400, ge=14 * 86400)
    """How long the log keeps what was delivered: longer than a topic keeps the news of it, which would make it anew."""
    keep_dead_s: float = Field(default=90 * 86400, ge=14 * 86400)
    """How long dead letters are kept for a replay; a longer time than `retry_for_s`."""
