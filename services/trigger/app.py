"""How the trigger is wired."""

from __future__ import annotations

from services.trigger.domain.normalise import normalise
from services.trigger.intake import Intake
from services.trigger.reconciler import Reconciler
from services.trigger.settings import TriggerSettings
from shared.bus.subscription import Subscription
from shared.runtime import Runtime

SERVICE = "trigger"


async def build(runtime: Runtime) -> None:
    """Subscribes to uploads and reconciles."""
    settings = runtime.settings
    if not isinstance(settings, TriggerSettings):
        raise TypeError("the trigger needs TriggerSettings")
    bus = runtime.bus
    intake = Intake(
        runtime.records,
        runtime.objects,
        bus,
        bus.topics,
        region=settings.region,
        concurrency=settings.head_concurrency,
    )
    bus.declare_topics(bus.topics.runs)
    bus.subscribe(
        Subscription(
            bus.topics.uploads,
            normalise,
            intake.on_events,
            service=SERVICE,
            clock=runtime.clock,
            outside_authors=True,
        )
    )
    if settings.reconcile:
        reconciler = Reconciler(runtime.records, runtime.objects, intake, remember=settings.seen_cache)
        runtime.background.append(reconciler.run(settings.reconcile_interval_s))
