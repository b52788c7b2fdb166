"""Secrets that have to be read again (keys of signatures) are stored sealed: AES-256-GCM under a master key that the
store does not have. What is sealed carries the master key's id, so that the master key can be changed.

    SealError    something sealed that cannot be opened: its master key is not there, or it was changed or moved
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import ReelwayError

KEY_BYTES = 32
_NONCE_BYTES = 12
_ENTRY = re.compile(r"(?P<id>[A-Za-z0-9-]{1,32}):(?P<key>[A-Za-z0-9+/_=-]+)")


class SealError(ReelwayError):
    """Something sealed cannot be opened."""

    code: ClassVar[str] = "seal"


class MasterKeys:
    """Master keys by id. The first one seals; all of them open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError(f"needs at least one master key, each of {KEY_BYTES} bytes")
        self._boxes = {name: AESGCM(key) for name, key in keys.items()}
        self.current = next(iter(keys))

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self._boxes)})"

    @classmethod
    def read(cls, text: str) -> MasterKeys:
        """From `id:base64` entries, separated by commas or line ends, the current one first. Raises ValueError, which
        never has a key in it."""
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(filter(None, re.split(r"[,\s]+", text)), 1):
            found = _ENTRY.fullmatch(entry)
            if found is None or found["id"] in keys:
                raise ValueError(f"entry {number} is not id:base64 with an id of its own")
            try:
                keys[found["id"]] = base64.urlsafe_b64decode(found["key"].replace("+", "-").replace("/", "_"))
            except binascii.Error:
                raise ValueError(f"entry {number} is not base64") from None
        return cls(keys)

    def seal(self, secret: str, owner: str) -> str:
        """`v1.<master key>.<text>`. It opens only for the same owner: copied to another document it is worthless."""
        nonce = os.urandom(_NONCE_BYTES)
        box = nonce + self._boxes[self.current].encrypt(nonce, secret.encode(), owner.encode())
        return f"v1.{self.current}.{base64.urlsafe_b64encode(box).decode()}"

    def open(self, sealed: str, owner: str) -> str:
        """What was sealed. Raises SealError."""
        version, _, rest = sealed.partition(".")
        name, _, text = rest.partition(".")
        if version != "v1" or name not in self._boxes:
            raise SealError(f"sealed under the master key {name[:32]!r}, which is not there")
        try:
            box = base64.urlsafe_b64decode(text)
            return self._boxes[name].decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], owner.encode()).decode()
        except (InvalidTag, ValueError):
            raise SealError(f"sealed for another owner, or changed (master key {name!r})") from None

    def is_current(self, sealed: str) -> bool:
        """Whether it is sealed under the master key that seals now."""
        return sealed.startswith(f"v1.{self.current}.")


def new_master_key() -> str:
    """An entry for `MasterKeys.read`, from the system's random source."""
    return f"{secrets.token_hex(4)}:{base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def master_key_file(path: Path) -> MasterKeys:
    """The keys in the file; a file that is not there is made, with one key, readable by its owner only. Of several
    processes that make it at once one wins and all take its key. Raises ValueError, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_master_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    path.chmod(0o600)
    return MasterKeys.read(path.read_text())
