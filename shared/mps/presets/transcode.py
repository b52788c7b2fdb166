"""Templates of the transcode node: the system's (MPS_API §12), and how a node's parameters become one template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shared.model.template import TemplateKind
from shared.mps.presets.catalogue import NO_OWN, Catalogue, OwnTemplates, TemplateMisfit, UnknownTemplate
from shared.mps.transcode import (
    AudioTemplateInfo,
    RawTranscodeParameter,
    TEHDConfig,
    TranscodeTaskInput,
    VideoTemplateInfo,
)


def _video_preset(container: str, short_side: int, video_kbps: int, audio_kbps: int) -> RawTranscodeParameter:
    """§12: the short side is scaled, 25 frames per second, AAC stereo 44100 Hz."""
    return RawTranscodeParameter.model_validate(
        {
            "Container": container,
            "VideoTemplate": VideoTemplateInfo(
                codec="h264", fps=25, bitrate=video_kbps, resolution_adaptive="open", width=0, height=short_side
            ),
            "AudioTemplate": AudioTemplateInfo(codec="aac", bitrate=audio_kbps, sample_rate=44100, audio_channel=2),
        }
    )


def _audio_preset(container: str, codec: Literal["aac", "mp3"], kbps: int) -> RawTranscodeParameter:
    audio = AudioTemplateInfo(codec=codec, bitrate=kbps, sample_rate=44100, audio_channel=2)
    return RawTranscodeParameter.model_validate({"Container": container, "RemoveVideo": 1, "AudioTemplate": audio})


def _remux(container: str) -> RawTranscodeParameter:
    return RawTranscodeParameter.model_validate(
        {
            "Container": container,
            "VideoTemplate": {"Codec": "copy", "Fps": 0, "Bitrate": 0},
            "AudioTemplate": {"Codec": "copy", "Bitrate": 0, "SampleRate": 0},
        }
    )


def _top_speed_preset(short_side: int, audio_kbps: int) -> RawTranscodeParameter:
    """§12: H.264 in MP4 by quality, 25 frames per second, no limit of the bit rate."""
    return _video_preset("mp4", short_side, 0, audio_kbps).model_copy(
        update={"tehd_config": TEHDConfig(type="TEHD-100")}
    )


_SIZES = {10: (360, 400, 64), 20: (540, 1000, 64), 30: (720, 1800, 128), 40: (1080, 2500, 128)} | {
    70: (1440, 3000, 160),
    80: (2160, 6000, 160),
}
_OLD_H264 = {10: (320, 0, 256), 20: (640, 0, 512), 30: (1280, 0, 1024), 40: (1920, 0, 2500)} | {
    70: (0, 1440, 3072),
    80: (0, 2160, 6144),
}
"""Width (long side), Height (short side), kbit/s."""
_OLD_H264_FLV = {10046: 10, 10047: 20, 10048: 30, 10049: 40, 370: 70, 380: 80}
_OLD_H265 = {10: (240, 250, 15), 20: (480, 600, 24), 30: (720, 800, 25), 40: (1080, 1400, 30)} | {
    70: (1440, 2048, 30),
    80: (2160, 4096, 30),
}
"""Short side, kbit/s, frames per second."""
_OLD_GOP = 240


def _old_h264(container: str, size: int) -> RawTranscodeParameter:
    width, height, kbps = _OLD_H264[size]
    fps = 30 if size >= 70 else 24
    video = VideoTemplateInfo(codec="h264", fps=fps, bitrate=kbps, width=width, height=height, gop=_OLD_GOP)
    codec: Literal["mp3", "aac"] = "mp3" if container == "flv" else "aac"
    return _old(container, video, AudioTemplateInfo(codec=codec, bitrate=48, sample_rate=44100, audio_channel=2))


def _old_h265(container: str, size: int) -> RawTranscodeParameter:
    height, kbps, fps = _OLD_H265[size]
    video = VideoTemplateInfo(codec="h265", fps=fps, bitrate=kbps, width=0, height=height, gop=_OLD_GOP)
    return _old(container, video, AudioTemplateInfo(codec="aac", bitrate=48, sample_rate=44100, audio_channel=2))


def _old(container: str, video: VideoTemplateInfo, audio: AudioTemplateInfo) -> RawTranscodeParameter:
    return RawTranscodeParameter.model_validate(
        {"Container": container, "VideoTemplate": video, "AudioTemplate": audio}
    )


TRANSCODE: Mapping[int, RawTranscodeParameter] = {
    **{100_000 + number: _video_preset("mp4", *size) for number, size in _SIZES.items()},
    **{100_200 + number: _video_preset("hls", *size) for number, size in _SIZES.items()},
    **{
        number: _audio_preset("m4a", "aac", kbps)
        for number, kbps in ((1100, 24), (1110, 48), (1120, 96), (1130, 192), (1140, 256))
    },
    **{number: _audio_preset("mp3", "mp3", kbps) for number, kbps in ((1010, 128), (1020, 320))},
    **{
        100_800 + number: _top_speed_preset(side, kbps)
        for number, side, kbps in ((0, 0, 0), (10, 360, 64), (20, 540, 64), (30, 720, 128), (40, 1080, 128))
    },
    875: _remux("mp4"),
    876: _remux("hls"),
    **{number: _old_h264("mp4", number) for number in _OLD_H264},
    **{200 + number: _old_h264("hls", number) for number in _OLD_H264},
    **{number: _old_h264("flv", size) for number, size in _OLD_H264_FLV.items()},
    **{500 + number: _old_h265("mp4", number) for number in _OLD_H265},
    **{600 + number: _old_h265("hls", number) for number in _OLD_H265},
    **{700 + number: _old_h265("flv", number) for number in _OLD_H265},
}
"""Every transcode preset of §12; those that only the VOD page has are among them."""
TRANSCODE_TEMPLATES = Catalogue(TemplateKind.TRANSCODE, RawTranscodeParameter, TRANSCODE, RawTranscodeParameter.changed)


def resolve(params: TranscodeTaskInput, own: OwnTemplates = NO_OWN) -> RawTranscodeParameter:
    """The complete template that a transcode node asks for.

    `Definition` 0 is the raw parameters; another is a template with the node's overrides. Raises UnknownTemplate, and
    pydantic.ValidationError if the overrides do not fit the template.
    """
    if params.definition == 0:
        if params.raw_parameter is None:
            raise UnknownTemplate("transcode", 0)
        return params.raw_parameter
    template = TRANSCODE_TEMPLATES.find(params.definition, own)
    return template.overridden(params.override_parameter) if params.override_parameter else template


SUBTITLE_CODECS = {"mp4": "mov_text", "mov": "mov_text", "mkv": "webvtt", "webm": "webvtt"}
"""What a track of subtitles is written as; MP4 has no place for WebVTT that players know [OURS]."""


def check_fits(params: TranscodeTaskInput, template: RawTranscodeParameter) -> None:
    """Whether what is drawn on the picture has a picture to be drawn on, and what is added a place. Raises
    TemplateMisfit."""
    _check_added_sounds(params, template)
    burnt = template.subtitle_template
    where = "OverrideParameter" if params.definition else "RawParameter"
    drawn = {
        "WatermarkSet": params.watermark_set,
        "MosaicSet": params.mosaic_set,
        f"{where}.SubtitleTemplate": burnt is not None and burnt.on,
    }
    for field, wanted in drawn.items():
        if not wanted:
            continue
        if template.audio_only:
            raise TemplateMisfit(field, "must be absent: the output has no picture")
        if template.video_template and template.video_template.codec == "copy":
            raise TemplateMisfit(field, "must be absent: VideoTemplate.Codec is copy, a copied picture is not changed")
    if params.head_tail_parameter and params.head_tail_parameter.on:
        _check_joining(params, template)
    if params.tracks and template.container not in SUBTITLE_CODECS:
        raise TemplateMisfit(
            "OverrideParameter.AddOnSubtitles", f"must be absent: {template.container} has no place for subtitles"
        )


MANY_SOUNDS = ("mp4", "mov", "mkv", "ts")
"""Containers with which players let people choose among several sounds."""


def _check_added_sounds(params: TranscodeTaskInput, template: RawTranscodeParameter) -> None:
    if not params.added_sounds:
        return
    field = "OverrideParameter.AddonAudioStream"
    if template.container not in MANY_SOUNDS:
        raise TemplateMisfit(field, f"must be absent: {template.container} has one sound; use {', '.join(MANY_SOUNDS)}")
    audio = template.audio_template
    if template.remove_audio or audio is None:
        raise TemplateMisfit(field, "must be absent: RemoveAudio is 1")
    if audio.codec == "copy":
        raise TemplateMisfit(field, "must be absent: AudioTemplate.Codec is copy, and added sounds are encoded like it")


def _check_joining(params: TranscodeTaskInput, template: RawTranscodeParameter) -> None:
    if params.added_sounds:
        raise TemplateMisfit("HeadTailParameter", "must be absent when OverrideParameter.AddonAudioStream is given")
    video = None if template.audio_only else template.video_template
    audio = None if template.remove_audio else template.audio_template
    for name, stream in (("VideoTemplate", video), ("AudioTemplate", audio)):
        if stream is not None and stream.codec == "copy":
            raise TemplateMisfit("HeadTailParameter", f"must be absent: {name}.Codec is copy, and clips are encoded")
    if video is not None and video.raw_pts:
        raise TemplateMisfit("HeadTailParameter", "must be absent when VideoTemplate.RawPts is 1")
