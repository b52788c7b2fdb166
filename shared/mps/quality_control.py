"""Parameters, templates and result of the quality-control node (MPS_API §7 and §10, MPS_EVENTS §4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from shared.mps import quality
from shared.mps.base import MpsModel
from shared.mps.not_yet import NOT_YET, NotYet


@dataclass(frozen=True, slots=True)
class Rule:
    """When an item of what is seen or heard is reported, unless the template says otherwise [OURS]: `Threshold` in the
    item's own unit, within `least` and `most`, and for how long it must be so."""

    unit: str
    threshold: float
    least: float
    most: float
    duration_s: float


SEEN: Mapping[str, Rule] = {
    "LowEvaluation": Rule("score, 0 to 100", 50, 1, 100, 0),
    "Mosaic": Rule("strength of ffmpeg's blockdetect; 1 is none", 10, 1.5, 100_000, 1),
    "Blur": Rule("width of edges in pixels at 720 lines at most, ffmpeg's blurdetect", 8, 2, 100, 1),
    "BlackWhiteEdge": Rule("share of the picture's width or height that black bars take, per cent", 5, 1, 90, 1),
    "SolidColorScreen": Rule("range of the luma in a picture of one colour, of 256 levels", 24, 1, 128, 1),
    "LowLighting": Rule("mean luma, 16 is black and 235 white", 40, 17, 128, 1),
    "HighLighting": Rule("mean luma, 16 is black and 235 white", 200, 128, 234, 1),
    "VideoDuplicatedFrame": Rule("mean difference of the luma between pictures, of 256 levels", 0.25, 0.001, 16, 2),
}
"""Checks of the decoded picture. VideoDuplicatedFrame is the contract's only name for a picture that stands still."""
HEARD: Mapping[str, Rule] = {
    "NoVoice": Rule("level, dBFS", -60, -120, -20, 1),
    "LowVoice": Rule("momentary loudness, LUFS", -40, -69, -10, 3),
    "HighVoice": Rule("momentary loudness, LUFS", -8, -30, 10, 1),
    "AudioOutOfPhase": Rule("correlation of left and right, -1 is opposite", -0.9, -1, 0, 1),
}
"""Checks of the decoded sound, its first stream."""
READ = frozenset(
    """
    DarOrSarInvalid TimestampFallback DtsJitter PtsJitter AudioDroppingFrames VideoDroppingFrames PtsLessThanDts
    FpsJitter StreamParseFailed VideoFirstFrameNotIdr AudioStreamLack VideoStreamLack VideoDecodeFailed
    AudioDecodeFailed VideoRotation Mp4InvalidCodecFourcc TimecodeTrackExist
    """.split()  # noqa: SIM905 - seventeen lines otherwise
)
"""Checks of the container and of whether its streams can be decoded; they have no threshold."""
CHECKED = frozenset({*SEEN, *HEARD, *READ})
"""The items that this version can look for. The others of `quality.ITEMS` are refused by name."""
DIAGNOSES = READ | {"VideoDuplicatedFrame", "AudioOutOfPhase"}
"""What the contract calls the diagnosis of a container."""


class AiQualityControlTaskInput(MpsModel):
    """Parameters of the node."""

    definition: int
    channel_ext_para: NotYet = None

    def echo(self) -> dict[str, Any]:
        """`Input` of the result."""
        return {"Definition": self.definition, "ChannelExtPara": ""}


class QualityControlItemConfig(MpsModel):
    """One thing to look for. `IntervalTime` and `Duration` are in milliseconds; `Threshold` is a number as text."""

    type: str
    switch: Literal["ON", "OFF"] = "ON"
    sampling: Literal["", "Time"] | None = None
    interval_time: int | None = Field(default=None, ge=0, le=10_000)
    duration: int | None = Field(default=None, ge=0, le=3_600_000)
    threshold: str | None = None

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        if self.type not in quality.ITEMS:
            raise ValueError(f"Type {self.type[:40]!r} is not a quality-control item")
        if self.switch == "OFF":
            return self
        if self.type not in CHECKED:
            raise ValueError(f"Type {self.type} {NOT_YET}")
        rule = SEEN.get(self.type) or HEARD.get(self.type)
        for member, value in (
            ("IntervalTime", self.interval_time),
            ("Duration", self.duration),
            ("Threshold", self.threshold),
        ):
            if value and rule is None:
                raise ValueError(f"{member} must be absent: {self.type} has none")
        if self.interval_time and (self.type not in SEEN or self.interval_time < 100):
            raise ValueError("IntervalTime is for checks of the picture, at least 100 ms")
        if self.threshold and rule is not None:
            _number(self.threshold, rule)
        return self

    @property
    def limit(self) -> float:
        """The threshold, in the item's unit."""
        rule = SEEN.get(self.type) or HEARD[self.type]
        return _number(self.threshold, rule) if self.threshold else rule.threshold

    @property
    def lasting_s(self) -> float:
        """How long it must be so to be reported."""
        rule = SEEN.get(self.type) or HEARD[self.type]
        return self.duration / 1000 if self.duration else rule.duration_s


def _number(text: str, rule: Rule) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not rule.least <= value <= rule.most:
        raise ValueError(f"Threshold must be a number from {rule.least:g} to {rule.most:g} ({rule.unit})")
    return value


class QualityControlTemplate(MpsModel):
    """What to look for."""

    quality_control_item_set: list[QualityControlItemConfig] = Field(min_length=1, max_length=100)
    record_format: NotYet = None
    strategy: NotYet = None

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        seen: set[str] = set()
        for item in self.quality_control_item_set:
            if item.type in seen:
                raise ValueError(f"QualityControlItemSet names {item.type} twice")
            seen.add(item.type)
        if not self.items:
            raise ValueError("QualityControlItemSet must have an item that is ON")
        return self

    @property
    def items(self) -> dict[str, QualityControlItemConfig]:
        """The items that are switched on, by their names."""
        return {item.type: item for item in self.quality_control_item_set if item.switch == "ON"}


class QualityControlItem(MpsModel):
    """Something that was found. Confidence 0 to 100, offsets in seconds; `AreaCoordSet` is left, top, right and bottom
    in pixels of the picture as it is shown, empty for what has no place."""

    confidence: int
    start_time_offset: float
    end_time_offset: float
    area_coord_set: list[int] = Field(default_factory=list)


class QualityControlResult(MpsModel):
    """All places where one thing was found."""

    type: str
    quality_control_items: list[QualityControlItem]


class ContainerDiagnoseResultItem(MpsModel):
    """One thing that is wrong with the container or a stream; `TimestampSet` are seconds from the start."""

    category: str
    type: str
    severity_level: Literal["Fatal", "Error", "Warning", "Notice", "Info"]
    date_time_set: list[str] = Field(default_factory=list)
    timestamp_set: list[float] = Field(default_factory=list)


class QualityControlData(MpsModel):
    """`Output` of the node. Both scores are absent if they were not asked for, or if there is no picture to judge."""

    no_audio: bool
    no_video: bool
    quality_evaluation_score: int | None = None
    quality_evaluation_mean_opinion_score: float | None = None
    quality_control_result_set: list[QualityControlResult] = Field(default_factory=list)
    container_diagnose_result_set: list[ContainerDiagnoseResultItem] = Field(default_factory=list)
