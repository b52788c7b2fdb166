"""The programs that an attempt runs, noted where they are run.

Which attempt that is stands in a context variable: node kinds call ffmpeg from many depths, and none has to pass on
something that it has no use for. Bounded, and nothing in it is a secret.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

from shared.model.attempt_log import Call

FIRST_CALLS = 20
LAST_CALLS = 20
ARGUMENT_CHARS = 4_000
"""Of one argument; a filter graph of a mosaic has half of that."""
ARGUMENTS_CHARS = 16_000
"""Of all arguments of a call."""
SAID_CHARS = 4_000

HIDDEN = "***"
_REELWAY = str(Path(__file__).parents[3])
_SECRET_OPTION = re.compile(
    r"-(?:(?:\w*(?:enc|crypt|ption|aes)\w*_)?key|\w*(?:secret|password|passphrase|token)\w*|auth\w*|cookies|headers)",
    re.I,
)
_NAMED = re.compile(
    r"\b([\w-]*(?:secret|password|passphrase|token|signature|credential|authorization)[\w-]*\s*[=:]\s*)[^\s&'\"]+",
    re.I,
)
_USER = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@")
_QUERY = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s?'\"]+\?)[^\s'\"]+")


class Note:
    """One call, as it goes on."""

    def __init__(self, journal: Journal, call: Call) -> None:
        self._journal = journal
        self.call = call

    def ended(self, returncode: int | None, said: bytes, stopped: BaseException | None = None) -> None:
        """The program is gone. `stopped` is what made us end it."""
        self._journal.changed = True
        self.call = self.call.model_copy(
            update={
                "ended_at": self._journal.now(),
                "returncode": returncode,
                "stopped": None if stopped is None else self._journal.shown(str(stopped) or "cancelled"),
                "said": self._journal.shown(said.decode(errors="replace")[-SAID_CHARS:]),
            }
        )


class Journal:
    """The calls of one attempt. `changed` tells whoever keeps it that there is something new; `scratch` is the folder
    whose name nobody is to see."""

    def __init__(self, scratch: Path, now: Callable[[], datetime]) -> None:
        self.now = now
        self.changed = False
        self.left_out = 0
        self._places = ((str(scratch), "<scratch>"), (_REELWAY, "<reelway>"))
        self._first: list[Note] = []
        self._last: deque[Note] = deque(maxlen=LAST_CALLS)

    def begin(self, program: Sequence[str]) -> Note:
        """A program is started."""
        note = Note(self, Call(arguments=self._arguments(program), started_at=self.now()))
        self.changed = True
        if len(self._first) < FIRST_CALLS:
            self._first.append(note)
        else:
            self.left_out += len(self._last) == LAST_CALLS
            self._last.append(note)
        return note

    @property
    def calls(self) -> tuple[Call, ...]:
        """In the order of their start."""
        return tuple(note.call for note in (*self._first, *self._last))

    def shown(self, text: str) -> str:
        """A text without secrets and without folders of this machine."""
        for place, name in self._places:
            text = text.replace(place, name)
        text = _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(rf"\1{HIDDEN}@", text))
        return _NAMED.sub(rf"\1{HIDDEN}", text)

    def _arguments(self, program: Sequence[str]) -> tuple[str, ...]:
        name, *rest = program
        found = ["python" if name == sys.executable else Path(name).name]
        secret, left = False, ARGUMENTS_CHARS
        for argument in rest:
            text = HIDDEN if secret else self.shown(argument)
            clipped = text[: min(ARGUMENT_CHARS, left)]
            found.append(text if clipped == text else f"{clipped}… ({len(text)} characters)")
            left -= len(clipped)
            secret = _SECRET_OPTION.fullmatch(argument) is not None
            if left <= 0:
                found.append(f"… ({len(program)} arguments)")
                break
        return tuple(found)


JOURNAL: ContextVar[Journal | None] = ContextVar("journal", default=None)
"""Of the attempt that this code works for; None where nobody keeps one."""
