"""The bus: it loses, doubles, delays and reorders messages, forgets everything at times, and delivers at least once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from shared.bus.errors import BusUnavailable
from shared.bus.subscription import Subscription
from shared.errors import ReelwayError
from shared.messages.codec import encode
from shared.messages.messages import DeadLetter
from shared.messages.topics import Topics
from shared.ports.publisher import Outgoing
from tests.fault.simulation.accidents import Rates
from tests.fault.simulation.timeline import Timeline
from tests.fault.simulation.trace import Trace
from tests.fault.simulation.wire import Server, Wire

if TYPE_CHECKING:
    from tests.fault.simulation.process import Process

LATE_S = (0.5, 30.0)
"""How late a late message is."""
REJOIN_S = (0.5, 8.0)
"""How long it takes until the messages of a dead consumer go to another one."""
JOIN_S = (0.0, 3.0)
"""How long joining a group takes."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a subscription needs of a Kafka record."""

    topic: str
    key: bytes
    value: bytes
    offset: int
    partition: int = 0


class Listener(Protocol):
    """Is told what the bus has acknowledged."""

    def published(self, topic: str, message_id: str) -> None:
        """The publisher knows that this message is on the bus."""
        ...

    def buried(self, letter: DeadLetter) -> None:
        """A message went to the dead letters."""
        ...

    def queued(self, topic: str, delivery_id: str, body: bytes) -> None:
        """A notification reached its queue."""
        ...


@dataclass(slots=True)
class Member:
    """One consumer of a group: what it was given and has not committed."""

    process: Process
    subscription: Subscription[Any]
    inbox: deque[Record] = field(default_factory=deque)
    in_hand: list[Record] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    look: Callable[[Sequence[str]], None] | None = None
    """Follows hints."""


@dataclass(slots=True)
class _Group:
    members: list[Member] = field(default_factory=list)
    backlog: list[Record] = field(default_factory=list)


class Broker:
    """All topics. Each topic has one group, as in production."""

    def __init__(self, timeline: Timeline, wire: Wire, rates: Rates, rng: Random, trace: Trace) -> None:
        self.server = Server("bus", lambda: BusUnavailable("the bus does not answer"))
        self.calm = False
        self.groups: dict[str, _Group] = {}
        self.counts = {"lost": 0, "doubled": 0, "late": 0, "forgotten": 0}
        self._timeline = timeline
        self._wire = wire
        self._rates = rates
        self._rng = rng
        self._trace = trace
        self._offset = 0

    def append(self, topic: str, key: str, body: bytes, *, lost: float | None = None) -> None:
        """A record reaches the bus; what becomes of it there is a matter of luck."""
        rng, rates = self._rng, self._rates
        self._offset += 1
        record = Record(topic, key.encode(), body, self._offset)
        if self.calm:
            self._timeline.after(rng.expovariate(200), self._deliver, record)
            return
        if rng.random() < (rates.lost if lost is None else lost):
            self.counts["lost"] += 1
            self._trace.add("bus loses", f"{topic} {key}")
            return
        copies = 1
        if rng.random() < rates.doubled:
            copies = rng.randint(2, 4)
            self.counts["doubled"] += 1
        for _ in range(copies):
            delay = rng.expovariate(200)
            if rng.random() < rates.late:
                delay += rng.uniform(*LATE_S)
                self.counts["late"] += 1
            self._timeline.after(delay, self._deliver, record)

    def forget(self) -> None:
        """Everything on the bus is gone; what a consumer has fetched already may still be handled."""
        self.counts["forgotten"] += 1
        self._trace.add("bus forgets all", "")
        self._offset += 1_000_000
        for group in self.groups.values():
            group.backlog.clear()
            for member in group.members:
                if self._rng.random() < 0.5:
                    member.inbox.clear()
        self._forgotten_below = self._offset

    _forgotten_below = 0

    def _deliver(self, record: Record) -> None:
        if record.offset < self._forgotten_below:
            return
        group = self.groups.setdefault(record.topic, _Group())
        if not group.members or self.server.down_until > self._timeline.now:
            group.backlog.append(record)
            return
        # By key, as partitions do; now and then to another one, as after a rebalance.
        place = sum(record.key) if self.calm or self._rng.random() < 0.9 else self._rng.randrange(len(group.members))
        member = group.members[place % len(group.members)]
        member.inbox.append(record)
        member.news.set()

    def join(self, topic: str, member: Member) -> None:
        """A consumer takes part; what waited goes to it."""
        group = self.groups.setdefault(topic, _Group())
        group.members.append(member)
        self.back_up()

    def back_up(self) -> None:
        """Delivers what waited for a consumer, or for the bus."""
        for group in self.groups.values():
            waiting, group.backlog = group.backlog, []
            for record in waiting:
                self._timeline.after(self._rng.expovariate(100), self._deliver, record)

    def hint(self, topic: str, text: str) -> None:
        """Reaches some consumers, mostly before the message does."""
        for member in self.groups.setdefault(topic, _Group()).members:
            if member.look is not None and self._rng.random() < 0.7:
                self._timeline.after(self._rng.expovariate(500), self._hinted, topic, member, text)

    def _hinted(self, topic: str, member: Member, text: str) -> None:
        if member in self.groups[topic].members and member.look is not None:
            member.look([text])

    def leave(self, process: Process) -> None:
        """A process is gone; what it had not committed goes to others."""
        for group in self.groups.values():
            for member in [member for member in group.members if member.process is process]:
                group.members.remove(member)
                self.redeliver([*member.in_hand, *member.inbox])

    def redeliver(self, records: Sequence[Record]) -> None:
        """Delivers again, later, in any order."""
        for record in records:
            self._timeline.after(self._rng.uniform(*REJOIN_S), self._deliver, record)


class SimulatedBus:
    """The `Bus` of one process: the same methods over the simulated broker."""

    def __init__(self, broker: Broker, wire: Wire, listener: Listener, process: Process, rng: Random) -> None:
        self.topics = Topics()
        self._broker = broker
        self._wire = wire
        self._listener = listener
        self._process = process
        self._rng = rng
        self._subscriptions: list[Subscription[Any]] = []
        self._hinted: dict[str, Callable[[Sequence[str]], None]] = {}

    @property
    def trouble(self) -> str | None:
        """Why the bus cannot be used now, or None."""
        return None

    def declare_topics(self, *names: str, partitions: int | None = None) -> None:
        """Topics are there when they are used."""

    async def declare(self, topic: str) -> None:
        """Topics are there when they are used."""

    def subscribe(self, subscription: Subscription[Any]) -> None:
        """Adds a subscription; before `run`."""
        self._subscriptions.append(subscription)

    def on_hint(self, topic: str, look: Callable[[Sequence[str]], None]) -> None:
        """Who follows hints about this topic; before `run`."""
        self._hinted[topic] = look

    def hint(self, topic: str, text: str) -> None:
        """Tells consumers before the message is on its way; not every time."""
        self._broker.hint(topic, text)

    async def publish(self, *outgoing: Outgoing) -> None:
        """Returns when every message is acknowledged. Raises BusUnavailable; then any number of them has arrived."""
        effects = [
            partial(self._broker.append, item.topic, item.message.subject, encode(item.message)) for item in outgoing
        ]
        about = ", ".join(item.message.message_id for item in outgoing[:4])
        await self._wire.call_many(self._broker.server, f"publish {len(outgoing)}", about, effects)
        for item in outgoing:
            self._listener.published(item.topic, item.message.message_id)

    async def publish_json(self, topic: str, key: str, body: bytes, message_headers: Mapping[str, str]) -> None:
        """Publishes a body as it is. Raises BusUnavailable."""
        effect = partial(self._listener.queued, topic, message_headers["ce_id"], body)
        await self._wire.call(self._broker.server, "publish", message_headers["ce_id"], effect)

    async def publish_dead_letter(self, letter: DeadLetter) -> None:
        """Keeps what could not be understood."""
        await self._wire.call(self._broker.server, "dead letter", letter.topic, partial(self._listener.buried, letter))

    async def run(self) -> None:
        """Joins the groups, and consumes until cancelled."""
        await asyncio.sleep(self._rng.uniform(*JOIN_S))
        async with asyncio.TaskGroup() as group:
            for subscription in self._subscriptions:
                member = Member(self._process, subscription, look=self._hinted.get(subscription.topic))
                self._broker.join(subscription.topic, member)
                group.create_task(self._consume(member))

    async def _consume(self, member: Member) -> None:
        while True:
            member.news.clear()
            while member.inbox:
                size = min(len(member.inbox), member.subscription.max_records)
                member.in_hand = [member.inbox.popleft() for _ in range(size)]
                try:
                    await member.subscription.consume(member.in_hand, self)  # type: ignore[arg-type]
                except ReelwayError as error:
                    if not error.retryable:
                        raise
                    self._broker.redeliver(member.in_hand)
                else:
                    if not self._broker.calm and self._rng.random() < 0.02:
                        # The commit is lost.
                        self._broker.redeliver(member.in_hand)
                member.in_hand = []
            await member.news.wait()
