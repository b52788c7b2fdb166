"""What the members of VideoEnhance do to a picture, as filters. Pure.

Each was chosen by measuring it against a clean original (tests/integration/media/test_enhance_picture.py keeps the
measures): what lowers PSNR or SSIM of the damage that it is meant for is not here. All keep 10 bits.
"""

from __future__ import annotations

import math

from services.workers.media.brightness import Brightness
from services.workers.media.effects import Effects
from services.workers.media.ffmpeg import SIGN_OF_LIFE
from services.workers.media.geometry import MAX_SIDE, geometry
from services.workers.media.hdr import to_hdr
from shared.model.failure import InvalidInput
from shared.mps.enhance import VideoEnhanceConfig
from shared.mps.media import MediaMetaData
from shared.mps.transcode import RawTranscodeParameter, VideoTemplateInfo

FACTOR = 2
"""Of super-resolution."""
SMALLEST_INTERPOLATED = 32
"""Pixels."""
MIN_LIT = 0.40
"""Mean luma (0 black, 1 white) from which a picture is not dark."""


def enhanced_template(template: RawTranscodeParameter, source: MediaMetaData) -> RawTranscodeParameter:
    """The template with the frame rate and size that its enhancements give this source. Raises InvalidInput."""
    wanted = template.enhance_config and template.enhance_config.picture
    video = template.video_template
    if not wanted or not video or not source.video:
        return template
    if rate := _new_rate(wanted, source):
        video = video.model_copy(update={"fps": rate[0], "fps_denominator": rate[1]})
    if wanted.super_resolution and wanted.super_resolution.on and not video.width and not video.height:
        own_width, own_height = source.shown_size
        width = FACTOR * own_width // (2 if video.sar == "2:1" else 1) // 2 * 2
        height = FACTOR * own_height // 2 * 2
        if max(width, height) > MAX_SIDE:
            raise InvalidInput(f"SuperResolution would give a picture of {width}x{height}; no side over {MAX_SIDE}")
        video = video.model_copy(update={"width": width, "height": height, "resolution_adaptive": "close"})
    return template.model_copy(update={"video_template": video})


def picture_effects(
    wanted: VideoEnhanceConfig, video: VideoTemplateInfo, source: MediaMetaData, brightness: Brightness | None = None
) -> Effects:
    """The filters. `video` is as `enhanced_template` gives it; `brightness` is that of the source if it was measured.

    Raises InvalidInput for what does not go with an HDR picture."""
    hdr_source = source.video.hdr_type if source.video else ""
    stays_hdr = bool(hdr_source) and video.bit_depth == 10
    after_size = _clearer(wanted)
    for member, on in (
        ("ColorEnhance", wanted.color_enhance and wanted.color_enhance.on),
        ("LowLightEnhance", wanted.low_light_enhance and wanted.low_light_enhance.on),
    ):
        if on and stays_hdr:
            raise InvalidInput(f"VideoEnhance.{member} is for SDR pictures; the source is HDR and BitDepth 10 keeps it")
    if wanted.low_light_enhance and wanted.low_light_enhance.on and brightness:
        after_size = (*_lighter(brightness), *after_size)
    after_size = (*after_size, *_colour(wanted))
    rate = _new_rate(wanted, source)
    return Effects(
        before_size=(*_repaired(wanted), *_enlarged(wanted, video, source)),
        frame_rate=(_interpolated(*rate, blended=_deep(video, source) or _tiny(video, source)),) if rate else None,
        after_size=after_size,
        to_hdr=to_hdr(wanted.hdr.type, source) if wanted.hdr and wanted.hdr.on else (),
    )


def needs_brightness(wanted: VideoEnhanceConfig) -> bool:
    """Whether the source's brightness has to be measured."""
    return bool(wanted.low_light_enhance and wanted.low_light_enhance.on)


def _new_rate(wanted: VideoEnhanceConfig, source: MediaMetaData) -> tuple[int, int] | None:
    """None where the source has as many frames already (contract §7)."""
    rate = wanted.wanted_rate
    return rate if rate and source.frame_rate < rate[0] / rate[1] else None


def averaged(low: float, high: float, frames: int) -> str:
    """Noise out of what stands still: pixels averaged over frames as long as they differ by less than the thresholds
    (shares of white: between two frames, and in sum)."""
    planes = ":".join(f"{plane}a={low}:{plane}b={high}" for plane in range(3))
    return f"atadenoise={planes}:s={frames}"


def _repaired(wanted: VideoEnhanceConfig) -> list[str]:
    """On the picture as it was decoded: dirt, then blocks, then noise."""
    filters: list[str] = []
    if wanted.scratch_repair and wanted.scratch_repair.on:
        filters.append(without_dirt(wanted.scratch_repair.intensity))
    if wanted.artifact_repair and wanted.artifact_repair.on:
        if wanted.artifact_repair.type == "weak":
            filters.append("spp=quality=4:qp=6")
        else:
            # Strong compression flickers as well.
            filters += ["spp=quality=4:qp=8", averaged(0.05, 0.1, 5)]
    if wanted.denoise and wanted.denoise.on:
        if wanted.denoise.type == "weak":
            filters.append(averaged(0.1, 0.2, 5))
        else:
            # Averaging over more frames, or by looser thresholds, leaves ghosts of what moves.
            filters += [averaged(0.2, 0.4, 5), "fftdnoiz=sigma=40:block=16"]
    if wanted.image_quality_enhance and wanted.image_quality_enhance.on:
        filters.append("hqdn3d=2:1.5:3:3")
    return filters


def without_dirt(intensity: float) -> str:
    """Spots and scratches that one frame has and its neighbours have not, replaced by the neighbours' picture.

    Where all of the surroundings differ there is motion and no dirt, so a pixel counts only if it differs several
    times more than the mean around it: without that, moving pictures come out worse than they were.
    """
    least = f"{60 - 20 * intensity:.0f}"
    times = f"{8 - 3 * intensity:.1f}"

    def each_plane(expression: str) -> str:
        return "lutyuv=" + ":".join(f"{plane}='{expression}'" for plane in "yuv")

    return (
        "format=yuv420p|yuv422p|yuv444p|yuv420p10le|yuv422p10le|yuv444p10le,"
        # The median of three frames has the time of the first and none at the end: one more on both sides.
        "split=3[dirt_a][dirt_b][dirt_c];[dirt_b]tpad=start=1:start_mode=clone:stop=1:stop_mode=clone,"
        "tmedian=radius=1,split[dirt_m][dirt_n];"
        "[dirt_a][dirt_n]blend=all_mode=difference,split[dirt_d][dirt_e];"
        "[dirt_e]boxblur=lr='max(0,min(24,min(w,h)/2-1))':lp=1:cr='max(0,min(12,min(cw,ch)/2-1))':cp=1,"
        f"{each_plane(f'val*{times}')}[dirt_f];"
        # 235 is white in 8 bits.
        f"[dirt_d][dirt_f]blend=all_mode=subtract,{each_plane(f'if(gt(val,{least}*maxval/235),65535,0)')}[dirt_k];"
        "[dirt_c][dirt_m][dirt_k]maskedmerge"
    )


def _enlarged(wanted: VideoEnhanceConfig, video: VideoTemplateInfo, source: MediaMetaData) -> list[str]:
    """To the size of the output, as long as that is larger than the source."""
    new = wanted.super_resolution
    if not new or not new.on:
        return []
    frame = geometry(video, source)
    own_width, own_height = source.shown_size
    if frame.inner_width * frame.sar <= own_width or frame.inner_height <= own_height:
        return []
    enlarge = f"scale={frame.inner_width}:{frame.inner_height}:flags=lanczos"
    if new.type == "hq":
        return [enlarge, "cas=0.4"]
    # Sharpening would bring back what is left of the noise.
    return [averaged(0.08, 0.16, 5), enlarge]


def _deep(video: VideoTemplateInfo, source: MediaMetaData) -> bool:
    """Whether more than 8 bits go through."""
    return video.bit_depth == 10 and bool(source.facts and source.facts.bit_depth > 8)


def _tiny(video: VideoTemplateInfo, source: MediaMetaData) -> bool:
    frame = geometry(video, source)
    return min(frame.width, frame.height) < SMALLEST_INTERPOLATED


def _interpolated(numerator: int, denominator: int, *, blended: bool) -> str:
    """Frames made from the motion between frames; blended if they have more than 8 bits or are tiny, which that filter
    does not take."""
    if blended:
        return f"framerate=fps={numerator}/{denominator}:interp_start=0:interp_end=255"
    # It needs two frames behind the one that it is at, and would drop the last two.
    return (
        "tpad=stop=2:stop_mode=clone,"
        f"minterpolate=fps={numerator}/{denominator}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir,{SIGN_OF_LIFE}"
    )


def _clearer(wanted: VideoEnhanceConfig) -> tuple[str, ...]:
    quality = wanted.image_quality_enhance
    if not quality or not quality.on:
        return ()
    return (f"unsharp=5:5:{ {'weak': 0.5, 'normal': 0.8, 'strong': 1.1}[quality.type] }",)


def _colour(wanted: VideoEnhanceConfig) -> tuple[str, ...]:
    colour = wanted.color_enhance
    if not colour or not colour.on:
        return ()
    contrast, saturation = {"weak": (1.05, 1.15), "normal": (1.1, 1.3), "strong": (1.18, 1.5)}[colour.type]
    return (_stretched(contrast, saturation, "(minval+maxval)/2"),)


def _stretched(luma: float, chroma: float, pivot: str) -> str:
    """Luma around `pivot` and chroma around grey, multiplied."""
    grey = "(minval+maxval)/2"
    return "lutyuv=" + ":".join(
        f"{plane}='clip((val-{middle})*{factor:.3f}+{middle},minval,maxval)'"
        for plane, middle, factor in (("y", pivot, luma), ("u", grey, chroma), ("v", grey, chroma))
    )


def _lighter(measured: Brightness) -> tuple[str, ...]:
    """As much as the picture is dark: its bright parts brought up to three quarters of white, and if it is still dark
    on the mean then, a curve that lifts the dark parts."""
    gain = min(max(0.75 / max(measured.high, 0.01), 1.0), 4.0)
    mean = measured.mean * gain
    filters = [_stretched(gain, gain, "minval")] if gain > 1.02 else []
    if 0 < mean < MIN_LIT:
        gamma = min(math.log(mean) / math.log(MIN_LIT + 0.05), 2.2)
        filters.append(f"lutyuv=y='(maxval-minval)*pow(clip((val-minval)/(maxval-minval),0,1),{1 / gamma:.3f})+minval'")
    return tuple(filters)
