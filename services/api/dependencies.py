"""What the API is built from: ports only, so that a test can give its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.api.credentials import CredentialBook
from services.api.domain.sink_rules import SinkRules
from services.api.peers import Peers
from services.api.rates import Rates
from services.api.streams import Streams
from shared.clock import Clock
from shared.health import Health
from shared.messages.topics import Topics
from shared.model.audit import ITSELF, Actor
from shared.ports.buckets import BucketAccess
from shared.ports.objects import ObjectStore
from shared.ports.publisher import Publisher
from shared.state.records import Records

HEADS_AT_ONCE = 16
"""Of all calls together."""
PHOTOS_AT_ONCE = 2


@dataclass(frozen=True)
class Dependencies:
    """Ports and makers of the API."""

    records: Records
    objects: ObjectStore
    buckets: BucketAccess
    publisher: Publisher
    topics: Topics
    clock: Clock
    credentials: CredentialBook
    health: Health
    peers: Peers
    new_id: Callable[[], str]
    """Makes random ids: request ids, run causes."""
    sinks: SinkRules = field(default_factory=SinkRules)
    """What this installation can tell."""
    operators: frozenset[str] = frozenset()
    """Tenants who run the installation: they see and drain the workers that all share."""
    streams: Streams = field(default_factory=Streams)
    """Those who follow what happens."""
    rates: Rates = field(default_factory=lambda: Rates(0))
    """How often a tenant may call."""
    head_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HEADS_AT_ONCE))
    """Around each of the many questions to the storage that one call may have."""
    photo_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PHOTOS_AT_ONCE))
    """Around each picture that is decoded: it may take 150 MB for a moment."""


@dataclass(frozen=True, slots=True)
class Context:
    """One authenticated call: who asks, with what to answer. `entered` makes it: it sees to roles and the audit log."""

    tenant: str
    request_id: str
    deps: Dependencies
    actor: Actor = ITSELF
