"""CreateWordSamples, ModifyWordSample, DeleteWordSamples, DescribeWordSamples."""

from __future__ import annotations

from typing import Any

from services.api.dependencies import Context
from services.api.domain.errors import ApiError, invalid
from services.api.domain.samples import DEFAULT_LIMIT, changed_tags, render_word
from services.api.domain.schedules import MAX_LIMIT, read_limit
from shared.model.sample import WordSample
from shared.mps.samples import (
    WORD_USAGES,
    CreateWordSamplesRequest,
    DeleteWordSamplesRequest,
    DescribeWordSamplesRequest,
    ModifyWordSampleRequest,
    written_out,
)
from shared.state.samples import SampleNotFound, TooManySamples, Words


async def create_words(request: CreateWordSamplesRequest, context: Context) -> dict[str, Any]:
    """Keeps the words. One that is there already takes the usages and labels of this call [OURS]."""
    tags_of: dict[str, list[str]] = {}
    for index, word in enumerate(request.words):
        if word.keyword in tags_of:
            raise invalid(f"Words[{index}].Keyword", "is named twice")
        tags_of[word.keyword] = word.tags or []
    try:
        await _words(context).put(context.tenant, tags_of, written_out(request.usages, WORD_USAGES))
    except TooManySamples as error:
        raise ApiError("LimitExceeded", f"Words: {error}") from None
    return {}


async def modify_word(request: ModifyWordSampleRequest, context: Context) -> dict[str, Any]:
    """Replaces the usages, changes the labels; what is absent stays."""

    def change(word: WordSample) -> WordSample:
        usages = written_out(request.usages, WORD_USAGES) if request.usages else word.usages
        return word.with_changes(usages=usages, tags=changed_tags(word.tags, request.tag_operation_info))

    try:
        await _words(context).modify(context.tenant, request.keyword, change)
    except SampleNotFound as error:
        raise ApiError("ResourceNotFound.Word", f"Keyword: {error}") from None
    return {}


async def delete_words(request: DeleteWordSamplesRequest, context: Context) -> dict[str, Any]:
    """Removes all of them, or none if one is not there."""
    try:
        await _words(context).delete(context.tenant, request.keywords)
    except SampleNotFound as error:
        raise ApiError("ResourceNotFound.Word", f"Keywords: {error}") from None
    return {}


async def describe_words(request: DescribeWordSamplesRequest, context: Context) -> dict[str, Any]:
    """The caller's words, newest first."""
    total, found = await _words(context).describe(
        context.tenant,
        keywords=request.keywords or (),
        usages=written_out(request.usages or (), WORD_USAGES),
        tags=request.tags or (),
        offset=request.offset,
        limit=read_limit(request.limit, MAX_LIMIT, DEFAULT_LIMIT),
    )
    return {"TotalCount": total, "WordSet": [render_word(word) for word in found]}


def _words(context: Context) -> Words:
    return Words(context.deps.records)
