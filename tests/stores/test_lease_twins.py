"""Test that the store's quota leases are those of their Python twin, to the last bit."""

from __future__ import annotations

import random

import pytest

from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope, StrategyName
from flask_irl.limits.quota_lease import EndedLease, LeaseCall
from flask_irl.stores.base import Store
from tests.conftest import Clock
from tests.stores.conftest import Backend
from tests.stores.lease_twin import LeaseStore
from tests.stores.test_twins import LADDERS, TTL, judge, set_override

HISTORIES = 70
REQUESTS = 60
CLIENTS = ("a", "b")


def random_limit(draw: random.Random) -> Limit:
    amount = draw.choice([99, 100, 150, 300, 1000, draw.randint(50, 5000)])
    return Limit(amount, draw.choice([1, 2, 5, 60]), draw.choice([None, amount // 2]))


def random_plans(draw: random.Random, strategy: StrategyName) -> list[Plan]:
    base = Scope("", tuple(random_limit(draw) for _ in range(draw.randint(1, 2))))
    view = Scope("view", (random_limit(draw),))
    ladder, enforce = draw.choice(LADDERS), draw.random() < 0.7
    standby = Scope("", base.limits, standby=True)
    sold = Scope("plan:a", (random_limit(draw),), yields=True)
    scopes = [(base,), (base, view), (standby, view), (Scope("", ()), view), (standby, sold, view)]
    return [Plan(found, strategy, ladder, enforce, TTL) for found in scopes]


def random_move(draw: random.Random, plan: Plan) -> float:
    window = draw.choice(plan.limits)[1].window_seconds
    moves = [1e-6, 0.01, 0.1, draw.random(), window * draw.random(), window, 2 * window]
    back = -draw.uniform(0, 2 * window) if draw.random() < 0.2 else 0.0
    return draw.choice([0.0, *moves[:3], *moves, back])


@pytest.mark.parametrize("strategy", ["sliding-window-counter", "fixed-window", "gcra"])
def test_lua_and_python_give_equal_leases(
    one_server: Backend, clock: Clock, strategy: StrategyName
) -> None:
    draw = random.Random(f"{strategy} leases")
    redis_store = one_server.open_redis(clock)
    given = returned = 0
    for history in range(HISTORIES):
        with one_server.client() as client:
            client.flushdb()
        clock.now = draw.uniform(1.6e9, 1.9e9)
        stores: list[Store] = [LeaseStore(clock=clock), redis_store]
        plans = random_plans(draw, strategy)
        leases: list[tuple[str, EndedLease, int]] = []
        events: list[object] = []
        for _ in range(REQUESTS):
            plan = draw.choice(plans)
            clock.advance(random_move(draw, plan))
            name = draw.choice(CLIENTS)
            keys = [name] * len(plan.scopes)
            way = draw.random()
            if way < 0.35:
                cost = draw.choice([1, 1, 0, draw.randint(1, 50)])
                events.append((clock.now, plan, name, cost))
                ours, theirs = (store.hit(plan, keys, cost) for store in stores)
                assert ours == theirs, (history, events)
            elif way < 0.85:
                known = [x for x in leases if x[0] == name and x[1].plan is plan]
                call = LeaseCall(draw.choice([0, 1, 3, 10, 100]))
                if known and draw.random() < 0.7:
                    ended = draw.choice(known)
                    leases.remove(ended)
                    call = LeaseCall(call.want, ended[1].given, draw.randint(0, ended[2]))
                    returned += call.unused > 0
                events.append((clock.now, plan, name, call))
                one, other = (store.lease(plan, keys, call, None) for store in stores)
                assert one == other, (history, one, other, events)
                if one.units:
                    given += 1
                    ended_lease = EndedLease(plan, keys, one.hit.now, 0)
                    leases.append((name, ended_lease, one.units))
            elif way < 0.95 and leases:
                name, ended_lease, units = leases.pop(draw.randrange(len(leases)))
                ended_lease = ended_lease._replace(unused=draw.randint(0, units))
                events.append((clock.now, name, ended_lease))
                for store in stores:
                    store.give_back([ended_lease])
            elif way < 0.97:
                judge(draw, stores, draw.choice(CLIENTS))
            elif way < 0.985:
                set_override(draw, stores, draw.choice(CLIENTS))
            else:
                for store in stores:
                    store.forget(name, TTL)
    assert given > 50
    assert returned > 10
