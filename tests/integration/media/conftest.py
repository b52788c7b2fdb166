"""Real clips, made once: small and short."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from services.workers.media.ffmpeg import media_tools

FFMPEG = str(media_tools().ffmpeg)
BUNNY = Path(__file__).parents[3] / "examples" / "bigbuckbunny.mp4"

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2"]
FAST = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k"]


def make(*arguments: str) -> None:
    """Runs ffmpeg to make a clip."""
    subprocess.run([FFMPEG, "-v", "error", "-y", "-nostdin", *arguments], check=True, timeout=60)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file per kind of input."""
    folder = tmp_path_factory.mktemp("clips")

    def at(name: str) -> str:
        return str(folder / name)

    make(*PICTURE, *SOUND, *FAST, "-movflags", "+faststart", at("plain.mp4"))
    make(*PICTURE, *FAST, at("silent.mp4"))
    make(*SOUND, "-c:a", "aac", at("sound.m4a"))
    odd = ["-f", "lavfi", "-i", "testsrc=size=161x121:rate=25:duration=1"]
    make(*odd, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p", at("odd.mkv"))
    make("-display_rotation", "90", "-i", at("plain.mp4"), "-c", "copy", at("rotated.mp4"))
    make(*PICTURE, "-vf", "setsar=2/1", *FAST, at("anamorphic.mp4"))
    # Frames dropped at random places: no two distances are the same.
    make(*PICTURE, *SOUND, "-vf", "select='not(mod(n*n,7))'", "-fps_mode", "vfr", *FAST, at("vfr.mp4"))
    hdr = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,format=yuv420p10le"
    x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-tag:v", "hvc1"]
    make(*PICTURE, "-t", "1", "-vf", hdr, *x265, at("hdr.mp4"))
    make(*PICTURE, *SOUND, *FAST, at("moov_at_end.mp4"))

    make(*PICTURE, *SOUND, *FAST, at("whole.mkv"))
    whole = (folder / "whole.mkv").read_bytes()
    (folder / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    # One picture that stands for two seconds, as in a recording of a screen.
    make(*PICTURE, *SOUND, "-vf", "select='eq(n,0)'", "-fps_mode", "vfr", *FAST, at("sparse.mp4"))

    make(*odd, "-frames:v", "1", at("still.jpg"))

    plain = (folder / "plain.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(plain[: len(plain) // 2])
    end = (folder / "moov_at_end.mp4").read_bytes()
    (folder / "no_moov.mp4").write_bytes(end[: len(end) // 2])
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("This is not a film. " * 500)
    (folder / "noise.mp4").write_bytes(bytes((i * i * 31 + i // 7) % 256 for i in range(50_000)))
    (folder / "playlist.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{folder}/plain.mp4\n#EXT-X-ENDLIST\n"
    )
    (folder / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{folder}/plain.mp4'\n")
    return folder
