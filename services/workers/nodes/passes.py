"""The calls of ffmpeg that make an output: one, or two where the first only learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from services.workers.media import ffmpeg
from services.workers.media.ffmpeg import MediaTools
from shared.model.failure import SourceFileError

FAR_TOO_LONG, FAR_TOO_LONG_S = 2, 600
"""An output that lasts so many times what was expected and so many seconds more is the work of a trick."""
FIRST_PASS_SHARE = 0.35
"""Of the progress; the first pass is quicker."""


class Passes(Protocol):
    """What plans have in common: arguments before the source, those that open what is beside it, and those of the
    output; `first_pass` stands in their place in a call that goes before, if there is one. `expected_s` is how long the
    output is to last, 0 if that cannot be known; `clock_s` what ffmpeg's clock shows when it
    begins."""

    @property
    def before(self) -> tuple[str, ...]: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def after(self) -> tuple[str, ...]: ...

    @property
    def first_pass(self) -> tuple[str, ...]: ...

    @property
    def expected_s(self) -> float: ...

    @property
    def clock_s(self) -> float: ...


async def run_passes(
    tools: MediaTools,
    path: Path,
    work: Passes,
    folder: Path,
    report: Callable[[float], None],
    on_written: Callable[[], None],
    before: float = 0.0,
) -> str:
    """Both passes or the one; returns what ffmpeg complained about. `on_written` is told when the output has grown,
    `before` is the share of the progress that is made already."""
    bound = ffmpeg.bounded(work.expected_s, work.clock_s)
    # Of what is read and of what is written: the last frame may last for ever. A length that was asked for comes later,
    # and the last one counts.
    opened = [*ffmpeg.source(path, *bound, *work.before), *work.inputs, *bound]
    done = 0.0

    def on_time(written_s: float) -> None:
        if work.expected_s:
            if written_s > FAR_TOO_LONG * work.expected_s + FAR_TOO_LONG_S + work.clock_s:
                # Frames are repeated across a gap, however wide: a packet may claim to be shown in a hundred years.
                raise SourceFileError(f"the timestamps of the source jump: it should last {work.expected_s:.1f} s")
            share = min(written_s / work.expected_s, 1.0)
            here = done + share * (FIRST_PASS_SHARE if work.first_pass and not done else 1 - done)
            report(100 * (before + (1 - before) * here))
        on_written()

    if work.first_pass:
        await ffmpeg.call(tools, [*opened, *work.first_pass], folder, on_time)
        done = FIRST_PASS_SHARE
    return await ffmpeg.call(tools, [*opened, *work.after], folder, on_time)


def nothing() -> None:
    """For whoever need not be told."""
