"""What every service is told at start, from `REELWAY_*` variables: checked at once, printed with secrets hidden."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_SERVER = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<ipv6>[0-9A-Fa-f:.]+)\]):(?P<port>[0-9]{1,5})")


def _read_server(text: str) -> tuple[str, int]:
    """(host, port) of `host:port`; an IPv6 address stands in brackets there and without them in the result."""
    found = _SERVER.fullmatch(text)
    if not found or not 0 < int(found["port"]) < 65536:
        raise ValueError(f"{text!r} is not host:port, as in kafka:9092 or [::1]:9092")
    if found["ipv6"]:
        IPv6Address(found["ipv6"])
    return found["name"] or found["ipv6"], int(found["port"])


def read_servers(text: str) -> tuple[tuple[str, int], ...]:
    """(host, port) of each server in `host:port,host:port`. Raises ValueError."""
    return tuple(_read_server(part.strip()) for part in text.split(","))


def _checked_servers(text: str) -> str:
    read_servers(text)
    return text


KafkaServers = Annotated[str, AfterValidator(_checked_servers)]
"""Bootstrap servers, `host:port` separated by commas; an IPv6 address in brackets."""


_URL = re.compile(r"(?P<scheme>[a-z+]+://)(?:[^@/?]*@)?(?P<place>[^@/?]*(?:/[^@?]*)?)(?:\?[^@]*)?")


def without_userinfo(url: str) -> str:
    """A state URL as it may be logged: no user, no password, no options (some of MongoDB's are secrets).

    Of a URL that is malformed, so that its password may be anywhere, only the scheme is left.
    """
    if url.startswith("sqlite:"):
        return url
    if found := _URL.fullmatch(url):
        return found["scheme"] + found["place"]
    scheme, separator, _ = url.partition("://")
    return f"{scheme}://***" if separator else "***"


class ServiceSettings(BaseSettings):
    """Settings that all services share. A bad value ends the process with the variable's name and the rule."""

    model_config = SettingsConfigDict(env_prefix="REELWAY_", frozen=True, extra="ignore")

    kafka: KafkaServers = "127.0.0.1:9092"
    topic_prefix: str = Field(default="reelway.", pattern=r"^[A-Za-z0-9._-]*$")
    """Put before every topic and consumer group."""
    partitions: int = Field(default=6, ge=1, le=1000)
    """Partitions of the topics that this service declares if they are missing."""
    replication: int = Field(default=1, ge=1, le=10)
    """Replicas of those topics."""
    idempotent_producer: bool = False
    """Kafka's idempotent producer; off for the embedded broker, which has none."""
    kafka_forgets: bool = False
    """The broker keeps nothing over a restart (the embedded one): a closed connection ends the session."""

    fetch_wait_ms: int = Field(default=500, ge=1, le=30_000)
    """How long the broker may hold an empty fetch; Kafka answers as soon as there is something. With `nudge_dir`: how
    often a topic that others write to as well is looked into."""
    nudge_dir: Path | None = None
    """A folder that all services of this machine share, for a broker that does not wake waiting fetches (the embedded
    one): consumers are nudged through pipes in it. None for Kafka."""

    state_url: Annotated[str, PlainSerializer(without_userinfo)] = Field(
        default="sqlite:////var/lib/reelway/state.db", repr=False
    )
    """`sqlite:////path`, `mongodb://host/database` or `memory://`. Dumped without user and password."""

    s3_endpoint: str | None = None
    """URL of the object storage; none for AWS itself."""
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    region: str = "ap-guangzhou"
    """The region that the storage is said to be in."""

    health_port: int = Field(default=0, ge=0, le=65535)
    """Port of `/healthz` and `/metrics`; 0 for none."""
    health_host: str = "127.0.0.1"
    stop_timeout_s: float = Field(default=30, ge=0)
    """How long a stop may take before what is left is cancelled."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @property
    def kafka_servers(self) -> tuple[tuple[str, int], ...]:
        """(host, port) of every bootstrap server; an IPv6 host without its brackets."""
        return read_servers(self.kafka)


NetworkList = Annotated[tuple[str, ...], NoDecode]
"""Networks in CIDR notation, separated by commas."""
