"""What a schedule is about: pipelines, uploads, how many processes, and what may go wrong. All of it from the seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from shared.model.gate import Gate, pipeline_gate, tenant_gate
from shared.model.graph import check_graph
from shared.model.pipeline import (
    INPUT,
    OUTPUT,
    RULES,
    Join,
    Node,
    Notification,
    NotifyMode,
    Pipeline,
    RetryRule,
    SinkType,
    Timeouts,
)
from tests.builders import T0, TENANT, a_pipeline
from tests.fault.simulation.accidents import Rates
from tests.fault.simulation.work import KINDS

SIZES = ((0.90, 2, 6), (0.985, 6, 14), (1.0, 20, 58))
"""Shares of schedules (cumulative) and how many inner nodes their graphs have."""

ZOMBIES = 0.05
"""The share of schedules with long work and long pauses."""

CONDITIONS = ("MetaData.Width > 1000", "MetaData.Width > 2000", 'nodes.0.state == "succeeded"', "MetaData.Height < 0")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A user writes an object at a moment."""

    at: float
    key: str
    content: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One schedule before it begins."""

    seed: int
    rates: Rates
    pipelines: tuple[Pipeline, ...]
    arrivals: tuple[Arrival, ...]
    gates: tuple[Gate, ...]
    schedulers: int
    workers: int
    notifiers: int
    triggers: int
    apis: int
    aftermath: bool
    """Whether to go on for a while when all is done: what is late comes then."""

    @property
    def last(self) -> float:
        """The moment from which on nothing new happens to the system."""
        commands = self.last_command if self.rates.command_every_s < math.inf else 0.0
        return max(self.rates.until, commands, *(arrival.at for arrival in self.arrivals))

    @property
    def last_command(self) -> float:
        """Until when users give commands."""
        return max(self.rates.until, 8.0)

    @classmethod
    def draw(cls, seed: int) -> Scenario:
        """The scenario of a seed."""
        rng = Random(seed)
        rates = Rates.draw(rng)
        # Of its own, so that the other schedules of a seed stay what they are.
        season = Random(f"zombies {seed}")
        if season.random() < ZOMBIES:
            rates = rates.with_zombies(season)
        luck = rng.random()
        _, least, most = next(size for size in SIZES if luck < size[0])
        large = most > SIZES[0][2]
        pipelines = tuple(
            _pipeline(rng, number, rng.randint(least, most)) for number in range(1 if large else rng.choice((1, 1, 2)))
        )
        count = 1 if large else rng.choice((1, 1, 2, 3))
        span = rates.until or 3.0
        arrivals = [Arrival(rng.uniform(0, span), f"in/clip{number}.mp4", f"c{number}") for number in range(count)]
        if rng.random() < 0.1:
            # The same bytes again, or others in their place.
            again = rng.choice(arrivals)
            content = again.content if rng.random() < 0.5 else "other"
            arrivals.append(Arrival(again.at + rng.uniform(2, span + 2), again.key, content))
        return cls(
            seed=seed,
            rates=rates,
            pipelines=pipelines,
            arrivals=tuple(arrivals),
            gates=_gates(rng, pipelines),
            schedulers=rng.choice((1, 2)),
            workers=rng.choice((1, 2, 2, 3)),
            notifiers=rng.choice((1, 1, 2)),
            triggers=rng.choice((1, 1, 2)),
            apis=rng.choice((1, 2)) if rates.command_every_s < math.inf else 0,
            aftermath=rng.random() < 0.1,
        )


def _pipeline(rng: Random, number: int, inner: int) -> Pipeline:
    sink = rng.choice((None, SinkType.HTTP, SinkType.HTTP, SinkType.QUEUE))
    notification = None
    if sink is not None:
        mode = rng.choice(list(NotifyMode))
        target = f"http://receiver{number}/" if sink is SinkType.HTTP else f"queue{number}"
        notification = Notification(sink=sink, mode=mode, target=target)
    return a_pipeline(
        str(7000 + number),
        nodes=random_graph(rng, inner),
        notification=notification,
        enabled_at=T0 - timedelta(hours=1),
    )


def _gates(rng: Random, pipelines: tuple[Pipeline, ...]) -> tuple[Gate, ...]:
    limited = [pipeline_gate(pipeline.id) for pipeline in pipelines if rng.random() < 0.2]
    if rng.random() < 0.1:
        limited.append(tenant_gate(TENANT))
    return tuple(Gate(id=gate, maximum=rng.choice((1, 2, 3))) for gate in limited)


def random_graph(rng: Random, inner: int) -> tuple[Node, ...]:
    """A runnable graph with so many nodes between input and output: chains, fans and joins of every width."""
    last = inner + 1
    successors: list[list[int]] = [[] for _ in range(inner + 2)]
    reach = rng.choice((2, 4, inner + 1))
    for index in range(1, last):
        choices = range(max(0, index - reach), index)
        for before in rng.sample(choices, min(len(choices), rng.choice((1, 1, 1, 2, 2, 3)))):
            successors[before].append(index)
    nodes: list[Node] = []
    odd = rng.random() < 0.4
    numbers = _numbers(rng, inner)
    for index, follows in enumerate(successors):
        kind = INPUT if index == 0 else OUTPUT if index == last else rng.choice(KINDS)
        ends = index < last and (not follows or rng.random() < 0.05)
        nodes.append(
            Node(
                kind=kind,
                successors=tuple(numbers[one] for one in ([*follows, last] if ends else follows)),
                source="original" if rng.random() < 0.1 else "previous",
                **(_settings(rng) if odd and 0 < index < last else {}),
            )
        )
    nodes = [nodes[old] for old in sorted(range(len(nodes)), key=numbers.__getitem__)]
    if odd:
        nodes = [_with_rules(rng, node) for node in nodes]
    check_graph(nodes)
    return tuple(nodes)


def _numbers(rng: Random, inner: int) -> list[int]:
    """The index of each node: nobody who draws a graph has to number it from left to right, only the input is first."""
    behind_input = list(range(1, inner + 2))
    if rng.random() < 0.5:
        rng.shuffle(behind_input)
    return [0, *behind_input]


def _with_rules(rng: Random, node: Node) -> Node:
    """Some of the nodes that have several successors choose among them."""
    if node.kind == INPUT or len(node.successors) < 2 or rng.random() < 0.4:
        return node
    follows = list(node.successors)
    first, rest = follows[:1], follows[1:]
    rules = [
        {"Id": "one", "Expression": rng.choice(CONDITIONS), "RearDriveIndexs": first},
        {"Id": "two", "Expression": rng.choice(CONDITIONS), "RearDriveIndexs": rest},
    ]
    params: dict[str, Any] = {"Rules": rules}
    if rng.random() < 0.5:
        params["ElseRearDriveIndexs"] = rng.sample(follows, rng.randint(1, len(follows)))
    return node.model_copy(update={"kind": RULES, "params": params, "retry": None, "timeouts": None})


def _settings(rng: Random) -> dict[str, Any]:
    """What a node may say of its own; most nodes say nothing."""
    found: dict[str, Any] = {}
    if rng.random() < 0.4:
        found["join"] = Join.ANY
    if rng.random() < 0.3:
        found["retry"] = RetryRule(max_attempts=rng.randint(1, 5), base_s=rng.choice((0.0, 0.5, 5.0)), cap_s=6)
    if rng.random() < 0.2:
        found["timeouts"] = Timeouts(queued_s=rng.choice((None, 3.0)), running_s=8.0, stalled_s=rng.choice((None, 2.0)))
    if rng.random() < 0.3:
        found["priority"] = rng.randint(-10, 10)
    return found
