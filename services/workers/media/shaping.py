"""How the picture of an output is shaped, stage by stage. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.workers.media.effects import NO_EFFECTS, Effects
from services.workers.media.filtergraph import FilterGraph, Overlay
from services.workers.media.geometry import geometry, size_filters
from services.workers.media.hdr import to_sdr
from shared.mps.media import MediaMetaData
from shared.mps.transcode import VideoTemplateInfo

DEINTERLACE = "bwdif=mode=send_frame:deint=interlaced"
"""One frame for each pair of fields; frames that are not marked as interlaced pass (FACTS §5)."""
_RGB = ("rgb", "bgr", "gbr", "argb", "abgr", "pal8", "0rgb", "0bgr", "x2rgb", "x2bgr")
HD_HEIGHT = 720
_MXF_RATES = ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1))
"""The only ones that an MXF file may have (SMPTE 377)."""


def pixel_format(video: VideoTemplateInfo) -> str:
    """What the encoder gets."""
    if video.codec == "dnxhd":
        return "yuv422p10le" if video.bit_depth == 10 else "yuv422p"
    return "yuv420p10le" if video.bit_depth == 10 else "yuv420p"


def shaped_picture(
    video: VideoTemplateInfo, source: MediaMetaData, effects: Effects = NO_EFFECTS, container: str = ""
) -> FilterGraph:
    """The picture from the first video of input 0, shaped in the order of `Effects`. Raises InvalidInput."""
    # Capital V: a cover picture is no video.
    graph = FilterGraph("0:V:0")
    graph.apply(*decoded_filters(source, effects), *tone_filters(video, source, effects))
    graph.apply(*sized_filters(video, source))
    if effects.frame_rate is not None:
        graph.apply(*effects.frame_rate)
    else:
        graph.apply(rate_filter(video, source, container))
    graph.apply(*effects.after_size, *effects.mosaics)
    lay_over(graph, effects.overlays)
    graph.apply(*effects.subtitles, *effects.to_hdr)
    graph.apply(f"format={pixel_format(video)}")
    return graph


def lay_over(graph: FilterGraph, overlays: Sequence[Overlay | str]) -> None:
    """The lowest first; a text is a filter that draws."""
    for overlay in overlays:
        if isinstance(overlay, str):
            graph.apply(overlay)
        else:
            graph.overlay(overlay)


def decoded_filters(source: MediaMetaData, effects: Effects = NO_EFFECTS) -> list[str]:
    """On the picture as it was decoded."""
    return [*([DEINTERLACE] if source.facts and source.facts.interlaced else []), *effects.before_size]


def tone_filters(video: VideoTemplateInfo, source: MediaMetaData, effects: Effects = NO_EFFECTS) -> list[str]:
    """HDR becomes SDR for an output of eight bits."""
    if effects.tone_map is not None:
        return list(effects.tone_map)
    return list(to_sdr(source)) if video.bit_depth != 10 else []


def sized_filters(video: VideoTemplateInfo, source: MediaMetaData, mark: str = "") -> list[str]:
    """Into the frame of the output; `mark` as in `size_filters`. Raises InvalidInput."""
    frame = geometry(video, source)
    matrix = ""
    if source.facts and source.facts.pixel_format.startswith(_RGB):
        matrix = "bt709" if min(frame.width, frame.height) >= HD_HEIGHT else "smpte170m"
    return size_filters(frame, video.fill_type or "black", matrix, mark)


def rate_filter(video: VideoTemplateInfo, source: MediaMetaData, container: str = "") -> str:
    """The frame rate of the template; empty for the source's."""
    if container == "mxf":
        wanted = video.rate or source.frame_rate or 25.0
        numerator, denominator = min(_MXF_RATES, key=lambda rate: abs(rate[0] / rate[1] - wanted))
        return f"fps={numerator}/{denominator}"
    return f"fps={video.fps}/{video.fps_denominator or 1}" if video.fps else ""
