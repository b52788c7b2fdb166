"""The embedded broker, alone."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.local.broker import broker_spec
from services.local.ports import LOOPBACK, PortChoice
from tests.eventually import eventually

PARTITIONS = 3


@pytest_asyncio.fixture(scope="module")
async def kafka(tmp_path_factory: object) -> AsyncIterator[str]:
    """Its address."""
    folder: Path = tmp_path_factory.mktemp("broker")  # type: ignore[attr-defined]
    port = PortChoice().take()
    spec = broker_spec(folder, folder / "log", port, 2**30)
    process = subprocess.Popen(spec.argv, env=dict(spec.env), cwd=spec.cwd)
    try:

        async def answers() -> bool:
            return await spec.ready() is None

        await eventually(answers, within_s=20)
        yield f"{LOOPBACK}:{port}"
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def make_topic(kafka: str, name: str) -> str:
    """A new topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    finally:
        await admin.close()
    return name
