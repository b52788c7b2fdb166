"""What a call changes in the store, and the audit record of it. The record is inserted before the first change is
written: a change without a record cannot be, whenever the process dies."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from services.api.domain.masking import Doc, difference
from shared.model.audit import DONE, Actor, AuditRecord, Change
from shared.ports.state import DuplicateKey, StateError
from shared.state.records import Records

MOST_CHANGES = 200
"""Documents of which one record tells."""
log = structlog.get_logger(__name__)


class Journal:
    """The changes of one call, in order."""

    def __init__(
        self, records: Records, *, tenant: str, actor: Actor, action: str, kind: str, target: str, number: str
    ) -> None:
        self._records = records
        self._tenant = tenant
        self._actor = actor
        self._action = action
        self._kind = kind
        self._target = target[:500]
        self._number = number
        self._record: AuditRecord | None = None
        self._beginning = asyncio.Lock()
        self._changes: list[Change] = []
        self._places: dict[tuple[str, str], int] = {}
        self._left_out = 0
        self._first: dict[tuple[str, str], Doc | None] = {}

    @property
    def request_id(self) -> str:
        """Of the call."""
        return self._actor.request_id

    async def begin(self) -> None:
        """Writes the record if it is not there yet. Raises StateError, and then nothing may be changed."""
        # A call may change several documents side by side.
        async with self._beginning:
            if self._record is not None:
                return
            record = AuditRecord(
                id=self._number,
                tenant=self._tenant,
                at=await self._records.now(),
                actor=self._actor,
                action=self._action,
                kind=self._kind,
                target=self._target,
            )
            # The answer to an earlier try of ours may have been lost.
            with contextlib.suppress(DuplicateKey):
                await self._records.audit.insert(record)
            self._record = record

    def note(self, collection: str, doc_id: str, before: Doc | None, after: Doc | None) -> None:
        """A document was changed. Several changes of one are one, from its first state to its last."""
        place = collection, doc_id
        first = self._first.setdefault(place, before)
        change = Change(kind=collection, id=doc_id, **_sides(collection, first, after))
        if place in self._places:
            self._changes[self._places[place]] = change
        elif len(self._changes) < MOST_CHANGES:
            self._places[place] = len(self._changes)
            self._changes.append(change)
        else:
            self._left_out += 1

    async def end(self, refused: str | None) -> None:
        """Completes the record with what happened; `refused` is the code if the call failed. A call that was refused
        before it changed anything has none. Never fails: what is done is done, and the record says it was begun."""
        if refused and self._record is None:
            return
        try:
            await self.begin()
            assert self._record is not None
            await self._records.audit.replace(
                self._record.with_changes(
                    changes=tuple(self._changes),
                    left_out=self._left_out,
                    objects=" ".join(("", *(f"{one.kind}:{one.id}" for one in self._changes), "")),
                    outcome=refused or DONE,
                )
            )
        except StateError as error:
            log.warning("an audit record could not be completed", error=str(error), action=self._action)


def _sides(collection: str, before: Doc | None, after: Doc | None) -> dict[str, dict[str, object] | None]:
    old, new = difference(collection, before, after)
    return {"before": old, "after": new}
