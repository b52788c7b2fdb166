"""The bus of one service: sessions that end when the broker forgets and begin again, topics declared, acks awaited."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from shared.bus.consumer import Fetches, SubscriptionConsumer
from shared.bus.ending import end, is_spoilt
from shared.bus.errors import BusUnavailable
from shared.bus.nudge import Nudged, Nudges
from shared.bus.subscription import Subscription, lenient_parser, raw_decoder
from shared.clock import Clock
from shared.concurrency import gather_to_end
from shared.messages.codec import encode, headers
from shared.messages.messages import DeadLetter
from shared.messages.topics import Topics
from shared.metrics import BUS_SESSIONS, PUBLISHED
from shared.ports.publisher import Outgoing
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

PUBLISH_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
LOST_FLUSH_S = 1.0
"""How long the producer of a session that is of no use any more may flush: most often nobody is there to take it."""
START_TIMEOUT_S = 60.0
CHECK_INTERVAL_S = 2.0
SILENCE_S = 15.0
UNNUDGED_S = 0.5
"""How often a consumer that can be nudged looks by itself."""


class Bus:
    """Publishes messages and runs subscriptions until it is told to stop.

    `run` keeps a session alive: it waits for the broker, declares the topics, joins the groups, and does it all again
    when the broker was away or has forgotten its topics. Outside a session publishing raises BusUnavailable at once.
    """

    def __init__(self, settings: ServiceSettings, service: str, clock: Clock) -> None:
        self.topics = Topics(settings.topic_prefix)
        self._settings = settings
        self._service = service
        self._clock = clock
        self._subscriptions: list[Subscription[Any]] = []
        self._declared: dict[str, int] = {}
        self._hinted: dict[str, Callable[[Sequence[str]], None]] = {}
        self._publisher: KafkaBroker | None = None
        self._ready = asyncio.Event()
        self._spoilt = asyncio.Event()
        self._trouble = "not started"
        self._nudges = Nudges(settings.nudge_dir) if settings.nudge_dir else None
        self.declare_topics(self.topics.dead_letters, partitions=1)

    @property
    def trouble(self) -> str | None:
        """Why the bus cannot be used now, or None."""
        return None if self._ready.is_set() else self._trouble

    async def wait_ready(self) -> None:
        """Returns once a session is up."""
        await self._ready.wait()

    def declare_topics(self, *names: str, partitions: int | None = None) -> None:
        """Names topics that every session makes sure of."""
        for name in names:
            self._declared.setdefault(name, partitions or self._settings.partitions)

    def subscribe(self, subscription: Subscription[Any]) -> None:
        """Adds a subscription; before `run`."""
        self._subscriptions.append(subscription)
        self.declare_topics(subscription.topic)

    def on_hint(self, topic: str, look: Callable[[Sequence[str]], None]) -> None:
        """`look` is called with what `hint` named when that is in the store and the message, to a topic that has a
        subscription here, is still on its way; not on every bus, and not every time. Before `run`."""
        self._hinted[topic] = look

    def hint(self, topic: str, text: str) -> None:
        """Tells consumers on this machine, if it can be done at once, that the store has what they will hear of."""
        if self._nudges is not None:
            self._nudges.hint(topic, text)

    async def declare(self, topic: str) -> None:
        """Makes a topic now and in every later session. Raises BusUnavailable."""
        if topic in self._declared and self._ready.is_set():
            return
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S), self._admin() as admin:
                await self._create(admin, {topic: self._settings.partitions})
        except (TimeoutError, KafkaError, OSError) as error:
            raise BusUnavailable(f"declaring {topic}: {error!r}") from error
        self._declared[topic] = self._settings.partitions

    async def publish(self, *outgoing: Outgoing) -> None:
        """Returns when the broker has acknowledged every message (acks=all). Raises BusUnavailable."""
        now = self._clock.now()
        await self._send(
            [
                (
                    item.topic,
                    item.message.subject,
                    encode(item.message),
                    headers(item.message, source=self._service, now=now),
                )
                for item in outgoing
            ]
        )

    async def publish_json(self, topic: str, key: str, body: bytes, message_headers: Mapping[str, str]) -> None:
        """Publishes a body as it is. Raises BusUnavailable."""
        await self._send([(topic, key, body, dict(message_headers))])

    async def publish_dead_letter(self, letter: DeadLetter) -> None:
        """Keeps what could not be understood. Raises BusUnavailable."""
        await self.publish(Outgoing(self.topics.dead_letters, letter))

    async def _send(self, items: Sequence[tuple[str, str, bytes, dict[str, str]]]) -> None:
        broker = self._publisher
        if broker is None:
            raise BusUnavailable(f"the bus is not connected: {self._trouble}")
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await gather_to_end(
                    *(
                        broker.publish(body, topic=topic, key=key.encode(), headers=head)
                        for topic, key, body, head in items
                    )
                )
        except (TimeoutError, KafkaError, OSError) as error:
            if is_spoilt(error) and broker is self._publisher:
                # At once: a number that fits by chance would be acknowledged as a repetition and not be written.
                self._publisher = None
                self._ready.clear()
                self._trouble = "the broker refuses what this producer sends"
                self._spoilt.set()
            raise BusUnavailable(f"publishing to {items[0][0]}: {error!r}") from error
        for topic, _, _, _ in items:
            PUBLISHED.labels(self._service, topic).inc()
        if self._nudges is not None:
            self._nudges.nudge({topic for topic, _, _, _ in items})

    async def run(self) -> None:
        """Keeps sessions going until cancelled."""
        wait = 0.2
        while True:
            try:
                await self._session()
                wait = 0.2
            except (TimeoutError, KafkaError, OSError) as error:
                self._trouble = repr(error)
                log.warning("bus unavailable", error=repr(error), retry_in_s=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)

    @contextlib.asynccontextmanager
    async def _admin(self) -> Any:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka, request_timeout_ms=5000)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()

    async def _create(self, admin: AIOKafkaAdminClient, wanted: Mapping[str, int]) -> None:
        known = set(await admin.list_topics())
        missing = [
            NewTopic(name, partitions, self._settings.replication)
            for name, partitions in wanted.items()
            if name not in known
        ]
        if not missing:
            return
        # aiokafka tells refusals in the answer only, it raises none.
        answer: Any = await admin.create_topics(missing)
        for name, code, *_ in answer.topic_errors:
            error = for_code(code)
            # Two services may declare the same topic at once; the loser's error is fine.
            if error is not NoError and error is not TopicAlreadyExistsError:
                raise error(f"topic {name} cannot be created")

    async def _session(self) -> None:
        async with asyncio.timeout(START_TIMEOUT_S), self._admin() as admin:
            await self._create(admin, self._declared)
        flush_s = STOP_TIMEOUT_S * 2
        lifeline = await self._lifeline()
        publisher = self._broker()
        nudged: list[Nudged] = []
        consumers: list[KafkaBroker] = []
        try:
            # Each group join takes seconds: one broker object per subscription, all joined at once (FACTS §2).
            async with asyncio.timeout(START_TIMEOUT_S):
                consumers += [await self._consumer(subscription, nudged) for subscription in self._subscriptions]
                await gather_to_end(*(broker.start() for broker in (publisher, *consumers)))
            self._spoilt.clear()
            self._publisher = publisher
            self._ready.set()
            BUS_SESSIONS.labels(self._service).inc()
            log.info("bus joined", topics=[subscription.topic for subscription in self._subscriptions])
            await self._watch(lifeline)
            flush_s = LOST_FLUSH_S
        finally:
            self._publisher = None
            self._ready.clear()
            lifeline.cancel()
            handlers = (end(broker, STOP_TIMEOUT_S * 2) for broker in consumers)
            await asyncio.gather(end(publisher, flush_s), *handlers)
            for pipe in nudged:
                pipe.close()
            if self._nudges is not None:
                self._nudges.close()

    async def _watch(self, lifeline: asyncio.Task[None]) -> None:
        """Returns when this session is of no use any more."""
        silent_since: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            done, _ = await asyncio.wait({lifeline}, timeout=CHECK_INTERVAL_S)
            if self._spoilt.is_set():
                log.warning("bus session over", reason=self._trouble)
                return
            if done and self._settings.kafka_forgets:
                self._trouble = "the broker went away"
                log.warning("bus session over", reason=self._trouble)
                return
            if done:
                await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                async with asyncio.timeout(5), self._admin() as admin:
                    gone = set(self._declared) - set(await admin.list_topics())
            except (TimeoutError, KafkaError, OSError) as error:
                silent_since = silent_since or loop.time()
                self._trouble = repr(error)
                if loop.time() - silent_since > SILENCE_S:
                    log.warning("bus session over", reason=self._trouble)
                    return
                continue
            silent_since = None
            if gone:
                self._trouble = f"topics are gone: {sorted(gone)}"
                log.warning("bus session over", reason=self._trouble)
                return

    async def _lifeline(self) -> asyncio.Task[None]:
        """A task that ends when the broker closes a plain connection: the only quick sign that it was restarted."""
        host, port = self._settings.kafka_servers[0]
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 5)

        async def hold() -> None:
            try:
                with contextlib.suppress(OSError):
                    await reader.read(1)
            finally:
                writer.close()

        return asyncio.create_task(hold(), name="bus-lifeline")

    def _broker(self, *, consumer_only: bool = False) -> KafkaBroker:
        return KafkaBroker(
            self._settings.kafka,
            client_id=f"{self._settings.topic_prefix}{self._service}",
            consumer_only=consumer_only,
            acks="all",
            # What is published at once is one request anyway, and what comes meanwhile waits for its answer: lingering
            # would only delay each hop.
            linger_ms=0,
            enable_idempotence=self._settings.idempotent_producer,
            max_request_size=4 * 1024 * 1024,
            graceful_timeout=STOP_TIMEOUT_S,
            allow_auto_create_topics=False,
            apply_types=False,
            log_level=logging.DEBUG,
            logger=logging.getLogger("faststream"),
        )

    async def _consumer(self, subscription: Subscription[Any], nudged: list[Nudged]) -> KafkaBroker:
        """A broker object with one subscriber, not yet started. A pipe that it makes is put into `nudged`."""
        fetches = None
        wait_ms = self._settings.fetch_wait_ms
        if self._settings.nudge_dir is not None:
            patience_s = wait_ms / 1000 if subscription.outside_authors else UNNUDGED_S
            nudged.append(Nudged(self._settings.nudge_dir, subscription.topic, self._hinted.get(subscription.topic)))
            fetches = Fetches(nudged[-1], patience_s=patience_s, pace_s=subscription.pace_s)
        broker = self._broker(consumer_only=True)
        subscriber = broker.subscriber(
            subscription.topic,
            group_id=self.topics.group(self._service, subscription.topic),
            batch=True,
            max_records=subscription.max_records,
            batch_timeout_ms=10,
            fetch_max_wait_ms=wait_ms,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            listener=subscription.listener,
        )

        async def consume(records: Any) -> None:
            await subscription.consume(records, self)

        subscriber(consume, parser=lenient_parser, decoder=raw_decoder)
        await broker.connect()
        config = broker.config.broker_config
        config.builder = partial(SubscriptionConsumer, **config.builder.keywords, fetches=fetches)  # type: ignore[attr-defined]
        return broker
