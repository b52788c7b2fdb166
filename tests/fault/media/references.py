"""Files that refer to others: lists, playlists, data references, scripts, patterns. Each would have a worker read the
canary or connect to the listener if the worker followed it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fault.media.bytes import box, changed

_DREF = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")


@dataclass(frozen=True, slots=True)
class Lures:
    """What nobody may touch, and an honest clip to build on."""

    text: Path
    clip: Path
    port: int
    honest: Path

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}/canary.mp4"


def _playlist(*lines: str) -> bytes:
    return "\n".join(["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2", *lines, "#EXT-X-ENDLIST", ""]).encode()


def _segment(uri: str) -> bytes:
    return _playlist("#EXTINF:2,", uri)


def _data_reference(lures: Lures, entry: bytes) -> bytes:
    """A film whose samples lie in another file."""
    return changed(lures.honest.read_bytes(), _DREF, lambda _: struct.pack(">II", 0, 1) + entry)


def _url(location: str) -> bytes:
    return box(b"url ", bytes(4), location.encode() + b"\0")


def _alias(path: Path) -> bytes:
    """A Macintosh alias record, as ffmpeg reads it: volume, file name, levels, then the path."""
    name = str(path).encode()
    record = b"\0" * 10 + b"\x04disk".ljust(28, b"\0") + bytes(12) + bytes([len(path.name)])
    record += path.name.encode().ljust(63, b"\0") + bytes(16) + struct.pack(">hh", 1, 1) + bytes(16)
    record += struct.pack(">hH", 2, len(name)) + name + b"\0" * (len(name) % 2)
    record += struct.pack(">hH", 0, 4) + b"disk" + struct.pack(">hH", -1, 0)
    return box(b"alis", bytes(4), record.ljust(160, b"\0"))


def _mpd(uri: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{uri}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def _svg(lures: Lures) -> bytes:
    return (
        f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file://{lures.text}">]>'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64">'
        f'<image xlink:href="{lures.http}" width="64" height="64"/><text>&x;</text></svg>'
    ).encode()


def _session(lures: Lures) -> bytes:
    media = f"m=video {lures.port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    return f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\n{media}".encode()


REFERENCES: Mapping[str, Callable[[Lures], bytes]] = {
    "hls-file.mp4": lambda lures: _segment(f"file://{lures.clip}"),
    "hls-renamed.mp4": lambda lures: _segment(lures.http),
    "hls-path.m3u8": lambda lures: _segment(str(lures.clip)),
    "hls-http.m3u8": lambda lures: _segment(lures.http),
    "hls-tcp.m3u8": lambda lures: _segment(f"tcp://127.0.0.1:{lures.port}"),
    "hls-concat.m3u8": lambda lures: _segment(f"concat:{lures.clip}|{lures.text}"),
    "hls-subfile.m3u8": lambda lures: _segment(f"subfile,,start,0,end,100,,:{lures.text}"),
    "hls-data.m3u8": lambda _: _segment("data:video/mp4;base64,AAAAIGZ0eXBpc29t"),
    "hls-key.m3u8": lambda lures: _playlist(
        f'#EXT-X-KEY:METHOD=AES-128,URI="{lures.http}"', "#EXTINF:2,", str(lures.clip)
    ),
    "hls-map.m3u8": lambda lures: _playlist(f'#EXT-X-MAP:URI="{lures.clip}"', "#EXTINF:2,", str(lures.clip)),
    "hls-master.m3u8": lambda lures: f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{lures.http}\n".encode(),
    "ffconcat-file.mp4": lambda lures: f"ffconcat version 1.0\nfile '{lures.clip}'\n".encode(),
    "ffconcat-http.mkv": lambda lures: f"ffconcat version 1.0\nfile {lures.http}\n".encode(),
    "ffconcat-option.mp4": lambda lures: (
        f"ffconcat version 1.0\nfile '{lures.clip}'\noption safe 0\noption protocol_whitelist file,http,tcp\n".encode()
    ),
    "dash-http.mp4": lambda lures: _mpd(lures.http),
    "dash-file.mpd": lambda lures: _mpd(f"file://{lures.clip}"),
    "session.mp4": _session,
    "entity.svg": _svg,
    "entity-in-png.png": _svg,
    "avisynth.avs": lambda lures: f'AviSource("{lures.clip}")\n'.encode(),
    "asx.asf": lambda lures: f'<asx version="3.0"><entry><ref href="{lures.http}"/></entry></asx>'.encode(),
    "metafile.ram": lambda lures: f"{lures.http}\n".encode(),
    "ffmetadata.mp4": lambda lures: f";FFMETADATA1\ntitle=x\n[STREAM]\nsource={lures.clip}\n".encode(),
    "subtitle.mp4": lambda lures: f"1\n00:00:00,000 --> 00:00:01,000\n<font face='{lures.clip}'>x\n".encode(),
    "subtitle.ass": lambda lures: (
        f"[Script Info]\nScriptType: v4.00+\nAudio File: {lures.clip}\nVideo File: {lures.clip}\n"
        f"[Fonts]\nfontname: {lures.text}\n[Events]\nDialogue: 0,0:00:00.00,0:00:01.00,,,0,0,0,,x\n"
    ).encode(),
    "vobsub.idx": lambda lures: (
        f"# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 0\n# {lures.clip}\n".encode()
    ),
    "imf.mp4": lambda lures: (
        '<?xml version="1.0"?><AssetMap xmlns="http://www.smpte-ra.org/schemas/429-9/2007/AM"><AssetList><Asset>'
        f"<ChunkList><Chunk><Path>{lures.http}</Path></Chunk></ChunkList></Asset></AssetList></AssetMap>"
    ).encode(),
    "dref-url.mov": lambda lures: _data_reference(lures, _url(f"file://{lures.clip}")),
    "dref-http.mp4": lambda lures: _data_reference(lures, _url(lures.http)),
    "dref-alias.mov": lambda lures: _data_reference(lures, _alias(lures.clip)),
    "dref-alias-text.mov": lambda lures: _data_reference(lures, _alias(lures.text)),
    "reference-movie.mov": lambda lures: (
        box(b"ftyp", b"qt  \0\0\0\0qt  ")
        + box(
            b"moov",
            box(
                b"rmra",
                box(
                    b"rmda",
                    box(b"rdrf", bytes(4), b"url ", struct.pack(">I", len(lures.http)), lures.http.encode()),
                ),
            ),
        )
    ),
}
"""By file name. ffmpeg sees playlists only behind their own extension, other lists behind any."""
IGNORED = frozenset({"dref-url.mov", "dref-http.mp4"})
"""References that are not even looked at: the rest of the file is read as if it had none."""
