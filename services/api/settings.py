"""Settings of the API, from `REELWAY_*` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from shared.sealing import MasterKeys
from shared.sink_settings import SinkSettings


class ApiSettings(SinkSettings):
    """What the API is told at start."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=9000, ge=0, le=65535)
    """Port of the MPS face, `/healthz` and `/metrics`."""

    bootstrap_secret_id: str = ""
    """SecretId of a credential that is made at start if it is missing; empty for none."""
    bootstrap_secret_key: SecretStr = SecretStr("")
    bootstrap_app_id: str = Field(default="1250000000", pattern=r"^\d{1,20}$")
    """The tenant of that credential; COS bucket names end with it."""

    master_keys: SecretStr = SecretStr("")
    """Keys that seal the secrets in the store, `id:base64 of 32 bytes`, separated by commas; the first one seals, all
    of them open. Empty for those of `master_key_file`."""
    master_key_file: Path | None = Field(default=None, validate_default=True)
    """The same in a file, which is made at the first start if it is missing. Default: `master.key` beside the SQLite
    file; with MongoDB one of both settings is needed."""

    rate_scale: float = Field(default=1.0, ge=0, le=10_000)
    """Multiplies the limits on calls per second of a tenant, in this process; 0 for no limits."""

    s3_public_endpoint: str | None = Field(default=None, pattern=r"^https?://")
    """Where people's programs reach the object storage, for the links that the API gives away; none if that is
    `s3_endpoint`."""

    operator_app_ids: Annotated[tuple[str, ...], NoDecode] = ()
    """Tenants who may see and drain workers, separated by commas; none: the tenant of the bootstrap credential."""

    health_peers: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    """Other services, `name=url,...`; each is asked at `url/healthz`."""

    @field_validator("operator_app_ids", mode="before")
    @classmethod
    def _read_operators(cls, value: object) -> object:
        return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value

    @property
    def operators(self) -> frozenset[str]:
        """Those who run the installation."""
        return frozenset(self.operator_app_ids or (self.bootstrap_app_id,))

    @field_validator("master_key_file")
    @classmethod
    def _needed_beside_servers(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        server = info.data.get("state_url", "").startswith("mongodb")
        given = info.data.get("master_keys", SecretStr(""))
        if server and value is None and not given.get_secret_value():
            raise ValueError("this or REELWAY_MASTER_KEYS is needed with MongoDB, the same for all API processes")
        return value

    @field_validator("master_keys")
    @classmethod
    def _check_keys(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            MasterKeys.read(value.get_secret_value())
        return value

    @field_validator("health_peers", mode="before")
    @classmethod
    def _read_peers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        found: dict[str, str] = {}
        for item in filter(None, (part.strip() for part in value.split(","))):
            name, equals, url = item.partition("=")
            if not equals or not name or not url.startswith(("http://", "https://")):
                raise ValueError("must be name=url pairs separated by commas, urls with http:// or https://")
            found[name] = url.rstrip("/")
        return found
