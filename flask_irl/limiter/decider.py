"""Decide on requests: by what this worker knows, by the store, or without it while it is out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flask_irl.config.options import Options
from flask_irl.limiter.access import Access
from flask_irl.limiter.failures import Failures
from flask_irl.limiter.leases import Asked, Leases
from flask_irl.limiter.refusals import Refusals
from flask_irl.limiter.starting import Starting
from flask_irl.limits.decision import Decision, decision_of
from flask_irl.limits.plan import Plan
from flask_irl.stores.base import Store
from flask_irl.stores.site import Revisions

if TYPE_CHECKING:
    from flask_irl.limiter.key_ring import KeyRing


class Decider:
    """Decide on requests.

    Args:
        options: All options.
        store: Where requests are counted.
        failures: Asks it, and decides while it is out.
        access: Knows operators' overrides without the store.
        start: Starts background work in this process.
        monotonic: Seconds of a clock that is never set.

    Attributes:
        refusals: Clients known to be over their limit.
        leases: Requests of clients that the store has counted ahead.
        starting: Starts background work with the first request.
        news: Revisions of what was changed elsewhere.
        keys: Checks API keys; None where there are none.
    """

    keys: KeyRing | None = None

    def __init__(
        self,
        options: Options,
        store: Store,
        failures: Failures,
        access: Access,
        start: Callable[[], object],
        monotonic: Callable[[], float],
    ) -> None:
        self._failures = failures
        self._access = access
        self._local = store.local
        self._monotonic = monotonic
        # How the store is asked; a call more would be one on every request's way.
        self._begin, self._hit = failures.begin, failures.hit
        self.refusals = Refusals()
        # What is unused goes back in the background alone.
        enabled = options.leases and options.background and not store.local
        self.leases = Leases(store, failures, enabled=enabled, monotonic=monotonic)
        self._end: Callable[[Asked], Any] = self.leases.end
        self.starting = Starting(start, failures, monotonic)
        self.news = Revisions(0, 0, 0)

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> Any:
        """Ask about a request that :meth:`decide` is to decide on in a moment, as early as can be.

        Args:
            plan: As for :meth:`decide`, like keys and cost.

        Returns:
            What :meth:`decide` must be given; None where the store can't be asked now.
        """
        if not self.starting.done:
            return None
        plans = self.leases.held.get(keys[0])
        if plans is not None and cost == 1:
            holding = plans.get(plan)
            if holding is not None:
                begun = self.leases.begin(holding, keys[0])
                if begun is not None:
                    return begun
        return self._begin(plan, keys, cost)

    def decide(self, plan: Plan, keys: Sequence[str], cost: int = 1, begun: Any = None) -> Decision:
        """Decide on one request. Never raises, never waits longer than the store's timeout.

        Args:
            plan: From ``Limiter.plan``.
            keys: One canonical key for each of the plan's scopes, the client's own first.
            cost: Units that the request counts for, 0 or more.
            begun: From :meth:`begin`, if that was called.
        """
        if not self.starting.done:
            self.starting.attempt()
        client, refusals, leases = keys[0], self.refusals, self.leases
        if begun is None and not self._local:
            if refusals.known:
                now = self._monotonic()
                refusal = refusals.find(client, plan, cost, now)
                if refusal is not None:
                    return decision_of(plan, client, refusal.hit_at(now), "local")
            plans = leases.held.get(client)
            if plans is not None and cost == 1 and plan in plans:
                begun = leases.begin(plans[plan], client)
        kind, news = begun.__class__, self.news
        if kind is Decision:
            decision: Decision = begun
            return decision
        asked = kind is Asked
        hit = self._end(begun) if asked else self._hit(plan, keys, cost, begun)
        lost = hit is not None and not hit.override and client in self._access.own
        if hit is None or (lost and self._access.doubts(client)):
            return self._failures.decide(plan, keys, cost)
        if not hit.admitted:
            # A refusal that was under way when somebody changed the limits isn't remembered.
            if news is self.news:
                refusals.remember(client, plan, cost, hit, self._monotonic())
        elif client in refusals.known:
            refusals.forget(client)
        elif not asked and (
            (0 <= hit.gap < leases.quick and plan.leasable) or client in leases.held
        ):
            leases.note(plan, keys, cost)
        return decision_of(plan, client, hit, "store")

    @property
    def is_used(self) -> bool:
        """Tell whether anything waits for a flush."""
        return bool(self.leases.held)

    def flush(self) -> None:
        """Write what was noted of requests to the store.

        Raises:
            StoreError: The store failed; what was noted is lost.
        """

    def forget(self, client: str | None = None) -> None:
        """Ask the store again about a client, or all of them: their limits may have changed."""
        self.leases.drop(client)
        if client is None:
            self.refusals.clear()
        else:
            self.refusals.forget(client)

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self.starting.after_fork()
        self.refusals.after_fork()
        self.leases.after_fork()
