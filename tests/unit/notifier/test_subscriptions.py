"""Several subscriptions of one run: each has its own events, its own order and its own deliveries."""

from __future__ import annotations

from typing import Any

import pytest

from services.notifier.domain.deliveries import deliveries, sequences
from shared.model.pipeline import NotifyMode
from shared.model.run import Run, notifiable
from tests.unit.notifier.builders import LATE, START, Story, notification, requested, whole_story


def run_of(*more: Any, told: Any = None) -> Run:
    return whole_story(requested(told, more_subscriptions=more)).run


def named(name: str, **changes: Any) -> Any:
    return notification("http://other.local/").model_copy(update={"subscription": name, **changes})


def wanted(run: Run, name: str | None) -> list[int]:
    subscription = run.subscription(name)
    assert subscription is not None
    return sequences(run, subscription)


def test_each_subscription_has_the_events_of_its_own_mode() -> None:
    run = run_of(named("b", mode=NotifyMode.CHANGE), told=notification(mode=NotifyMode.FINISH))
    assert wanted(run, None) == [6]
    assert wanted(run, "b") == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("filters", "sequences_wanted"),
    [
        ({"events": ("run.started",)}, [1]),
        ({"events": ("node.succeeded",), "kinds": ("transcode",)}, [3]),
        ({"events": ("node.succeeded", "run.finished"), "kinds": ("transcode", "input")}, [2, 3, 6]),
        ({"mode": NotifyMode.CHANGE, "kinds": ("sample_snapshot",)}, [1, 4, 6]),
        ({"events": ("node.failed",)}, []),
    ],
)
def test_filter_on_event_and_kind_of_node(filters: dict[str, Any], sequences_wanted: list[int]) -> None:
    assert wanted(run_of(named("f", **filters)), "f") == sequences_wanted


def test_skips_can_be_asked_for() -> None:
    run = requested(more_subscriptions=(named("skips", events=("node.skipped",)),))
    run = Story(run).started().succeeded(0, 1, 2).failed(1, LATE, 3).succeeded(2).finished().run
    assert wanted(run, "skips") == [4]


def test_deliveries_have_ids_of_their_own_and_the_contracts_one_keeps_its_id() -> None:
    run = run_of(named("b", mode=NotifyMode.FINISH), told=notification(mode=NotifyMode.FINISH))
    found = deliveries(run, START)
    assert [(one.id, one.subscription, one.target) for one in found] == [
        (f"{run.id}:6:URL", None, "http://cb.local/mps"),
        (f"{run.id}:6:b", "b", "http://other.local/"),
    ]


def test_event_that_nobody_asked_for_makes_no_news() -> None:
    run = run_of(named("f", events=("node.succeeded",), kinds=("transcode",)))
    assert [event.sequence for event in run.history if notifiable(run, event)] == [3]


def test_run_of_the_previous_version_has_the_contracts_one_only() -> None:
    run = run_of(told=notification())
    old = run.model_dump(mode="json")
    del old["more_subscriptions"]
    for member in ("subscription", "events", "kinds", "region", "topic", "access_id", "access_key"):
        del old["notification"][member]
    assert Run.model_validate(old) == run
