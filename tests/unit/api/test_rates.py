"""How often a tenant may ask."""

from __future__ import annotations

import pytest

from services.api.rates import RateExceeded, Rates


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def allowed(rates: Rates, who: str, action: str, tries: int) -> int:
    done = 0
    for _ in range(tries):
        try:
            rates.take(who, action)
        except RateExceeded:
            continue
        done += 1
    return done


@pytest.mark.parametrize(("action", "per_s"), [("CreateSchedule", 20), ("CreateWorkflow", 200), ("list_runs", 100)])
def test_a_second_has_as_many_calls_as_are_documented(action: str, per_s: int) -> None:
    clock = Time()
    rates = Rates(1, clock)
    assert allowed(rates, "a", action, 500) == per_s
    clock.now += 0.5
    assert allowed(rates, "a", action, 500) == per_s // 2
    clock.now += 1000
    assert allowed(rates, "a", action, 500) == per_s


def test_tenants_and_actions_do_not_count_for_each_other() -> None:
    rates = Rates(1, Time())
    assert allowed(rates, "a", "CreateSchedule", 30) == 20
    assert allowed(rates, "b", "CreateSchedule", 30) == 20
    assert allowed(rates, "a", "ResetWorkflow", 30) == 20


def test_the_wait_that_is_told_is_long_enough_and_refusals_do_not_count() -> None:
    clock = Time()
    rates = Rates(0.1, clock)
    allowed(rates, "a", "open_session", 100)
    with pytest.raises(RateExceeded, match="open_session") as caught:
        rates.take("a", "open_session")
    assert caught.value.wait_s == pytest.approx(5)
    assert caught.value.retry_after == "5"
    clock.now += caught.value.wait_s
    rates.take("a", "open_session")


def test_no_limit_if_it_is_wished() -> None:
    assert allowed(Rates(0), "a", "CreateSchedule", 1000) == 1000
