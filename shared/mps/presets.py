"""System templates of the contract (MPS_API §12) and how a node's parameters become one complete template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shared.errors import ReelwayError
from shared.model.pipeline import RULES
from shared.mps.base import MpsModel
from shared.mps.rules import ExecRulesTask
from shared.mps.snapshot import (
    SampleSnapshotTaskInput,
    SampleSnapshotTemplate,
    SnapshotByTimeOffsetTaskInput,
    SnapshotTemplate,
)
from shared.mps.transcode import AudioTemplateInfo, RawTranscodeParameter, TranscodeTaskInput, VideoTemplateInfo

PARAMETERS: Mapping[str, type[MpsModel]] = {
    "transcode": TranscodeTaskInput,
    "snapshot_by_time": SnapshotByTimeOffsetTaskInput,
    "sample_snapshot": SampleSnapshotTaskInput,
    RULES: ExecRulesTask,
}
"""The parameter model of each node kind that the API can make."""


class UnknownTemplate(ReelwayError):
    """No template has this number."""

    code = "unknown_template"

    def __init__(self, kind: str, definition: int) -> None:
        super().__init__(f"there is no {kind} template {definition}")
        self.kind = kind
        self.definition = definition


def _video_preset(container: str, short_side: int, video_kbps: int, audio_kbps: int) -> RawTranscodeParameter:
    """§12: the short side is scaled, 25 frames per second, AAC stereo 44100 Hz."""
    return RawTranscodeParameter.model_validate(
        {
            "Container": container,
            "VideoTemplate": VideoTemplateInfo(
                codec="h264", fps=25, bitrate=video_kbps, resolution_adaptive="open", width=0, height=short_side
            ),
            "AudioTemplate": AudioTemplateInfo(codec="aac", bitrate=audio_kbps, sample_rate=44100, audio_channel=2),
        }
    )


def _audio_preset(container: str, codec: Literal["aac", "mp3"], kbps: int) -> RawTranscodeParameter:
    # 24 kbit/s is below what the contract lets users ask for, so the audio template is built unchecked.
    audio = AudioTemplateInfo.model_construct(codec=codec, bitrate=kbps, sample_rate=44100, audio_channel=2)
    return RawTranscodeParameter.model_validate({"Container": container, "RemoveVideo": 1, "AudioTemplate": audio})


def _remux(container: str) -> RawTranscodeParameter:
    return RawTranscodeParameter.model_validate(
        {
            "Container": container,
            "VideoTemplate": {"Codec": "copy", "Fps": 0, "Bitrate": 0},
            "AudioTemplate": {"Codec": "copy", "Bitrate": 0, "SampleRate": 0},
        }
    )


_SIZES = {10: (360, 400, 64), 20: (540, 1000, 64), 30: (720, 1800, 128), 40: (1080, 2500, 128)} | {
    70: (1440, 3000, 160),
    80: (2160, 6000, 160),
}

TRANSCODE: Mapping[int, RawTranscodeParameter] = {
    **{100_000 + number: _video_preset("mp4", *size) for number, size in _SIZES.items()},
    **{100_200 + number: _video_preset("hls", *size) for number, size in _SIZES.items()},
    **{
        number: _audio_preset("m4a", "aac", kbps)
        for number, kbps in ((1100, 24), (1110, 48), (1120, 96), (1130, 192), (1140, 256))
    },
    **{number: _audio_preset("mp3", "mp3", kbps) for number, kbps in ((1010, 128), (1020, 320))},
    875: _remux("mp4"),
    876: _remux("hls"),
}
SNAPSHOT_BY_TIME: Mapping[int, SnapshotTemplate] = {10: SnapshotTemplate(fill_type="stretch")}
SAMPLE_SNAPSHOT: Mapping[int, SampleSnapshotTemplate] = {
    10: SampleSnapshotTemplate(sample_type="Percent", sample_interval=10, fill_type="stretch")
}


def resolve(params: TranscodeTaskInput) -> RawTranscodeParameter:
    """The complete template that a transcode node asks for.

    `Definition` 0 is the raw parameters; another is a template with the node's overrides. Raises UnknownTemplate, and
    pydantic.ValidationError if the overrides do not fit the template.
    """
    if params.definition == 0:
        if params.raw_parameter is None:
            raise UnknownTemplate("transcode", 0)
        return params.raw_parameter
    template = TRANSCODE.get(params.definition)
    if template is None:
        raise UnknownTemplate("transcode", params.definition)
    return template.overridden(params.override_parameter) if params.override_parameter else template


def snapshot_by_time_template(definition: int) -> SnapshotTemplate:
    """Raises UnknownTemplate."""
    template = SNAPSHOT_BY_TIME.get(definition)
    if template is None:
        raise UnknownTemplate("snapshot_by_time", definition)
    return template


def sample_snapshot_template(definition: int) -> SampleSnapshotTemplate:
    """Raises UnknownTemplate."""
    template = SAMPLE_SNAPSHOT.get(definition)
    if template is None:
        raise UnknownTemplate("sample_snapshot", definition)
    return template


def check_templates(kind: str, params: MpsModel) -> None:
    """Whether the templates that a node names exist and its overrides fit: for the moment a pipeline is saved.

    Raises UnknownTemplate, and pydantic.ValidationError for overrides that do not fit.
    """
    match params:
        case TranscodeTaskInput():
            resolve(params)
        case SnapshotByTimeOffsetTaskInput():
            snapshot_by_time_template(params.definition)
        case SampleSnapshotTaskInput():
            sample_snapshot_template(params.definition)
        case _:
            return
