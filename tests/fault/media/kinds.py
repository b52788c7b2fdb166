"""What each kind of node is asked to do with a hostile file: little, but to the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SMALL = {
    "Container": "mp4",
    "VideoTemplate": {"Codec": "h264", "Fps": 0, "Bitrate": 128, "Width": 128, "Height": 0},
    "AudioTemplate": {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100},
}
_RATE = {**_SMALL, "VideoTemplate": {**_SMALL["VideoTemplate"], "Fps": 25, "Gop": 2, "GopUnit": "second"}}  # type: ignore[dict-item]

ASKED: Mapping[str, list[dict[str, Any]]] = {
    "probe": [{}],
    "transcode": [
        {"Definition": 0, "RawParameter": _SMALL},
        {"Definition": 0, "RawParameter": _RATE},
        {"Definition": 875},
    ],
    "snapshot_by_time": [{"Definition": 10, "ExtTimeOffsetSet": ["0s", "50%"]}],
    "sample_snapshot": [{"Definition": 10}],
    "image_sprite": [{"Definition": 10}],
    "animated_graphics": [{"Definition": 20000, "StartTimeOffset": 0, "EndTimeOffset": 1}],
    "adaptive_streaming": [{"Definition": 10}],
    "quality_control": [{"Definition": 10}],
    "noop": [{}],
}
"""Parameters by kind. A kind that ships and is not here fails the suite."""
