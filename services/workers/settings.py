"""Settings of a worker."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from services.workers.media.process import OUTPUT_BYTES
from shared.cores import cores
from shared.model.task import Lane
from shared.settings import ServiceSettings

STOP_RESERVE_S = 5.0
"""What a stop needs beside the grace period: to end what still runs and to give it back."""


class WorkerSettings(ServiceSettings):
    """`REELWAY_*` variables of a worker."""

    worker_name: str = Field(default_factory=socket.gethostname, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Who this worker is. After a crash the next worker of the same name takes its tasks back at once; so the name
    must be its own on each machine. A second worker on the machine gets a number behind it by itself."""
    light_slots: int = Field(default=4, ge=0, le=256)
    """Tasks of the light lane at once; 0 to leave the lane alone."""
    media_slots: int = Field(default_factory=cores, ge=0, le=256)
    """Tasks of the media lane at once; by default one for each CPU that the process may use (also by its container's
    quota); 0 to leave the lane alone."""
    ai_slots: int = Field(default=0, ge=0, le=256)
    """Tasks of the ai lane at once; 0 to leave the lane alone."""
    lease_s: float = Field(default=30, ge=1)
    """How long a claim lasts without a heartbeat."""
    heartbeat_s: float = Field(default=10, gt=0)
    """How often leases are renewed; well below `lease_s`."""
    progress_s: float = Field(default=1, gt=0)
    """How often progress is stored if it has changed."""
    poll_s: float = Field(default=1, gt=0)
    """How often an idle lane looks into the queue though no doorbell rang."""
    presence_s: float = Field(default=5, ge=0, le=60)
    """How often the worker tells the store that it is there and what it does, for people to see; 0: never."""
    grace_s: float = Field(default=20, ge=0)
    """How long running tasks may go on after SIGTERM before they are given back; at most 5 s less than
    `stop_timeout_s`."""
    storage_patience_s: float = Field(default=900, ge=0)
    """How long a task waits for an object storage that is away before the attempt fails."""
    scratch_dir: Path = Path(tempfile.gettempdir()) / "reelway-scratch"
    """Where sources and outputs lie while they are worked on."""
    source_cache_bytes: int = Field(default=10 * 1024**3, ge=0)
    """How much of fetched sources is kept for later nodes, beyond what is in use."""
    output_limit_bytes: int = Field(default=OUTPUT_BYTES, ge=1024**2)
    """How much one node may write, before it is stopped: beyond what is sensible, a mistake or an attack."""
    ffmpeg: Path | None = None
    """The ffmpeg to call; by default the one that ships with `imageio-ffmpeg`."""

    encoder_threads: int = Field(default=0, ge=0, le=256)
    """Threads of each decoder and encoder; 0 for the CPUs that the process may use divided by `media_slots`, at least
    one."""

    @model_validator(mode="after")
    def _heartbeat_within_lease(self) -> Self:
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError("heartbeat_s must be at most half of lease_s")
        return self

    @model_validator(mode="after")
    def _grace_within_stop(self) -> Self:
        if {"grace_s", "stop_timeout_s"} <= self.model_fields_set and (
            self.grace_s + STOP_RESERVE_S > self.stop_timeout_s
        ):
            raise ValueError(f"grace_s must be at least {STOP_RESERVE_S:g} s less than stop_timeout_s")
        return self

    @property
    def drain_s(self) -> float:
        """The grace period that there is time for: `grace_s`, cut to what `stop_timeout_s` leaves."""
        return max(min(self.grace_s, self.stop_timeout_s - STOP_RESERVE_S), 0.0)

    @property
    def threads(self) -> int:
        """Threads of each decoder and encoder, so that full slots fill the machine and do not fight for it."""
        return self.encoder_threads or max(cores() // max(self.media_slots, 1), 1)

    def slots(self) -> dict[Lane, int]:
        """The lanes this worker serves and how many tasks of each at once."""
        wanted = {Lane.LIGHT: self.light_slots, Lane.MEDIA: self.media_slots, Lane.AI: self.ai_slots}
        return {lane: count for lane, count in wanted.items() if count > 0}
