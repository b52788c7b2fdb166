"""Parameters of the snapshot nodes (MPS_API §7) and of their templates (§10.1)."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared.mps.base import MpsModel
from shared.mps.image_task import MAX_PICTURES, ImageSize, NumberedImageTaskInput
from shared.mps.storage import TaskOutputStorage
from shared.mps.watermark import WatermarkSet

BY_TIME_PATH = "{inputName}_snapshotByTimeOffset_{definition}_{number}.{format}"
SAMPLED_PATH = "{inputName}_sampleSnapshot_{definition}_{number}.{format}"

_OFFSET = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(s|%)")


class SnapshotTemplate(MpsModel):
    """How a picture looks. 0 x 0 is the size of the source."""

    width: ImageSize = 0
    height: ImageSize = 0
    resolution_adaptive: Literal["open", "close"] = "open"
    format: Literal["jpg", "png", "webp"] = "jpg"
    fill_type: Literal["stretch", "black", "white", "gauss"] = "black"


class Sampling(MpsModel):
    """Regular distances: every `SampleInterval` per cent of the duration, or seconds."""

    sample_type: Literal["Percent", "Time"]
    sample_interval: int = Field(ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _per_cent(self) -> Self:
        if self.sample_type == "Percent" and self.sample_interval > 100:
            raise ValueError("SampleInterval must be 1 to 100 when SampleType is Percent")
        return self

    def interval_s(self, duration_s: float) -> float:
        """Seconds between two pictures of a source of that duration."""
        return self.sample_interval * duration_s / 100 if self.sample_type == "Percent" else float(self.sample_interval)

    def count(self, duration_s: float) -> int:
        """How many pictures lie at or after 0 and before the end; a source without duration has one."""
        if duration_s <= 0:
            return 1
        # 10 % of 5.312 s, ten times, is a little less than 5.312 in floating point.
        if self.sample_type == "Percent":
            return -(-100 // self.sample_interval)
        return max(math.ceil(duration_s / self.sample_interval), 1)


class SampleSnapshotTemplate(SnapshotTemplate, Sampling):
    """Pictures at regular distances."""


class TimeOffset(MpsModel):
    """A moment: seconds from the start or per cent of the duration."""

    value: float
    unit: Literal["s", "%"]

    @classmethod
    def parse(cls, text: str) -> TimeOffset:
        """`3.5s` or `10%`. Raises ValueError."""
        match = _OFFSET.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:32]!r} is not a time: write seconds as 3.5s or per cent as 10%")
        value = float(match[1])
        if match[2] == "%" and value > 100:
            raise ValueError(f"{text!r} is more than 100%")
        return cls(value=value, unit="%" if match[2] == "%" else "s")

    def seconds(self, duration_s: float) -> float:
        """Seconds from the start of a source of that duration."""
        return self.value if self.unit == "s" else self.value * duration_s / 100


class _SnapshotTaskInput(NumberedImageTaskInput):
    """What both kinds have."""

    watermark_set: WatermarkSet | None = None

    def _echo(self, storage: TaskOutputStorage, path: str) -> dict[str, Any]:
        return self.to_wire() | {
            "WatermarkSet": [mark.echo() for mark in self.watermark_set or ()],
            "OutputStorage": storage.to_wire(),
            "OutputObjectPath": path,
            "ObjectNumberFormat": self.numbers.to_wire(),
        }


class SnapshotByTimeOffsetTaskInput(_SnapshotTaskInput):
    """Pictures at given moments. `TimeOffsetSet` (seconds) is the older spelling; it counts if the other is empty."""

    ext_time_offset_set: list[str] | None = Field(default=None, max_length=MAX_PICTURES)
    time_offset_set: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = Field(
        default=None, max_length=MAX_PICTURES
    )

    @field_validator("ext_time_offset_set")
    @classmethod
    def _times(cls, value: list[str] | None) -> list[str] | None:
        for text in value or ():
            TimeOffset.parse(text)
        return value

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.offsets:
            raise ValueError("ExtTimeOffsetSet must name at least one time")
        return self

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return len(self.offsets) > 1

    @property
    def offsets(self) -> list[TimeOffset]:
        """The moments, in the order given."""
        if self.ext_time_offset_set:
            return [TimeOffset.parse(text) for text in self.ext_time_offset_set]
        return [TimeOffset(value=value, unit="s") for value in self.time_offset_set or ()]

    def echo(self, storage: TaskOutputStorage, path: str) -> dict[str, Any]:
        """`Input` of the result: defaults filled in, path rendered."""
        times = {"ExtTimeOffsetSet": self.ext_time_offset_set or [], "TimeOffsetSet": self.time_offset_set or []}
        return self._echo(storage, path) | times


class SampleSnapshotTaskInput(_SnapshotTaskInput):
    """Pictures at the distances that the template says."""

    def echo(self, storage: TaskOutputStorage, path: str) -> dict[str, Any]:
        """`Input` of the result: defaults filled in, path rendered."""
        return self._echo(storage, path)
