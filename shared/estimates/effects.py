"""What is done to picture and sound on their way, beside size and rate: enhancement, watermarks, mosaics. Pure."""

from __future__ import annotations

from shared.estimates.demand import Units, decoding
from shared.mps.enhance import AudioEnhanceConfig, VideoEnhanceConfig
from shared.mps.media import MediaMetaData
from shared.mps.transcode import VideoTemplateInfo

FACTOR = 2
"""Of super-resolution."""


def improved(video: VideoTemplateInfo, wanted: VideoEnhanceConfig, source: MediaMetaData) -> VideoTemplateInfo:
    """The template with the rate and size that enhancement gives this source."""
    rate = wanted.wanted_rate
    if rate and source.frame_rate < rate[0] / rate[1]:
        video = video.model_copy(update={"fps": rate[0], "fps_denominator": rate[1]})
    if wanted.super_resolution and wanted.super_resolution.on and not video.width and not video.height:
        width, height = (FACTOR * side // 2 * 2 for side in source.shown_size)
        video = video.model_copy(update={"width": width, "height": height, "resolution_adaptive": "close"})
    return video


def enhancing(wanted: VideoEnhanceConfig, source: MediaMetaData, seconds: float, read: float, made: float) -> Units:
    """Units for each member that is on; `read` and `made` are the megapixels before and after."""
    units = Units()
    if wanted.wanted_rate and source.frame_rate < wanted.wanted_rate[0] / wanted.wanted_rate[1]:
        units.add("interpolate", made)
    if (new := wanted.super_resolution) and new.on:
        units.add(f"enlarge {new.type}", made)
    if (noise := wanted.denoise) and noise.on:
        units.add(f"denoise {noise.type}", read)
    if (artifacts := wanted.artifact_repair) and artifacts.on:
        units.add(f"repair {artifacts.type}", read)
    if wanted.scratch_repair and wanted.scratch_repair.on:
        units.add("scratches", read)
    if wanted.image_quality_enhance and wanted.image_quality_enhance.on:
        units.add("clearer", read + made)
    if wanted.color_enhance and wanted.color_enhance.on:
        units.add("colour", made)
    if wanted.low_light_enhance and wanted.low_light_enhance.on:
        # Its brightness is measured first.
        units.add_all(decoding(source, seconds))
        units.add("lighten", made)
    if wanted.hdr and wanted.hdr.on:
        units.add("to hdr", made)
    return units


def enhancing_sound(wanted: AudioEnhanceConfig, seconds: float) -> Units:
    """Units for each member that is on."""
    units = Units()
    if wanted.denoise and wanted.denoise.on:
        units.add("denoise sound", seconds)
    if (volume := wanted.volume_balance) and volume.on:
        units.add(f"balance {volume.type}", seconds)
    if wanted.beautify and wanted.beautify.on:
        units.add("beautify", seconds)
    return units
