"""Whether a Kafka answers."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from shared.settings import read_servers

CHECK_TIMEOUT_S = 2.0


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
