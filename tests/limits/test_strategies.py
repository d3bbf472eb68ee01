"""Test the arithmetic of each strategy on random histories of requests."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_irl.limits.admission import decide
from flask_irl.limits.decision import Hit
from flask_irl.limits.limit import MAX_AMOUNT, MAX_WINDOW_SECONDS, Limit, scale
from flask_irl.limits.plan import Plan, Scope, StrategyName
from flask_irl.limits.strategies.base import EMPTY, Cell

NAMES: tuple[StrategyName, ...] = get_args(StrategyName)
START = 1_700_000_000_000_000
SECOND = 1_000_000
TICKS = 3
"""µs by which a clock of whole µs and the rounding of doubles may shift an instant."""

every = pytest.mark.parametrize("strategy", NAMES)


def holds(**given_by: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """Test a property on a few dozen random cases."""
    return lambda test: settings(max_examples=40)(given(**given_by)(test))


def plan_of(
    strategy: StrategyName,
    *limits: Limit,
    factors: tuple[float, ...] = (1.0,),
    enforce: bool = True,
) -> Plan:
    return Plan((Scope("", limits),), strategy, factors, enforce)


class Client:
    """Play a client under a plan, with a clock in whole µs."""

    def __init__(self, plan: Plan, cells: list[Cell] | None = None, now: int = START) -> None:
        self.plan = plan
        self.cells = [EMPTY] * len(plan.limits) if cells is None else cells
        self.now = now

    def ask(self, cost: int = 1, step: int = 0) -> Hit:
        hit, self.cells = self._decide(cost, step)
        return hit

    def peek(self, cost: int = 1, step: int = 0, later: float = 0) -> Hit:
        """Ask at ``later`` µs from now, and change nothing."""
        return Client(self.plan, self.cells, self.now + int(later)).ask(cost, step)

    def admitted_now(self, most: int) -> int:
        """Count the requests of cost 1 that are still admitted at this instant, up to ``most``."""
        twin = Client(self.plan, self.cells, self.now)
        return next((n for n in range(most) if not twin.ask().admitted), most)

    def _decide(self, cost: int, step: int) -> tuple[Hit, list[Cell]]:
        now = float(self.now)
        return decide(self.plan, self.cells, step=step, score=0.0, now=now, gap=-1.0, cost=cost)


windows = st.sampled_from([1, 7, 60, 3600, 86_400])
amounts = st.one_of(st.integers(1, 12), st.integers(13, 300))


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    amount = draw(amounts)
    burst = draw(st.one_of(st.none(), st.integers(1, amount)))
    return Limit(amount, draw(windows), burst)


Event = tuple[int, int, int]
"""µs to wait, and then a request's cost and step."""


@st.composite
def histories(draw: st.DrawFn, window: int, amount: int, steps: int = 1) -> list[Event]:
    us = window * SECOND
    waits = st.one_of(
        st.just(0),
        st.integers(0, TICKS),
        st.integers(0, 2 * us // amount),
        st.integers(0, us),
        st.sampled_from([us // amount, us - 1, us, us + 1, 2 * us - 1, 2 * us, 5 * us]),
    )
    costs = st.one_of(st.just(1), st.integers(0, 3), st.integers(0, amount + 1))
    event = st.tuples(waits, costs, st.integers(0, steps - 1))
    return draw(st.lists(event, max_size=40))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Limit, list[Event]]:
    limit = draw(limits())
    return limit, draw(histories(limit.window_seconds, limit.amount))


def run(client: Client, events: Sequence[Event]) -> list[tuple[int, int]]:
    """Play a history, and list the time and the cost of each admitted request."""
    admitted = []
    for wait, cost, step in events:
        client.now += wait
        if client.ask(cost, step).admitted:
            admitted.append((client.now, cost))
    return admitted


# The promises about how much is admitted, worked out anew from what was admitted.


def window_fits(log: list[tuple[int, int]], limit: Limit, at: int, cost: int) -> bool:
    """Test whether a fixed window, begun by its first request, holds one more request."""
    us, start, count = limit.window_seconds * SECOND, None, 0
    for then, spent in [*log, (at, 0)]:
        if start is None or count == 0 or then >= start + us:
            start, count = then, 0
        count += spent
    return count + cost <= limit.amount


def sliding_fits(log: list[tuple[int, int]], limit: Limit, at: int, cost: int) -> bool:
    """Test whether the window's count and the fading one of the window before leave room."""
    us, start, count, last = limit.window_seconds * SECOND, 0, 0, 0
    for then, spent in [*log, (at, 0)]:
        if (count == 0 and last == 0) or then >= start + 2 * us:
            start, count, last = then, 0, 0
        elif then >= start + us:
            start, count, last = start + us, 0, count
        count += spent
    carried = Fraction(last * (start + us - at), us)
    return count + cost + max(0, math.ceil(carried) - 1) <= limit.amount


def gcra_fits(log: list[tuple[int, int]], limit: Limit, at: int, cost: int) -> bool:
    """Test whether no stretch of time holds more requests than burst and rate allow."""
    interval = Fraction(limit.window_seconds * SECOND, limit.amount)
    spent = cost
    for then, one in reversed([*log, (at, 0)]):
        spent += one
        if spent * interval > (limit.burst or limit.amount) * interval + (at - then) + TICKS:
            return False
    return True


FITS: dict[StrategyName, Callable[[list[tuple[int, int]], Limit, int, int], bool]] = {
    "fixed-window": window_fits,
    "sliding-window-counter": sliding_fits,
    "gcra": gcra_fits,
}


@every
@holds(case=cases())
def test_no_more_is_admitted_than_the_limit_allows(
    strategy: StrategyName, case: tuple[Limit, list[Event]]
) -> None:
    limit, events = case
    log = run(Client(plan_of(strategy, limit)), events)
    for index, (at, cost) in enumerate(log):
        assert cost == 0 or FITS[strategy](log[:index], limit, at, cost)


@pytest.mark.parametrize("strategy", ["fixed-window", "sliding-window-counter"])
@holds(case=cases())
def test_a_request_that_fits_is_admitted(
    strategy: StrategyName, case: tuple[Limit, list[Event]]
) -> None:
    limit, events = case
    client = Client(plan_of(strategy, limit))
    log: list[tuple[int, int]] = []
    for wait, cost, _ in events:
        client.now += wait
        assert client.peek(cost).admitted == FITS[strategy](log, limit, client.now, cost)
        log += run(client, [(0, cost, 0)])


@every
@pytest.mark.parametrize("window", [1, 60, 86_400])
@pytest.mark.parametrize("amount", [1, 3, 7, 23, 28, 90, 100, 343, 999, 5_000])
def test_exactly_the_limit_is_admitted_at_one_instant(
    strategy: StrategyName, amount: int, window: int
) -> None:
    client = Client(plan_of(strategy, Limit(amount, window)))
    assert client.admitted_now(amount + 5) == amount


@every
@holds(amount=amounts, window=windows, start=st.integers(0, 10**9))
def test_a_client_at_exactly_the_limits_pace_is_never_refused(
    strategy: StrategyName, amount: int, window: int, start: int
) -> None:
    client = Client(plan_of(strategy, Limit(amount, window)))
    for number in range(3 * amount + 1):
        client.now = START + start + math.ceil(number * window * SECOND / amount)
        assert client.ask().admitted, number


@holds(amount=st.integers(2, 300), window=windows)
def test_gcra_spaces_requests_evenly_once_the_burst_is_spent(amount: int, window: int) -> None:
    client = Client(plan_of("gcra", Limit(amount, window, burst=1)))
    assert client.ask().admitted
    assert client.ask().retry_after == math.ceil(Fraction(window * SECOND, amount))


@holds(window=windows, amount=amounts)
def test_gcra_admits_a_rate_no_higher_than_the_limit_in_the_long_run(
    window: int, amount: int
) -> None:
    client = Client(plan_of("gcra", Limit(amount, window)))
    greedy = 0
    while client.now - START <= 2 * window * SECOND:
        hit = client.ask()
        greedy += hit.admitted
        client.now += int(hit.retry_after)
    assert 3 * amount - 1 <= greedy <= 3 * amount + 1


# What a client is told is true.


@every
@holds(case=cases())
def test_remaining_is_what_is_admitted_right_now(
    strategy: StrategyName, case: tuple[Limit, list[Event]]
) -> None:
    limit, events = case
    client = Client(plan_of(strategy, limit))
    for wait, cost, _ in events:
        client.now += wait
        hit = client.ask(cost)
        assert 0 <= hit.remaining <= hit.limit == limit.amount
    if events:
        assert client.admitted_now(limit.amount + 1) == hit.remaining


@every
@holds(case=cases())
def test_a_refused_request_changes_nothing(
    strategy: StrategyName, case: tuple[Limit, list[Event]]
) -> None:
    limit, events = case
    client = Client(plan_of(strategy, limit))
    for wait, cost, _ in [*events, (0, limit.amount, 0), (0, 1, 0)]:
        client.now += wait
        before = client.cells
        hit = client.ask(cost)
        if not hit.admitted:
            assert client.cells == before
            assert client.ask(cost) == hit


@every
@holds(case=cases())
def test_a_client_that_waits_retry_after_is_admitted_and_not_much_sooner(
    strategy: StrategyName, case: tuple[Limit, list[Event]]
) -> None:
    limit, events = case
    most = limit.burst or limit.amount if strategy == "gcra" else limit.amount
    client = Client(plan_of(strategy, limit))
    for wait, cost, _ in [*events, (0, most, 0), (0, 1, 0)]:
        client.now += wait
        hit = client.ask(cost)
        if hit.admitted or cost > most:
            continue
        whole_seconds = math.ceil(hit.retry_after / SECOND) * SECOND
        assert hit.retry_after > 0
        assert client.peek(cost, later=hit.retry_after).admitted
        assert client.peek(cost, later=whole_seconds).admitted
        assert not client.peek(cost, later=max(0, hit.retry_after - TICKS)).admitted
        assert not client.peek(cost, later=max(0, whole_seconds - SECOND - TICKS)).admitted


@every
@holds(case=cases())
def test_reset_and_retry_lie_within_the_window(
    strategy: StrategyName, case: tuple[Limit, list[Event]]
) -> None:
    limit, events = case
    client = Client(plan_of(strategy, limit))
    window = limit.window_seconds * SECOND
    # What a sliding window has counted must first become the last window's, and fade then.
    for wait, cost, _ in events:
        client.now += wait
        hit = client.ask(cost)
        if hit.admitted:
            assert hit.retry_after == 0
            # The window's parts, added up, may exceed it by the rounding of a double.
            most = window * (1 + 1e-12)
            assert 0 < hit.reset_after <= most or (strategy, cost) == ("gcra", 0)
        else:
            most = 2 * window if strategy == "sliding-window-counter" and cost > 1 else window
            assert 0 < hit.retry_after <= most
            assert hit.reset_after == hit.retry_after


@every
@holds(case=cases(), excess=st.integers(1, 1000))
def test_a_cost_above_the_limit_is_never_admitted(
    strategy: StrategyName, case: tuple[Limit, list[Event]], excess: int
) -> None:
    limit, events = case
    client = Client(plan_of(strategy, limit))
    run(client, events)
    hit = client.ask(limit.amount + excess)
    assert not hit.admitted
    assert hit.retry_after == limit.window_seconds * SECOND
    assert hit.remaining == client.admitted_now(limit.amount + 1)
    assert not client.peek(limit.amount + excess, later=10 * hit.retry_after).admitted


@every
@holds(case=cases())
def test_a_cost_of_0_is_admitted_and_counts_nothing(
    strategy: StrategyName, case: tuple[Limit, list[Event]]
) -> None:
    limit, events = case
    client = Client(plan_of(strategy, limit))
    run(client, events)
    left = client.admitted_now(limit.amount + 1)
    hit = client.ask(0)
    assert hit.admitted
    assert hit.remaining == left == client.admitted_now(limit.amount + 1)


# A clock that is set back.


@every
@holds(
    case=cases(),
    back=st.one_of(st.integers(1, TICKS), st.integers(1, 10**12)),
    polls=st.integers(1, 20),
)
def test_a_clock_set_back_locks_no_client_out_for_longer_than_a_window(
    strategy: StrategyName, case: tuple[Limit, list[Event]], back: int, polls: int
) -> None:
    limit, events = case
    window = limit.window_seconds * SECOND
    impatient = Client(plan_of(strategy, limit))
    run(impatient, events)
    impatient.now -= back
    patient = Client(impatient.plan, impatient.cells, impatient.now)

    hit = patient.ask()
    assert 0 <= hit.retry_after <= window
    assert hit.admitted or patient.peek(later=hit.retry_after).admitted

    end = impatient.now + window
    while not impatient.ask().admitted:
        assert impatient.now < end
        impatient.now = min(end, impatient.now + math.ceil(window / polls))


@every
@holds(case=cases(), back=st.integers(1, 10**6))
def test_a_clock_set_back_by_a_moment_gives_no_quota_back(
    strategy: StrategyName, case: tuple[Limit, list[Event]], back: int
) -> None:
    limit, events = case
    client = Client(plan_of(strategy, limit))
    run(client, events)
    left = client.peek(0).remaining
    assert client.peek(0, later=-back).remaining <= left


@every
@holds(
    limit=limits(),
    jumps=st.lists(st.tuples(st.integers(-(10**13), 10**13), st.integers(0, 5)), max_size=30),
)
def test_no_clock_breaks_an_answer(
    strategy: StrategyName, limit: Limit, jumps: list[tuple[int, int]]
) -> None:
    client = Client(plan_of(strategy, limit), now=10**15)
    for jump, cost in jumps:
        client.now = max(1, client.now + jump)
        hit = client.ask(cost)
        assert 0 <= hit.remaining <= limit.amount
        assert 0 <= hit.retry_after <= 2 * limit.window_seconds * SECOND
        assert hit.admitted == (hit.retry_after == 0)


# Steps of the ladder.

factors = st.sampled_from([0.01, 0.1, 0.3, 0.5, 0.75, 0.9, 0.99])


@st.composite
def stepped(draw: st.DrawFn) -> tuple[Limit, float, list[Event]]:
    limit = draw(limits())
    return (
        limit,
        draw(factors),
        draw(histories(limit.window_seconds, limit.amount, steps=2)),
    )


@every
@holds(case=stepped())
def test_the_full_limit_is_never_exceeded_whatever_the_steps(
    strategy: StrategyName, case: tuple[Limit, float, list[Event]]
) -> None:
    limit, factor, events = case
    log = run(Client(plan_of(strategy, limit, factors=(1.0, factor))), events)
    for index, (at, cost) in enumerate(log):
        assert cost == 0 or FITS[strategy](log[:index], limit, at, cost)


@pytest.mark.parametrize("strategy", ["fixed-window", "sliding-window-counter"])
@holds(case=stepped())
def test_the_tight_limit_holds_from_the_moment_of_the_step(
    strategy: StrategyName, case: tuple[Limit, float, list[Event]]
) -> None:
    limit, factor, events = case
    tight = Limit(scale(limit.amount, factor), limit.window_seconds)
    client = Client(plan_of(strategy, limit, factors=(1.0, factor)))
    log: list[tuple[int, int]] = []
    for wait, cost, step in events:
        client.now += wait
        fits = FITS[strategy](log, limit if step == 0 else tight, client.now, cost)
        hit = client.peek(cost, step)
        assert hit.admitted == fits
        assert hit.limit == (limit if step == 0 else tight).amount
        log += run(client, [(0, cost, step)])


@holds(case=stepped())
def test_gcra_holds_the_tight_rate_and_burst_from_the_moment_of_the_step(
    case: tuple[Limit, float, list[Event]],
) -> None:
    limit, factor, events = case
    amount = scale(limit.amount, factor)
    burst = max(1, min(amount, math.ceil((limit.burst or limit.amount) * factor)))
    tight = Limit(amount, limit.window_seconds, burst)
    client = Client(plan_of("gcra", limit, factors=(1.0, factor)))
    log: list[tuple[int, int]] = []
    for wait, cost, step in events:
        client.now += wait
        fits = cost == 0 or gcra_fits(log, tight, client.now, cost)
        admitted = client.ask(cost, step).admitted
        if step == 0:
            log = []
        elif admitted:
            assert fits
            log.append((client.now, cost))


@every
@holds(case=stepped())
def test_a_client_refused_at_a_step_is_told_when_it_is_admitted_at_that_step(
    strategy: StrategyName, case: tuple[Limit, float, list[Event]]
) -> None:
    limit, factor, events = case
    client = Client(plan_of(strategy, limit, factors=(1.0, factor)))
    run(client, events)
    hit = client.ask(1, step=1)
    assert hit.admitted or client.peek(1, 1, later=hit.retry_after).admitted
    assert hit.admitted or client.peek(1, 1, later=math.ceil(hit.retry_after / 1e6) * 1e6).admitted


@every
def test_a_step_beyond_the_ladder_is_the_last_step(strategy: StrategyName) -> None:
    client = Client(plan_of(strategy, Limit(10, 60), factors=(1.0, 0.5)))
    assert client.ask(step=7).limit == 5


@every
def test_a_factor_of_nothing_blocks(strategy: StrategyName) -> None:
    client = Client(plan_of(strategy, Limit(10, 60), factors=(1.0, 0.0)))
    hit = client.ask(step=1)
    assert (hit.admitted, hit.limit, hit.remaining) == (False, 0, 0)
    assert hit.retry_after == 60 * SECOND


@every
@holds(case=stepped())
def test_shadow_admits_as_the_full_limit_does_and_notes_refusals_of_the_step(
    strategy: StrategyName, case: tuple[Limit, float, list[Event]]
) -> None:
    limit, factor, events = case
    shadow = Client(plan_of(strategy, limit, factors=(1.0, factor), enforce=False))
    enforcing = plan_of(strategy, limit, factors=(1.0, factor))
    for wait, cost, step in events:
        shadow.now += wait
        now = Client(enforcing, shadow.cells, shadow.now)
        full, tight = now.peek(cost, 0), now.peek(cost, step)
        hit = shadow.ask(cost, step)
        assert hit == full._replace(step=step, tight_refused=full.admitted and not tight.admitted)


# Several limits at once.


@st.composite
def several(draw: st.DrawFn) -> tuple[list[list[Limit]], list[Event]]:
    scopes = draw(st.lists(st.lists(limits(), min_size=1, max_size=3), min_size=1, max_size=3))
    return scopes, draw(histories(60, 10))


@every
@holds(case=several())
def test_several_limits_count_all_or_nothing_and_the_tightest_is_shown(
    strategy: StrategyName, case: tuple[list[list[Limit]], list[Event]]
) -> None:
    scopes, events = case
    names = ["", "a", "b"]
    plan = Plan(
        tuple(Scope(names[i], tuple(scope)) for i, scope in enumerate(scopes)), strategy, (1.0,)
    )
    together = Client(plan)
    alone = [Client(plan_of(strategy, limit)) for scope in scopes for limit in scope]
    for wait, cost, _ in events:
        together.now += wait
        for single in alone:
            single.now = together.now
        words = [single.peek(cost) for single in alone]
        hit = together.ask(cost)
        assert hit.admitted == all(word.admitted for word in words)
        shown = words[hit.binding]
        assert hit._replace(binding=0) == shown
        if hit.admitted:
            assert shown.remaining == min(word.remaining for word in words)
            for single in alone:
                single.ask(cost)
        else:
            assert shown.retry_after == max(word.retry_after for word in words)


@every
def test_of_limits_with_the_same_left_the_one_that_resets_last_is_shown(
    strategy: StrategyName,
) -> None:
    client = Client(plan_of(strategy, Limit(5, 1), Limit(5, 3600), Limit(5, 60)))
    assert client.ask().binding == 1


# The ends of the ranges.


@every
@holds(
    amount=st.one_of(st.integers(1, MAX_AMOUNT), st.integers(MAX_AMOUNT - 5, MAX_AMOUNT)),
    window=st.one_of(
        st.integers(1, MAX_WINDOW_SECONDS), st.integers(MAX_WINDOW_SECONDS - 5, MAX_WINDOW_SECONDS)
    ),
    events=st.lists(st.tuples(st.integers(0, 10**14), st.integers(0, MAX_AMOUNT)), max_size=20),
)
def test_the_largest_figures_stay_in_their_ranges(
    strategy: StrategyName, amount: int, window: int, events: list[tuple[int, int]]
) -> None:
    client = Client(plan_of(strategy, Limit(amount, window)))
    for wait, cost in events:
        client.now += wait
        hit = client.ask(cost)
        assert 0 <= hit.remaining < 2**32
        assert 0 <= hit.reset_after <= 2 * window * SECOND + 1
        assert hit.admitted or hit.retry_after > 0
        assert all(0 <= number < 2**32 for cell in client.cells for number in cell[1:])
