"""What an installation can tell, and whom: settings that the notifier works by and the API refuses by, at save."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.addresses import read_networks
from shared.settings import NetworkList, ServiceSettings

EVERY_ACCOUNT = "*"
"""The key of the function of all accounts that have none of their own."""


class _Function(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScfFunction(_Function):
    """A Tencent function, called by its Invoke API."""

    kind: Literal["scf"]
    region: str
    function: str
    namespace: str = "default"
    qualifier: str = "$DEFAULT"
    secret_id: str
    secret_key: SecretStr
    endpoint: str = Field(default="https://scf.tencentcloudapi.com", pattern=r"^https?://[^/?#@]+/?$")


class LambdaFunction(_Function):
    """An AWS Lambda function, by name or ARN."""

    kind: Literal["lambda"]
    region: str
    function: str
    access_key: str
    secret_key: SecretStr
    endpoint: str | None = Field(default=None, pattern=r"^https?://")


class HttpFunction(_Function):
    """Any HTTP function that takes CloudEvents in binary mode: Knative, OpenFaaS."""

    kind: Literal["http"]
    url: str = Field(pattern=r"^https?://[^\s@]+$")


Function = Annotated[ScfFunction | LambdaFunction | HttpFunction, Field(discriminator="kind")]


class SinkSettings(ServiceSettings):
    """`REELWAY_*` variables about notifications. What the operator names here (endpoints, functions) is trusted; what
    users type is only connected to if its address is public or in `allowed_networks`."""

    allowed_networks: NetworkList = ()
    """Networks that callbacks may go to although they are not public. None by default."""

    cmq_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$")
    """CMQ's HTTP API, as in `https://cmq-{model}-{region}.api.qcloud.com`; none for topics of our Kafka. `{model}` is
    `queue` or `topic`, `{region}` the subscription's CmqRegion."""
    cmq_secret_id: str = ""
    cmq_secret_key: SecretStr = SecretStr("")
    cmq_max_bytes: int = Field(default=1_000_000, ge=16_384)
    """What is longer is sent short."""

    sqs_endpoint: str | None = Field(default=None, pattern=r"^https?://")
    """URL of an SQS server; none for AWS itself."""
    sqs_access_key: str = ""
    """For subscriptions that bring no keys; empty: they must."""
    sqs_secret_key: SecretStr = SecretStr("")
    sqs_max_bytes: int = Field(default=262_144, ge=16_384)
    """What a message may have, attributes included; what is longer is sent short."""

    functions: Annotated[dict[str, Function], NoDecode] = Field(default_factory=dict)
    """The function of each account, as JSON: `{"1250000000": {"kind": "scf", ...}, "*": {"kind": "http", ...}}`."""

    @field_validator("cmq_endpoint", "sqs_endpoint", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    @model_validator(mode="after")
    def _endpoint_has_keys(self) -> Self:
        if self.cmq_endpoint and not self.has_cmq():
            raise ValueError("REELWAY_CMQ_ENDPOINT needs REELWAY_CMQ_SECRET_ID and REELWAY_CMQ_SECRET_KEY")
        return self

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read_networks(value)
        return value

    @field_validator("functions", mode="before")
    @classmethod
    def _read_json(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value or "{}")
        except ValueError as error:
            raise ValueError(f"must be JSON: {error}") from None

    def has_cmq(self) -> bool:
        """Whether CMQ's HTTP API is used in place of Kafka."""
        return bool(self.cmq_endpoint and self.cmq_secret_id and self.cmq_secret_key.get_secret_value())


def function_of(functions: Mapping[str, Function], account: str) -> Function | None:
    """The function of an account: its own, or that of all."""
    return functions.get(account) or functions.get(EVERY_ACCOUNT)
