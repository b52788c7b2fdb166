"""The credentials of a data folder: made at its first start, kept in a file that only its owner can read."""

from __future__ import annotations

import secrets
import string
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.local.data_folder import write_private
from services.local.errors import CredentialsBroken

DEFAULT_NAME = "media"
_LETTERS = string.ascii_letters + string.digits


class LocalCredentials(BaseModel):
    """Who may use this installation, and the names that depend on it."""

    model_config = ConfigDict(frozen=True)

    secret_id: str = Field(min_length=8)
    secret_key: str = Field(min_length=16)
    app_id: str = Field(pattern=r"^[0-9]{10}$")
    region: str = "ap-guangzhou"
    s3_access_key: str = Field(min_length=8)
    s3_secret_key: str = Field(min_length=16)
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,40}-[0-9]{10}$")
    """The input bucket, named as MPS does: `<name>-<app_id>`."""


def new_credentials(name: str) -> LocalCredentials:
    """Fresh credentials from the system's random source. Ids have Tencent's shape (`AKID` and 32 characters)."""
    app_id = f"125{secrets.randbelow(10**7):07d}"
    return LocalCredentials(
        secret_id="AKID" + _random(32),
        secret_key=_random(32),
        app_id=app_id,
        s3_access_key="AKID" + _random(16),
        s3_secret_key=_random(40),
        bucket=f"{name}-{app_id}",
    )


def load_or_create(path: Path, name: str | None) -> LocalCredentials:
    """The credentials in `path`, or new ones, written there with mode 0600.

    Another `name` than the stored one changes the bucket's name and nothing else. Raises CredentialsBroken; a file
    that cannot be understood is never replaced, because clients hold what it said.
    """
    if not path.exists():
        credentials = new_credentials(name or DEFAULT_NAME)
        _save(path, credentials)
        return credentials
    try:
        credentials = LocalCredentials.model_validate_json(path.read_bytes())
    except ValidationError as error:
        fields = ", ".join(".".join(str(part) for part in item["loc"]) or item["type"] for item in error.errors())
        raise CredentialsBroken(path, fields) from None
    path.chmod(0o600)
    if name is not None and credentials.bucket != f"{name}-{credentials.app_id}":
        credentials = credentials.model_copy(update={"bucket": f"{name}-{credentials.app_id}"})
        _save(path, credentials)
    return credentials


def _save(path: Path, credentials: LocalCredentials) -> None:
    write_private(path, credentials.model_dump_json(indent=2).encode() + b"\n")


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
