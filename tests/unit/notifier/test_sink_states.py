"""How sinks do: one document each, written when something changes."""

from __future__ import annotations

from datetime import timedelta

from services.notifier.domain.notice import Report
from services.notifier.sink_states import SinkStates
from shared.adapters.memory import MemoryStateStore
from shared.model import collections
from shared.model.sink_health import SinkHealth, SinkState
from shared.state.records import Records
from tests.unit.notifier.builders import START, delivery

FINE = Report(delivered=True, status=200)
FAILED = Report(delivered=False, status=500, error="HTTP 500")
SILENT = Report(delivered=False, error="no answer", answered=False)
SECOND = timedelta(seconds=1)


def fresh() -> tuple[Records, SinkStates]:
    records = Records(MemoryStateStore(collections.ALL, lambda: START))
    return records, SinkStates(records)


async def only(records: Records) -> SinkHealth:
    (found,) = await records.sink_health.find({})
    return found


async def test_sink_goes_from_healthy_through_failing_and_silent_and_back() -> None:
    records, states = fresh()
    for number, (report, state, failures) in enumerate(
        [
            (FINE, SinkState.HEALTHY, 0),
            (FAILED, SinkState.FAILING, 1),
            (SILENT, SinkState.SILENT, 2),
            (FINE, SinkState.HEALTHY, 0),
        ]
    ):
        at = START + number * SECOND
        states.note(delivery(), report, at)
        await states.flush()
        found = await only(records)
        assert (found.state, found.failures, found.since) == (state, failures, at)
    assert found.last_failure_at == START + 2 * SECOND
    assert found.last_error == "no answer"


async def test_sink_that_does_as_it_did_costs_no_write_per_attempt() -> None:
    records, states = fresh()
    for number in range(50):
        states.note(delivery(), FINE, START + number * SECOND)
        await states.flush()
    assert (await only(records)).version == 0


async def test_newest_attempt_of_all_processes_decides() -> None:
    records, states = fresh()
    other = SinkStates(records)
    states.note(delivery(), FINE, START + 5 * SECOND)
    await states.flush()
    other.note(delivery(), FAILED, START)
    await other.flush()
    assert (await only(records)).state is SinkState.HEALTHY


async def test_tenants_do_not_share_a_state() -> None:
    records, states = fresh()
    states.note(delivery(), FINE, START)
    states.note(delivery(tenant="1260000000"), FAILED, START)
    await states.flush()
    assert len(await records.sink_health.find({})) == 2
