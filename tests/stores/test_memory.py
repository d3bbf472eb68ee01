"""Test that the memory store keeps no more clients than it may."""

from __future__ import annotations

from flask_irl.limits.limit import Limit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope
from flask_irl.stores.memory.store import MemoryStore

PLAN = Plan((Scope("", (Limit(5, 60),)),), "fixed-window", (1.0,))


def test_a_block_is_not_pushed_out_by_newcomers() -> None:
    now = 1_700_000_000.0
    store = MemoryStore(max_clients=10, clock=lambda: now)
    store.set_override("rogue", Override("block", now + 60), 60)
    for number in range(100):
        store.hit(PLAN, [f"c{number}"], 1)
    assert len(store) == 10
    assert not store.hit(PLAN, ["rogue"], 1).admitted


def test_a_block_that_has_ended_goes_like_any_client() -> None:
    now = 1_700_000_000.0
    store = MemoryStore(max_clients=10, clock=lambda: now)
    store.set_override("rogue", Override("block", now + 60), 60)
    now += 61
    for number in range(10):
        store.hit(PLAN, [f"c{number}"], 1)
    assert store.load(["rogue", "c0"])[0] is None
    assert store.load(["c0"])[0] is not None
