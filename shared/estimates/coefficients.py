"""The one data file of the estimates: what a unit costs, and how large what only a model knows becomes.

`python -m tests.bench.estimates fit` writes it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).with_name("coefficients.json")
_LIKE = {
    "decode": "decode h264",
    "encode": "encode h264 plain",
    "first": "first h264 plain",
    "sound": "sound aac",
    "to": "tone map",
    "bits": "bits h264",
    "picture": "picture jpg",
    "animation": "animation gif",
}
"""What a unit that was never measured costs: as much as its best-known relative."""


class Coefficients(BaseModel):
    """`cpu_s` per unit, `output_bytes` per guessed unit; `note` says what it was fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: str
    cpu_s: Mapping[str, float]
    output_bytes: Mapping[str, float]

    def seconds(self, units: Mapping[str, float]) -> float:
        """CPU seconds for all units."""
        return sum(count * _of(self.cpu_s, name) for name, count in units.items())

    def bytes(self, guessed: Mapping[str, float]) -> float:
        """Bytes for all guessed units."""
        return sum(count * _of(self.output_bytes, name) for name, count in guessed.items())


def _of(known: Mapping[str, float], name: str) -> float:
    if name in known:
        return known[name]
    return known.get(_LIKE.get(name.partition(" ")[0], ""), 0.0)


@functools.cache
def coefficients() -> Coefficients:
    """Those that ship with Reelway."""
    return Coefficients.model_validate_json(FILE.read_bytes())
