"""Ladders of adaptive streaming: the system's (MPS_API §12) and what a node asks for."""

from __future__ import annotations

from collections.abc import Mapping

from shared.model.template import TemplateKind
from shared.mps.adaptive import ENCRYPTED, AdaptiveDynamicStreamingTaskInput
from shared.mps.adaptive_template import DASH, HLS, AdaptiveStreamTemplate, AdaptiveTemplate
from shared.mps.presets.catalogue import NO_OWN, Catalogue, OwnTemplates
from shared.mps.transcode import AudioTemplateInfo, VideoTemplateInfo

_RUNGS = ((240, 256), (480, 512), (720, 512), (1080, 1024), (1440, 3072), (2160, 6144))
"""Short side, kbit/s."""


def _preset(package: str, *, higher: bool) -> AdaptiveTemplate:
    """24 frames per second H.264, AAC 48 kbit/s stereo 44100 Hz. `higher` makes rungs above the source as well."""
    audio = AudioTemplateInfo(codec="aac", bitrate=48, sample_rate=44100, audio_channel=2)
    infos = [
        AdaptiveStreamTemplate(
            audio=audio, video=VideoTemplateInfo(codec="h264", fps=24, bitrate=kbps, width=0, height=side)
        )
        for side, kbps in _RUNGS
    ]
    return AdaptiveTemplate.model_validate(
        {"Format": package, "StreamInfos": infos, "DisableHigherVideoResolution": 0 if higher else 1}
    )


ADAPTIVE: Mapping[int, AdaptiveTemplate] = {
    10: _preset(HLS, higher=False),
    ENCRYPTED: _preset(HLS, higher=False),
    20: _preset(DASH, higher=True),
}
ADAPTIVE_TEMPLATES = Catalogue(TemplateKind.ADAPTIVE_STREAMING, AdaptiveTemplate, ADAPTIVE)


def adaptive_ladder(params: AdaptiveDynamicStreamingTaskInput, own: OwnTemplates = NO_OWN) -> AdaptiveTemplate:
    """The complete ladder that a node asks for. Raises UnknownTemplate, and pydantic.ValidationError if the node's
    members do not fit the template."""
    return params.ladder(ADAPTIVE_TEMPLATES.find(params.definition, own))
