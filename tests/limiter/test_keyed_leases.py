"""Test the leases of API keys' clients: a renewal confirms the key as a request does."""

from __future__ import annotations

import pytest

from flask_irl.api_keys.hashing import NOBODYS
from flask_irl.api_keys.presented import PresentedKey
from flask_irl.api_keys.record import ApiKey, Record
from flask_irl.api_keys.text import new_text
from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from tests.conftest import Clock
from tests.stores.lease_twin import LeaseStore

ADDRESS = "192.0.2.1"
PACE = 0.05
LEASE = 25
"""Requests in the time of a lease, and a few more."""


class Site:
    """A worker that knows an API key; nothing runs by itself, so that it hears of no change."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.store = LeaseStore(clock=clock)
        options = Options(base_limit=6000, api_keys=True, api_key_secret=("a secret of the tests",))
        self.limiter = Limiter(options, self.store, monotonic=clock)
        self.limiter.worker.start = lambda **_: None  # type: ignore[method-assign]
        self.limiter.start()
        self.text, self.key_id = new_text("live")
        key = ApiKey(self.key_id, "live", "n", "o", (), "", clock(), None)
        assert self.limiter.keys is not None
        self.ring = self.limiter.keys
        self.record = Record(key, (self.ring.hasher.hash(self.text), NOBODYS))
        self.write(self.record)

    def write(self, record: Record) -> None:
        """Write the key's record, and die before anybody is told."""
        stored = self.store.api_key(self.key_id).record or b""
        assert self.store.put_api_key(self.key_id, stored[:8], record.encoded())

    def ask(self) -> tuple[PresentedKey, Decision]:
        """Send a request with the key, some time after the one before."""
        self._clock.advance(PACE)
        key = self.ring.present(self.text, ADDRESS)
        if key.key is None:
            self.ring.look(key)
        client = key if key.key is not None else ADDRESS
        plan = self.limiter.plan(())
        begun = self.limiter.begin(plan, (client,), 1)
        return key, self.limiter.decide(plan, (client,), 1, begun)

    def lend(self) -> None:
        """Ask until there is a lease."""
        for _ in range(200):
            self.ask()
            held = self.limiter.leases.held.get(f"key:{self.key_id}", {})
            if any(holding.leases for holding in held.values()):
                return
        raise AssertionError("no lease")


@pytest.fixture
def site(clock: Clock) -> Site:
    return Site(clock)


def test_a_key_revoked_by_a_worker_that_died_is_refused_when_its_lease_ends(site: Site) -> None:
    site.lend()
    site.write(Record(site.record.key, site.record.hashes, revoked=site.store.now()))
    answers = [site.ask() for _ in range(LEASE)]
    key, decision = answers[-1]
    assert (key.valid, key.rejection, decision.key) == (None, "revoked", ADDRESS)
    assert not site.limiter.leases.held.get(f"key:{site.key_id}")


def test_the_request_that_meets_the_revocation_counts_for_the_address(site: Site) -> None:
    site.lend()
    site.write(Record(site.record.key, site.record.hashes, revoked=site.store.now()))
    before = site.store.hit(site.limiter.plan(()), (f"key:{site.key_id}",), 0).remaining
    for _ in range(LEASE):
        key, decision = site.ask()
        if key.rejection:
            break
    assert (decision.key, decision.remaining) == (ADDRESS, 5999)
    assert site.store.hit(site.limiter.plan(()), (f"key:{site.key_id}",), 0).remaining >= before


def test_a_key_that_was_changed_goes_on_with_its_new_record(site: Site) -> None:
    site.lend()
    key = site.record.key
    changed = ApiKey(key.id, "live", "n", "o", ("export",), "", key.created, None)
    site.write(Record(changed, site.record.hashes))
    answers = [site.ask() for _ in range(LEASE)]
    assert {bool(key.valid) for key, _ in answers} == {True}
    assert {decision.key for _, decision in answers} == {f"key:{site.key_id}"}
    assert answers[-1][0].key == changed
    # Each was counted once.
    left = [decision.remaining for _, decision in answers]
    assert left == sorted(left, reverse=True)
    site.lend()
