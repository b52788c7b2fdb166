"""Segments encrypted as wholes: AES-128 in CBC mode with padding, as HLS players expect (RFC 8216 §4.3.2.4).

Done on finished files and not by ffmpeg, so that they can be read back before, and so that no command line shows a key.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

_CHUNK = 1 << 20


def encrypt_segment(path: Path, key: bytes, vector: bytes) -> None:
    """Replaces a file by what it is encrypted; `key` and `vector` have 16 bytes. Blocks."""
    cipher, padding = Cipher(AES(key), CBC(vector)).encryptor(), PKCS7(AES.block_size).padder()
    made = path.with_name(path.name + ".encrypted")
    with path.open("rb") as plain, made.open("wb") as written:
        while chunk := plain.read(_CHUNK):
            written.write(cipher.update(padding.update(chunk)))
        written.write(cipher.update(padding.finalize()) + cipher.finalize())
    made.replace(path)


def encrypted_bytes(size: int) -> int:
    """How long a segment of `size` bytes becomes: there is always some padding."""
    return (size // 16 + 1) * 16


def vector_of(sequence: int, vector: str) -> bytes:
    """The initialisation vector of the segment with that media sequence number: `vector` (hexadecimal), else the number
    (RFC 8216 §5.2)."""
    return bytes.fromhex(vector) if vector else sequence.to_bytes(16, "big")
