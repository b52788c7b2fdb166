"""A template of a tenant: named parameters that nodes refer to by number (contract MPS_API §10)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.model.base import Document, Instant

FIRST_OWN = 1_000_001
"""The smallest number of a tenant's own template: all system templates have smaller ones, so that a number never means
two things."""


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
    CONTENT_REVIEW = "content_review"
    """What is not wanted in a film."""
    ANALYSIS = "analysis"
    """What to find out about a film as a whole."""
    RECOGNITION = "recognition"
    """Whom and what to recognise."""


class Template(Document):
    """`body` is the contract's create request without name and comment, in wire names, as it was checked at save.

    A deleted one stays as a mark that its number was given: a pipeline that still names it must not find another
    template there one day.
    """

    tenant: str
    kind: TemplateKind
    definition: int = Field(ge=1)
    name: str = ""
    comment: str = ""
    body: dict[str, Any]
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None


def template_id(tenant: str, kind: TemplateKind, definition: int) -> str:
    """The id of a tenant's template."""
    return f"{tenant}:{kind.value}:{definition}"


def template_key(kind: TemplateKind, definition: int) -> str:
    """What a template is called among those that a node carries."""
    return f"{kind.value}:{definition}"


def own_definitions(params: object) -> Iterator[int]:
    """The numbers of own templates in a node's parameters: every `Definition`, however deep, that is not a system
    template's. Numbers may be text, as GET requests send them."""
    waiting = [params]
    while waiting:  # not by recursion: how deep a request is nested is up to its author
        match waiting.pop():
            case dict() as members:
                yield from _own_number(members.get("Definition"))
                waiting += members.values()
            case list() | tuple() as items:
                waiting += items
            case _:
                pass


def _own_number(value: object) -> Iterator[int]:
    # Numbers of more than 18 digits are beyond what a store can hold.
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 18 else value
    if isinstance(number, int) and FIRST_OWN <= number < 10**18:
        yield number
