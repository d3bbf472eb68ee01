"""Test that Lua on the server and Python in this process decide alike, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest

from flask_irl.limits.calendar import LONGEST_SECONDS, UNITS, Unit, bounds
from flask_irl.limits.limit import Limit
from flask_irl.limits.override import KINDS, Override
from flask_irl.limits.plan import Counting, Plan, Role, Scope, StrategyName
from flask_irl.stores.base import Store
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.state import Update
from tests.conftest import Clock
from tests.stores.conftest import Backend

HISTORIES = 100
REQUESTS = 45
TTL = 2 * 10**9
"""Seconds: the clock here moves by months in no time, and Redis would not."""

CLIENTS = ("a", "b", "Ærøskøbing")
OTHERS = ("user-1", "user-2", "a")
ROLES: tuple[Role, ...] = ("count", "count", "test", "take", "breach")
LADDERS = ((1.0,), (1.0, 0.3), (1.0, 0.5, 0.1), (1.0, 0.75, 0.0))


def random_limit(draw: random.Random) -> Limit:
    """Draw a limit."""
    amount = draw.choice([1, 2, 3, 7, draw.randint(1, 30), draw.randint(1, 1000)])
    if draw.random() < 0.05:
        amount = draw.randint(1, 2**31 - 1)
    window = draw.choice([1, 2, 60, 60, 3600, 86_400, 366 * 86_400])
    burst = draw.choice([None, None, draw.randint(1, amount)])
    return Limit(amount, window, burst)


def random_period(draw: random.Random) -> Limit:
    """Draw a limit of a calendar's period."""
    unit = draw.choice(UNITS)
    return Limit(draw.choice([1, 3, 30]), LONGEST_SECONDS[unit], calendar=unit)


def random_scope(draw: random.Random, name: str, own_key: bool = False) -> Scope:
    """Draw a scope of one to three limits."""
    kinds = (random_limit, random_limit, random_limit, random_period if name else random_limit)
    limits = tuple(draw.choice(kinds)(draw) for _ in range(draw.randint(1, 3)))
    return Scope(name, limits, own_key)


def random_plans(draw: random.Random, strategy: StrategyName) -> list[Plan]:
    """Draw the plans of some routes: all begin with the same scope, and some share others.

    In some of them that is on standby, and in some a scope counts instead that yields. In half of
    all cases a single limit counts, which Lua answers apart.
    """
    if draw.random() < 0.5:
        alone = Scope("", (random_limit(draw),))
        standby = replace(alone, standby=True)
        view = Scope("view", (random_limit(draw),))
        plan = replace(view, name="plan:a", yields=True)
        user = replace(view, name="by user", own_key=True)
        pairs = [(Scope("", ()), view), (Scope("", ()), user), (standby, view), (standby, plan)]
        sets: list[tuple[Scope, ...]] = draw.choice(
            [[(alone,)], [(alone,)], [(alone,), (standby,)], [(alone,), *pairs]]
        )
        ladder, enforce = draw.choice(LADDERS), draw.random() < 0.7
        return [Plan(scopes, strategy, ladder, enforce, TTL) for scopes in sets]
    base = random_scope(draw, "")
    pool = [random_scope(draw, name) for name in ("view", "shared:x")]
    pool.append(random_scope(draw, "by user", own_key=True))
    sold = [replace(random_scope(draw, name), yields=True) for name in ("plan:a", "plan:b")]
    ladder, enforce = draw.choice(LADDERS), draw.random() < 0.7
    plans = []
    for _ in range(3):
        planned = draw.sample(sold, draw.random() < 0.4)
        first = replace(base, standby=bool(planned) or draw.random() < 0.2)
        found = (first, *planned, *draw.sample(pool, draw.randint(0, 3)))
        plans.append(Plan(found, strategy, ladder, enforce, TTL))
    # A check within a request that was counted already asks about further limits only.
    again = Plan((Scope("", ()), draw.choice(pool)), strategy, ladder, enforce, TTL)
    plans = [*plans, again] if draw.random() < 0.3 else plans
    # Made at some time of the past: the periods go on beyond those that are known.
    zone, made = draw.choice(["UTC", "Europe/Berlin"]), draw.uniform(1.5e9, 1.9e9)
    periods: dict[Unit | None, tuple[float, ...]] = {x: bounds(x, zone, made) for x in UNITS}
    return [replace(plan, zone=zone, periods=periods) for plan in plans]


def random_ruled_plans(draw: random.Random, strategy: StrategyName) -> list[Plan]:
    """Draw plans as :func:`random_plans` does, with roles, costs and an order of their own."""
    plans = random_plans(draw, strategy)
    ruled = []
    for plan in plans:
        names = [scope.name for scope in plan.scopes]
        scopes = [
            replace(
                scope,
                role=draw.choice(ROLES) if index or not scope.standby else "count",
                cost=draw.choice([None, None, 0, 1, 3]),
                of=tuple(draw.sample([*names, "elsewhere"], draw.choice([0, 0, 1]))),
            )
            for index, scope in enumerate(plan.scopes)
        ]
        shown = draw.choice([None, *names, "elsewhere"])
        counting = draw.choice(get_args(Counting))
        ruled.append(replace(plan, scopes=tuple(scopes), counting=counting, shown=shown))
    return ruled


def random_move(draw: random.Random, plan: Plan) -> float:
    """Draw the seconds until the next request; now and then the clock is set back."""
    window = draw.choice(plan.limits)[1].window_seconds
    return draw.choice(
        [
            0.0,
            0.0,
            draw.choice([1e-6, 3e-6]),
            draw.random(),
            window * draw.random(),
            window / draw.randint(1, 30),
            float(window),
            2.0 * window,
            -draw.choice([1e-6, draw.random(), window * draw.random()]),
            -draw.uniform(0, 7200) if draw.random() < 0.3 else 0.0,
        ]
    )


def judge(draw: random.Random, stores: list[Store], client: str) -> None:
    """Give the client a verdict and a profile in all stores, as a flusher would."""
    # A score that takes no rounding: Redis keeps it in 32 bits.
    step, score = draw.randint(0, 3), -draw.randint(0, 64) / 64
    profile = draw.randbytes(draw.choice([0, 1, 140]))
    for store in stores:
        state = store.load([client])[0]
        if state is not None and state.last_seen:
            update = Update(client, state.revision, step, score, profile)
            assert store.save([update], TTL) == ["saved"]


def set_override(draw: random.Random, stores: list[Store], client: str) -> None:
    """Set an override of the client in all stores, or remove it."""
    kind = draw.choice(KINDS)
    amount = draw.randint(1, 40) if kind == "limit" else 0
    # Long ended or never to end: a clock that is set back must not begin one again.
    override = draw.choice([None, Override(kind, 1e9, amount), Override(kind, 8e9, amount)])
    for store in stores:
        store.set_override(client, override, TTL)


def states(store: Store) -> list[object]:
    """Load the states of all clients, as far as they are equal in all stores."""
    # Revisions are a store's own; of an override that has ended, either may be left.
    return [
        (state.step, state.score, state.profile) if state and state.last_seen else None
        for state in store.load(CLIENTS)
    ]


@pytest.mark.parametrize("strategy", ["sliding-window-counter", "fixed-window", "gcra"])
@pytest.mark.parametrize("draw_plans", [random_plans, random_ruled_plans])
def test_lua_and_python_give_equal_answers(
    one_server: Backend,
    clock: Clock,
    strategy: StrategyName,
    draw_plans: Callable[[random.Random, StrategyName], list[Plan]],
) -> None:
    draw = random.Random(f"{strategy} 1")
    redis_store = one_server.open_redis(clock)
    outcomes, overrides = set(), set()
    for history in range(HISTORIES):
        with one_server.client() as client:
            client.flushdb()
        clock.now = draw.uniform(1.6e9, 1.9e9)
        stores: list[Store] = [MemoryStore(clock=clock), redis_store]
        plans = draw_plans(draw, strategy)
        events: list[object] = []
        for _ in range(REQUESTS):
            plan = draw.choice(plans)
            clock.advance(random_move(draw, plan))
            name = draw.choice(CLIENTS)
            keys = [draw.choice(OTHERS) if x.own_key else name for x in plan.scopes]
            largest = max(limit.amount for _, limit in plan.limits)
            cost = draw.choice([1, 1, 1, 0, 2, draw.randint(0, 9), draw.randint(0, largest + 1)])
            events.append((clock.now, plan, keys, cost))
            ours, theirs = (store.hit(plan, keys, cost) for store in stores)
            assert ours == theirs, (history, events)
            outcomes.add((ours.admitted, ours.step > 0, ours.tight_refused, ours.binding > 0))
            overrides.add(ours.override)
            if draw.random() < 0.15:
                judge(draw, stores, draw.choice(CLIENTS))
            if draw.random() < 0.05:
                set_override(draw, stores, draw.choice(CLIENTS))
            if draw.random() < 0.03:
                gone = draw.choice(CLIENTS[1:])
                for store in stores:
                    store.forget(gone, TTL)
            assert states(stores[0]) == states(stores[1]), (history, events)
    # Of what may come out: admitted or not, stepped or not, told in shadow or not.
    assert {(True, False), (False, False), (True, True), (False, True)} <= {x[:2] for x in outcomes}
    assert any(tight for _, _, tight, _ in outcomes)
    assert any(further for _, _, _, further in outcomes)
    assert overrides == {0, 1, 2, 3}
