"""Words and persons as the contract shows them, and changes of their labels (contract MPS_API §11). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.api.domain.errors import invalid
from services.api.domain.fields import moment_text
from shared.model.sample import PersonSample, WordSample
from shared.mps.samples import MAX_TAGS, AiSampleTagOperation

DEFAULT_LIMIT = 100


def changed_tags(tags: Sequence[str], operation: AiSampleTagOperation | None) -> tuple[str, ...]:
    """The labels after the operation. Raises ApiError if there are too many."""
    if operation is None:
        return tuple(tags)
    match operation.type:
        case "add":
            found = dict.fromkeys((*tags, *operation.tags))
        case "delete":
            found = dict.fromkeys(tag for tag in tags if tag not in operation.tags)
        case "reset":
            found = dict.fromkeys(operation.tags)
    if len(found) > MAX_TAGS:
        raise invalid("TagOperationInfo.Tags", f"there may be at most {MAX_TAGS} labels, it would be {len(found)}")
    return tuple(found)


def render_word(word: WordSample) -> dict[str, Any]:
    """`AiSampleWord`."""
    return {
        "Keyword": word.keyword,
        "TagSet": list(word.tags),
        "UsageSet": list(word.usages),
        "CreateTime": moment_text(word.created_at),
        "UpdateTime": moment_text(word.updated_at),
    }


def render_person(person: PersonSample) -> dict[str, Any]:
    """`AiSamplePerson`. The address of a face carries a small picture of it [OURS]."""
    return {
        "PersonId": person.person_id,
        "Name": person.name,
        "Description": person.description,
        "FaceInfoSet": [{"FaceId": face.id, "Url": f"data:image/jpeg;base64,{face.preview}"} for face in person.faces],
        "TagSet": list(person.tags),
        "UsageSet": list(person.usages),
        "CreateTime": moment_text(person.created_at),
        "UpdateTime": moment_text(person.updated_at),
    }
