"""How the picture of an output is shaped, stage by stage. Pure."""

from __future__ import annotations

from services.workers.media.effects import Effects
from services.workers.media.filtergraph import FilterGraph
from services.workers.media.picture import TONE_MAP, size_filters
from shared.mps.media import MediaMetaData
from shared.mps.transcode import VideoTemplateInfo


def shaped_picture(video: VideoTemplateInfo, source: MediaMetaData, effects: Effects) -> FilterGraph:
    """The picture from the first video of input 0, shaped in the order of `Effects`."""
    ten_bits = video.bit_depth == 10
    # Capital V: a cover picture is no video.
    graph = FilterGraph("0:V:0")
    graph.apply(*effects.before_size)
    if effects.tone_map is not None:
        graph.apply(*effects.tone_map)
    elif source.video and source.video.hdr_type and not ten_bits:
        graph.apply(TONE_MAP)
    graph.apply(
        *size_filters(
            video.width or 0,
            video.height or 0,
            open_sides=video.resolution_adaptive != "close",
            fill=video.fill_type or "black",
            portrait=source.shown_portrait,
        )
    )
    if effects.frame_rate is not None:
        graph.apply(*effects.frame_rate)
    elif video.fps:
        graph.apply(f"fps={video.fps}/{video.fps_denominator or 1}")
    graph.apply(*effects.after_size, *effects.mosaics)
    for overlay in effects.overlays:
        graph.overlay(overlay)
    graph.apply(*effects.subtitles)
    graph.apply("format=yuv420p10le" if ten_bits else "format=yuv420p")
    return graph
