"""What the parameters of tasks that need a model have in common (MPS_API §10.3)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from shared.mps.base import MpsModel

Confidence = Annotated[int, Field(ge=0, le=100)]
OwnLabels = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=16)]], Field(max_length=10)]
"""Labels of the tenant's own words or persons that count; none for all."""
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,3}$")]
SubtitleFormat = Literal["", "vtt"]


class Switched(MpsModel):
    """Something that is done or not."""

    switch: Literal["ON", "OFF"]


class Labelled(Switched):
    """Something that is looked for among the tenant's own words."""

    label_set: OwnLabels | None = None


def one_of(known: Collection[str]) -> AfterValidator:
    """A check that every label of a list is known."""

    def check(labels: list[str]) -> list[str]:
        for label in labels:
            if label not in known:
                raise ValueError(f"must be of {', '.join(known)}; {label[:64]!r} is not")
        return labels

    return AfterValidator(check)
