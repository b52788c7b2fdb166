"""Where the storage is and how hard to use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from aiobotocore.config import AioConfig

MIB = 1024 * 1024
MIN_PART_BYTES = 5 * MIB  # S3 refuses smaller parts, except the last


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """All that `S3ObjectStore` needs to know. The secret key is not shown in `repr`.

    `endpoint_url` is None for AWS itself. Without keys, botocore looks for a role, a profile or its own variables.
    `addressing` is "path" by default when an endpoint is given, else "virtual"; COS wants "virtual".
    A transfer keeps at most `concurrency` requests in the air, the whole process at most `max_connections`.
    Objects above `part_bytes` travel in parts of that size, both ways (more above 10,000 parts: S3's limit).
    Requests are tried `max_attempts` times in all, with backoff and jitter.
    """

    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    region: str = "us-east-1"
    addressing: Literal["path", "virtual"] | None = None
    part_bytes: int = 8 * MIB
    concurrency: int = 4
    max_connections: int = 32
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 60.0
    max_attempts: int = 3

    def __post_init__(self) -> None:
        if self.part_bytes < MIN_PART_BYTES:
            raise ValueError(f"part_bytes must be at least {MIN_PART_BYTES}")
        if min(self.concurrency, self.max_connections, self.max_attempts) < 1:
            raise ValueError("concurrency, max_connections and max_attempts must be at least 1")

    def client_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `aioboto3.Session().client("s3", ...)`."""
        addressing = self.addressing or ("path" if self.endpoint_url else "virtual")
        return {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "region_name": self.region,
            "config": AioConfig(
                signature_version="s3v4",
                # Payloads are not hashed while signing: that would read each part inside the event loop. Every
                # upload carries a signed Content-MD5 instead, made in a thread and checked by the storage.
                s3={"addressing_style": addressing, "payload_signing_enabled": False},
                # The CRC trailers that botocore adds since 1.36 are not understood everywhere.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=self.connect_timeout_s,
                read_timeout=self.read_timeout_s,
                max_pool_connections=self.max_connections,
                retries={"mode": "standard", "total_max_attempts": self.max_attempts},
            ),
        }
