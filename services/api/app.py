"""How the API is wired."""

from __future__ import annotations

import uuid

import structlog

from services.api.credentials import CredentialBook
from services.api.dependencies import Dependencies
from services.api.domain.sink_rules import SinkRules
from services.api.http_app import create_app
from services.api.peers import Peers
from services.api.rates import Rates
from services.api.settings import ApiSettings
from shared.adapters.s3 import S3BucketAccess
from shared.adapters.state_url import sqlite_file
from shared.health import serve_app
from shared.runtime import Runtime, while_store_away
from shared.sealing import MasterKeys, master_key_file, new_master_key

SERVICE = "api"
log = structlog.get_logger(__name__)


def master_keys(settings: ApiSettings) -> MasterKeys:
    """The keys that the settings name; makes their file at the first start. Raises ValueError, OSError."""
    if given := settings.master_keys.get_secret_value():
        return MasterKeys.read(given)
    if settings.master_key_file is not None:
        return master_key_file(settings.master_key_file)
    if settings.state_url.startswith("sqlite://"):
        return master_key_file(sqlite_file(settings.state_url).with_name("master.key"))
    return MasterKeys.read(new_master_key())


async def build(runtime: Runtime) -> None:
    """Makes sure of the bootstrap credential and serves the HTTP application."""
    settings = runtime.settings
    if not isinstance(settings, ApiSettings):
        raise TypeError("the API needs ApiSettings")
    credentials = CredentialBook(runtime.records, runtime.clock, master_keys(settings))
    await while_store_away(credentials.seal_all)
    if settings.bootstrap_secret_id:
        secret_key = settings.bootstrap_secret_key.get_secret_value()
        made = await while_store_away(
            lambda: credentials.ensure(settings.bootstrap_secret_id, secret_key, settings.bootstrap_app_id)
        )
        log.info("bootstrap credential", secret_id=settings.bootstrap_secret_id, made=made)
    peers = Peers(settings.health_peers)
    buckets = S3BucketAccess(runtime.object_settings, settings.s3_public_endpoint)
    deps = Dependencies(
        records=runtime.records,
        objects=runtime.objects,
        buckets=buckets,
        publisher=runtime.bus,
        topics=runtime.bus.topics,
        clock=runtime.clock,
        credentials=credentials,
        health=runtime.health,
        peers=peers,
        sinks=SinkRules.of(settings),
        operators=settings.operators,
        rates=Rates(settings.rate_scale),
        new_id=lambda: str(uuid.uuid4()),
    )
    runtime.bus.declare_topics(runtime.bus.topics.runs)
    runtime.background.append(serve_app(create_app(deps), settings.api_host, settings.api_port))
    runtime.on_stop.append(deps.streams.end)
    runtime.on_stop.append(peers.aclose)
    runtime.on_stop.append(buckets.aclose)
