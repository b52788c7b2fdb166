"""What is made better on the way: EnhanceConfig of a transcode template (MPS_API §7; members, switches and ranges as
the official SDK describes them).

What needs a generative model that Reelway does not have is refused by its name as soon as it is switched on.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.mps.base import MpsModel
from shared.mps.not_yet import NOT_YET, number

MAX_RATE = 120
"""Frames per second."""
Strength = Literal["weak", "normal", "strong"]


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


OnOff = Annotated[Literal["ON", "OFF"], BeforeValidator(_upper)]


class Switchable(MpsModel):
    """A capability; one that is given is on unless it says OFF."""

    switch: OnOff = "ON"

    @property
    def on(self) -> bool:
        """Whether it asks for anything."""
        return self.switch == "ON"


class Unavailable(MpsModel):
    """A capability that needs a model which we do not have; given, it is off unless it says ON."""

    switch: OnOff = "OFF"
    type: Annotated[str, Field(max_length=64)] | None = None

    @model_validator(mode="after")
    def _off(self) -> Self:
        if self.switch == "ON":
            raise ValueError(f"needs a generative model and {NOT_YET}")
        return self


class FrameRateConfig(Switchable):
    """Frames made between frames: the older member, whole rates only. 0 and rates that the source has do nothing."""

    fps: int = Field(default=0, ge=0, le=100)


class FrameRateWithDenConfig(Switchable):
    """Frames made between frames, `fps_num` / `fps_den` a second. 0 and rates that the source has do nothing."""

    fps_num: int = Field(default=0, ge=0)
    fps_den: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.fps_num / self.fps_den > MAX_RATE:
            raise ValueError(f"FpsNum divided by FpsDen must be at most {MAX_RATE}")
        return self


class SuperResolutionConfig(Switchable):
    """Twice the width and height. `lq` expects a noisy source, `hq` a clean one."""

    type: Literal["lq", "hq"] = "lq"
    size: Annotated[Literal[2], BeforeValidator(number)] = 2


class HdrConfig(Switchable):
    """The output is HDR, whatever the source is."""

    type: Literal["HDR10", "HLG"] = "HDR10"


class VideoDenoiseConfig(Switchable):
    """Noise taken out of the picture."""

    type: Literal["weak", "strong"] = "weak"


class ImageQualityEnhanceConfig(Switchable):
    """A little noise taken away, edges made clearer."""

    type: Strength = "weak"


class ColorEnhanceConfig(Switchable):
    """Faded colours made stronger."""

    type: Strength = "weak"


class LowLightEnhanceConfig(Switchable):
    """Dark pictures made lighter."""

    type: Literal["normal"] = "normal"


class ScratchRepairConfig(Switchable):
    """Dirt and scratches of film taken away; `intensity` 0 does nothing."""

    intensity: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)

    @property
    def on(self) -> bool:
        """Whether it asks for anything."""
        return self.switch == "ON" and self.intensity > 0


class ArtifactRepairConfig(Switchable):
    """Blocks and ringing of strong compression smoothed."""

    type: Literal["weak", "strong"] = "weak"


def _known_scene(value: str) -> str:
    if value:
        raise ValueError(f"name the members that are wanted: {value} {NOT_YET}")
    return value


class VideoEnhanceConfig(MpsModel):
    """The picture."""

    frame_rate: FrameRateConfig | None = None
    super_resolution: SuperResolutionConfig | None = None
    hdr: HdrConfig | None = None
    denoise: VideoDenoiseConfig | None = None
    image_quality_enhance: ImageQualityEnhanceConfig | None = None
    color_enhance: ColorEnhanceConfig | None = None
    low_light_enhance: LowLightEnhanceConfig | None = None
    scratch_repair: ScratchRepairConfig | None = None
    artifact_repair: ArtifactRepairConfig | None = None
    enhance_scene_type: Annotated[str, AfterValidator(_known_scene)] | None = None
    diffusion_enhance: Unavailable | None = None
    frame_rate_with_den: FrameRateWithDenConfig | None = None
    ai_restoration: Unavailable | None = None
    diffusion_enhance_v2: Unavailable | None = None

    @model_validator(mode="after")
    def _exclusive(self) -> Self:
        if _on(self.frame_rate) and _on(self.frame_rate_with_den):
            raise ValueError("FrameRate and FrameRateWithDen must not both be on")
        if _on(self.image_quality_enhance) and _on(self.artifact_repair):
            raise ValueError("ImageQualityEnhance and ArtifactRepair must not both be on")
        return self

    @property
    def on(self) -> bool:
        """Whether anything is asked for."""
        return any(
            map(
                _on,
                (
                    self.frame_rate,
                    self.super_resolution,
                    self.hdr,
                    self.denoise,
                    self.image_quality_enhance,
                    self.color_enhance,
                    self.low_light_enhance,
                    self.scratch_repair,
                    self.artifact_repair,
                    self.frame_rate_with_den,
                ),
            )
        )

    @property
    def wanted_rate(self) -> tuple[int, int] | None:
        """Frames per second to interpolate to, as a fraction; None if that is off."""
        if self.frame_rate and self.frame_rate.on and self.frame_rate.fps:
            return self.frame_rate.fps, 1
        new = self.frame_rate_with_den
        return (new.fps_num, new.fps_den) if new and new.on and new.fps_num else None


class AudioDenoiseConfig(Switchable):
    """Noise taken out of speech."""


class AudioSeparateConfig(Switchable):
    """Voices and the rest apart: needs a model, so it is refused when it is on."""

    type: Literal["normal", "music"] = "normal"
    track: Literal["vocal", "background"] = "vocal"

    @model_validator(mode="after")
    def _off(self) -> Self:
        if self.on:
            raise ValueError(f"needs a separation model and {NOT_YET}")
        return self


class VolumeBalanceConfig(Switchable):
    """`loudNorm` brings the whole to one loudness, `gainControl` evens out sudden changes."""

    type: Literal["loudNorm", "gainControl"] = "loudNorm"


class AudioBeautifyConfig(Switchable):
    """`declick` takes clicks away, `deesser` softens hissing s sounds."""

    types: list[Literal["declick", "deesser"]] | None = None

    @property
    def wanted(self) -> frozenset[str]:
        """What to do; without `types` that is declick."""
        return frozenset(self.types or ("declick",)) if self.on else frozenset()


class AudioEnhanceConfig(MpsModel):
    """The sound."""

    denoise: AudioDenoiseConfig | None = None
    separate: AudioSeparateConfig | None = None
    volume_balance: VolumeBalanceConfig | None = None
    beautify: AudioBeautifyConfig | None = None
    audio_enhance_edit: Unavailable | None = None

    @property
    def on(self) -> bool:
        """Whether anything is asked for."""
        return any(map(_on, (self.denoise, self.volume_balance, self.beautify)))


class EnhanceConfig(MpsModel):
    """Picture and sound."""

    video_enhance: VideoEnhanceConfig | None = None
    audio_enhance: AudioEnhanceConfig | None = None

    @property
    def picture(self) -> VideoEnhanceConfig | None:
        """What is asked for the picture; None if nothing is."""
        return self.video_enhance if self.video_enhance and self.video_enhance.on else None

    @property
    def sound(self) -> AudioEnhanceConfig | None:
        """What is asked for the sound; None if nothing is."""
        return self.audio_enhance if self.audio_enhance and self.audio_enhance.on else None


def _on(member: Switchable | None) -> bool:
    return member is not None and member.on
