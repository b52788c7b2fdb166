"""Takes noise out of speech: `python -I speech_child.py LIBRARY MODEL FILE CHANNELS`. FILE has 32-bit float samples of
48 kHz, interleaved, which are replaced by the cleaned ones.

A program of its own because native code works on untrusted sound here. Only the standard library; memory stays flat
however long the sound is. Each second that is done is a line on standard output: seconds done, of how many.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from pathlib import Path

RATE = 48_000
LATE_FRAMES = 3
"""What goes in as frame n comes out with frame n + 3 (measured; the model looks two frames ahead)."""
FRAMES_AT_ONCE = 100
NO_LIMIT_DB = 100.0
"""How much noise is taken out at the most: all of it."""


class Channel:
    """One channel's way through DeepFilterNet, frame after frame."""

    def __init__(self, library: ctypes.CDLL, model: str) -> None:
        self._library = library
        self._state = library.df_create(model.encode(), NO_LIMIT_DB, None)
        if not self._state:
            raise RuntimeError("the model cannot be loaded")
        self.frame = int(library.df_get_frame_length(self._state))

    def cleaned(self, samples: array[float]) -> array[float]:
        """As many samples as went in, a whole number of frames."""
        out = array("f", bytes(4 * len(samples)))
        source, target = samples.buffer_info()[0], out.buffer_info()[0]
        for offset in range(0, 4 * len(samples), 4 * self.frame):
            self._library.df_process_frame(self._state, source + offset, target + offset)
        return out


def load(path: str) -> ctypes.CDLL:
    """The C interface of libDF (capi.rs)."""
    library = ctypes.CDLL(path)
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_create.restype = ctypes.c_void_p
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_process_frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    library.df_process_frame.restype = ctypes.c_float
    return library


def clean(library: ctypes.CDLL, model: str, path: Path, count: int) -> None:
    """Cleans the file in its place: what is written never overtakes what was read."""
    channels = [Channel(library, model) for _ in range(count)]
    frame = channels[0].frame
    step = FRAMES_AT_ONCE * frame
    total = path.stat().st_size // (4 * count)
    read, written, late = 0, 0, LATE_FRAMES * frame
    with path.open("r+b") as file:
        while written < total:
            file.seek(read * 4 * count)
            block = array("f", file.read(step * 4 * count)[: (total - read) * 4 * count])
            read += len(block) // count
            # Silence behind the end brings out what is still inside.
            block.extend([0.0] * (step * count - len(block)))
            mixed = array("f", bytes(4 * len(block)))
            for number, channel in enumerate(channels):
                mixed[number::count] = channel.cleaned(block[number::count])
            ready = mixed[late * count :][: (total - written) * count]
            late = 0
            file.seek(written * 4 * count)
            file.write(ready.tobytes())
            written += len(ready) // count
            sys.stdout.write(f"{written / RATE:.2f} {total / RATE:.2f}\n")
            sys.stdout.flush()


def main(argv: list[str]) -> None:
    """Cleans one file."""
    clean(load(argv[1]), argv[2], Path(argv[3]), int(argv[4]))


if __name__ == "__main__":
    main(sys.argv)
