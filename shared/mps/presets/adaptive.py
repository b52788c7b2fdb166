"""Ladders of adaptive streaming: the system's (MPS_API §12) and what a node asks for."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from shared.model.template import TemplateKind
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.adaptive_template import DASH, HLS, AdaptiveStreamTemplate, AdaptiveTemplate
from shared.mps.presets.catalogue import NO_OWN, Catalogue, OwnTemplates, TemplateMisfit
from shared.mps.transcode import AudioTemplateInfo, VideoTemplateInfo

ENCRYPTED = 12
"""The system template that is for SimpleAES: it needs the node's DrmInfo."""
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
    """The complete ladder that a node asks for. Raises UnknownTemplate, TemplateMisfit."""
    template = ADAPTIVE_TEMPLATES.find(params.definition, own)
    if params.definition_type and (params.definition_type == "PureAudio") != bool(template.pure_audio):
        raise TemplateMisfit("DefinitionType", f"must be that of template {params.definition}")
    if params.std_ext_stream_infos:
        infos = [info.to_wire() for info in params.std_ext_stream_infos]
        try:
            template = AdaptiveTemplate.model_validate(template.to_wire() | {"StreamInfos": infos})
        except ValidationError as error:
            rule = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise TemplateMisfit("StdExtStreamInfos", rule) from error
    _check_encryption(params, template)
    if all(info.picture is None for info in template.stream_infos):
        shown = {"WatermarkSet": params.watermark_set, "SubtitleTemplate": params.burnt_in}
        for field, wanted in (shown | {"AddOnSubtitles": params.add_on_subtitles}).items():
            if wanted:
                raise TemplateMisfit(field, "must be absent: the ladder has no picture")
    return template


def _check_encryption(params: AdaptiveDynamicStreamingTaskInput, template: AdaptiveTemplate) -> None:
    if params.drm_info is None or params.drm_info.aes is None:
        if params.definition == ENCRYPTED:
            raise TemplateMisfit("DrmInfo", f"is required when Definition is {ENCRYPTED}, which is for SimpleAES")
        return
    if template.format == DASH:
        raise TemplateMisfit("DrmInfo.Type", f"simpleaes is for {HLS}, not for {DASH}")
    if template.packaging.byte_ranges:
        raise TemplateMisfit("DrmInfo.Type", f"simpleaes needs a file for each segment, not {template.segment_type}")
