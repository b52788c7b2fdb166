"""Samples of words and persons as the contract writes them (MPS_API §11)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.mps.base import MpsModel

MAX_TAGS = 20
MAX_TAG = 128
MAX_PHOTOS = 5
"""In one call."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_RECOGNITION, _REVIEW = ("Recognition.Ocr", "Recognition.Asr"), ("Review.Ocr", "Review.Asr")
WORD_USAGES: Mapping[str, tuple[str, ...]] = {
    **{usage: (usage,) for usage in (*_RECOGNITION, *_REVIEW)},
    "Recognition": _RECOGNITION,
    "Review": _REVIEW,
    "All": (*_RECOGNITION, *_REVIEW),
}
"""What each usage of a word stands for."""
_OF_PERSONS = ("Recognition.Face", "Review.Face")
PERSON_USAGES: Mapping[str, tuple[str, ...]] = {
    **{usage: (usage,) for usage in _OF_PERSONS},
    "Recognition": _OF_PERSONS[:1],
    "Review": _OF_PERSONS[1:],
    "All": _OF_PERSONS,
}
"""The same for persons."""


def written_out(usages: Iterable[str], known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """All usages that these stand for, each once, in the contract's order. They are known."""
    wanted = {one for usage in usages for one in known[usage]}
    return tuple(one for one in known["All"] if one in wanted)


def _printable(text: str) -> str:
    if not text.strip() or _CONTROL.search(text):
        raise ValueError("must have something to be seen, and no control characters")
    return text


def _usages_of(known: Mapping[str, tuple[str, ...]]) -> AfterValidator:
    def check(usages: list[str]) -> list[str]:
        for usage in usages:
            if usage not in known:
                raise ValueError(f"must be of {', '.join(known)}; {usage[:64]!r} is not")
        return usages

    return AfterValidator(check)


Keyword = Annotated[str, Field(max_length=20), AfterValidator(_printable)]
Tag = Annotated[str, Field(max_length=MAX_TAG), AfterValidator(_printable)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]
WordUsages = Annotated[list[str], Field(min_length=1), _usages_of(WORD_USAGES)]
PersonUsages = Annotated[list[str], Field(min_length=1), _usages_of(PERSON_USAGES)]
PersonName = Annotated[str, Field(max_length=20), AfterValidator(_printable)]
NewPersonName = Annotated[str, Field(max_length=128), AfterValidator(_printable)]
"""The contract allows more when a name is changed."""
Photos = Annotated[list[str], Field(max_length=MAX_PHOTOS)]


class AiSampleWordInfo(MpsModel):
    """A word and its labels."""

    keyword: Keyword
    tags: Tags | None = None


class AiSampleTagOperation(MpsModel):
    """A change of labels."""

    type: Literal["add", "delete", "reset"]
    tags: Tags


class AiSampleFaceOperation(MpsModel):
    """A change of photos."""

    type: Literal["add", "delete", "reset"]
    face_ids: Annotated[list[str], Field(max_length=100)] | None = None
    face_contents: Photos | None = Field(default=None, repr=False)


class CreateWordSamplesRequest(MpsModel):
    """CreateWordSamples."""

    usages: WordUsages
    words: Annotated[list[AiSampleWordInfo], Field(min_length=1, max_length=100)]


class ModifyWordSampleRequest(MpsModel):
    """ModifyWordSample."""

    keyword: Annotated[str, Field(max_length=128)]
    usages: WordUsages | None = None
    tag_operation_info: AiSampleTagOperation | None = None


class DeleteWordSamplesRequest(MpsModel):
    """DeleteWordSamples."""

    keywords: Annotated[list[str], Field(min_length=1, max_length=100)]


class DescribeWordSamplesRequest(MpsModel):
    """DescribeWordSamples; several usages or labels mean any of them."""

    keywords: Annotated[list[str], Field(max_length=100)] | None = None
    usages: Annotated[list[str], _usages_of(WORD_USAGES)] | None = None
    tags: Annotated[list[str], Field(max_length=MAX_TAGS)] | None = None
    offset: int = Field(default=0, ge=0, lt=2**31)
    limit: int | None = None


class CreatePersonSampleRequest(MpsModel):
    """CreatePersonSample."""

    name: PersonName
    usages: PersonUsages
    description: Annotated[str, Field(max_length=1024)] = ""
    face_contents: Photos | None = Field(default=None, repr=False)
    tags: Tags | None = None


class ModifyPersonSampleRequest(MpsModel):
    """ModifyPersonSample."""

    person_id: str
    name: NewPersonName | None = None
    description: Annotated[str, Field(max_length=1024)] | None = None
    usages: PersonUsages | None = None
    face_operation_info: AiSampleFaceOperation | None = None
    tag_operation_info: AiSampleTagOperation | None = None


class DeletePersonSampleRequest(MpsModel):
    """DeletePersonSample."""

    person_id: str


class DescribePersonSamplesRequest(MpsModel):
    """DescribePersonSamples. `Type` Default is the system's library, which is empty here."""

    type: Literal["", "UserDefine", "Default"] = "UserDefine"
    person_ids: Annotated[list[str], Field(max_length=100)] | None = None
    names: Annotated[list[str], Field(max_length=20)] | None = None
    tags: Annotated[list[str], Field(max_length=MAX_TAGS)] | None = None
    offset: int = Field(default=0, ge=0, lt=2**31)
    limit: int | None = None
