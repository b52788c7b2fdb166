"""User metadata as S3 can carry it.

S3 sends metadata as HTTP headers, which hold ASCII only. Values are percent-encoded as UTF-8 where they are not
printable ASCII (and where they have a `%`, or a blank at an end), and decoded when read, so that every value comes
back as it was given; an empty value may not come back at all (SeaweedFS drops it). A value with a valid percent
sequence that another program wrote is decoded as well.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from urllib.parse import quote, unquote

_SAFE = string.punctuation.replace("%", "") + " "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def encode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Names in lower case, values in ASCII. Raises ValueError for a name that is no HTTP header word."""
    encoded: dict[str, str] = {}
    for name, value in metadata.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"metadata name {name!r} is not made of ASCII letters, digits, '.', '_', '-'")
        text = quote(value, safe=_SAFE)
        body = text.strip(" ")
        lead = len(text) - len(text.lstrip(" "))
        tail = len(text) - lead - len(body)
        encoded[name.lower()] = "%20" * lead + body + "%20" * tail
    return encoded


def decode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """The reverse. What is not UTF-8 after decoding stays as it came."""
    return {name.lower(): _decoded(value) for name, value in metadata.items()}


def _decoded(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value
