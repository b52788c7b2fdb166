"""Libraries: the account's words and persons, for what recognises and reviews. The rules are those of the MPS face."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_snake

from services.api.actions.persons import create_person as keep_person
from services.api.actions.persons import modify_person
from services.api.actions.words import create_words
from services.api.dependencies import Context
from services.api.domain.errors import ApiError
from services.api.domain.parsing import parse
from services.api.domain.problems import Problem, conflict, invalid, not_found
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.idempotency import RepeatableRoute
from services.api.rest.paging import Sort, page_of
from shared.model.base import Instant
from shared.model.sample import PersonSample, WordSample, word_id
from shared.mps.samples import CreatePersonSampleRequest, CreateWordSamplesRequest, ModifyPersonSampleRequest
from shared.state.samples import Persons, SampleNotFound, Words

router = APIRouter(prefix="/libraries", tags=["libraries"], route_class=RepeatableRoute)
Keyword = Annotated[str, Path(max_length=20, description="The word itself.")]
PersonId = Annotated[str, Path(max_length=64, description="The person's id.")]
_USAGES = "`Recognition.Ocr`, `Recognition.Asr`, `Review.Ocr`, `Review.Asr`; or `Recognition`, `Review`, `All`."
_FACES = "`Recognition.Face`, `Review.Face`; `Recognition`, `Review`, `All`."


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Page(_Wish):
    """Which part of a library."""

    sort: Sort = Field(default=Sort.NEWEST, description="`-created_at` is newest first.")
    limit: int = Field(default=50, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=1000)


class WordFilter(Page):
    """Which words."""

    piece: str | None = Field(default=None, min_length=1, max_length=20, description="A piece of the word.")


class PersonFilter(Page):
    """Which persons."""

    name: str | None = Field(default=None, min_length=1, max_length=128, description="A piece of the name.")


class WordView(BaseModel):
    """A word to look for."""

    keyword: str
    usages: list[str]
    tags: list[str]
    created_at: Instant
    updated_at: Instant


class WordPage(BaseModel):
    """Some words. `cursor` leads to those after them; null at the end."""

    words: list[WordView]
    cursor: str | None


class WordWish(_Wish):
    """What a word is for."""

    usages: list[str] = Field(min_length=1, max_length=10, description=_USAGES)
    tags: list[str] = Field(default_factory=list, max_length=20)


class NewWord(_Wish):
    """A word with its labels."""

    keyword: str = Field(max_length=20)
    tags: list[str] = Field(default_factory=list, max_length=20)


class NewWords(_Wish):
    """Words that are for the same."""

    usages: list[str] = Field(min_length=1, max_length=10, description=_USAGES)
    words: list[NewWord] = Field(min_length=1, max_length=100)


class FaceView(BaseModel):
    """A photo of a person; `preview` is a small JPEG in Base64."""

    id: str
    width: int
    height: int
    preview: str


class PersonView(BaseModel):
    """A person to recognise. Photos are kept; this version computes nothing from the faces in them."""

    id: str
    name: str
    description: str
    usages: list[str]
    tags: list[str]
    faces: list[FaceView]
    created_at: Instant
    updated_at: Instant


class PersonPage(BaseModel):
    """Some persons. `cursor` leads to those after them; null at the end."""

    persons: list[PersonView]
    cursor: str | None


class PersonWish(_Wish):
    """A person without photos."""

    name: str = Field(max_length=128)
    description: str = Field(default="", max_length=1024)
    usages: list[str] = Field(min_length=1, max_length=10, description=_FACES)
    tags: list[str] = Field(default_factory=list, max_length=20)


class NewPerson(PersonWish):
    """A person with photos."""

    faces: list[Annotated[str, Field(max_length=1_000_000)]] = Field(
        default_factory=list, max_length=5, description="JPEG or PNG in Base64; a body has 1 MiB at most.", repr=False
    )


class NewFaces(_Wish):
    """More photos."""

    faces: list[Annotated[str, Field(max_length=1_000_000)]] = Field(min_length=1, max_length=5, repr=False)


class PhotoOutcome(BaseModel):
    """What became of a photo that was sent: whether it is kept, and what is to be said about it."""

    index: int
    kept: bool
    message: str


class PersonMade(BaseModel):
    """A person, and what became of the photos."""

    person: PersonView
    photos: list[PhotoOutcome]


@router.get("/words")
async def list_words(caller: Caller, wanted: Annotated[WordFilter, Query()]) -> WordPage:
    """The caller's words."""
    where: dict[str, Any] = {"tenant": caller.tenant}
    if wanted.piece:
        where["keyword"] = {"$contains": wanted.piece}
    page, cursor = await page_of(
        caller.deps.records.words,
        lambda word: word.created_at,
        where,
        sort=wanted.sort,
        limit=wanted.limit,
        cursor=wanted.cursor,
    )
    return WordPage(words=[_word(word) for word in page], cursor=cursor)


@router.post("/words", status_code=204)
@changes("word")
async def add_words(caller: Caller, wish: NewWords) -> None:
    """Keeps words. One that is there already takes the usages and labels of this call."""
    words = [{"Keyword": word.keyword, "Tags": word.tags} for word in wish.words]
    with _refusals():
        await create_words(parse(CreateWordSamplesRequest, {"Usages": wish.usages, "Words": words}), caller)


@router.get("/words/{keyword}")
async def show_word(caller: Caller, keyword: Keyword) -> WordView:
    """One word."""
    word = await caller.deps.records.words.get(word_id(caller.tenant, keyword))
    if word is None:
        raise not_found("word", keyword)
    return _word(word)


@router.put("/words/{keyword}")
@changes("word")
async def put_word(caller: Caller, keyword: Keyword, wish: WordWish) -> WordView:
    """Makes a word, or replaces what it is for."""
    given = {"Usages": wish.usages, "Words": [{"Keyword": keyword, "Tags": wish.tags}]}
    with _refusals({"words[0].keyword": "keyword", "words[0].tags": "tags"}):
        await create_words(parse(CreateWordSamplesRequest, given), caller)
    return await show_word(caller, keyword)


@router.delete("/words/{keyword}", status_code=204)
@changes("word")
async def delete_word(caller: Caller, keyword: Keyword) -> None:
    """Removes a word."""
    try:
        await Words(caller.deps.records).delete(caller.tenant, [keyword])
    except SampleNotFound:
        raise not_found("word", keyword) from None


@router.get("/persons")
async def list_persons(caller: Caller, wanted: Annotated[PersonFilter, Query()]) -> PersonPage:
    """The caller's persons."""
    where: dict[str, Any] = {"tenant": caller.tenant}
    if wanted.name:
        where["name"] = {"$contains": wanted.name}
    page, cursor = await page_of(
        caller.deps.records.persons,
        lambda person: person.created_at,
        where,
        sort=wanted.sort,
        limit=wanted.limit,
        cursor=wanted.cursor,
    )
    return PersonPage(persons=[_person(person) for person in page], cursor=cursor)


@router.post("/persons", status_code=201)
@changes("person")
async def create_person(caller: Caller, wish: NewPerson, response: Response) -> PersonMade:
    """Keeps a person with the photos that can be used; refused if photos were sent and none can."""
    given = {**_members(wish), "FaceContents": wish.faces, "Tags": wish.tags}
    with _refusals():
        made = await keep_person(parse(CreatePersonSampleRequest, given), caller)
    response.headers["location"] = f"/api/v1/libraries/persons/{made['Person']['PersonId']}"
    return await _made(made, caller)


@router.get("/persons/{person_id}")
async def show_person(caller: Caller, person_id: PersonId) -> PersonView:
    """One person."""
    return _person(await _own(person_id, caller))


@router.put("/persons/{person_id}")
@changes("person")
async def replace_person(caller: Caller, person_id: PersonId, wish: PersonWish) -> PersonView:
    """Replaces everything but the photos."""
    await _own(person_id, caller)
    labels = {"Type": "reset", "Tags": wish.tags}
    given = {"PersonId": person_id, **_members(wish), "TagOperationInfo": labels}
    with _refusals():
        await modify_person(parse(ModifyPersonSampleRequest, given), caller)
    return await show_person(caller, person_id)


@router.delete("/persons/{person_id}", status_code=204)
@changes("person")
async def delete_person(caller: Caller, person_id: PersonId) -> None:
    """Removes a person and all photos."""
    try:
        await Persons(caller.deps.records).delete(caller.tenant, person_id)
    except SampleNotFound:
        raise not_found("person", person_id) from None


@router.post("/persons/{person_id}/faces", status_code=201)
@changes("person")
async def add_faces(caller: Caller, person_id: PersonId, wish: NewFaces) -> PersonMade:
    """Adds photos; a person has ten at most."""
    await _own(person_id, caller)
    given = {"PersonId": person_id, "FaceOperationInfo": {"Type": "add", "FaceContents": wish.faces}}
    with _refusals():
        return await _made(await modify_person(parse(ModifyPersonSampleRequest, given), caller), caller)


@router.delete("/persons/{person_id}/faces/{face_id}", status_code=204)
@changes("person")
async def delete_face(
    caller: Caller, person_id: PersonId, face_id: Annotated[str, Path(max_length=64, description="The photo's id.")]
) -> None:
    """Removes a photo."""
    person = await _own(person_id, caller)
    if face_id not in {face.id for face in person.faces}:
        raise not_found("face", face_id)
    given = {"PersonId": person_id, "FaceOperationInfo": {"Type": "delete", "FaceIds": [face_id]}}
    with _refusals():
        await modify_person(parse(ModifyPersonSampleRequest, given), caller)


async def _own(person_id: str, context: Context) -> PersonSample:
    try:
        return await Persons(context.deps.records).get(context.tenant, person_id)
    except SampleNotFound:
        raise not_found("person", person_id) from None


def _members(wish: PersonWish) -> dict[str, Any]:
    return {"Name": wish.name, "Description": wish.description, "Usages": wish.usages}


async def _made(answer: dict[str, Any], context: Context) -> PersonMade:
    photos = [
        PhotoOutcome(index=one["Index"], kept=one["ErrCode"] == 0, message=one["Message"])
        for one in answer["FailFaceInfoSet"]
    ]
    return PersonMade(person=_person(await _own(answer["Person"]["PersonId"], context)), photos=photos)


def _word(word: WordSample) -> WordView:
    return WordView(
        keyword=word.keyword,
        usages=list(word.usages),
        tags=list(word.tags),
        created_at=word.created_at,
        updated_at=word.updated_at,
    )


def _person(person: PersonSample) -> PersonView:
    return PersonView(
        id=person.person_id,
        name=person.name,
        description=person.description,
        usages=list(person.usages),
        tags=list(person.tags),
        faces=[
            FaceView(id=face.id, width=face.width, height=face.height, preview=face.preview) for face in person.faces
        ],
        created_at=person.created_at,
        updated_at=person.updated_at,
    )


_STEP = re.compile(r"[A-Za-z]+")
_RENAMED = {
    "FaceContents": "faces",
    "FaceOperationInfo.FaceContents": "faces",
    "TagOperationInfo.Tags": "tags",
}


@contextmanager
def _refusals(renamed: dict[str, str] | None = None) -> Iterator[None]:
    """What the shared rules refuse, with the members of REST."""
    try:
        yield
    except ApiError as error:
        raise _problem(error, renamed or {}) from None


def _problem(error: ApiError, renamed: dict[str, str]) -> Problem:
    field, found, rule = error.message.partition(": ")
    if error.wire_code.startswith("LimitExceeded"):
        return conflict("limit_exceeded", error.message)
    if error.wire_code.startswith("ResourceNotFound"):
        return Problem(404, "not_found", rule or error.message)
    if not found:
        return invalid("body", error.message)
    for wire, name in _RENAMED.items():
        if field.startswith(wire):
            return invalid(name + field[len(wire) :], rule)
    path = _STEP.sub(lambda step: to_snake(step[0]), field)
    for given, name in renamed.items():
        if path.startswith(given):
            path = name + path[len(given) :]
    return invalid(path, rule)
