"""Containers byte by byte: MP4 boxes, EBML elements, PNG chunks, RIFF chunks."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache

_BEFORE_CHILDREN = {b"dref": 8, b"stsd": 8, b"meta": 4}
"""Bytes of a box that come before the boxes in it."""


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def changed(data: bytes, path: Sequence[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """An MP4 in which the body of every box at `path` is another; sizes are put right. Boxes that hold sample tables
    keep their offsets, so the media data has to come before the header."""
    out = b""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        size = size or len(data) - at
        body = data[at + 8 : at + size]
        if kind == path[0]:
            if len(path) == 1:
                body = change(body)
            else:
                skip = _BEFORE_CHILDREN.get(kind, 0)
                body = body[:skip] + changed(body[skip:], path[1:], change)
        out += box(kind, body)
        at += size
    return out + data[at:]


def ebml(ident: int, *parts: bytes) -> bytes:
    """An element with an eight-byte length."""
    body = b"".join(parts)
    return ident.to_bytes((ident.bit_length() + 7) // 8, "big") + (len(body) | 1 << 56).to_bytes(8, "big") + body


def number(ident: int, value: int) -> bytes:
    return ebml(ident, value.to_bytes(max((value.bit_length() + 7) // 8, 1), "big"))


def chunk(kind: bytes, body: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def riff(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


@cache
def zeros(count: int) -> bytes:
    """A zlib stream of so many zeros, a thousandth as long."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(count >> 20)]
    return b"".join([*parts, packer.compress(bytes(count & (1 << 20) - 1)), packer.flush()])
