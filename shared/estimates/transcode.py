"""What a transcode needs. Pure.

Rates, passes and speeds are those of `services.workers.media` in short; tests keep the two together.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.estimates.demand import MEGA, Demand, Units, decoding, megapixels
from shared.estimates.effects import enhancing, enhancing_sound, improved
from shared.estimates.frame import frame_size
from shared.mps.media import MediaAudioStreamItem, MediaMetaData, MediaVideoStreamItem
from shared.mps.presets import OwnTemplates, resolve
from shared.mps.transcode import (
    AudioTemplateInfo,
    RawTranscodeParameter,
    TEHDConfig,
    TranscodeTaskInput,
    VideoTemplateInfo,
)

DECODERS = {"h265": "hevc", "mpeg2": "mpeg2video", "pcm16": "pcm_s16le", "pcm24": "pcm_s24le"}
"""Codecs of templates by the name that a probe gives them, where it is another."""
DEFAULT_CRF = {"h264": 23, "h265": 28, "av1": 35, "vp9": 33, "vp8": 20}
CRF_THAT_HALVES = {"h264": 6.0, "h265": 6.0, "av1": 10.0, "vp9": 12.0, "vp8": 9.0}
"""Steps that halve the bit rate, about."""
_PER_CHANNEL_KBPS = 64
_SLOWER = frozenset({"h264", "h265", "av1", "vp9"})
_LOSSLESS = {"flac": 14.0, "pcm16": 16.0, "pcm24": 24.0}
"""Bits per sample; FLAC has 24 before its compression."""
_SCENE_CRF = {"ultra_compress": 6, "high_compress": 3, "low_compress": -4}
_SHORT_S = 10.0
_PACKET_SHARE = 1.03
_PACKET_BYTES = 150
"""Of a transport stream: its headers, and what each frame leaves empty in its last packet."""
_SOUND_PACKETS_PER_S = 15


def transcode_demand(params: TranscodeTaskInput, source: MediaMetaData, own: OwnTemplates) -> Demand:
    """Raises UnknownTemplate."""
    template = resolve(params, own)
    seconds = _seconds(params, source)
    units = Units({"read back": 1.0})
    video_item: MediaVideoStreamItem | None = None
    audio_item: MediaAudioStreamItem | None = None
    known, guessed = 0.0, Units()
    frames = 0.0
    video = template.video_template
    enhance = template.enhance_config
    if video is not None and not template.audio_only and source.video is not None:
        if enhance and enhance.picture:
            video = improved(video, enhance.picture, source)
        frames = frames_of(video, source, seconds)
        if video.codec == "copy":
            copied = source.video.bitrate * seconds / 8
            units.add("copy", copied / MEGA)
            known += copied
            video_item = source.video
        else:
            units.add_all(pictures([(video, template.tehd_config)], source, seconds))
            made = megapixels(*picture_size(video, source), frames)
            if enhance and enhance.picture:
                read = megapixels(source.width, source.height, source.frame_rate * seconds)
                units.add_all(enhancing(enhance.picture, source, seconds, read, made))
            if drawn := len(params.watermark_set or ()) + len(params.mosaic_set or ()):
                units.add("drawn", made * drawn)
            item, known_picture, guess = encoded(video, template.tehd_config, source, seconds)
            video_item, known = item, known + known_picture
            guessed.add_all(guess)
    audio = template.audio_template
    if audio is not None and not template.remove_audio and source.audio is not None:
        audio_item, kbps = sound(audio, source.audio)
        known += kbps * 125 * seconds
        if audio.codec == "copy":
            units.add("copy", kbps * 125 * seconds / MEGA)
        else:
            units.add(f"sound {audio.codec}", seconds)
            if enhance and enhance.sound:
                units.add_all(enhancing_sound(enhance.sound, seconds))
    if template.container in ("hls", "ts") and template.segment_type not in (5, 7):
        known = in_packets(known, frames, seconds)
    media = None if template.container == "hls" else _media(template, source, seconds, video_item, audio_item)
    return Demand(units, known, guessed, media)


def in_packets(size_bytes: float, frames: float, seconds: float) -> float:
    """The size as a transport stream."""
    return size_bytes * _PACKET_SHARE + (frames + _SOUND_PACKETS_PER_S * seconds) * _PACKET_BYTES


def _seconds(params: TranscodeTaskInput, source: MediaMetaData) -> float:
    start, end = params.start_time_offset or 0.0, params.end_time_offset or 0.0
    start = start if start >= 0 else source.duration + start
    end = end if end > 0 else source.duration + end
    return max(min(end, source.duration) - max(start, 0.0), 0.0)


def speed(video: VideoTemplateInfo, tehd: TEHDConfig | None) -> str:
    """How thoroughly the encoder works: `plain`, `slower` or `slowest`."""
    if video.scenario_based and video.compress_type == "ultra_compress" and video.codec in ("h264", "h265"):
        return "slowest"
    return "slower" if tehd and tehd.on and video.codec in _SLOWER else "plain"


def kbps_of(video: VideoTemplateInfo, tehd: TEHDConfig | None, source: MediaMetaData) -> tuple[int, bool]:
    """The bit rate that is held, or for an encode by quality (True) its peak, 0 for none."""
    kbps = video.bitrate
    as_source = not kbps and video.mode in ("VBR", "ABR", "CBR") and video.vcrf is None
    if (video.compress or as_source) and source.video:
        own = max(round(source.video.bitrate / 1000 * (video.compress or 100) / 100), 16)
        kbps = min(own, kbps) if kbps else own
    if tehd and tehd.on:
        return min((each for each in (tehd.max_video_bitrate, kbps) if each), default=0), True
    if video.codec not in DEFAULT_CRF:
        return kbps, not kbps
    if video.by_quality:
        return 0, True
    scene = bool(video.scenario_based) and video.mode not in ("ABR", "CBR")
    return kbps, video.vcrf is not None or scene or not kbps


def passes(video: VideoTemplateInfo, tehd: TEHDConfig | None, source: MediaMetaData, seconds: float = 0.0) -> int:
    """How often the picture is encoded, which lasts so long (0 where that does not matter)."""
    _, by_quality = kbps_of(video, tehd, source)
    if by_quality or video.mode == "CBR":
        return 1
    if video.mode == "ABR":
        return 1 if video.codec == "dnxhd" else 2
    short = video.codec in ("h265", "mpeg2") and 0 < seconds < _SHORT_S
    return 2 if short or video.codec in ("vp9", "av1") else 1


def picture_size(video: VideoTemplateInfo, source: MediaMetaData) -> tuple[int, int]:
    """Width and height of what is encoded."""
    return frame_size(
        video.width or 0,
        video.height or 0,
        source,
        close=video.resolution_adaptive == "close",
        sar=2 if video.sar == "2:1" else 1,
    )


def pictures(
    wanted: Sequence[tuple[VideoTemplateInfo, TEHDConfig | None]],
    source: MediaMetaData,
    seconds: float,
    *,
    ladder: bool = False,
) -> Units:
    """Units for encodes of one source in one process: it is decoded once, or twice if one of them has two passes. A
    ladder has no second pass because it is short."""
    units = Units()
    rounds = 1
    for video, tehd in wanted:
        width, height = picture_size(video, source)
        frames = frames_of(video, source, seconds)
        made = megapixels(width, height, frames)
        own_rounds = passes(video, tehd, source, 0.0 if ladder else seconds)
        rounds = max(rounds, own_rounds)
        if (width, height) != source.shown_size:
            read = megapixels(source.width, source.height, source.frame_rate * seconds)
            units.add("scale", (made + read) * own_rounds)
        units.add("frames", frames * own_rounds)
        units.add(f"encode {video.codec} {speed(video, tehd)}", made)
        if own_rounds == 2:
            units.add(f"first {video.codec} {speed(video, tehd)}", made)
    for name, count in decoding(source, seconds).items():
        units.add(name, count * rounds)
    read = megapixels(source.width, source.height, source.frame_rate * seconds) * rounds
    if source.facts and source.facts.interlaced:
        units.add("deinterlace", read)
    if source.video and source.video.hdr_type and any(video.bit_depth != 10 for video, _ in wanted):
        units.add("tone map", read)
    return units


def frames_of(video: VideoTemplateInfo, source: MediaMetaData, seconds: float) -> float:
    """How many come out."""
    return (video.rate or source.frame_rate) * seconds


def encoded(
    video: VideoTemplateInfo, tehd: TEHDConfig | None, source: MediaMetaData, seconds: float
) -> tuple[MediaVideoStreamItem, float, Units]:
    """The stream, its size as far as it is given, and what a model has to say of it."""
    width, height = picture_size(video, source)
    kbps, by_quality = kbps_of(video, tehd, source)
    fps = video.rate or source.frame_rate
    guessed = Units()
    if by_quality:
        made = megapixels(width, height, frames_of(video, source, seconds))
        guessed[f"bits {video.codec}"] = made * _fineness(video) * _detail(source)
    item = MediaVideoStreamItem(
        bitrate=0 if by_quality else kbps * 1000,
        width=width,
        height=height,
        codec=DECODERS.get(video.codec, video.codec),
        fps=round(fps),
        fps_numerator=round(fps * 1000),
        fps_denominator=1000,
    )
    return item, 0.0 if by_quality else kbps * 125 * seconds, guessed


def _fineness(video: VideoTemplateInfo) -> float:
    """How many times the bits of the default quality."""
    default = DEFAULT_CRF.get(video.codec)
    if default is None:
        return 1.0
    crf = default if video.vcrf is None else video.vcrf
    if video.scenario_based:
        crf += _SCENE_CRF.get(video.compress_type or "", 0)
    return float(2.0 ** ((default - crf) / CRF_THAT_HALVES[video.codec]))


def _detail(source: MediaMetaData) -> float:
    """How much is in the picture, by the bits that the source spends on a pixel; 1 for a common H.264 file."""
    video = source.video
    pixels = source.width * source.height * source.frame_rate
    if video is None or not video.bitrate or not pixels:
        return 1.0
    return float(min(max(video.bitrate / pixels / 0.07, 0.2), 5.0) ** 0.5)


def sound(audio: AudioTemplateInfo, source: MediaAudioStreamItem) -> tuple[MediaAudioStreamItem, float]:
    """The stream and its kbit/s."""
    if audio.codec == "copy":
        return source, source.bitrate / 1000
    channels = 2 if audio.audio_channel is None else audio.audio_channel or source.channel
    rate = audio.sample_rate or source.sampling_rate
    if audio.codec in _LOSSLESS:
        kbps = _LOSSLESS[audio.codec] * rate * channels / 1000
    elif audio.bitrate:
        kbps = float(audio.bitrate)
    else:
        share = min(channels / source.channel, 1.0) if source.channel else 1.0
        wanted = source.bitrate / 1000 * share or _PER_CHANNEL_KBPS * channels
        kbps = min(max(wanted, 32.0), 128.0 * max(channels, 2))
    item = MediaAudioStreamItem(
        bitrate=round(kbps * 1000),
        sampling_rate=rate,
        codec=DECODERS.get(audio.codec, audio.codec),
        channel=channels,
    )
    return item, kbps


def _media(
    template: RawTranscodeParameter,
    source: MediaMetaData,
    seconds: float,
    video: MediaVideoStreamItem | None,
    audio: MediaAudioStreamItem | None,
) -> MediaMetaData:
    return MediaMetaData(
        container=template.container,
        duration=seconds,
        width=video.width if video else 0,
        height=video.height if video else 0,
        video_stream_set=[video] if video else [],
        audio_stream_set=[audio] if audio else [],
        video_duration=seconds if video else 0.0,
        audio_duration=seconds if audio else 0.0,
        # Upright and with square pixels, unless it was copied.
        rotate=source.rotate if video is not None and video is source.video else 0,
    )
