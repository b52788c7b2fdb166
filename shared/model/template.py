"""A template of a tenant: named parameters that nodes refer to by number (contract MPS_API §10)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.model.base import Document, Instant


class TemplateKind(StrEnum):
    """What a template is for; numbers are counted within a kind."""

    TRANSCODE = "transcode"
    """Container, video, audio, enhancement."""
    WATERMARK = "watermark"
    """A picture, text or drawing and its place."""
    SNAPSHOT_BY_TIME = "snapshot_by_time"
    """Pictures at given moments."""
    SAMPLE_SNAPSHOT = "sample_snapshot"
    """Pictures at regular distances."""
    IMAGE_SPRITE = "image_sprite"
    """Small pictures in a grid."""
    ANIMATED_GRAPHICS = "animated_graphics"
    """Moving pictures without sound."""
    ADAPTIVE_STREAMING = "adaptive_streaming"
    """A ladder of renditions."""
    QUALITY_CONTROL = "quality_control"
    """What to look for in a file."""


class Template(Document):
    """`body` is the contract's create request without name and comment, in wire names, as it was checked at save."""

    tenant: str
    kind: TemplateKind
    definition: int = Field(ge=1)
    name: str = ""
    comment: str = ""
    body: dict[str, Any]
    created_at: Instant
    updated_at: Instant


def template_id(tenant: str, kind: TemplateKind, definition: int) -> str:
    """The id of a tenant's template."""
    return f"{tenant}:{kind.value}:{definition}"
