"""A tenant's own words and persons, for what recognises and reviews (contract MPS_API §11)."""

from __future__ import annotations

from pydantic import Field

from shared.ids import digest
from shared.model.base import Document, Instant, Value


class WordSample(Document):
    """A word to look for. `usages` are written out: `Recognition.Ocr`, not `Recognition`."""

    tenant: str
    keyword: str
    usages: tuple[str, ...]
    tags: tuple[str, ...] = ()
    created_at: Instant
    updated_at: Instant


class Face(Value):
    """One photo of a person. `mark` tells the same picture again; `preview` is a small JPEG in Base64, the whole photo
    is a document of its own."""

    id: str
    mark: str
    width: int
    height: int
    preview: str = Field(repr=False)


class PersonSample(Document):
    """A person to recognise."""

    tenant: str
    person_id: str
    name: str
    description: str = ""
    usages: tuple[str, ...]
    tags: tuple[str, ...] = ()
    faces: tuple[Face, ...] = ()
    created_at: Instant
    updated_at: Instant


class FacePhoto(Document):
    """The photo behind a Face: a JPEG in Base64, as it was made anew at save."""

    tenant: str
    person_id: str
    content: str = Field(repr=False)


def word_id(tenant: str, keyword: str) -> str:
    """The id of a tenant's word: there is one of each."""
    return f"{tenant}:{digest(keyword)}"


def person_key(tenant: str, person_id: str) -> str:
    """The id of a tenant's person."""
    return f"{tenant}:{person_id}"


def photo_id(tenant: str, person_id: str, face_id: str) -> str:
    """The id of a photo."""
    return f"{tenant}:{person_id}:{face_id}"
