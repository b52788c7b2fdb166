"""A call has one audit record, however many documents it changes side by side."""

from __future__ import annotations

import asyncio
from typing import Any

from services.api.journal import Journal
from shared.clock import ManualClock
from shared.model.audit import ITSELF, AuditRecord
from shared.ports.state import StateUnavailable
from shared.state.records import Records
from tests.builders import T0, TENANT
from tests.unit.shared.fakes import memory_records


def journal(records: Records) -> Journal:
    return Journal(records, tenant=TENANT, actor=ITSELF, action="rerunFailed", kind="run", target="", number="1")


async def written(records: Records) -> list[AuditRecord]:
    return await records.audit.find({})


async def test_changes_side_by_side_have_one_record(monkeypatch: Any) -> None:
    records = memory_records(ManualClock(T0))
    insert = records.audit.insert

    async def slow_insert(record: AuditRecord) -> None:
        await asyncio.sleep(0)
        await insert(record)

    monkeypatch.setattr(records.audit, "insert", slow_insert)
    one = journal(records)
    await asyncio.gather(*(one.begin() for _ in range(5)))
    for number in range(5):
        one.note("runs", f"r{number}", None, {"_id": f"r{number}"})
    await one.end(None)
    [record] = await written(records)
    assert [change.id for change in record.changes] == [f"r{number}" for number in range(5)]
    assert record.outcome == "done"


async def test_a_record_whose_answer_was_lost_is_the_calls_own(monkeypatch: Any) -> None:
    records = memory_records(ManualClock(T0))
    insert = records.audit.insert
    answers = iter((False, True))

    async def insert_without_answer(record: AuditRecord) -> None:
        await insert(record)
        if not next(answers):
            raise StateUnavailable("no answer")

    monkeypatch.setattr(records.audit, "insert", insert_without_answer)
    one = journal(records)
    try:
        await one.begin()
    except StateUnavailable:
        await one.begin()
    await one.end(None)
    assert [record.outcome for record in await written(records)] == ["done"]
