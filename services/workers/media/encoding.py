"""Encoder arguments from templates. Pure.

Speed presets are those of FACTS §5: the knee between time and size on small machines.
"""

from __future__ import annotations

from services.workers.media.effects import Effects
from shared.mps.media import MediaAudioStreamItem, MediaMetaData
from shared.mps.transcode import AudioTemplateInfo, VideoTemplateInfo

_DEFAULT_CRF = {"h264": 23, "h265": 28, "av1": 35, "vp9": 33}
_ENCODERS = {
    "h264": ("libx264", "-preset", "fast"),
    "h265": ("libx265", "-preset", "fast"),
    "av1": ("libsvtav1", "-preset", "10"),
    "vp9": ("libvpx-vp9", "-row-mt", "1", "-deadline", "good", "-cpu-used", "5"),
}
_AUDIO_ENCODERS = {
    "aac": "aac",
    "mp3": "libmp3lame",
    "mp2": "mp2",
    "ac3": "ac3",
    "eac3": "eac3",
    "flac": "flac",
    "opus": "libopus",
    "vorbis": "libvorbis",
    "pcm16": "pcm_s16le",
    "pcm24": "pcm_s24le",
}
_LOSSLESS = frozenset({"flac", "pcm16", "pcm24"})
_FALLBACK_AUDIO_KBPS = 128
_FALLBACK_FPS = 25.0


def video_arguments(video: VideoTemplateInfo, source: MediaMetaData, *, hevc_tag: bool, segment_s: int) -> list[str]:
    """Encoder arguments for the video stream. With `segment_s` a key frame starts each segment of that length."""
    if video.codec == "copy":
        copied = source.video.codec if source.video else ""
        return ["-c:v", "copy", *(["-tag:v", "hvc1"] if hevc_tag and copied == "hevc" else [])]
    encoder, *speed = _ENCODERS[video.codec]
    # vfr keeps the moments of the source's frames; after the fps filter they are regular anyway.
    arguments = ["-fps_mode", "vfr", "-c:v", encoder, *speed]
    arguments += _rate(video)
    arguments += _structure(video, source)
    if segment_s:
        arguments += ["-force_key_frames", f"expr:gte(t,n_forced*{segment_s})"]
    if video.codec == "h265" and hevc_tag:
        arguments += ["-tag:v", "hvc1"]
    return arguments


def _rate(video: VideoTemplateInfo) -> list[str]:
    """By quality without a bit rate, else VBR (default: peaks of 1.5 times, two seconds of buffer), ABR or CBR."""
    kbps = video.bitrate
    crf = video.vcrf if video.vcrf is not None else _DEFAULT_CRF[video.codec]
    by_quality = kbps == 0 or video.vcrf is not None or video.mode in ("VCRF", "CRF")
    if video.codec == "vp9" and by_quality:
        return ["-crf", str(crf), "-b:v", f"{kbps}k" if kbps else "0"]
    if by_quality:
        return ["-crf", str(crf), *(["-maxrate", f"{kbps}k", "-bufsize", f"{kbps * 2}k"] if kbps else [])]
    if video.mode == "ABR" or video.codec == "av1":  # SVT-AV1 takes a peak only together with a quality
        return ["-b:v", f"{kbps}k"]
    if video.mode == "CBR":
        return ["-b:v", f"{kbps}k", "-minrate", f"{kbps}k", "-maxrate", f"{kbps}k", "-bufsize", f"{kbps}k"]
    return ["-b:v", f"{kbps}k", "-maxrate", f"{kbps * 3 // 2}k", "-bufsize", f"{kbps * 2}k"]


def _structure(video: VideoTemplateInfo, source: MediaMetaData) -> list[str]:
    arguments: list[str] = []
    if video.gop:
        fps = video.rate or source.frame_rate or _FALLBACK_FPS
        frames = round(video.gop * fps) if video.gop_unit == "second" else video.gop
        arguments += ["-g", str(max(frames, 1))]
    if video.bframes is not None and video.codec in ("h264", "h265"):
        arguments += ["-bf", str(video.bframes)]
    if video.codec == "h264":
        named = video.video_profile not in (None, "", "default")
        profile = str(video.video_profile) if named else "high10" if video.bit_depth == 10 else "high"
        arguments += ["-profile:v", profile]
        if video.video_level:
            arguments += ["-level", video.video_level]
        if video.no_scenecut:
            arguments += ["-sc_threshold", "0"]
    if video.codec == "h265":
        extra = ["log-level=error"]
        if video.video_level:
            extra.append(f"level-idc={video.video_level}")
        if video.no_scenecut:
            extra.append("scenecut=0")
        arguments += ["-x265-params", ":".join(extra)]
    return arguments


def audio_arguments(audio: AudioTemplateInfo, source: MediaAudioStreamItem, effects: Effects) -> list[str]:
    """Filters and encoder arguments for the audio stream. Bit rate 0 is about the source's; channels are 2 by
    default."""
    if audio.codec == "copy":
        return ["-c:a", "copy"]
    filters = ",".join((*effects.before_mix, *effects.after_mix))
    arguments = [*(["-af", filters] if filters else []), "-c:a", _AUDIO_ENCODERS[audio.codec]]
    if audio.codec not in _LOSSLESS:
        wanted = audio.bitrate or min(max(source.bitrate // 1000 or _FALLBACK_AUDIO_KBPS, 32), 256)
        arguments += ["-b:a", f"{wanted}k"]
    if audio.sample_rate:
        arguments += ["-ar", str(audio.sample_rate)]
    channels = 2 if audio.audio_channel is None else audio.audio_channel
    if channels:
        arguments += ["-ac", str(channels)]
    return arguments
