"""Decide on requests of API keys: the store confirms the key as it counts the request."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from flask_irl.api_keys.presented import PresentedKey, StoredKey
from flask_irl.config.options import Options
from flask_irl.errors import StoreError
from flask_irl.limiter.access import Access
from flask_irl.limiter.decider import Decider
from flask_irl.limiter.failures import Failures
from flask_irl.limiter.key_ring import KeyRing
from flask_irl.limiter.leases import Asked
from flask_irl.limits.decision import Decision, Hit
from flask_irl.limits.plan import Plan
from flask_irl.stores.api_keys import NO_USE, KeyUse
from flask_irl.stores.base import Pending, Store

TRIES = 3
"""Attempts to count a request of a key whose record is changed all the time."""


class _NotAcceptedError(Exception):
    """Tell that the store's record of a key was changed, so that the key isn't accepted."""


class KeyedDecider(Decider):
    """Decide on requests, those of API keys by their records.

    Args:
        options: As of :class:`Decider`; so are the others.
        store: Where requests are counted.
        failures: Asks it.
        access: Knows operators' overrides.
        start: Starts background work.
        monotonic: Seconds of a clock that is never set.
        ring: Checks API keys.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        failures: Failures,
        access: Access,
        start: Any,
        monotonic: Any,
        ring: KeyRing,
    ) -> None:
        super().__init__(options, store, failures, access, start, monotonic)
        self._store = store
        self.keys = self._ring = ring
        self._begin, self._hit, self._end = self._begin_keyed, self._hit_keyed, self._end_keyed
        self._lock = threading.Lock()
        self._uses: dict[str, KeyUse] = {}

    def decide(self, plan: Plan, keys: Sequence[str], cost: int = 1, begun: Any = None) -> Decision:
        """Decide on one request, as :meth:`Decider.decide` does.

        One whose API key turns out not to be accepted counts as its address's.
        """
        key: Any = keys[0]
        if key.__class__ is not PresentedKey:
            return super().decide(plan, keys, cost, begun)
        try:
            decision = super().decide(plan, keys, cost, begun)
        except _NotAcceptedError:
            plan = self._ring.plan_for(key.address)
            return super().decide(plan, (key.address,) * len(plan.scopes), cost)
        # By the store, by a lease of the key's client, which ends when a key is revoked, or by this
        # worker's memory while the store is out.
        key.confirmed = True
        self._note(key, decision)
        return decision

    @property
    def is_used(self) -> bool:
        return bool(self._uses) or super().is_used

    def flush(self) -> None:
        """Write the uses of keys to the store.

        Raises:
            StoreError: The store failed; they are written later.
        """
        if not self._uses:
            return
        with self._lock:
            uses, self._uses = self._uses, {}
        try:
            self._store.add_key_uses(uses)
        except StoreError:
            with self._lock:
                for key_id, use in uses.items():
                    self._add(key_id, use)
            raise

    def after_fork(self) -> None:
        super().after_fork()
        self._ring.after_fork()
        self._lock = threading.Lock()
        self._uses = {}

    def _note(self, key: PresentedKey, decision: Decision) -> None:
        """Note a use of a key: a request once, whatever it is asked about besides."""
        with self._lock:
            self._add(key.key_id, KeyUse(not key.noted, not decision.admitted, decision.at))
        key.noted = True

    def _add(self, key_id: str, use: KeyUse) -> None:
        before = self._uses.get(key_id, NO_USE)
        self._uses[key_id] = KeyUse(
            before.requests + use.requests,
            before.refused + use.refused,
            max(before.last, use.last),
        )

    def _begin_keyed(self, plan: Plan, keys: Sequence[str], cost: int) -> Pending | None:
        key: Any = keys[0]
        if key.__class__ is not PresentedKey:
            return self._failures.begin(plan, keys, cost)
        if self._failures.breaker.is_open or key.seen is None:
            return None
        try:
            return self._store.begin_keyed(plan, keys, cost, key.seen)
        except Exception as error:
            self._failures.store_failed(error)
            return None

    def _end_keyed(self, asked: Asked) -> Hit | None:
        """Take the answer to a question for a lease; with another record, look and try again."""
        answer, key = self.leases.end(asked), asked.client
        if not isinstance(answer, StoredKey):
            return answer
        # Only of a key's client is the record asked about.
        if not isinstance(key, PresentedKey) or not self._ring.take(key, answer):
            raise _NotAcceptedError
        # Those of the question may be of an earlier request's, with another text of the key.
        keys = (key,) * len(asked.holding.keys)
        return self._hit_keyed(asked.holding.plan, keys, 1, None)

    def _hit_keyed(
        self, plan: Plan, keys: Sequence[str], cost: int, begun: Pending | None
    ) -> Hit | None:
        """Count a request of a key whose record is known; with another one, look and try again."""
        key: Any = keys[0]
        if key.__class__ is not PresentedKey:
            return self._failures.hit(plan, keys, cost, begun)
        for _ in range(TRIES):
            if key.seen is None:
                break
            ask = partial(self._store.hit_keyed, plan, keys, cost, key.seen, begun)
            answer = self._failures.ask(ask, begun is not None)
            if not isinstance(answer, StoredKey):
                return answer
            begun = None
            if not self._ring.take(key, answer):
                break
        else:
            key.reject("unverified")
        raise _NotAcceptedError
