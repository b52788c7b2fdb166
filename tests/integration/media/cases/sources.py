"""The sources, 1 to 3 s at 160x90 for the most part: what fills a bit rate, and what users really send."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

from services.workers.media.ffmpeg import media_tools

FFMPEG = str(media_tools().ffmpeg)
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
_X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-tag:v", "hvc1")
_AAC = ("-c:a", "aac", "-b:a", "160k")
_PQ = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,format=yuv420p10le"
_HLG = "setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc,format=yuv420p10le"


def _picture(size: str = "160x90", rate: str = "25", seconds: float = 2) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def _sound(seconds: float = 2, rate: int = 48000) -> tuple[str, ...]:
    """Two channels of noise and tones: no encoder gets it smaller than it was told to."""
    left = "0.3*sin(2*PI*440*t)+0.2*(random(0)-0.5)"
    right = "0.3*sin(2*PI*660*t)+0.2*(random(1)-0.5)"
    return ("-f", "lavfi", "-i", f"aevalsrc={left}|{right}:s={rate}:d={seconds}")


def _surround(seconds: float = 2) -> tuple[str, ...]:
    """FL FR FC LFE BL BR: speech (1 kHz) is in the centre, the others have tones of their own."""
    tones = "|".join(f"{level}*sin(2*PI*{tone}*t)" for level, tone in (
        (0.1, 300), (0.1, 400), (0.25, 1000), (0.05, 60), (0.1, 700), (0.1, 800)
    ))  # fmt: skip
    return ("-f", "lavfi", "-i", f"aevalsrc={tones}:s=48000:d={seconds}:c=5.1")


_NOISE = ("-vf", "noise=alls=60:allf=t")
_RECIPES: dict[str, tuple[str, ...]] = {
    "plain.mp4": (*_picture(), *_sound(), *_X264, "-g", "25", *_AAC),
    "noisy.mp4": (*_picture(seconds=3), *_sound(3), *_NOISE, *_X264, "-qp", "12", *_AAC),
    "wide.mp4": (*_picture("320x180", seconds=1), *_sound(1), *_X264, *_AAC),
    "ntsc.mp4": (*_picture(rate="30000/1001"), *_sound(), *_X264, *_AAC),
    "fast.mp4": (*_picture(rate="50"), *_sound(), *_X264, *_AAC),
    "silent.mp4": (*_picture(), *_X264),
    "sound.m4a": (*_sound(), *_AAC),
    "tone.mp3": (*_sound(rate=44100), "-c:a", "libmp3lame", "-b:a", "128k"),
    "surround.mp4": (*_picture(seconds=2), *_surround(), *_X264, "-c:a", "aac", "-b:a", "384k"),
    "surround.mkv": (*_picture(seconds=2), *_surround(), *_X264, "-c:a", "ac3", "-b:a", "384k"),
    "mono.mp4": (*_picture(), *_sound(rate=22050), *_X264, "-ac", "1", *_AAC),
    "odd.mkv": (*_picture("161x91", seconds=1), *_sound(1), "-c:v", "libx264", "-pix_fmt", "yuv444p", *_AAC),
    "anamorphic.mp4": (*_picture(), *_sound(), "-vf", "setsar=2/1", *_X264, *_AAC),
    "vfr.mp4": (*_picture(), *_sound(), "-vf", "select='lt(mod(n*n,11),5)'", "-fps_mode", "vfr", *_X264, *_AAC),
    "pq.mp4": (*_picture(seconds=1), *_sound(1), "-vf", _PQ, *_X265, *_AAC),
    "hlg.mp4": (*_picture(seconds=1), *_sound(1), "-vf", _HLG, *_X265, *_AAC),
    "loop.gif": (*_picture(rate="10", seconds=1),),
    "still.png": (*_picture(), "-frames:v", "1"),
    "still.jpg": (*_picture("161x91"), "-frames:v", "1"),
    "interlaced.ts": (*_picture(rate="50"), *_sound(), "-vf", "interlace", "-c:v", "mpeg2video",
                      "-flags", "+ildct+ilme", "-b:v", "2M", "-c:a", "mp2"),
    # One key frame: a jump lands behind it.
    "broadcast.ts": (*_picture(seconds=3), *_sound(3), *_X264, "-g", "250", "-sc_threshold", "0", *_AAC),
    "slides.mp4": (*_picture(seconds=1), *_sound(2), *_X264, *_AAC),
    "late.ts": (*_picture(), *_sound(), *_X264, *_AAC, "-output_ts_offset", "3600", "-muxdelay", "0"),
    "titled.mkv": (*_picture(), *_sound(), *_X264, *_AAC, "-metadata:s:a:0", "language=ger",
                   "-metadata:s:a:0", "title=Ton"),
    "packed.mp4": (*_picture(), *_sound(), *_X264, "-bf", "3", "-g", "10", *_AAC),
}  # fmt: skip
_ROTATED = {"left.mp4": "90", "right.mp4": "-90", "upside_down.mp4": "180"}


def make(folder: Path) -> Callable[[str], Path]:
    """Makes a source when it is first asked for."""

    def source(name: str) -> Path:
        path = folder / name
        if path.exists():
            return path
        if name in _ROTATED:
            run("-display_rotation", _ROTATED[name], "-i", str(source("plain.mp4")), "-c", "copy", str(path))
        elif name in _WRITTEN:
            path.write_bytes(_WRITTEN[name](source))
        else:
            run(*_RECIPES[name], str(path))
        return path

    return source


def run(*arguments: str) -> None:
    """Runs ffmpeg."""
    subprocess.run([FFMPEG, "-v", "error", "-y", "-nostdin", *arguments], check=True, timeout=60)


def _half(name: str) -> Callable[[Callable[[str], Path]], bytes]:
    def written(source: Callable[[str], Path]) -> bytes:
        whole = source(name).read_bytes()
        return whole[: len(whole) // 2]

    return written


def _huge_png(_: object) -> bytes:
    """A header that claims 50,000 x 50,000 pixels."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


_WRITTEN: dict[str, Callable[[Callable[[str], Path]], bytes]] = {
    "empty.mp4": lambda _: b"",
    "text.mp4": lambda _: b"This is not a film. " * 500,
    "noise.mp4": lambda _: bytes((i * i * 31 + i // 7) % 256 for i in range(50_000)),
    "cut.mp4": _half("plain.mp4"),
    "huge.png": _huge_png,
}
