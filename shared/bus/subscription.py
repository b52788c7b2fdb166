"""One subscription: batches in, decoded, handled, committed; what cannot be understood goes to the dead letters."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import structlog
from aiokafka import ConsumerRecord
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from shared.clock import Clock
from shared.errors import ReelwayError
from shared.messages.codec import MessageError
from shared.messages.messages import DeadLetter
from shared.metrics import MESSAGES

T = TypeVar("T")
Record = ConsumerRecord[bytes, bytes]
log = structlog.get_logger(__name__)

PATIENCE_S = 120.0
"""How long a batch waits for a dependency before it is given back to the bus; well below `max.poll.interval.ms`."""

MAX_BODY_BYTES = 512 * 1024
"""How much of a body a dead letter keeps: in Base64 it must stay below the broker's limit of 1 MB."""
MAX_KEY_BYTES = 1024
"""The same for the key, which stands in the record, in a header and in the letter."""


class DeadLetters(Protocol):
    """Where messages go that nobody understands."""

    async def publish_dead_letter(self, letter: DeadLetter) -> None:
        """Raises BusUnavailable if the letter could not be kept."""
        ...


def _retryable(error: BaseException) -> bool:
    return isinstance(error, ReelwayError) and error.retryable


class Subscription(Generic[T]):
    """Handles the batches of one topic.

    A message that `parse` refuses, or that makes `handle` fail for another reason than an unavailable dependency, goes
    to the dead letters with the reason and is committed. While a dependency is unavailable the batch waits (nothing is
    committed); after `PATIENCE_S` the error is raised and the bus delivers the batch again.
    """

    def __init__(
        self,
        topic: str,
        parse: Callable[[bytes], T],
        handle: Callable[[Sequence[T]], Awaitable[None]],
        *,
        service: str,
        clock: Clock,
        max_records: int = 500,
        listener: Any = None,
        pace_s: float = 0.002,
        outside_authors: bool = False,
    ) -> None:
        """`pace_s`: how long messages may be gathered while they come in quick succession. `outside_authors`: others
        than our services write to the topic, so nobody may nudge us when they do."""
        self.topic = topic
        self.pace_s = pace_s
        self.outside_authors = outside_authors
        self.max_records = max_records
        self.listener = listener
        self._parse = parse
        self._handle = handle
        self._service = service
        self._clock = clock

    async def consume(self, records: Sequence[Record], dead_letters: DeadLetters) -> None:
        """Takes one batch to its end."""
        good: list[tuple[Record, T]] = []
        for record in records:
            try:
                good.append((record, self._parse(record.value or b"")))
            except MessageError as error:
                await self._bury(record, str(error), dead_letters)
            except Exception as error:
                # Boundary: whatever a hostile body does to a parser, the topic goes on.
                log.exception("parser failed", topic=record.topic, offset=record.offset)
                await self._bury(record, f"parser failed: {type(error).__name__}: {error}", dead_letters)
        if not good:
            return
        try:
            await self._patiently([message for _, message in good])
        except ReelwayError as error:
            if error.retryable:
                raise
            await self._one_by_one(good, dead_letters)
        except Exception:  # noqa: BLE001 - the consumer loop is a boundary: one bad message must not stop the topic
            await self._one_by_one(good, dead_letters)

    async def _patiently(self, messages: Sequence[T]) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_retryable),
            wait=wait_exponential_jitter(multiplier=0.1, max=5),
            stop=stop_after_delay(PATIENCE_S),
            reraise=True,
            before_sleep=lambda state: log.warning(
                "dependency unavailable, waiting",
                topic=self.topic,
                error=str(state.outcome.exception()) if state.outcome else "",
                attempt=state.attempt_number,
            ),
        ):
            with attempt:
                await self._handle(messages)
        MESSAGES.labels(self._service, self.topic, "handled").inc(len(messages))

    async def _one_by_one(self, good: Sequence[tuple[Record, T]], dead_letters: DeadLetters) -> None:
        for record, message in good:
            try:
                await self._patiently([message])
            except ReelwayError as error:
                if error.retryable:
                    raise
                await self._bury(record, f"{error.code}: {error}", dead_letters)
            except Exception as error:
                log.exception("handler failed", topic=self.topic, offset=record.offset)
                await self._bury(record, f"handler failed: {type(error).__name__}: {error}", dead_letters)

    async def _bury(self, record: Record, reason: str, dead_letters: DeadLetters) -> None:
        log.warning("dead letter", topic=record.topic, partition=record.partition, offset=record.offset, reason=reason)
        MESSAGES.labels(self._service, self.topic, "dead").inc()
        letter = DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=None if record.key is None else bytes(record.key[:MAX_KEY_BYTES]).decode(errors="replace"),
            body=base64.b64encode((record.value or b"")[:MAX_BODY_BYTES]).decode(),
            body_bytes=len(record.value or b""),
            reason=reason[:2000],
            service=self._service,
            at=self._clock.now(),
        )
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_retryable),
            wait=wait_exponential_jitter(multiplier=0.1, max=5),
            stop=stop_after_delay(PATIENCE_S),
            reraise=True,
        ):
            with attempt:
                await dead_letters.publish_dead_letter(letter)


async def lenient_parser(records: tuple[Record, ...], original: Callable[[Any], Awaitable[Any]]) -> Any:
    """FastStream's parser, with headers that are not UTF-8 made readable first: it would raise on them."""
    return await original(tuple(_readable_headers(record) for record in records))


def _readable_headers(record: Record) -> Record:
    if all(_is_utf8(value) for _, value in record.headers):
        return record
    headers = tuple((name, value.decode(errors="replace").encode()) for name, value in record.headers)
    return dataclasses.replace(record, headers=headers)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


async def raw_decoder(message: Any) -> Any:
    """Hands the records on as they are: decoding is ours, message by message."""
    await asyncio.sleep(0)
    return message.raw_message
