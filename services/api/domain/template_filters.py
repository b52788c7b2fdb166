"""What Describe of templates can narrow its answer by, member by member (contract MPS_API §3). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.api.domain.errors import invalid
from shared.mps.transcode import AUDIO_CONTAINERS
from shared.mps.video_template import SCENES, STRATEGIES

Doc = Mapping[str, Any]
Filter = Callable[[Doc], bool]
"""Whether a template's body, in wire names, is among those that are asked for."""


def _of_audio(body: Doc) -> bool:
    return body["Container"] in AUDIO_CONTAINERS or bool(body.get("RemoveVideo"))


def _top_speed(body: Doc) -> str:
    return (body.get("TEHDConfig") or {}).get("Type") or ""


def _enhanced(body: Doc) -> bool:
    return any((body.get("EnhanceConfig") or {}).values())


def _common(body: Doc) -> bool:
    return not _top_speed(body) and not _enhanced(body)


def _video_says(member: str, value: str) -> Filter:
    return lambda body: (body.get("VideoTemplate") or {}).get(member) == value


def _equals(member: str, value: str) -> Filter:
    return lambda body: body.get(member) == value


FILTERS: Mapping[str, Mapping[str, Filter]] = {
    "ContainerType": {"Video": lambda body: not _of_audio(body), "PureAudio": _of_audio},
    "TEHDType": {"Common": lambda body: not _top_speed(body), "TEHD": lambda body: bool(_top_speed(body))},
    "TranscodeType": {
        "Common": _common,
        "TEHD": lambda body: bool(_top_speed(body)),
        "TEHD-100": lambda body: _top_speed(body) == "TEHD-100",
        "TEHD-200": lambda body: _top_speed(body) == "TEHD-200",
        "Enhance": _enhanced,
    },
    "SceneType": {scene: _video_says("SceneType", scene) for scene in SCENES},
    "CompressType": {
        **{strategy: _video_says("CompressType", strategy) for strategy in STRATEGIES},
        "no_config": lambda body: not (body.get("VideoTemplate") or {}).get("CompressType"),
    },
    "PureAudio": {"0": lambda body: not body.get("PureAudio"), "1": lambda body: bool(body.get("PureAudio"))},
    "Type": {kind: _equals("Type", kind) for kind in ("image", "text", "svg")},
}
"""The values of each member, and what they keep. `Type` is that of watermarks."""


def filter_of(member: str, value: object) -> Filter:
    """Raises ApiError for a value that the member does not have."""
    known = FILTERS[member]
    found = known.get(str(value))
    if found is None:
        raise invalid(member, f"must be one of {', '.join(known)}", member if member in ("Type", "TEHDType") else "")
    return found
