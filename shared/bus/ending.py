"""How a FastStream broker object of a session ends, also when its producer holds what it cannot deliver.

aiokafka's producer flushes before it stops. An idempotent one never gives a batch up, so where the topics or the broker
are gone its stop never returns, and a stop that is cancelled leaves its sender running: later, on the new topics, that
delivers under a producer id which the new cluster may have given to somebody else. Such a producer is cut off.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiokafka.errors import InvalidProducerEpoch, KafkaConnectionError, KafkaError, OutOfOrderSequenceNumber
from aiokafka.errors import ProducerFenced as ProducerFencedError
from faststream.kafka import KafkaBroker

log = structlog.get_logger(__name__)

CUT_S = 2.0
"""How long a producer that is cut off may take."""


def is_spoilt(error: BaseException) -> bool:
    """Whether a producer that raised this will not publish again: its sequence numbers are not the broker's, or its
    sender has died (of which aiokafka makes a bare KafkaError)."""
    lost = isinstance(error, OutOfOrderSequenceNumber | InvalidProducerEpoch | ProducerFencedError)
    return lost or type(error) is KafkaError


async def end(broker: KafkaBroker, patience_s: float) -> None:
    """Stops the broker's clients. What is not delivered within the patience fails with KafkaConnectionError.

    Raises nothing of its own, and nothing of the broker runs afterwards.
    """
    producer = _producer_of(broker)
    stopping = asyncio.create_task(broker.stop(), name="bus-stop")
    try:
        done, _ = await asyncio.wait({stopping}, timeout=patience_s)
        if not done:
            log.warning("bus did not stop cleanly", waited_s=patience_s)
            await _cut(producer)
            await asyncio.wait({stopping}, timeout=CUT_S)
    finally:
        stopping.cancel()
    results = await asyncio.gather(stopping, return_exceptions=True)
    for error in results:
        if isinstance(error, KafkaError | OSError):
            log.warning("bus did not stop cleanly", error=repr(error))
        elif isinstance(error, Exception):
            raise error


def _producer_of(broker: KafkaBroker) -> Any:
    """aiokafka's producer, None before the broker's start. FastStream has no public way to it."""
    state: Any = getattr(broker.config.producer, "_producer", None)
    return state.producer if state else None


async def _cut(producer: Any) -> None:
    if producer is None:
        return
    held = producer._message_accumulator
    held.fail_all(KafkaConnectionError("the session on the bus is over"))
    for batch in (*held._pending_batches, *(batch for batches in held._batches.values() for batch in batches)):
        if batch._drain_waiter.done():
            batch._drain_waiter.exception()  # nobody waits for it, and asyncio would report that
    sender = producer._sender.sender_task
    for _ in range(2):  # once it waits for its requests, which the second time ends
        if sender is not None and not sender.done():
            sender.cancel()
            await asyncio.wait({sender}, timeout=CUT_S / 2)
