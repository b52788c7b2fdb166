"""Encoder arguments for video from templates. Pure.

Speed presets are those of FACTS §5: the knee between time and size on small machines. SVT-AV1 warns of artifacts from
preset 10 on, hence 9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.workers.media.levels import check_level
from services.workers.media.rate import Control, Rate, rate_of
from services.workers.media.sound import audio_arguments as audio_arguments
from shared.mps.media import MediaMetaData
from shared.mps.transcode import TEHDConfig, VideoTemplateInfo

STATISTICS = "first"
"""Name of what a first pass learns, in the working folder."""
_ENCODERS = {
    "h264": ("libx264", "-preset", "fast"),
    "h265": ("libx265", "-preset", "fast"),
    "av1": ("libsvtav1", "-preset", "9"),
    "vp9": ("libvpx-vp9", "-row-mt", "1", "-deadline", "good", "-cpu-used", "5"),
    "vp8": ("libvpx", "-deadline", "good", "-cpu-used", "4"),
    "mpeg2": ("mpeg2video",),
    "dnxhd": ("dnxhd",),
}
_SLOWER = {
    "h264": ("libx264", "-preset", "medium"),
    "h265": ("libx265", "-preset", "medium"),
    "av1": ("libsvtav1", "-preset", "7"),
    "vp9": ("libvpx-vp9", "-row-mt", "1", "-deadline", "good", "-cpu-used", "3"),
}
_AV1_FIRST_PASS = ("libsvtav1", "-preset", "8")
"""From preset 9 on SVT-AV1 4.2 crashes in the first pass of pictures like 160x90; the statistics are as good."""
_SLOWEST = {"h264": ("libx264", "-preset", "slow"), "h265": ("libx265", "-preset", "slow")}
_SCENES: dict[tuple[str, str], tuple[str, ...]] = {
    ("h264", "pgc"): ("-tune", "film"),
    ("h264", "materials_video"): ("-tune", "grain"),
    ("h264", "ugc"): ("-aq-mode", "3"),
    ("h264", "e-commerce_video"): ("-aq-mode", "3", "-aq-strength", "1.2"),
    ("h264", "educational_video"): ("-tune", "animation"),
    ("h265", "materials_video"): ("-tune", "grain"),
    ("h265", "educational_video"): ("-tune", "animation"),
}
_X265_SCENES = {
    "pgc": ("aq-mode=3", "psy-rd=2.0"),
    "ugc": ("aq-mode=3",),
    "e-commerce_video": ("aq-mode=3", "aq-strength=1.2"),
}
"""SceneType as the encoders' own settings for such pictures [OURS]."""
SHORT_S = 10.0
"""Shorter than this, some encoders do not find their rate by the end."""
_AUTO_GOP = 240
"""Frames, for the encoders that would else make one key frame for minutes."""
_FALLBACK_FPS = 25.0
_VP8_NO_PEAK = 20_000
_MPEG2_QUALITY = "4"
_FIXED = "1000000000"


def video_arguments(
    video: VideoTemplateInfo,
    source: MediaMetaData,
    *,
    hevc_tag: bool,
    segment_s: int = 0,
    tehd: TEHDConfig | None = None,
    key_frames: str = "",
    size: tuple[int, int] = (0, 0),
    threads: int = 0,
    pass_number: int = 0,
    statistics: str = STATISTICS,
    static: Sequence[str] = (),
) -> list[str]:
    """Encoder arguments for the video stream, which has been shaped to `size`.

    With `segment_s` a key frame starts each segment of that length; `key_frames` is ffmpeg's expression for other
    places. `threads` 0 leaves that to the encoder. `pass_number` is 1 or 2 for a rate that is held in two passes
    (`in_two_passes`), else 0; `statistics` names what the first learns. `static` are further private parameters of the
    encoder.

    Raises InvalidInput for what this source or size cannot have.
    """
    if video.codec == "copy":
        copied = source.video.codec if source.video else ""
        return ["-c:v", "copy", *(["-tag:v", "hvc1"] if hevc_tag and copied == "hevc" else [])]
    if video.video_level and all(size):
        check_level(video.codec, video.video_level, *size, video.rate or source.frame_rate)
    rate = rate_of(video, source, tehd)
    private = list(static)
    encoder = _AV1_FIRST_PASS if (video.codec, pass_number) == ("av1", 1) else _encoder(video, tehd)
    arguments = ["-fps_mode", _frame_times(video), "-c:v", *encoder]
    arguments += _spelt(video, rate, private)
    arguments += _structure(video, source, private)
    if segment_s and not key_frames:
        key_frames = f"expr:gte(t,n_forced*{segment_s})"
    elif video.gop and video.gop_unit == "second" and not key_frames:
        key_frames = f"expr:gte(t,n_forced*{video.gop})"
    if key_frames and video.codec != "dnxhd":
        arguments += ["-force_key_frames", key_frames]
        # x265 makes a mere I picture of it shortly behind another key frame, and a segment would begin with that.
        arguments += ["-forced-idr", "1"] if video.codec == "h265" else []
    arguments += _threads(video.codec, threads, private)
    arguments += _pass(video.codec, pass_number, private, statistics)
    if private:
        option = {"h264": "-x264-params", "h265": "-x265-params", "av1": "-svtav1-params"}[video.codec]
        arguments += [option, ":".join(private)]
    if video.codec == "h265" and hevc_tag:
        arguments += ["-tag:v", "hvc1"]
    return arguments


def addressed(arguments: Sequence[str], stream: str) -> list[str]:
    """The arguments of `video_arguments` for one of several streams of an output: `stream` is its specifier, `v:1`."""
    found: list[str] = []
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        found += [f"{option.removesuffix(':v')}:{stream}", value]
    return found


def in_two_passes(codec: str, rate: Rate, lasts_s: float = 0.0) -> bool:
    """Whether the rate needs two passes, for a picture that lasts so long (0 if nobody knows).

    VP9 and AV1 miss an average by up to 60 % in one, on short clips; x265 by 28 % and MPEG-2 by 21 % in 3 s of noise,
    both by 3 % in 10 s. With a constant rate VP9 is 4 % off in one pass and 50 % in two: that mode is made for one.
    """
    match rate.control:
        case Control.QUALITY | Control.CONSTANT:
            return False
        case Control.AVERAGE:
            return codec != "dnxhd"
        case Control.VARIABLE:
            return codec in ("vp9", "av1") or (codec in ("h265", "mpeg2") and 0 < lasts_s < SHORT_S)


def _encoder(video: VideoTemplateInfo, tehd: TEHDConfig | None) -> tuple[str, ...]:
    """The encoder with its speed and what its scene wants."""
    chosen = _ENCODERS[video.codec]
    if tehd and tehd.on:
        chosen = _SLOWER[video.codec]
    if video.scenario_based:
        if video.compress_type == "ultra_compress":
            chosen = _SLOWEST[video.codec]
        return (*chosen, *_SCENES.get((video.codec, video.scene_type or ""), ()))
    return chosen


def _frame_times(video: VideoTemplateInfo) -> str:
    # vfr keeps the moments of the source's frames; after the fps filter they are regular anyway.
    return "passthrough" if video.raw_pts else "vfr"


def _spelt(video: VideoTemplateInfo, rate: Rate, private: list[str]) -> list[str]:
    kbps, codec = rate.kbps, video.codec
    aim = ["-b:v", f"{kbps}k"]
    match rate.control:
        case Control.QUALITY:
            return _quality(codec, rate)
        case Control.AVERAGE:
            return aim
        case Control.CONSTANT:
            if codec == "av1":
                # Its constant rate needs low delay, and a peak only goes with a quality.
                private += ["rc=2", "pred-struct=1"]
                return aim
            if codec == "h264":
                private.append("nal-hrd=cbr")
            if codec == "h265":
                private.append("strict-cbr=1")
            return [*aim, "-minrate", f"{kbps}k", "-maxrate", f"{kbps}k", "-bufsize", f"{kbps}k"]
        case Control.VARIABLE:
            if codec == "av1":
                return aim
            return [*aim, "-maxrate", f"{kbps * 3 // 2}k", "-bufsize", f"{kbps * 2}k"]


def _quality(codec: str, rate: Rate) -> list[str]:
    if codec == "mpeg2":
        return ["-q:v", _MPEG2_QUALITY]
    if codec == "dnxhd":
        return []
    crf = ["-crf", str(rate.crf)]
    if codec == "vp9":
        return [*crf, "-b:v", f"{rate.kbps}k" if rate.kbps else "0"]
    if codec == "vp8":
        return [*crf, "-b:v", f"{rate.kbps or _VP8_NO_PEAK}k"]
    return [*crf, *(["-maxrate", f"{rate.kbps}k", "-bufsize", f"{rate.kbps}k"] if rate.kbps else [])]


def _structure(video: VideoTemplateInfo, source: MediaMetaData, private: list[str]) -> list[str]:
    codec = video.codec
    arguments: list[str] = []
    frames = _gop_frames(video, source)
    # Whoever gives an interval wants that one, without key frames at scene cuts between.
    fixed = bool(frames) or bool(video.no_scenecut)
    if codec in ("vp8", "vp9") and not frames:
        frames = _AUTO_GOP
    if frames and codec != "dnxhd":
        arguments += ["-g", str(frames)]
    if video.bframes is not None:
        arguments += ["-bf", str(video.bframes)]
    match codec:
        case "h264":
            arguments += ["-profile:v", _h264_profile(video)]
            arguments += ["-level", video.video_level] if video.video_level else []
            arguments += ["-sc_threshold", "0"] if fixed else []
        case "h265":
            arguments += ["-profile:v", "main10" if video.bit_depth == 10 else "main"]
            # Open groups of pictures cannot be cut into segments.
            private += ["log-level=error", "open-gop=0"]
            private += [f"level-idc={video.video_level}"] if video.video_level else []
            private += ["scenecut=0"] if fixed else []
            private += _X265_SCENES.get(video.scene_type or "", ()) if video.scenario_based else ()
        case "vp8" | "vp9":
            arguments += ["-keyint_min", str(frames)] if fixed else []
        case "mpeg2":
            # Closed groups and key frames at scene cuts: this encoder opens with one of the two.
            arguments += ["-flags", "+cgop", "-sc_threshold", _FIXED]
        case "dnxhd":
            arguments += ["-profile:v", "dnxhr_hqx" if video.bit_depth == 10 else "dnxhr_hq"]
    return arguments


def _gop_frames(video: VideoTemplateInfo, source: MediaMetaData) -> int:
    if not video.gop:
        return 0
    if video.gop_unit != "second":
        return video.gop
    return max(math.ceil(video.gop * (video.rate or source.frame_rate or _FALLBACK_FPS) - 0.001), 1)


def _h264_profile(video: VideoTemplateInfo) -> str:
    if video.video_profile not in (None, "", "default"):
        return str(video.video_profile)
    return "high10" if video.bit_depth == 10 else "high"


def _threads(codec: str, threads: int, private: list[str]) -> list[str]:
    if not threads:
        return []
    if codec == "h265":
        private += [f"pools={threads}", *(["frame-threads=1"] if threads == 1 else [])]
    if codec == "av1":
        private.append(f"lp={threads}")
    return ["-threads:v", str(threads)]


def _pass(codec: str, number: int, private: list[str], statistics: str) -> list[str]:
    if not number:
        return []
    if codec == "h265":
        private += [f"pass={number}", f"stats={statistics}.log"]
        return []
    return ["-pass", str(number), "-passlogfile", statistics]
