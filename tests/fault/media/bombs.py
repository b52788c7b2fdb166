"""Files that are small and claim to be large: in pixels, streams, duration, samples, or behind a compression."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Mapping
from functools import partial

from tests.fault.media.bytes import box, changed, chunk, ebml, number, riff, zeros
from tests.fault.media.references import Lures

_PNG = b"\x89PNG\r\n\x1a\n"
_HUGE = 0x7FFFFFFF


def _png(width: int, height: int, *more: bytes, data: bytes | None = None) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = zeros(min((width * 3 + 1) * height, 64 << 20)) if data is None else data
    return _PNG + header + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _apng(frames: int, width: int, height: int, written: int) -> bytes:
    pixels = zeros((64 * 3 + 1) * 64)
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)),
        chunk(b"acTL", struct.pack(">II", frames, 0)),
    ]
    for index in range(written):
        size = (64, 64) if index == 0 else (width, height)
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", index, *size, 0, 0, 1, 65535, 0, 0)))
        parts.append(chunk(b"fdAT", struct.pack(">I", index) + pixels) if index else chunk(b"IDAT", pixels))
    return _PNG + b"".join(parts) + chunk(b"IEND", b"")


def _gif(width: int, height: int, frames: int, delay: int) -> bytes:
    """Frames of one pixel on a screen of any size."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff\xff\xff"
    frame = b"\x21\xf9\x04\x00" + struct.pack("<H", delay) + b"\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    return head + (frame + b"\x02\x02\x44\x01\x00") * frames + b"\x3b"


def _jpeg(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    table = b"\xff\xdb\x00\x43\x00" + bytes([1]) * 64
    huffman = b"\xff\xc4\x00\x14\x00\x01" + bytes(15) + b"\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(64)
    return b"\xff\xd8" + table + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + huffman + scan + b"\xff\xd9"


def _webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff(b"RIFF", b"WEBP", riff(b"VP8X", b"\x02\0\0\0" + size), riff(b"VP8L", b"\x2f" + bytes(16)))


def _wav(rate: int, channels: int, claimed: int) -> bytes:
    kind = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 & 0xFFFFFFFF, 2, 16)
    data = b"data" + struct.pack("<I", claimed) + bytes(4000)
    return b"RIFF" + struct.pack("<I", claimed) + b"WAVE" + riff(b"fmt ", kind) + data


def _flac(samples: int) -> bytes:
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + (44100 << 44 | 1 << 41 | 15 << 36 | samples).to_bytes(8, "big")
    return b"fLaC" + b"\x80\x00\x00\x22" + info + bytes(16) + bytes(2000)


_HEADER = ebml(0x1A45DFA3, number(0x4286, 1), number(0x42F7, 1), ebml(0x4282, b"matroska"), number(0x4287, 2))


def _matroska(*parts: bytes, duration: float = 1000.0) -> bytes:
    info = ebml(0x1549A966, number(0x2AD7B1, 1_000_000), ebml(0x4489, struct.pack(">d", duration)))
    return _HEADER + ebml(0x18538067, info, *parts)


def _raw_track(index: int, width: int, height: int, *more: bytes) -> bytes:
    """Uncompressed RGB."""
    video = ebml(0xE0, number(0xB0, width), number(0xBA, height), ebml(0x2EB524, b"RGB\x18"))
    codec = ebml(0x86, b"V_UNCOMPRESSED")
    return ebml(0xAE, number(0xD7, index), number(0x73C5, index), number(0x83, 1), codec, video, *more)


def _blocks(*blocks: tuple[int, int, bytes]) -> bytes:
    """Clusters of one block: track, milliseconds, data."""
    return b"".join(
        ebml(0x1F43B675, number(0xE7, at), ebml(0xA3, bytes([0x80 | track]), struct.pack(">h", 0), b"\x80", data))
        for track, at, data in blocks
    )


def _squeezed() -> bytes:
    """A track whose packets are packed with zlib, a thousand to one."""
    packing = ebml(0x6D80, ebml(0x6240, number(0x5033, 0), ebml(0x5034, number(0x4254, 0))))
    return _matroska(ebml(0x1654AE6B, _raw_track(1, 64, 64, packing)), _blocks((1, 0, zeros(256 << 20))))


_PIXELS = bytes(64 * 64 * 3)


def _far_apart() -> bytes:
    """Two pictures, thirty years between them, in a file that claims a second."""
    return _matroska(ebml(0x1654AE6B, _raw_track(1, 64, 64)), _blocks((1, 0, _PIXELS), (1, 10**12, _PIXELS)))


def _table(name: bytes, entry: bytes) -> Callable[[Lures], bytes]:
    """A film with another sample table; `entry` follows version and flags."""
    path = (b"moov", b"trak", b"mdia", b"minf", b"stbl", name)
    return lambda lures: changed(lures.honest.read_bytes(), path, lambda _: bytes(4) + entry)


def _many_tracks(lures: Lures, count: int) -> bytes:
    data = lures.honest.read_bytes()
    found: list[bytes] = []
    changed(data, (b"moov", b"trak"), lambda body: found.append(body) or body)

    def more(body: bytes) -> bytes:
        return body + box(b"trak", found[0]) * count

    return changed(data, (b"moov",), more)


def _nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = box(b"moov", data)
    return box(b"ftyp", b"isom\0\0\2\0isom") + data


def _sized(lures: Lures, width: int, height: int) -> bytes:
    """The sample entry says another size than the stream."""

    def entry(body: bytes) -> bytes:
        return body[:24] + struct.pack(">HH", width, height) + body[28:]

    path = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
    return changed(lures.honest.read_bytes(), path, entry)


def _clock(lures: Lures, scale: int, duration: int) -> bytes:
    """A media header of version 0 with another time scale and duration."""

    def header(body: bytes) -> bytes:
        return body[:12] + struct.pack(">II", scale, duration) + body[20:]

    return changed(lures.honest.read_bytes(), (b"moov", b"trak", b"mdia", b"mdhd"), header)


def _avi(width: int, height: int) -> bytes:
    main = struct.pack("<14I", 40000, 0, 0, 0x10, 1, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = b"vidsDIB " + struct.pack("<3I", 0, 0, 0) + struct.pack("<8I", 1, 25, 0, 1, 0, 0, 0, 0) + bytes(8)
    form = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    lists = riff(
        b"LIST", b"hdrl", riff(b"avih", main), riff(b"LIST", b"strl", riff(b"strh", stream), riff(b"strf", form))
    )
    return riff(b"RIFF", b"AVI ", lists, riff(b"LIST", b"movi", riff(b"00db", bytes(4096))))


BOMBS: Mapping[str, Callable[[Lures], bytes]] = {
    "pixels.png": lambda _: _png(60_000, 60_000),
    "pixels-just-allowed.png": lambda _: _png(16_000, 8_000),
    "pixels-most.png": lambda _: _png(_HUGE, _HUGE),
    "text.png": lambda _: _png(64, 64, chunk(b"zTXt", b"bomb\0\0" + zeros(256 << 20))),
    "profile.png": lambda _: _png(64, 64, chunk(b"iCCP", b"bomb\0\0" + zeros(256 << 20))),
    "more-data-than-pixels.png": lambda _: _png(64, 64, data=zeros(256 << 20)),
    "frames.apng": lambda _: _apng(_HUGE, 64, 64, 50),
    "frame-beyond.apng": lambda _: _apng(2, 60_000, 60_000, 2),
    "pixels.gif": lambda _: _gif(65_535, 65_535, 2, 10),
    "frames.gif": lambda _: _gif(64, 64, 50_000, 1),
    "delays.gif": lambda _: _gif(64, 64, 3_000, 65_535),
    "pixels.jpg": lambda _: _jpeg(65_500, 65_500),
    "pixels.webp": lambda _: _webp(1 << 24, 1 << 24),
    "pixels.avi": lambda _: _avi(30_000, 30_000),
    "pixels.mkv": lambda _: _matroska(ebml(0x1654AE6B, _raw_track(1, 100_000, 100_000)), _blocks((1, 0, _PIXELS))),
    "pixels.mp4": lambda lures: _sized(lures, 65_535, 65_535),
    "streams.mkv": lambda _: _matroska(
        ebml(0x1654AE6B, *(_raw_track(index, 64, 64) for index in range(1, 5_001))), _blocks((1, 0, _PIXELS))
    ),
    "streams.mp4": lambda lures: _many_tracks(lures, 3_000),
    "duration.mkv": lambda _: _matroska(
        ebml(0x1654AE6B, _raw_track(1, 64, 64)), _blocks((1, 0, _PIXELS)), duration=1e300
    ),
    "duration-not-a-number.mkv": lambda _: _matroska(
        ebml(0x1654AE6B, _raw_track(1, 64, 64)), _blocks((1, 0, _PIXELS)), duration=float("nan")
    ),
    "far-apart.mkv": lambda _: _far_apart(),
    "squeezed.mkv": lambda _: _squeezed(),
    "duration.mp4": partial(_clock, scale=1, duration=0x7FFFFFF0),
    "time-scale-0.mp4": partial(_clock, scale=0, duration=1000),
    "time-scale-most.mp4": partial(_clock, scale=0xFFFFFFFF, duration=1),
    "delta.mp4": _table(b"stts", struct.pack(">III", 1, 1000, 0x7FFFFFF0)),
    "no-delta.mp4": _table(b"stts", struct.pack(">III", 1, 0xFFFFFFFF, 0)),
    "samples.mp4": _table(b"stsz", struct.pack(">II", 1, 0xFFFFFFFF)),
    "sample-size.mp4": _table(b"stsz", struct.pack(">III", 0, 1, 0xFFFFFFFF)),
    "chunks.mp4": _table(b"stco", struct.pack(">II", 0x1FFFFFFF, 0)),
    "nested.mp4": lambda _: _nested(3_000),
    "endless-box.mp4": lambda _: box(b"ftyp", b"isom\0\0\2\0isom") + struct.pack(">I4sQ", 1, b"moov", 2**63),
    "bytes.wav": lambda _: _wav(8_000, 1, 0xFFFFFFF0),
    "channels.wav": lambda _: _wav(44_100, 65_535, 4_000),
    "rate.wav": lambda _: _wav(0xFFFFFFFF, 2, 4_000),
    "rate-0.wav": lambda _: _wav(0, 2, 4_000),
    "rate-1.wav": lambda _: _wav(1, 1, 4_000),
    "samples.flac": lambda _: _flac(2**36 - 1),
    "zipped.mp4": lambda lures: gzip.compress(lures.honest.read_bytes()),
}
"""By file name."""
