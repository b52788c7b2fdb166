"""Everything of one schedule: time, servers, processes, users, and the checker that looks at it all."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

import services.api.app
import services.notifier.app
import services.scheduler.app
import services.trigger.app
import services.workers.app
from services.api.settings import ApiSettings
from services.notifier.settings import NotifierSettings
from services.scheduler.settings import SchedulerSettings
from services.trigger.settings import TriggerSettings
from services.workers.settings import WorkerSettings
from shared.messages.messages import DeadLetter
from shared.messages.topics import Topics
from shared.model.task import Task
from shared.ports.objects import ObjectInfo
from shared.state.records import Records
from shared.state.repository import Repository
from tests.builders import BUCKET
from tests.fault.simulation.broker import Broker, SimulatedBus
from tests.fault.simulation.checker.checker import Checker
from tests.fault.simulation.checker.violation import Violation
from tests.fault.simulation.objects import SimulatedObjects
from tests.fault.simulation.process import Process
from tests.fault.simulation.receivers import Receivers
from tests.fault.simulation.scenario import Arrival, Scenario
from tests.fault.simulation.store import SimulatedStore
from tests.fault.simulation.timeline import Timeline
from tests.fault.simulation.trace import Trace
from tests.fault.simulation.users import Users
from tests.fault.simulation.wire import Wire
from tests.fault.simulation.work import Execution

if TYPE_CHECKING:
    from shared.settings import ServiceSettings

LEASE_S = 10.0
PATIENCE_S = 500.0
"""How long after the last accident everything must be done."""
AFTERMATH_S = 40.0
MAX_STEPS = 400_000

SETTINGS: dict[str, ServiceSettings] = {
    "scheduler": SchedulerSettings(sweep_interval_s=1, lease_s=LEASE_S),
    "worker": WorkerSettings(
        worker_name="w",
        light_slots=3,
        media_slots=2,
        lease_s=LEASE_S,
        heartbeat_s=3,
        progress_s=1,
        poll_s=2,
        grace_s=2,
        stop_timeout_s=10,
        storage_patience_s=30,
        presence_s=0,
    ),
    "notifier": NotifierSettings(sweep_interval_s=2, send_lease_s=20, callback_timeout_s=5, retry_for_s=3600),
    "trigger": TriggerSettings(reconcile_interval_s=5),
    "api": ApiSettings(),
}
BUILDS = {
    "scheduler": services.scheduler.app.build,
    "worker": services.workers.app.build,
    "notifier": services.notifier.app.build,
    "trigger": services.trigger.app.build,
    "api": services.api.app.build,
}


class World:
    """One schedule. `violation` is the first thing that went wrong."""

    def __init__(self, scenario: Scenario, kept: int = 300) -> None:
        self.scenario = scenario
        self.rng = Random(f"{scenario.seed} plays")
        self.timeline = Timeline()
        self.trace = Trace(self.timeline, kept)
        self.violation: Violation | None = None
        self.finished = False
        self.deaths = 0
        self.executions: list[Execution] = []
        rates = scenario.rates
        self.calm = rates.until == 0
        self.wire = Wire(self.timeline, rates, self.rng, self.trace)
        self.checker = Checker(self.timeline.instant, self.fail)
        self.store = SimulatedStore(self.timeline, self.wire, self.checker)
        self.broker = Broker(self.timeline, self.wire, rates, self.rng, self.trace)
        self.objects = SimulatedObjects(self.timeline, self.wire, self._written, self.checker.object_removed)
        self.receivers = Receivers(self.wire, rates, self.rng, self.checker.received)
        self.topics = Topics()
        self.records = Records(self.store)
        self.users = Users(self)
        self.processes = [
            *self._processes("scheduler", scenario.schedulers),
            *self._processes("worker", scenario.workers),
            *self._processes("notifier", scenario.notifiers),
            *self._processes("trigger", scenario.triggers),
            *self._processes("api", scenario.apis),
        ]

    def _processes(self, service: str, count: int) -> list[Process]:
        found = []
        for number in range(1, count + 1):
            name = f"{service}-{number}"
            settings = SETTINGS[service]
            if service == "worker":
                settings = settings.model_copy(update={"worker_name": name})
            found.append(Process(self, service, name, settings, BUILDS[service]))
        return found

    # -- what the parts of the world ask for ----------------------------------------------------------------------

    def bus(self) -> SimulatedBus:
        """The bus of the process that asks."""
        loop: Any = asyncio.get_running_loop()
        return SimulatedBus(self.broker, self.wire, self, loop.owner, self.rng)

    def published(self, topic: str, message_id: str) -> None:
        """The bus has acknowledged a message."""
        self.checker.published(topic, message_id)

    def queued(self, topic: str, delivery_id: str, body: bytes) -> None:
        """A notification reached a queue."""
        self.checker.received(delivery_id, topic.removeprefix(self.topics.notify("")), body)

    def buried(self, letter: DeadLetter) -> None:
        """Nothing in these schedules is unreadable."""
        self.complain(f"a message went to the dead letters: {letter.reason}")

    def work_fails(self) -> bool:
        """Whether the present attempt meets trouble."""
        rate = self.scenario.rates.work_trouble
        return self.rng.random() < (rate if self.timeline.now < max(self.scenario.rates.until, 10) else rate / 10)

    @property
    def slow_work(self) -> float:
        """The share of attempts that take long at present."""
        return self.scenario.rates.slow_work if self.timeline.now < self.scenario.rates.until else 0.0

    def began(self, task: Task, process: Process) -> Execution:
        """Somebody begins to work on a task."""
        execution = Execution(
            len(self.executions), task.id, task.run_id, task.node, task.fence, task.lane.value, process.name
        )
        self.executions.append(execution)
        self.checker.began(execution)
        return execution

    def fail(self, violation: Violation) -> None:
        """A guarantee is broken; the first one counts."""
        if self.violation is None:
            self.violation = violation
            self.trace.add("VIOLATION", str(violation), "checker")

    def complain(self, problem: str) -> None:
        """The code says itself that something is wrong."""
        self.fail(Violation("sound", problem))

    # -- users ----------------------------------------------------------------------------------------------------

    def _written(self, info: ObjectInfo) -> None:
        """The storage tells of every new object, ours too, unless it forgets to."""
        self.checker.object_written(info)
        body = {"bucket": info.bucket, "key": info.key, "etag": info.etag, "size": info.size}
        lost = None if self.calm else max(self.scenario.rates.lost_events, self.scenario.rates.lost)
        self.broker.append(self.topics.uploads, f"{info.bucket}/{info.key}", orjson.dumps(body), lost=lost)

    def _arrive(self, arrival: Arrival) -> None:
        self.trace.add("upload", arrival.key, "user")
        info = self.objects.put(BUCKET, arrival.key, arrival.content)
        self.checker.uploaded(info, [pipeline.id for pipeline in self.scenario.pipelines])

    # -- accidents that happen by the clock -----------------------------------------------------------------------

    def _again_and_again(self, every: float, happen: Any) -> None:
        if every == math.inf:
            return

        def once() -> None:
            if not self.calm:
                happen()
                self.timeline.after(self.rng.expovariate(1 / every), once)

        self.timeline.after(self.rng.expovariate(1 / every), once)

    def _outage(self) -> None:
        server = self.rng.choice((self.store.server, self.broker.server, self.objects.server, self.receivers.server))
        seconds = self.rng.choice((1.0, 5.0, 20.0)) * self.rng.random()
        server.down_until = self.timeline.now + seconds
        self.trace.add("outage", f"{server.name} {seconds:.1f} s")
        self.timeline.after(seconds, self.broker.back_up)

    def _stop_one(self) -> None:
        self.rng.choice(self.processes).terminate()

    def _commands(self) -> None:
        every = self.scenario.rates.command_every_s
        if every == math.inf:
            return
        until = self.scenario.last_command
        moment = self.rng.expovariate(1 / every)
        while moment < until:
            self.timeline.at(moment, self.users.command)
            moment += self.rng.expovariate(1 / every)
        self.timeline.at(until, self.users.resume_all)

    def _calm_down(self) -> None:
        """From here on nothing goes wrong any more."""
        self.trace.add("calm", "")
        self.calm = True
        self.wire.calm()
        self.broker.calm = self.receivers.calm = True
        for server in (self.store.server, self.broker.server, self.objects.server, self.receivers.server):
            server.down_until = min(server.down_until, self.timeline.now)
        self.broker.back_up()
        self.checker.calm = self.timeline.instant()

    # -- the schedule ---------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Lets everything happen until all is done, or something is wrong."""
        for pipeline in self.scenario.pipelines:
            self.store.put("pipelines", Repository._dump(pipeline))
        for gate in self.scenario.gates:
            self.store.put("gates", Repository._dump(gate))
        for process in self.processes:
            self.timeline.after(self.rng.random(), process.start)
        for arrival in self.scenario.arrivals:
            self.timeline.at(arrival.at, self._arrive, arrival)
        rates = self.scenario.rates
        self.timeline.at(rates.until, self._calm_down)
        self._again_and_again(rates.forgetting_every_s, self.broker.forget)
        self._again_and_again(rates.outage_every_s, self._outage)
        self._again_and_again(rates.stop_every_s, self._stop_one)
        self._commands()
        self.timeline.after(1.0, self._look)
        timeline = self.timeline
        while self.violation is None and not self.finished and timeline.step():
            if timeline.steps > MAX_STEPS:
                self.complain(f"more than {MAX_STEPS} steps")
        self.end()

    def _look(self) -> None:
        """Once a second: are we done, is somebody late?"""
        self.checker.tick()
        last = self.scenario.last
        if self.calm and self.timeline.now > last and not self.checker.open():
            if self.scenario.aftermath:
                self.timeline.after(AFTERMATH_S, self._finish)
            else:
                self._finish()
            return
        if self.timeline.now > last + PATIENCE_S:
            left = "; ".join(self.checker.open()[:8])
            self.fail(Violation("liveness", f"{PATIENCE_S:g} s after the last accident this is not done: {left}"))
        self.timeline.after(1.0, self._look)

    def _finish(self) -> None:
        self.checker.at_the_end()
        self.finished = True

    def counts(self) -> Counter[str]:
        """How much of what happened: a schedule in which nothing happens shows nothing."""
        documents = self.checker.documents
        found: Counter[str] = Counter()
        found["deaths"] = self.deaths
        found["calls"] = self.wire.fate.calls
        for what, count in self.broker.counts.items():
            found[f"messages {what}"] = count
        for what, count in self.users.asked.items():
            found[f"asked: {what}"] = count
        for run in documents.runs.values():
            found[f"run {run['state']}"] += 1
            for node in run["node_runs"]:
                found[f"node {node['state']}"] += 1
        for task in documents.tasks.values():
            found[f"task {task['state']}"] += 1
            found["leases lost"] += task["lost"]
            found["retries"] += task["attempt"] > 1
            found["zombies"] += task["fence"] > 1
        for delivery in documents.deliveries.values():
            found[f"delivery {delivery['state']}"] += 1
        found["received twice"] = sum(count > 1 for count in self.checker.deliveries.arrived.values())
        found["limited"] = len(self.scenario.gates)
        return found

    def end(self) -> None:
        """Throws everything away."""
        for process in self.processes:
            if process.alive and process.loop is not None:
                process.alive = False
                process.loop.kill()
