"""Parameters of the adaptive streaming node (MPS_API §7)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from shared.mps.adaptive_template import AdaptiveStreamTemplate
from shared.mps.base import MpsModel
from shared.mps.naming import NUMBER_VARIABLES, PLAIN_VARIABLES, SUB_STREAM_VARIABLE, NamingError, check_path
from shared.mps.not_yet import NOT_YET, NotYet
from shared.mps.storage import TaskOutputStorage
from shared.mps.subtitle import AddOnSubtitles, SubtitleTemplate
from shared.mps.watermark import WatermarkSet

ADAPTIVE_PATH = "{inputName}_adaptiveDynamicStreaming_{definition}.{format}"
MAX_URI = 2048
_SYSTEMS = frozenset({"fairplay", "widevine", "playready"})


def _drm_type(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    plain = value.strip().lower()
    if plain and set(plain.split("+")) <= _SYSTEMS:
        raise ValueError(f"{value} {NOT_YET}")
    return plain


def _uri(value: str) -> str:
    # It stands between quotation marks in a playlist (RFC 8216 §4.2).
    if any(character in '"\\<>' or not "!" <= character <= "~" for character in value):
        raise ValueError("must be a URI: no spaces, quotation marks or characters beyond ASCII")
    return value


Hex128 = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{32}$")]
"""16 bytes in hexadecimal digits."""


class SimpleAesDrm(MpsModel):
    """AES-128 of whole segments. `uri` is where players ask for the key, and who answers there is the user's affair:
    the key is written nowhere. Without `vector` each segment has its number for one (RFC 8216 §5.2)."""

    uri: Annotated[str, Field(min_length=1, max_length=MAX_URI), AfterValidator(_uri)]
    key: Hex128
    vector: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{32})?$")] = ""


class DrmInfo(MpsModel):
    """How segments are encrypted."""

    type: Annotated[Literal["", "simpleaes"], BeforeValidator(_drm_type)]
    simple_aes_drm: SimpleAesDrm | None = None
    speke_drm: NotYet = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type == "simpleaes" and self.simple_aes_drm is None:
            raise ValueError("SimpleAesDrm is required when Type is simpleaes")
        return self

    @property
    def aes(self) -> SimpleAesDrm | None:
        """What segments are encrypted with, if they are."""
        return self.simple_aes_drm if self.type == "simpleaes" else None


class AdaptiveDynamicStreamingTaskInput(MpsModel):
    """Parameters of the node. The names of sub-streams and segments are relative to the manifest's folder."""

    definition: int = Field(ge=1)
    watermark_set: WatermarkSet | None = None
    blind_watermark: NotYet = None
    output_storage: TaskOutputStorage | None = None
    output_object_path: str | None = None
    sub_stream_object_name: str | None = None
    segment_object_name: str | None = None
    add_on_subtitles: AddOnSubtitles | None = None
    drm_info: DrmInfo | None = None
    definition_type: Literal["", "Common", "PureAudio"] | None = None
    subtitle_template: SubtitleTemplate | None = None
    std_ext_info: NotYet = None
    key_pts_list: NotYet = Field(default=None, alias="KeyPTSList")
    add_on_audios: NotYet = None
    std_ext_stream_infos: list[AdaptiveStreamTemplate] | None = None

    @field_validator("output_object_path")
    @classmethod
    def _usable_path(cls, value: str | None) -> str | None:
        return _checked("OutputObjectPath", value, PLAIN_VARIABLES)

    @field_validator("sub_stream_object_name")
    @classmethod
    def _usable_sub_stream(cls, value: str | None) -> str | None:
        return _numbered(_checked("SubStreamObjectName", value, PLAIN_VARIABLES | {SUB_STREAM_VARIABLE}, relative=True))

    @field_validator("segment_object_name")
    @classmethod
    def _usable_segment(cls, value: str | None) -> str | None:
        variables = PLAIN_VARIABLES | NUMBER_VARIABLES | {SUB_STREAM_VARIABLE}
        checked = _numbered(_checked("SegmentObjectName", value, variables, relative=True))
        if checked and not any(f"{{{name}}}" in checked for name in NUMBER_VARIABLES):
            raise ValueError("must contain {segmentNumber}")
        return checked

    @property
    def path(self) -> str:
        """How the manifest is named."""
        return self.output_object_path or ADAPTIVE_PATH

    @property
    def sub_stream_path(self) -> str:
        """How sub-streams are named: as wished, or after the manifest, so that two ladders of one input do not write
        over each other's [OURS; with the default path it is the contract's default]."""
        return self.sub_stream_object_name or self._after_manifest(f"_{{{SUB_STREAM_VARIABLE}}}")

    @property
    def segment_path(self) -> str:
        """How segments are named, likewise."""
        return self.segment_object_name or self._after_manifest(f"_{{{SUB_STREAM_VARIABLE}}}_{{segmentNumber}}")

    def _after_manifest(self, more: str) -> str:
        return self.path.rsplit("/", 1)[-1].removesuffix(".{format}") + more + ".{format}"

    @property
    def burnt_in(self) -> SubtitleTemplate | None:
        """The subtitles that become part of the pictures, if there are some."""
        return self.subtitle_template if self.subtitle_template and self.subtitle_template.on else None

    def echo(self, storage: TaskOutputStorage, path: str, sub_stream: str, segment: str) -> dict[str, Any]:
        """`Input` of the result: defaults filled in, paths rendered (MPS_EVENTS §7.1)."""
        return self.to_wire() | {
            "WatermarkSet": [mark.echo() for mark in self.watermark_set or ()],
            "OutputStorage": storage.to_wire(),
            "OutputObjectPath": path,
            "SubStreamObjectName": sub_stream,
            "SegmentObjectName": segment,
        }


def _checked(field: str, value: str | None, variables: frozenset[str], *, relative: bool = False) -> str | None:
    if not value:
        return value
    try:
        return check_path(field, value, variables, relative=relative)
    except NamingError as error:
        raise ValueError(error.rule) from None


def _numbered(value: str | None) -> str | None:
    if value and f"{{{SUB_STREAM_VARIABLE}}}" not in value:
        raise ValueError(f"must contain {{{SUB_STREAM_VARIABLE}}}")
    return value
