"""One picture's way through ffmpeg's filters, with further inputs laid over it. Pure.

Everything that shapes the picture of an output adds itself here in order; what comes out is `-vf` while there is only
the source, and `-filter_complex` as soon as something else is laid over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\':"})
_GRAPH_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\'[],;"})


def escaped(value: str) -> str:
    """A text as the value of a filter's option, safe from the option parser and from the graph parser (both take
    backslashes). Texts of users belong into files all the same: this is for names of files and the like."""
    return value.translate(_SPECIAL).translate(_GRAPH_SPECIAL)


@dataclass(frozen=True, slots=True)
class Overlay:
    """Something laid over the picture.

    `arguments` open it, up to and including `-i FILE`; `filters` prepare it; `x` and `y` are expressions of the overlay
    filter (`W`, `H` the picture, `w`, `h` the overlay); `options` are further options of the overlay filter.
    """

    arguments: tuple[str, ...]
    x: str
    y: str
    filters: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class FilterGraph:
    """Built up step by step, then asked for its arguments once."""

    def __init__(self, source: str = "0:V:0", first_input: int = 1, mark: str = "") -> None:
        """`source` is the stream specifier of the picture or a label; further inputs are numbered from `first_input`.
        `mark` keeps the labels of several pictures in one graph apart."""
        self._mark = mark
        self._label = source
        self._from_source = True
        self._chain: list[str] = []
        self._parts: list[str] = []
        self._inputs: list[str] = []
        self._next_input = first_input
        self._labels = 0

    def apply(self, *filters: str) -> None:
        """The picture goes through these filters. Inside one of them labels may be used (`split[a][b];...`) if they are
        its own."""
        self._chain += [text for text in filters if text]

    def overlay(self, overlay: Overlay) -> None:
        """Lays something over the picture as it is by now."""
        base = self._close("base")
        number = self._next_input
        self._next_input += 1
        self._inputs += overlay.arguments
        top = self._new_label("top")
        self._parts.append(f"[{number}:v:0]{','.join(overlay.filters) or 'null'}[{top}]")
        options = ":".join((f"x={overlay.x}", f"y={overlay.y}", *overlay.options))
        self._parts.append(f"[{base}][{top}]overlay={options}")
        # What follows is applied to the overlay's output: keep it as the open chain.
        self._chain = [self._parts.pop()]
        self._label = ""

    def _new_label(self, name: str) -> str:
        self._labels += 1
        return f"{name}{self._mark}{self._labels}"

    def _close(self, name: str) -> str:
        """Ends the open chain with a label."""
        label = self._new_label(name)
        before = f"[{self._label}]" if self._label else ""
        self._parts.append(f"{before}{','.join(self._chain) or 'null'}[{label}]")
        self._chain, self._label = [], label
        return label

    @property
    def inputs(self) -> Sequence[str]:
        """Arguments that open the further inputs; they stand behind the source's."""
        return tuple(self._inputs)

    def ended(self, label: str) -> list[str]:
        """The parts of the graph, for one that has more pictures: this one ends in `[label]`."""
        before = f"[{self._label}]" if self._label else ""
        return [*self._parts, f"{before}{','.join(self._chain) or 'null'}[{label}]"]

    def arguments(self) -> list[str]:
        """Mapping and filters of the picture, for an output that has one picture."""
        if not self._inputs:
            chain = ",".join(self._chain)
            return ["-map", self._label, *(["-vf", chain] if chain else [])]
        final = self._close("v")
        return ["-filter_complex", ";".join(self._parts), "-map", f"[{final}]"]
