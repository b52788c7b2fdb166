"""Whether a Kafka answers: the embedded broker of this launch, or the cluster that the user named."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from services.local.announcer import Announcer
from services.local.errors import NotReady
from shared.settings import read_servers

CHECK_TIMEOUT_S = 2.0
POLL_S = 0.5


async def kafka_answers(kafka: str) -> str | None:
    """None if a Kafka client can read the metadata of the cluster with these bootstrap servers, else the reason."""
    kind: Any = AIOKafkaClient  # it has no types
    client = kind(bootstrap_servers=kafka, request_timeout_ms=int(CHECK_TIMEOUT_S * 1000))
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await _connect(kafka)
            await client.bootstrap()
    except (TimeoutError, OSError, KafkaError) as error:
        return f"no Kafka metadata from {kafka} ({type(error).__name__})"
    finally:
        await client.close()
    return None


async def _connect(kafka: str) -> None:
    """A bare connection to any of the servers: the client logs an error for every refused one. Raises OSError."""
    refused = OSError()
    for host, port in read_servers(kafka):
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            refused = error
        else:
            writer.close()
            return
    raise refused


async def wait_for_kafka(kafka: str, timeout_s: float, say: Announcer) -> None:
    """Returns when the cluster answers; says once that it has to wait. Raises NotReady after the timeout."""
    deadline = time.monotonic() + timeout_s
    told = False
    while (reason := await kafka_answers(kafka)) is not None:
        if time.monotonic() >= deadline:
            raise NotReady(["kafka"], reason)
        if not told:
            say.warning("waiting_for_kafka", f"waiting for Kafka: {reason}")
            told = True
        await asyncio.sleep(POLL_S)
