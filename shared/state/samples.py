"""Words and persons of tenants: made, changed, removed, listed (contract MPS_API §11).

SampleError
├── SampleNotFound     the tenant has no such word or person
└── TooManySamples     the tenant has as many as it may
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from shared.errors import ReelwayError
from shared.model.sample import Face, FacePhoto, PersonSample, WordSample, person_key, photo_id, word_id
from shared.ports.state import DuplicateKey, Order
from shared.state.records import Records
from shared.state.repository import Contention, Repository

MAX_WORDS = 10_000
MAX_PERSONS = 1_000
"""Of one tenant [OURS]."""
_SCAN = 200
"""Documents that are looked at at once."""
_TRIES = 20
S = TypeVar("S", WordSample, PersonSample)


class SampleError(ReelwayError):
    """A sample cannot be had, made or changed."""

    code: ClassVar[str] = "sample"


class SampleNotFound(SampleError):
    """The tenant has no such word or person."""

    code = "sample_not_found"


class TooManySamples(SampleError):
    """The tenant has as many as it may."""

    code = "too_many_samples"


@dataclass(frozen=True, slots=True)
class _Listing(Generic[S]):
    """Samples of one kind, newest first; a filter that the store does not know is applied here, a part at a time."""

    repository: Repository[S]

    async def page(
        self, where: Mapping[str, Any], keep: Callable[[S], bool] | None, offset: int, limit: int
    ) -> tuple[int, list[S]]:
        newest = (("created_at", Order.DESC), ("_id", Order.DESC))
        if keep is None:
            found = await self.repository.find(where, sort=newest, limit=limit, offset=offset)
            return await self.repository.count(where), found
        total, seen, page = 0, 0, list[S]()
        while part := await self.repository.find(where, sort=newest, limit=_SCAN, offset=seen):
            seen += len(part)
            for one in filter(keep, part):
                if offset <= total < offset + limit:
                    page.append(one)
                total += 1
        return total, page


def _any_of(tags: Sequence[str], usages: Sequence[str] = ()) -> Callable[[WordSample | PersonSample], bool] | None:
    if not tags and not usages:
        return None
    wanted, used = set(tags), set(usages)
    return lambda one: (not wanted or bool(wanted & {*one.tags})) and (not used or bool(used & {*one.usages}))


class Words:
    """The words of one store. Another tenant's are as good as none."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._words = records.words

    async def put(self, tenant: str, tags_of: Mapping[str, Sequence[str]], usages: Sequence[str]) -> None:
        """Keeps these words; one that is there already takes the new usages and labels. Raises TooManySamples."""
        there = await self._words.get_many([word_id(tenant, keyword) for keyword in tags_of])
        if await self._words.count({"tenant": tenant}) + len(tags_of) - len(there) > MAX_WORDS:
            raise TooManySamples(f"there may be {MAX_WORDS} words; delete some first")
        now = await self._records.now()
        for keyword, tags in tags_of.items():
            await self._put(tenant, keyword, tuple(usages), tuple(dict.fromkeys(tags)), now)

    async def _put(
        self, tenant: str, keyword: str, usages: tuple[str, ...], tags: tuple[str, ...], now: datetime
    ) -> None:
        word = WordSample(
            id=word_id(tenant, keyword),
            tenant=tenant,
            keyword=keyword,
            usages=usages,
            tags=tags,
            created_at=now,
            updated_at=now,
        )
        for _ in range(_TRIES):
            changed = await self._words.change(
                word.id, lambda old: old.with_changes(usages=usages, tags=tags, updated_at=now)
            )
            if changed is not None:
                return
            try:
                await self._words.insert(word)
            except DuplicateKey:
                continue  # made by somebody else at this moment
            return
        raise Contention(f"words/{word.id} comes and goes")

    async def modify(self, tenant: str, keyword: str, change: Callable[[WordSample], WordSample]) -> None:
        """`change` raises what the caller is to be told. Raises SampleNotFound."""
        now = await self._records.now()
        identity = word_id(tenant, keyword)
        if await self._words.change(identity, lambda old: change(old).with_changes(updated_at=now)) is None:
            raise SampleNotFound(f"there is no word {keyword[:64]!r}")

    async def delete(self, tenant: str, keywords: Sequence[str]) -> None:
        """Removes them all. Raises SampleNotFound naming one that is not there; then none was removed."""
        wanted = {word_id(tenant, keyword): keyword for keyword in keywords}
        there = await self._words.get_many(list(wanted))
        for identity, keyword in wanted.items():
            if identity not in there:
                raise SampleNotFound(f"there is no word {keyword[:64]!r}")
        for word in there.values():
            found: WordSample | None = word
            while found is not None and not await self._words.delete(found):
                found = await self._words.get(word.id)

    async def describe(
        self,
        tenant: str,
        *,
        keywords: Sequence[str] = (),
        usages: Sequence[str] = (),
        tags: Sequence[str] = (),
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[int, list[WordSample]]:
        """How many there are, and a page of them, newest first."""
        where: dict[str, Any] = {"tenant": tenant}
        if keywords:
            where["keyword"] = {"$in": list(keywords)}
        return await _Listing(self._words).page(where, _any_of(tags, usages), offset, limit)


class Persons:
    """The persons of one store, and their photos. Another tenant's are as good as none."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._persons = records.persons
        self._photos = records.photos

    async def create(self, person: PersonSample, photos: Mapping[str, str]) -> None:
        """Keeps a new person with its photos (JPEG in Base64 by face id). Raises TooManySamples."""
        if await self._persons.count({"tenant": person.tenant}) >= MAX_PERSONS:
            raise TooManySamples(f"there may be {MAX_PERSONS} persons; delete some first")
        await self._keep(person, photos)
        await self._persons.insert(person)

    async def get(self, tenant: str, person_id: str) -> PersonSample:
        """Raises SampleNotFound."""
        person = await self._persons.get(person_key(tenant, person_id))
        if person is None:
            raise SampleNotFound(f"there is no person {person_id[:64]!r}")
        return person

    async def replace(self, person: PersonSample, photos: Mapping[str, str], gone: Sequence[Face]) -> bool:
        """Writes a changed person with its new photos, and removes those that are gone; False if somebody else changed
        it meanwhile, then nothing was changed."""
        await self._keep(person, photos)
        if await self._persons.replace(person) is None:
            await self._forget(person, list(photos))
            return False
        await self._forget(person, [face.id for face in gone])
        return True

    async def delete(self, tenant: str, person_id: str) -> None:
        """Raises SampleNotFound."""
        person = await self.get(tenant, person_id)
        while not await self._persons.delete(person):
            person = await self.get(tenant, person_id)
        await self._forget(person, [face.id for face in person.faces])

    async def describe(
        self,
        tenant: str,
        *,
        person_ids: Sequence[str] = (),
        names: Sequence[str] = (),
        tags: Sequence[str] = (),
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[int, list[PersonSample]]:
        """How many there are, and a page of them, newest first."""
        where: dict[str, Any] = {"tenant": tenant}
        if person_ids:
            where["person_id"] = {"$in": list(person_ids)}
        if names:
            where["name"] = {"$in": list(names)}
        return await _Listing(self._persons).page(where, _any_of(tags), offset, limit)

    async def _keep(self, person: PersonSample, photos: Mapping[str, str]) -> None:
        made = [
            FacePhoto(
                id=photo_id(person.tenant, person.person_id, face),
                tenant=person.tenant,
                person_id=person.person_id,
                content=content,
            )
            for face, content in photos.items()
        ]
        await self._photos.insert_many(made)

    async def _forget(self, person: PersonSample, faces: Sequence[str]) -> None:
        kept = await self._photos.get_many([photo_id(person.tenant, person.person_id, face) for face in faces])
        for photo in kept.values():
            await self._photos.delete(photo)
