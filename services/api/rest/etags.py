"""Strong entity tags, and calls that hold only for what the caller has seen (RFC 9110 §8.8, §13.1; RFC 6585 §3)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from services.api.domain.problems import Problem
from shared.model.base import Document

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="The ETag of what the caller has seen: if it has changed meanwhile, nothing is done (412). "
        "`*` holds for whatever is there.",
    ),
]
_TAGS = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def etag_of(document: Document) -> str:
    """Changes with every change of the document."""
    return f'"{document.version}"'


def check_match(given: str | None, document: Document, *, required: bool = False) -> None:
    """Whether the caller means the document as it is now. Raises Problem 412, or 428 if it is `required` to say so."""
    if given is None:
        if required:
            rule = "is required: give the ETag of what you have seen, or * for whatever is there"
            error = {"field": "If-Match", "rule": rule}
            raise Problem(428, "precondition_required", f"If-Match: {rule}", more={"errors": [error]})
        return
    # A weak tag never matches: If-Match compares strongly.
    if given.strip() != "*" and etag_of(document) not in _TAGS.findall(given):
        detail = "If-Match: it was changed meanwhile; read it again"
        raise Problem(412, "precondition_failed", detail, headers={"etag": etag_of(document)})
