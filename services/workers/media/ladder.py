"""Which renditions of a ladder a source gets, and how all their pictures come out of one decoder. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.workers.media.canvas import Canvas
from services.workers.media.filtergraph import FilterGraph
from services.workers.media.geometry import geometry
from services.workers.media.shaping import (
    HD_HEIGHT,
    decoded_filters,
    lay_over,
    pixel_format,
    rate_filter,
    sized_filters,
    tone_filters,
)
from services.workers.media.watermarks import Drawn
from shared.model.failure import ErrCode, SourceFileError
from shared.mps.adaptive_template import AdaptiveTemplate
from shared.mps.media import MediaMetaData
from shared.mps.transcode import AudioTemplateInfo, VideoTemplateInfo

HIGHER_SLACK = 1.05
"""A rung that is higher than the source by no more than this is made in the source's size: 1920 x 1072 is 1080p."""
MIN_KBPS = 16
_USUAL_RATES = tuple(
    Fraction(rate) for rate in ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")
)
_SLOW = 20
"""Frames per second; an average below is one of many pauses."""
_FALLBACK_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Rung:
    """One rendition that is made; `number` is its place in StreamInfos."""

    number: int
    video: VideoTemplateInfo | None
    audio: AudioTemplateInfo | None


def rungs(template: AdaptiveTemplate, source: MediaMetaData) -> list[Rung]:
    """What is made of this source, in the order of StreamInfos.

    All have the frame rate of the first (contract, CreateAdaptiveDynamicStreamingTemplate). With
    DisableHigherVideoResolution rungs higher than the source are left out; if all are, the lowest is made in the
    source's size. With DisableHigherVideoBitrate no rung has more bits than the source's picture. A source without
    audio gets silent renditions.

    Raises SourceFileError for a source without video, unless the ladder is of audio alone, and for one without audio if
    it is.
    """
    with_audio = source.audio is not None
    wanted = [
        Rung(number, info.picture, info.sound if with_audio else None)
        for number, info in enumerate(template.stream_infos)
    ]
    if all(rung.video is None for rung in wanted):
        if not with_audio:
            raise SourceFileError("the source has no audio, and the ladder has nothing else")
        return wanted
    if source.video is None:
        raise SourceFileError("the source has no video; use a template for audio alone (PureAudio 1)", ErrCode.NO_VIDEO)
    found = [rung for rung in wanted if rung.video or rung.audio]
    if template.disable_higher_video_resolution:
        found = _not_higher(found, source)
    videos = [rung.video for rung in found if rung.video]
    return [_adapted(rung, videos[0], template, source) for rung in found]


def _not_higher(wanted: Sequence[Rung], source: MediaMetaData) -> list[Rung]:
    found: list[Rung] = []
    for rung in wanted:
        above = _above(rung.video, source) if rung.video else 0.0
        if above <= HIGHER_SLACK:
            found.append(_in_own_size(rung) if above > 1 else rung)
    if any(rung.video for rung in found):
        return found
    lowest = min((rung for rung in wanted if rung.video), key=lambda rung: _above(rung.video, source))
    return sorted([*found, _in_own_size(lowest)], key=lambda rung: rung.number)


def _above(video: VideoTemplateInfo | None, source: MediaMetaData) -> float:
    """How many times a picture would be enlarged."""
    if video is None:
        return 0.0
    frame, (width, height) = geometry(video, source), source.shown_size
    return max(frame.inner_width * frame.sar / width, frame.inner_height / height)


def _in_own_size(rung: Rung) -> Rung:
    assert rung.video is not None
    return Rung(rung.number, rung.video.model_copy(update={"width": 0, "height": 0}), rung.audio)


def _adapted(rung: Rung, first: VideoTemplateInfo, template: AdaptiveTemplate, source: MediaMetaData) -> Rung:
    if rung.video is None:
        return rung
    changes: dict[str, int | None] = {"fps": first.fps, "fps_denominator": first.fps_denominator}
    own = source.video.bitrate // 1000 if source.video else 0
    if template.disable_higher_video_bitrate and 0 < own < rung.video.bitrate:
        changes["bitrate"] = max(own, MIN_KBPS)
    return Rung(rung.number, rung.video.model_copy(update=changes), rung.audio)


def steady_rate(source: MediaMetaData) -> Fraction:
    """Frames per second of a ladder that is to have the source's.

    Always a constant rate: where a source shows one frame for seconds (a recording of a screen), segments could not
    begin where they must. That of a regular source is its own; else the usual rate beside the average, or if that is
    slow the rate of the moments when something moves, at most 30.
    """
    facts, video = source.facts, source.video
    average = Fraction(video.fps_numerator, video.fps_denominator or 1) if video else Fraction(0)
    base = Fraction(facts.base_rate_numerator, facts.base_rate_denominator or 1) if facts else Fraction(0)
    if average <= 0:
        return base if 0 < base <= 60 else _FALLBACK_RATE
    if not base:
        return min(average, Fraction(120))
    if average <= base <= average * Fraction(21, 20):
        return min(base, Fraction(120))
    if average < _SLOW and base > average:
        return min(base, Fraction(30))
    usual = min(_USUAL_RATES, key=lambda rate: abs(rate - average))
    return usual if abs(usual - average) <= usual / 20 else average


@dataclass(frozen=True, slots=True)
class Pictures:
    """A filter graph that makes all pictures of one decoder, with outputs `[v0]`, `[v1]`, ..., and the arguments that
    open what is laid over them, behind the source."""

    graph: str
    inputs: tuple[str, ...] = ()


def pictures(
    videos: Sequence[VideoTemplateInfo], source: MediaMetaData, overlays: Sequence[Sequence[Drawn]] = ()
) -> Pictures:
    """What the pictures have in common is done once; `overlays` are those of each. Raises InvalidInput."""
    tones = [tone_filters(video, source) for video in videos]
    alike = all(tone == tones[0] for tone in tones)
    common = [*decoded_filters(source), *(tones[0] if alike else []), _rate(videos[0], source)]
    chain = ",".join(text for text in common if text)
    parts = [
        f"[0:V:0]{chain}{',' if chain else ''}split={len(videos)}" + "".join(f"[s{n}]" for n in range(len(videos)))
    ]
    inputs: list[str] = []
    for number, video in enumerate(videos):
        own = FilterGraph(f"s{number}", first_input=1 + inputs.count("-i"), mark=f"{number}_")
        own.apply(*([] if alike else tones[number]), *sized_filters(video, source, mark=str(number)))
        lay_over(own, overlays[number] if overlays else ())
        own.apply(f"format={pixel_format(video)}")
        parts += own.ended(f"v{number}")
        inputs += own.inputs
    return Pictures(";".join(parts), tuple(inputs))


def canvas(video: VideoTemplateInfo, source: MediaMetaData, lasts_s: float) -> Canvas:
    """What is drawn on: the picture of one rung. Raises InvalidInput."""
    frame = geometry(video, source)
    own = source.video
    high = min(frame.width, frame.height) >= HD_HEIGHT
    return Canvas(
        frame,
        lasts_s=lasts_s,
        begins_s=source.facts.start if video.raw_pts and source.facts else 0.0,
        deep=video.bit_depth == 10,
        hdr=own.hdr_type if own and video.bit_depth == 10 else "",
        assumed="bt709" if own and high and not own.color_space else "",
    )


def _rate(first: VideoTemplateInfo, source: MediaMetaData) -> str:
    if first.raw_pts or first.fps:
        return rate_filter(first, source)
    rate = steady_rate(source)
    return f"fps={rate.numerator}/{rate.denominator}"
