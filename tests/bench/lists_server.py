"""The API alone over a filled store, for section `lists`: `python -m tests.bench.lists_server STATE_URL PORT`."""

from __future__ import annotations

import asyncio
import sys

from services.api.credentials import CredentialBook
from services.api.dependencies import Dependencies
from services.api.http_app import create_app
from services.api.peers import Peers
from shared.adapters.s3 import S3BucketAccess, S3ObjectStore, S3Settings
from shared.adapters.state_url import open_state
from shared.clock import SystemClock
from shared.health import Health, serve_app
from shared.messages.topics import Topics
from shared.model import collections
from shared.ports.publisher import Outgoing
from shared.sealing import MasterKeys, new_master_key
from shared.state.records import Records
from tests.builders import TENANT

SECRET_ID, SECRET_KEY = "AKIDbench", "benchsecret"


class Silent:
    """Nobody is told of anything: only what lists and searches cost is measured."""

    async def publish(self, *_: Outgoing) -> None:
        """Drops it."""


async def main(state_url: str, port: int) -> None:
    """Answers until killed."""
    store = await open_state(state_url, collections.ALL)
    records, clock = Records(store), SystemClock()
    credentials = CredentialBook(records, clock, MasterKeys.read(new_master_key()))
    await credentials.ensure(SECRET_ID, SECRET_KEY, TENANT)
    deps = Dependencies(
        records=records,
        objects=S3ObjectStore(S3Settings()),
        buckets=S3BucketAccess(S3Settings()),
        publisher=Silent(),
        topics=Topics(),
        clock=clock,
        credentials=credentials,
        health=Health("api"),
        peers=Peers({}),
        operators=frozenset({TENANT}),
        new_id=iter(map(str, range(1, 1_000_000_000))).__next__,
    )
    await serve_app(create_app(deps), "127.0.0.1", port)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
