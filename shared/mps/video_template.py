"""How video is encoded (MPS_API §7, VideoTemplateInfo): ranges of the contract, combinations that the encoders make."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.mps.base import MpsModel
from shared.mps.not_yet import NOT_YET, NotYet, number

_OTHER_SPELLINGS = {"libx264": "h264", "libx265": "h265", "hevc": "h265", "mpeg2video": "mpeg2"}
_REFUSED = frozenset({"h266", "mv-hevc", "smarttailor"})

LEVELS: dict[str, tuple[str, ...]] = {
    "h264": tuple("1 1.1 1.2 1.3 2 2.1 2.2 3 3.1 3.2 4 4.1 4.2 5 5.1 5.2 6 6.1 6.2".split()),  # noqa: SIM905
    "h265": tuple("1 2 2.1 3 3.1 4 4.1 5 5.1 5.2 6 6.1 6.2 8.5".split()),  # noqa: SIM905
}
_TEN_BITS = frozenset({"h264", "h265", "av1", "vp9", "dnxhd"})
_WITH_BFRAMES = frozenset({"h264", "h265", "mpeg2"})
_BY_QUALITY = frozenset({"h264", "h265", "av1", "vp9", "vp8"})
_SCENES = frozenset({"h264", "h265"})
AUTO_VCRF, AUTO_BFRAMES, AUTO_COMPRESS = 100, -1, -1
"""In an update: back to what the encoder does by itself."""


def _plain_spelling(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    plain = _OTHER_SPELLINGS.get(value.lower(), value.lower())
    if plain in _REFUSED:
        raise ValueError(f"{value} {NOT_YET}")
    return plain


def _or_zero(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if value != 0 and not low <= value <= high:
            raise ValueError(f"must be 0 or {low} to {high}")
        return value

    return AfterValidator(check)


def _range_or(low: int, high: int, auto: int) -> AfterValidator:
    def check(value: int) -> int:
        if value != auto and not low <= value <= high:
            raise ValueError(f"must be {low} to {high}, or {auto} for automatic")
        return value

    return AfterValidator(check)


Switch = Annotated[int, Field(ge=0, le=1)]
PictureSize = Annotated[int, _or_zero(128, 4096)]
VideoBitrate = Annotated[int, _or_zero(128, 100_000)]
"""kbit/s"""
VideoCodec = Annotated[
    Literal["h264", "h265", "av1", "vp9", "vp8", "mpeg2", "dnxhd", "copy"], BeforeValidator(_plain_spelling)
]
FillType = Annotated[Literal["stretch", "black", "white", "gauss"], BeforeValidator(_plain_spelling)]
SegmentType = Annotated[Literal[0, 2, 5, 7], BeforeValidator(number)]
"""0 TS, 2 TS in one file with byte ranges, 5 fragmented MP4 in one file, 7 fragmented MP4."""
SceneType = Literal["", "normal", "pgc", "materials_video", "ugc", "e-commerce_video", "educational_video"]
CompressType = Literal["", "ultra_compress", "standard_compress", "high_compress", "low_compress"]
SCENES: tuple[str, ...] = tuple(scene for scene in get_args(SceneType) if scene)
STRATEGIES: tuple[str, ...] = tuple(strategy for strategy in get_args(CompressType) if strategy)


class SegmentSpecificInfo(MpsModel):
    """The first `FragmentEndNum` segments of a stream last `FragmentTime` seconds each, so that it starts sooner."""

    switch: Literal["", "on", "off", "ON", "OFF"] = ""
    fragment_time: int = Field(default=0, ge=0, le=10)
    fragment_end_num: int = Field(default=0, ge=0, le=1000)

    @property
    def on(self) -> bool:
        """Whether it asks for anything."""
        return self.switch.lower() == "on"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.on and not self.fragment_time:
            raise ValueError("FragmentTime must be 1 to 10 when Switch is on")
        if self.on and not self.fragment_end_num:
            raise ValueError("FragmentEndNum must be at least 1 when Switch is on")
        return self


class VideoTemplateInfoForUpdate(MpsModel):
    """Members of a video template, each optional: what is given replaces the template's. Bitrate in kbit/s."""

    codec: VideoCodec | None = None
    fps: int | None = Field(default=None, ge=0)
    bitrate: VideoBitrate | None = None
    resolution_adaptive: Literal["", "open", "close"] | None = None
    width: PictureSize | None = None
    height: PictureSize | None = None
    gop: int | None = Field(default=None, ge=0, le=100_000)
    gop_unit: Literal["", "frame", "second"] | None = None
    fill_type: FillType | None = None
    vcrf: Annotated[int, _range_or(0, 51, AUTO_VCRF)] | None = None
    hls_time: int | None = Field(default=None, ge=1, le=10)
    segment_type: SegmentType | None = None
    fps_denominator: int | None = Field(default=None, ge=1)
    stereo3d_type: NotYet = Field(default=None, alias="Stereo3dType")
    video_profile: Literal["", "baseline", "main", "high", "default"] | None = None
    video_level: str | None = None
    bframes: Annotated[int, _range_or(0, 16, AUTO_BFRAMES)] | None = None
    mode: Literal["", "VBR", "ABR", "CBR", "VCRF", "CRF"] | None = None
    sar: Literal["", "1:1", "2:1", "default"] | None = None
    no_scenecut: Switch | None = None
    bit_depth: Annotated[Literal[0, 8, 10], BeforeValidator(number)] | None = None
    raw_pts: Switch | None = None
    compress: Annotated[int, _range_or(0, 100, AUTO_COMPRESS)] | None = None
    segment_specific_info: SegmentSpecificInfo | None = None
    scenario_based: Switch | None = None
    scene_type: SceneType | None = None
    compress_type: CompressType | None = None
    content_adapt_stream: NotYet = None

    @property
    def rate(self) -> float:
        """Frames per second; 0 for the source's."""
        return (self.fps or 0) / (self.fps_denominator or 1)

    @property
    def by_quality(self) -> bool:
        """Whether Mode says so."""
        return self.mode in ("VCRF", "CRF")


class VideoTemplateInfo(VideoTemplateInfoForUpdate):
    """How video is encoded, complete. Bitrate 0 means by quality, and the source's with a Mode that needs one [OURS:
    the contract says as the source]."""

    codec: VideoCodec
    fps: int = Field(ge=0)
    bitrate: VideoBitrate
    vcrf: int | None = Field(default=None, ge=0, le=51)
    bframes: int | None = Field(default=None, ge=0, le=16)
    compress: int | None = Field(default=None, ge=0, le=100)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not 0 <= self.rate <= 120:
            raise ValueError("Fps / FpsDenominator must be 0 to 120")
        width, height = self.width or 0, self.height or 0
        if self.resolution_adaptive != "close" and width and height and width < height:
            raise ValueError("Width must not be less than Height when ResolutionAdaptive is open")
        if self.raw_pts and self.fps:
            raise ValueError("Fps must be 0 when RawPts is 1")
        if self.codec == "copy":
            self._check_copy()
        else:
            self._check_rate()
            self._check_syntax()
            self._check_scene()
        return self

    def _check_copy(self) -> None:
        if self.width or self.height or self.fps or self.bitrate:
            raise ValueError("Fps, Bitrate, Width and Height must be 0 when Codec is copy")
        asked = {
            "Gop": self.gop,
            "Vcrf": self.vcrf is not None,
            "VideoProfile": self.video_profile not in (None, "", "default"),
            "VideoLevel": self.video_level,
            "Bframes": self.bframes,
            "Mode": self.mode,
            "Sar": self.sar not in (None, "", "default"),
            "NoScenecut": self.no_scenecut,
            "BitDepth": self.bit_depth == 10,
            "Compress": self.compress,
            "ScenarioBased": self.scenario_based,
        }
        for name, value in asked.items():
            if value:
                raise ValueError(f"{name} cannot be set when Codec is copy")

    def _check_rate(self) -> None:
        if self.vcrf is not None and self.mode in ("ABR", "CBR"):
            raise ValueError(f"Vcrf must be absent when Mode is {self.mode}")
        if self.codec not in _BY_QUALITY and (self.vcrf is not None or self.by_quality):
            raise ValueError(f"Vcrf and Mode VCRF are not for {self.codec}")
        if self.compress and self.by_quality:
            raise ValueError("Compress needs Mode VBR, ABR or CBR")
        if self.compress and self.vcrf is not None:
            raise ValueError("Vcrf must be absent when Compress is set")
        if self.codec == "dnxhd" and (self.bitrate or self.compress or self.mode):
            raise ValueError("Bitrate and Compress must be 0 and Mode absent for dnxhd: its profile gives the bit rate")

    def _check_syntax(self) -> None:
        named = self.video_profile not in (None, "", "default")
        if self.codec != "h264" and named and (self.codec, self.video_profile) != ("h265", "main"):
            raise ValueError(f"VideoProfile {self.video_profile} is not for {self.codec}")
        if self.bit_depth == 10 and named:
            raise ValueError("VideoProfile must be default when BitDepth is 10")
        if self.bit_depth == 10 and self.codec not in _TEN_BITS:
            raise ValueError(f"BitDepth 10 is not for {self.codec}")
        if self.video_level:
            known = LEVELS.get(self.codec)
            if known is None:
                raise ValueError(f"VideoLevel is not for {self.codec}")
            if self.video_level not in known:
                raise ValueError(f"VideoLevel must be one of {', '.join(known)} for {self.codec}")
        if self.bframes is not None and self.codec not in _WITH_BFRAMES:
            raise ValueError(f"Bframes is not for {self.codec}")
        if self.bframes and self.video_profile == "baseline":
            raise ValueError("Bframes must be 0 for VideoProfile baseline")
        if self.codec == "dnxhd" and self.gop not in (None, 0, 1):
            raise ValueError("Gop must be 0 or 1 for dnxhd: each of its frames is a key frame")

    def _check_scene(self) -> None:
        scene = self.scene_type not in (None, "", "normal")
        compress = self.compress_type not in (None, "", "standard_compress")
        if (scene or compress) and not self.scenario_based:
            raise ValueError("SceneType and CompressType need ScenarioBased 1")
        if self.scenario_based and self.codec not in _SCENES:
            raise ValueError(f"ScenarioBased is for h264 and h265, not for {self.codec}")
        if compress and self.mode in ("ABR", "CBR"):
            raise ValueError(f"CompressType {self.compress_type} needs Mode VBR or VCRF")
