"""Members of the contract that are secrets: kept for the work, shown to nobody who is told about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SECRET = {
    ("SimpleAesDrm", "Key"),
    ("S3OutputStorage", "S3SecretKey"),
    ("S3InputInfo", "S3SecretKey"),
    ("AwsSQS", "S3SecretKey"),
}
"""Structure and member."""
HIDDEN = "******"


def without_secrets(value: Any, structure: str = "") -> Any:
    """A copy with `HIDDEN` in the place of secrets: for what goes into notifications, which pass through many hands.
    `structure` is the member that the value stands in."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if (structure, name) in _SECRET and item else without_secrets(item, name)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(item, structure) for item in value]
    return value
