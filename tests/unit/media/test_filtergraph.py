"""The picture's way through the filters."""

from __future__ import annotations

from services.workers.media.filtergraph import FilterGraph, Overlay, escaped


def test_without_overlays_there_is_one_plain_chain() -> None:
    graph = FilterGraph()
    graph.apply("scale=320:240", "", "format=yuv420p")
    assert graph.inputs == ()
    assert graph.arguments() == ["-map", "0:V:0", "-vf", "scale=320:240,format=yuv420p"]


def test_without_filters_the_picture_is_mapped_as_it_is() -> None:
    assert FilterGraph("0:v:1").arguments() == ["-map", "0:v:1"]


def test_each_overlay_gets_its_own_input_and_stands_in_its_place_in_the_order() -> None:
    graph = FilterGraph()
    graph.apply("scale=320:240")
    graph.overlay(Overlay(("-i", "file:a.png"), "10", "10", ("scale=20:20",)))
    graph.apply("hue=s=0")
    graph.overlay(Overlay(("-i", "file:b.gif"), "W-w", "0", options=("shortest=1",)))
    graph.apply("format=yuv420p")
    assert graph.inputs == ("-i", "file:a.png", "-i", "file:b.gif")
    assert graph.arguments() == [
        "-filter_complex",
        "[0:V:0]scale=320:240[base1];[1:v:0]scale=20:20[top2];[base1][top2]overlay=x=10:y=10,hue=s=0[base3];"
        "[2:v:0]null[top4];[base3][top4]overlay=x=W-w:y=0:shortest=1,format=yuv420p[v5]",
        "-map",
        "[v5]",
    ]


def test_escaped_values_survive_both_parsers() -> None:
    assert escaped("it's: a,b") == "it\\\\\\'s\\\\: a\\,b"
