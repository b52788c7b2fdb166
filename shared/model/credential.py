"""Who may call the API."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from shared.model.base import Document, Instant


class Credential(Document):
    """A key pair of a tenant; the document's id is the SecretId."""

    model_config = ConfigDict(hide_input_in_errors=True)

    secret_key: str = Field(repr=False)
    tenant: str
    created_at: Instant
    disabled: bool = False
