"""The Kafka consumer of a subscription: aiokafka's, without its costs per message.

Three things differ. `getmany` waits for records instead of polling. `commit` notes what is handled and lets it be sent
later together with what follows: a crash in between means that some messages come twice, which they may at any time.
And on a broker that does not wake waiting fetches it asks when it is nudged (`shared.bus.nudge`).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.protocol.fetch import FetchRequest

from shared.bus.nudge import Nudged

log = structlog.get_logger(__name__)

WAIT_MS = 1000
"""How long `getmany` waits for the first record; it returns as soon as there is one."""
LOOKING_MS = 1
"""How long a broker that wakes no fetches may look whether there is something; with 0 it never finds anything."""
READING_MS = 1000
"""How long it may read what is there for certain; it answers as soon as it has read."""
ANSWER_BYTES = 5 * 1024 * 1024
"""How much one fetch may bring."""
READ_UNCOMMITTED = 0
COMMIT_INTERVAL_S = 0.5
"""How much of what is handled may be delivered again after a crash."""


class Fetches:
    """How a consumer fetches from a broker that does not wake waiting fetches: on a nudge, or after `patience_s`; two
    fetches are at least `pace_s` apart, so that what comes in quick succession comes together."""

    def __init__(self, nudged: Nudged, *, patience_s: float, pace_s: float) -> None:
        self.nudged = nudged
        self.patience_s = patience_s
        self.pace_s = pace_s


class SubscriptionConsumer(AIOKafkaConsumer):
    """One member of a subscription's group."""

    def __init__(self, *topics: str, fetches: Fetches | None = None, **options: Any) -> None:
        super().__init__(*topics, **options)
        if fetches is not None:
            patient: Any = PatientClient(self._client, fetches)
            self._client = patient
        self._handed: dict[TopicPartition, int] = {}
        self._handled: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Joins the group."""
        await super().start()
        self._committing = asyncio.create_task(self._commit_forever(), name="commits")

    async def stop(self) -> None:
        """Commits what is handled and leaves the group."""
        committing, self._committing = self._committing, None
        if committing is not None:
            committing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await committing
            await self._commit_handled()
        await super().stop()

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        """Records as soon as there are any."""
        found = await super().getmany(*partitions, timeout_ms=max(timeout_ms, WAIT_MS), max_records=max_records)
        for partition, records in found.items():
            self._handed[partition] = records[-1].offset + 1
        return found

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """The batch was not handled: it will be handed out again."""
        self._handed.pop(partition, None)
        super().seek(partition, offset)

    async def commit(self, offsets: Any = None) -> None:
        """Everything handed out is handled; said to the broker within `COMMIT_INTERVAL_S`."""
        if offsets is not None:
            await super().commit(offsets)
            return
        self._handled.update(self._handed)
        self._handed.clear()

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            await self._commit_handled()

    async def _commit_handled(self) -> None:
        mine = self.assignment()
        offsets = {partition: offset for partition, offset in self._handled.items() if partition in mine}
        self._handled.clear()
        if not offsets:
            return
        try:
            await super().commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            # As after a crash: what is not committed comes again, now or to another member of the group.
            log.warning("offsets not committed", error=repr(error))


class PatientClient:
    """aiokafka's client, whose fetches are answered when there is news. Everything else passes through."""

    def __init__(self, client: Any, fetches: Fetches) -> None:
        self._client = client
        self._fetches = fetches
        self._last = 0.0
        self._ends: dict[tuple[str, int], int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any, **options: Any) -> Any:
        """The answer of the broker. A fetch waits here for records, as it would at another broker."""
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request, **options)
        fetches = self._fetches
        loop = asyncio.get_running_loop()
        ends = loop.time() + fetches.patience_s
        while True:
            if (early := self._last + fetches.pace_s - loop.time()) > 0:
                await asyncio.sleep(early)
            fetches.nudged.forget()
            self._last = loop.time()
            response = await self._client.send(node_id, self._timed(request), **options)
            self._note_ends(response)
            if carries_news(response) or loop.time() >= ends:
                return response
            if not self._is_behind(request):
                await fetches.nudged.wait(ends - loop.time())

    def _timed(self, request: FetchRequest) -> FetchRequest:
        """The request with the wait that suits it. To the embedded broker the wait is also its time to read: what it
        has not read by then it does not answer with, and nothing at all when much is there."""
        wait_ms = READING_MS if self._is_behind(request) else LOOKING_MS
        return FetchRequest(wait_ms, 1, ANSWER_BYTES, READ_UNCOMMITTED, request.topics)

    def _is_behind(self, request: FetchRequest) -> bool:
        """Whether there is something to read for certain."""
        return any(
            self._ends.get((topic, partition), 0) > offset
            for topic, partitions in request.topics
            for partition, offset, _ in partitions
        )

    def _note_ends(self, response: Any) -> None:
        for topic, partitions in response.topics:
            for partition, error_code, end, *_ in partitions:
                # After an error (the topic was made anew, say) nothing is certain.
                self._ends[topic, partition] = 0 if error_code else end


def carries_news(response: Any) -> bool:
    """Whether a fetch was answered with records or with an error."""
    return any(error_code or records for _, partitions in response.topics for _, error_code, *_, records in partitions)
