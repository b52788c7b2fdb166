"""CreatePersonSample, ModifyPersonSample, DeletePersonSample, DescribePersonSamples.

Photos are decoded, made anew and kept. Nothing is computed from the faces in them yet, and every answer that keeps one
says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.api.dependencies import Context
from services.api.domain.errors import ApiError, invalid, missing
from services.api.domain.samples import DEFAULT_LIMIT, changed_tags, render_person
from services.api.domain.schedules import MAX_LIMIT, read_limit
from services.api.photos import UnusablePhoto, read_photo
from shared.model.sample import Face, PersonSample, person_key
from shared.mps.samples import (
    PERSON_USAGES,
    AiSampleFaceOperation,
    CreatePersonSampleRequest,
    DeletePersonSampleRequest,
    DescribePersonSamplesRequest,
    ModifyPersonSampleRequest,
    written_out,
)
from shared.state.repository import Contention
from shared.state.samples import Persons, SampleNotFound, TooManySamples

MAX_FACES = 10
"""Of one person [OURS]."""
KEPT_ONLY = "the photo is kept; this version computes nothing from the face in it and recognises nobody by it"
_TRIES = 5
_OK, _UNUSABLE, _TWICE = 0, 1, 2


@dataclass(slots=True)
class _Taken:
    """What became of the photos of one call. `told` is `FailFaceInfoSet`, in which 0 stands for success."""

    faces: list[Face] = field(default_factory=list)
    photos: dict[str, str] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)


async def create_person(request: CreatePersonSampleRequest, context: Context) -> dict[str, Any]:
    """Keeps a person with the photos that can be used; refuses if photos were sent and none can."""
    taken = await _take(request.face_contents or [], (), "FaceContents", context)
    now = await context.deps.records.now()
    number = context.deps.new_id()
    person = PersonSample(
        id=person_key(context.tenant, number),
        tenant=context.tenant,
        person_id=number,
        name=request.name,
        description=request.description,
        usages=written_out(request.usages, PERSON_USAGES),
        tags=tuple(dict.fromkeys(request.tags or ())),
        faces=tuple(taken.faces),
        created_at=now,
        updated_at=now,
    )
    try:
        await _persons(context).create(person, taken.photos)
    except TooManySamples as error:
        raise ApiError("LimitExceeded", str(error)) from None
    return {"Person": render_person(person), "FailFaceInfoSet": taken.told}


async def modify_person(request: ModifyPersonSampleRequest, context: Context) -> dict[str, Any]:
    """Changes what is given; what is absent stays."""
    for _ in range(_TRIES):
        person = await _find(request.person_id, context)
        kept, taken = await _changed_faces(person, request.face_operation_info, context)
        changed = person.with_changes(
            name=request.name if request.name is not None else person.name,
            description=person.description if request.description is None else request.description,
            usages=written_out(request.usages, PERSON_USAGES) if request.usages else person.usages,
            tags=changed_tags(person.tags, request.tag_operation_info),
            faces=(*kept, *taken.faces),
            updated_at=await context.deps.records.now(),
        )
        gone = [face for face in person.faces if face not in kept]
        if await _persons(context).replace(changed, taken.photos, gone):
            return {"Person": render_person(changed), "FailFaceInfoSet": taken.told}
    raise Contention(f"persons/{request.person_id[:64]} changed under a change")


async def delete_person(request: DeletePersonSampleRequest, context: Context) -> dict[str, Any]:
    """Removes a person and all photos."""
    try:
        await _persons(context).delete(context.tenant, request.person_id)
    except SampleNotFound as error:
        raise _no_such(error) from None
    return {}


async def describe_persons(request: DescribePersonSamplesRequest, context: Context) -> dict[str, Any]:
    """The caller's persons, newest first; the system's library has none."""
    limit = read_limit(request.limit, MAX_LIMIT, DEFAULT_LIMIT)
    if request.type == "Default":
        return {"TotalCount": 0, "PersonSet": []}
    total, found = await _persons(context).describe(
        context.tenant,
        person_ids=request.person_ids or (),
        names=request.names or (),
        tags=request.tags or (),
        offset=request.offset,
        limit=limit,
    )
    return {"TotalCount": total, "PersonSet": [render_person(person) for person in found]}


async def _changed_faces(
    person: PersonSample, operation: AiSampleFaceOperation | None, context: Context
) -> tuple[list[Face], _Taken]:
    """The faces that stay, and the new ones. Raises ApiError."""
    at = "FaceOperationInfo"
    if operation is None:
        return list(person.faces), _Taken()
    if operation.type == "delete":
        if not operation.face_ids:
            raise missing(f"{at}.FaceIds", "is required when Type is delete")
        known = {face.id for face in person.faces}
        for index, face_id in enumerate(operation.face_ids):
            if face_id not in known:
                raise invalid(f"{at}.FaceIds[{index}]", f"the person has no face {face_id[:64]!r}")
        return [face for face in person.faces if face.id not in operation.face_ids], _Taken()
    if not operation.face_contents:
        raise missing(f"{at}.FaceContents", f"is required when Type is {operation.type}")
    kept = list(person.faces) if operation.type == "add" else []
    if len(kept) + len(operation.face_contents) > MAX_FACES:
        raise invalid(f"{at}.FaceContents", f"a person may have at most {MAX_FACES} faces")
    return kept, await _take(operation.face_contents, kept, f"{at}.FaceContents", context)


async def _take(texts: Sequence[str], there: Sequence[Face], at: str, context: Context) -> _Taken:
    """Decodes one photo after the other. Raises ApiError if there are some and none can be used."""
    taken = _Taken()
    marks = {face.mark for face in there}
    for index, text in enumerate(texts):
        try:
            async with context.deps.photo_slots:
                photo = await asyncio.to_thread(read_photo, text)
        except UnusablePhoto as error:
            taken.told.append({"Index": index, "ErrCode": _UNUSABLE, "Message": str(error)})
            continue
        if photo.mark in marks:
            taken.told.append({"Index": index, "ErrCode": _TWICE, "Message": "the person has this photo already"})
            continue
        marks.add(photo.mark)
        face = Face(
            id=context.deps.new_id(), mark=photo.mark, width=photo.width, height=photo.height, preview=photo.preview
        )
        taken.faces.append(face)
        taken.photos[face.id] = photo.content
        taken.told.append({"Index": index, "ErrCode": _OK, "Message": KEPT_ONLY})
    if texts and not taken.faces:
        first = taken.told[0]
        sub = "FaceDuplicate" if first["ErrCode"] == _TWICE else "PicFormatError"
        raise invalid(f"{at}[0]", first["Message"], sub)
    return taken


async def _find(person_id: str, context: Context) -> PersonSample:
    try:
        return await _persons(context).get(context.tenant, person_id)
    except SampleNotFound as error:
        raise _no_such(error) from None


def _no_such(error: SampleNotFound) -> ApiError:
    return ApiError("ResourceNotFound.Person", f"PersonId: {error}")


def _persons(context: Context) -> Persons:
    return Persons(context.deps.records)
