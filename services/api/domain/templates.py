"""Template requests and answers of the contract (MPS_API §3, §10): which actions there are and how a template is
shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from services.api.domain.errors import ApiError, invalid
from services.api.domain.fields import moment_text
from services.api.domain.schedules import MAX_LIMIT, read_limit
from services.api.domain.template_filters import Filter, filter_of
from shared.model.template import TemplateKind
from shared.mps.base import MpsModel
from shared.mps.not_yet import NotYet, number
from shared.mps.transcode import AUDIO_CONTAINERS
from shared.state.templates import Listed, Origin

MAX_DEFINITIONS = 100


@dataclass(frozen=True, slots=True)
class TemplateFamily:
    """The actions of one kind of template. `filters` are what its Describe takes beyond what all take, `max_limit` is
    its longest page."""

    name: str
    kind: TemplateKind
    filters: tuple[str, ...] = ()
    max_limit: int = MAX_LIMIT

    @property
    def listed(self) -> str:
        """The member of Describe's answer that holds the templates."""
        return f"{self.name}TemplateSet"


FAMILIES = (
    TemplateFamily(
        "Transcode",
        TemplateKind.TRANSCODE,
        ("ContainerType", "TEHDType", "TranscodeType", "SceneType", "CompressType"),
    ),
    TemplateFamily("Watermark", TemplateKind.WATERMARK, ("Type",)),
    TemplateFamily("SnapshotByTimeOffset", TemplateKind.SNAPSHOT_BY_TIME),
    TemplateFamily("SampleSnapshot", TemplateKind.SAMPLE_SNAPSHOT),
    TemplateFamily("ImageSprite", TemplateKind.IMAGE_SPRITE),
    TemplateFamily("AnimatedGraphics", TemplateKind.ANIMATED_GRAPHICS),
    TemplateFamily("AdaptiveDynamicStreaming", TemplateKind.ADAPTIVE_STREAMING, ("PureAudio",)),
    TemplateFamily("QualityControl", TemplateKind.QUALITY_CONTROL),
    TemplateFamily("ContentReview", TemplateKind.CONTENT_REVIEW, max_limit=50),
    TemplateFamily("AIAnalysis", TemplateKind.ANALYSIS),
    TemplateFamily("AIRecognition", TemplateKind.RECOGNITION, max_limit=50),
)
"""Every kind of template that this version has."""

_OWN_CODES = frozenset(
    """AudioChannel Bitrate BlockConfidence Codec ColumnCount Comment Container CoordinateOrigin Definition Definitions
    DisableHigherVideoBitrate DisableHigherVideoResolution FillType Format Fps Gop Height ImageContent ImageTemplate
    Limit Name Quality RemoveAudio RemoveVideo RepeatType ResolutionAdaptive RowCount SampleInterval SampleRate
    SampleType
    SvgTemplate Switch TextAlpha TextContent TextTemplate Type Width XPos YPos DefaultLibraryLabelSet
    DestinationLanguage FaceLibrary LabelSet ReviewConfidence SourceLanguage SubtitleFormat
    UserDefineLibraryLabelSet""".split()  # noqa: SIM905
)
SUB_CODES: Mapping[str, str] = {**{member: member for member in _OWN_CODES}, "Score": "FaceScore"}
"""Members of templates whose refusals have a code of their own, and that (contract §13.2)."""


class DefinitionRequest(MpsModel):
    """Which template Delete is about."""

    definition: int


class DescribeTemplatesRequest(MpsModel):
    """What Describe of templates takes, of whatever kind."""

    definitions: list[int] | None = Field(default=None, max_length=MAX_DEFINITIONS)
    offset: int = Field(default=0, ge=0)
    limit: int | None = None
    type: str | None = None
    name: str | None = Field(default=None, max_length=64)
    container_type: str | None = None
    tehd_type: str | None = Field(default=None, alias="TEHDType")
    transcode_type: str | None = None
    scene_type: str | None = None
    compress_type: str | None = None
    enhance_scene_type: NotYet = None
    enhance_transcode_type: NotYet = None
    enhance_type: NotYet = None
    pure_audio: Annotated[int | None, BeforeValidator(number)] = None


_COMMON = frozenset({"Definitions", "Offset", "Limit", "Name", "Type"})


@dataclass(frozen=True, slots=True)
class TemplateListing:
    """What to look for. `origin` and `filters` narrow it."""

    definitions: tuple[int, ...]
    origin: Origin | None
    name: str | None
    offset: int
    limit: int
    filters: tuple[Filter, ...]


def read_listing(family: TemplateFamily, request: DescribeTemplatesRequest) -> TemplateListing:
    """Raises ApiError."""
    given = {member: value for member, value in request.to_wire_as_given().items() if value not in (None, "")}
    for member in given:
        if member not in _COMMON and member not in family.filters:
            raise ApiError("UnknownParameter", f"{member}: not a parameter of this action")
    return TemplateListing(
        definitions=tuple(request.definitions or ()),
        origin=_origin(request.type) if request.type and "Type" not in family.filters else None,
        name=request.name or None,
        offset=request.offset,
        limit=read_limit(request.limit, family.max_limit),
        filters=tuple(filter_of(member, given[member]) for member in family.filters if member in given),
    )


def _origin(text: str) -> Origin:
    try:
        return Origin(text)
    except ValueError:
        raise invalid("Type", "must be Preset or Custom", "Type") from None


def render_template(family: TemplateFamily, template: Listed) -> dict[str, Any]:
    """One item of Describe's answer (contract §10.2)."""
    shown = {
        # The transcode template alone has its number as a text.
        "Definition": str(template.definition) if family.kind is TemplateKind.TRANSCODE else template.definition,
        "Name": template.name,
        "Comment": template.comment,
        "Type": template.origin.value,
        "CreateTime": moment_text(template.created_at),
        "UpdateTime": moment_text(template.updated_at),
    }
    match family.kind:
        case TemplateKind.TRANSCODE:
            audio = template.body["Container"] in AUDIO_CONTAINERS
            return (
                {"RemoveVideo": 0, "RemoveAudio": 0}
                | shown
                | {"ContainerType": "PureAudio" if audio else "Video"}
                | template.body
            )
        case TemplateKind.WATERMARK:
            return shown | _with_image_url(template.body)
        case _:
            return shown | template.body


def _with_image_url(body: Mapping[str, Any]) -> dict[str, Any]:
    """A watermark as Describe shows it: its picture by an address, which carries the picture itself [OURS]."""
    image = body.get("ImageTemplate")
    if not image:
        return dict(body)
    rest = {member: value for member, value in image.items() if member != "ImageContent"}
    return {**body, "ImageTemplate": {"ImageUrl": image_url(body), **rest}}


def image_url(body: Mapping[str, Any]) -> str:
    """The address of a watermark's picture; empty for one without."""
    content = (body.get("ImageTemplate") or {}).get("ImageContent", "")
    if not content:
        return ""
    # Base64 tells what it is by its first letters: /9j is a JPEG, R0lGOD a GIF, UklGR a WebP.
    known = {"/9j": "jpeg", "R0lGOD": "gif", "UklGR": "webp"}
    kind = next((name for start, name in known.items() if content.startswith(start)), "png")
    return f"data:image/{kind};base64,{content}"
