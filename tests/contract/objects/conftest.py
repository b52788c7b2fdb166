from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aioboto3.session import Session

from shared.adapters.s3 import S3ObjectStore, S3Settings
from shared.ports.objects import ObjectStore, ObjectsUnavailable
from tests.contract.objects.seaweed import seaweed

BUCKET = "media-1250000000"


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Settings]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as settings:
        yield settings


@pytest.fixture(scope="session")
async def store(s3_settings: S3Settings) -> AsyncIterator[ObjectStore]:
    """The adapter under test, with its bucket."""
    async with S3ObjectStore(s3_settings) as store:
        deadline = time.monotonic() + 30
        while True:  # the port opens before the filer has its first volume
            try:
                await store.ping()
                await store.ensure_bucket(BUCKET)
                break
            except ObjectsUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
        yield store


@pytest.fixture(scope="session")
async def raw(s3_settings: S3Settings) -> AsyncIterator[Any]:
    """A plain S3 client, to see what the adapter left in the storage."""
    async with Session().client("s3", **s3_settings.client_arguments()) as client:
        yield client


@pytest.fixture
def bucket() -> str:
    return BUCKET
