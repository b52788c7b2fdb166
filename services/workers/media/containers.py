"""Containers that can be written: file names, types, muxer arguments, and what may be copied into them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_TS_VIDEO = frozenset({"h264", "hevc", "mpeg2video"})
_TS_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3"})
_MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video"})
_MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"})
_PCM = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_u8"})
_FAST_START = ("-movflags", "+faststart")


@dataclass(frozen=True, slots=True)
class ContainerFormat:
    """How one container is written. `copy_video` and `copy_audio` are codecs (by decoder name) that it may carry;
    None is any."""

    extension: str
    content_type: str
    arguments: tuple[str, ...]
    copy_video: frozenset[str] | None = frozenset()
    copy_audio: frozenset[str] | None = frozenset()
    hevc_tag: bool = False


HLS_TS = ContainerFormat("m3u8", "application/vnd.apple.mpegurl", (), _TS_VIDEO, _TS_AUDIO)
HLS_FMP4 = ContainerFormat(
    "m3u8",
    "application/vnd.apple.mpegurl",
    (),
    frozenset({"h264", "hevc", "av1", "vp9"}),
    frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac"}),
    hevc_tag=True,
)
CONTAINERS = {
    "mp4": ContainerFormat("mp4", "video/mp4", ("-f", "mp4", *_FAST_START), _MP4_VIDEO, _MP4_AUDIO, hevc_tag=True),
    "mov": ContainerFormat(
        "mov",
        "video/quicktime",
        ("-f", "mov", *_FAST_START),
        frozenset({"h264", "hevc", "mpeg4", "mpeg2video", "mjpeg", "prores", "dnxhd"}),
        frozenset({"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"}),
        hevc_tag=True,
    ),
    "flv": ContainerFormat("flv", "video/x-flv", ("-f", "flv"), frozenset({"h264", "hevc"}), frozenset({"aac", "mp3"})),
    "mxf": ContainerFormat(
        "mxf",
        "application/mxf",
        ("-f", "mxf"),
        frozenset({"mpeg2video", "dnxhd"}),
        frozenset({"pcm_s16le", "pcm_s24le"}),
    ),
    "ts": ContainerFormat("ts", "video/mp2t", ("-f", "mpegts"), _TS_VIDEO, _TS_AUDIO),
    "mkv": ContainerFormat("mkv", "video/x-matroska", ("-f", "matroska"), None, None),
    "webm": ContainerFormat(
        "webm",
        "video/webm",
        ("-f", "webm"),
        frozenset({"vp8", "vp9", "av1"}),
        frozenset({"opus", "vorbis"}),
    ),
    "mp3": ContainerFormat("mp3", "audio/mpeg", ("-f", "mp3"), copy_audio=frozenset({"mp3"})),
    "m4a": ContainerFormat(
        "m4a", "audio/mp4", ("-f", "ipod", *_FAST_START), copy_audio=frozenset({"aac", "ac3", "alac"})
    ),
    "flac": ContainerFormat("flac", "audio/flac", ("-f", "flac"), copy_audio=frozenset({"flac"})),
    "ogg": ContainerFormat("ogg", "audio/ogg", ("-f", "ogg"), copy_audio=frozenset({"flac", "opus", "vorbis"})),
    "wav": ContainerFormat("wav", "audio/wav", ("-f", "wav"), copy_audio=_PCM),
}

SEGMENT_TYPES = {"ts": "video/mp2t", "m4s": "video/iso.segment", "mp4": "video/mp4"}
WEB_VTT_TYPE = "text/vtt"
IMAGE_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}


def container_format(container: str, segment_type: int) -> ContainerFormat:
    """The format of a container of the contract; `segment_type` matters for HLS alone (5, 7: fragmented MP4)."""
    if container == "hls":
        return HLS_FMP4 if segment_type in (5, 7) else HLS_TS
    return CONTAINERS[container]
