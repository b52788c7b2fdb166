"""Which bit rate a video gets and how strictly. Pure: decides; `services.workers.media.encoding` spells it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.model.failure import InvalidInput
from shared.mps.media import MediaMetaData
from shared.mps.transcode import TEHDConfig, VideoTemplateInfo

DEFAULT_CRF = {"h264": 23, "h265": 28, "av1": 35, "vp9": 33, "vp8": 20}
"""The same look with each codec, on its own scale; MPEG-2 and DNxHD have none."""
CRF_RANGE = {"h264": (0, 51), "h265": (0, 51), "av1": (1, 63), "vp9": (0, 63), "vp8": (4, 63)}
MIN_KBPS = 16
_COMPRESSION = {"ultra_compress": 6, "high_compress": 3, "low_compress": -4}
"""CRF steps; six halve the bit rate, about."""
_FINE_SCENES = {"materials_video": -5}
_TOP_SPEED_CRF = 1
"""With a slower preset, so that it is smaller and looks the same."""


class Control(StrEnum):
    """How an encoder is led."""

    QUALITY = "quality"
    """One quality throughout; with a bit rate, that is the peak."""
    VARIABLE = "variable"
    """A bit rate on average, with bounded peaks."""
    AVERAGE = "average"
    """A bit rate on average, in two passes."""
    CONSTANT = "constant"
    """A bit rate at every moment."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`crf` counts for QUALITY; `kbps` is the aim, or for QUALITY the peak (0 for none)."""

    control: Control
    kbps: int = 0
    crf: int = 0


def rate_of(video: VideoTemplateInfo, source: MediaMetaData, tehd: TEHDConfig | None = None) -> Rate:
    """What a template asks for, for this source. Raises InvalidInput if it needs the source's bit rate and nobody
    knows that."""
    kbps = _asked_kbps(video, source)
    if tehd and tehd.on:
        peak = min((each for each in (tehd.max_video_bitrate, kbps) if each), default=0)
        return Rate(Control.QUALITY, peak, _crf(video, _TOP_SPEED_CRF))
    if video.codec not in DEFAULT_CRF:
        return Rate(_controls(video), kbps) if kbps else Rate(Control.QUALITY)
    if video.by_quality:
        # The contract: Bitrate is without effect.
        return Rate(Control.QUALITY, 0, _crf(video))
    scene = video.scenario_based and video.mode not in ("ABR", "CBR")
    if video.vcrf is not None or scene or not kbps:
        return Rate(Control.QUALITY, kbps, _crf(video))
    return Rate(_controls(video), kbps)


def _controls(video: VideoTemplateInfo) -> Control:
    return {"ABR": Control.AVERAGE, "CBR": Control.CONSTANT}.get(video.mode or "", Control.VARIABLE)


def _asked_kbps(video: VideoTemplateInfo, source: MediaMetaData) -> int:
    as_source = not video.bitrate and video.mode in ("VBR", "ABR", "CBR") and video.vcrf is None
    if not video.compress and not as_source:
        return video.bitrate
    own = source.video.bitrate / 1000 if source.video else 0.0
    if own <= 0:
        member = "Compress" if video.compress else "Bitrate 0"
        raise InvalidInput(f"VideoTemplate.{member} needs the bit rate of the source, and the source does not tell it")
    share = video.compress / 100 if video.compress else 1.0
    wanted = max(round(own * share), MIN_KBPS)
    return min(wanted, video.bitrate) if video.bitrate else wanted


def _crf(video: VideoTemplateInfo, more: int = 0) -> int:
    crf = DEFAULT_CRF[video.codec] + more if video.vcrf is None else video.vcrf
    if video.scenario_based:
        crf += _COMPRESSION.get(video.compress_type or "", 0) + _FINE_SCENES.get(video.scene_type or "", 0)
    lowest, highest = CRF_RANGE[video.codec]
    return min(max(crf, lowest), highest)
