"""Test traps: a honeypot hit counts, whatever happens to the flush that it falls into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from flask_irl.errors import StoreError
from flask_irl.stores.state import Update
from flask_irl.verdicts.traps import Traps
from tests.conftest import Clock
from tests.verdicts.site import Site


@pytest.fixture
def site(clock: Clock) -> Site:
    return Site(clock)


def hit_honeypot(site: Site) -> None:
    site.limiter.profiler.trap("c")
    site.ask()


def test_a_trapped_client_is_sent_to_the_last_step_at_once(site: Site) -> None:
    hit_honeypot(site)
    site.limiter.flush()
    assert site.step() == 3


def test_a_trap_during_a_flush_is_kept_for_the_next_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = site.store.save

    def trap_meanwhile(updates: Sequence[Update], ttl_seconds: int) -> Any:
        monkeypatch.undo()
        hit_honeypot(site)
        return save(updates, ttl_seconds)

    site.ask()
    monkeypatch.setattr(site.store, "save", trap_meanwhile)
    site.limiter.flush()
    assert site.step() == 0
    site.limiter.flush()
    assert site.step() == 3


@pytest.mark.parametrize("call", ["load", "save"])
def test_a_trap_survives_a_flush_that_fails(
    site: Site, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("out")

    hit_honeypot(site)
    with monkeypatch.context() as patch:
        patch.setattr(site.store, call, fail)
        with pytest.raises(StoreError):
            site.limiter.flush()
    site.ask()
    site.limiter.flush()
    assert site.step() == 3


@pytest.mark.parametrize("times", [1, 99])
def test_a_trap_survives_saves_by_another_worker(
    site: Site, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    save, calls = site.store.save, []

    def overtaken(updates: Sequence[Update], ttl_seconds: int) -> Any:
        calls.append(updates)
        return save(updates, ttl_seconds) if len(calls) > times else ["stale"] * len(updates)

    hit_honeypot(site)
    with monkeypatch.context() as patch:
        patch.setattr(site.store, "save", overtaken)
        site.limiter.flush()
    site.ask()
    site.limiter.flush()
    assert site.step() == 3


def test_a_trap_is_forgotten_with_its_client(site: Site) -> None:
    hit_honeypot(site)
    site.limiter.forget("c")
    site.limiter.flush()
    site.ask()
    site.limiter.flush()
    assert site.step() == 0


def test_a_trap_counts_once(site: Site) -> None:
    hit_honeypot(site)
    site.limiter.flush()
    site.limiter.forget("c")
    site.ask()
    site.limiter.flush()
    assert site.step() == 0


def test_only_traps_of_the_clients_of_a_flush_are_taken() -> None:
    traps = Traps()
    for client in ("a", "b"):
        traps.add(client)
    assert traps.take(["a", "c"]) == {"a"}
    assert traps.take(["a", "b", "c"]) == {"b"}


def test_beyond_their_capacity_the_oldest_traps_go() -> None:
    traps = Traps(capacity=2)
    for client in ("a", "b", "c"):
        traps.add(client)
    traps.put_back({"d"})
    assert len(traps) == 2
    assert traps.take("abcd") == {"c", "d"}
