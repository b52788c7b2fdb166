"""What the launcher is told, on the command line or by `REELWAY_LOCAL_*` variables."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import KafkaServers


def default_data_folder() -> Path:
    """`$XDG_DATA_HOME/reelway`, or `~/.local/share/reelway` without that variable."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "reelway"


class LocalSettings(BaseSettings):
    """Settings of `reelway up`. Command line options win over variables."""

    model_config = SettingsConfigDict(env_prefix="REELWAY_LOCAL_", frozen=True, extra="ignore")

    data: Path = Field(default_factory=default_data_folder)
    """Where credentials, state, objects, logs and scratch files are kept."""
    name: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{1,40}$")
    """First part of the input bucket's name; None keeps what the data folder has (`media` at first)."""
    ready_file: Path | None = None
    """Also write the ready file here; it is always in the data folder."""
    state_url: str | None = Field(default=None, pattern=r"^(sqlite:////.+|mongodb(\+srv)?://.+/.+)$")
    """Where the services keep state; None for SQLite in the data folder."""
    api_port: int | None = Field(default=None, ge=1, le=65535)
    s3_port: int | None = Field(default=None, ge=1, le=65535)
    kafka: KafkaServers | None = None
    """A Kafka cluster to use; None for the embedded broker."""
    kafka_port: int | None = Field(default=None, ge=1, le=65535)
    """Port of the embedded broker; None for a free one."""

    ready_timeout_s: float = Field(default=90, gt=0)
    """How long everything together may take to become ready."""
    stop_grace_s: float = Field(default=10, ge=0)
    """How long a service may take to end after SIGTERM before its process group is killed."""
    broker_rss_limit_mb: int = Field(default=512, ge=1)
    """Above this the broker is restarted: it keeps all messages in memory and deletes none, and every message can
    be derived again from the store."""
    rss_warning_mb: int = Field(default=2048, ge=1)
    """Above this a warning about any other process is given, once per crossing."""
    rss_interval_s: float = Field(default=1, gt=0)
    """How often memory and log sizes are looked at."""
    log_limit_mb: int = Field(default=20, ge=1)
    """Above this a log file is copied to `<name>.log.1` and emptied."""

    @field_validator("kafka_port")
    @classmethod
    def _only_of_the_embedded_broker(cls, port: int | None, info: ValidationInfo) -> int | None:
        if port is not None and info.data.get("kafka") is not None:
            raise ValueError("it is the port of the embedded broker, which --kafka replaces")
        return port
