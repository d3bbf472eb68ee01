"""Decide by options, settings, overrides, plans and models as they are changed elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask_irl.config.options import Options
from flask_irl.config.runtime import apply_settings, plain_settings, read_settings
from flask_irl.limiter.access import Access
from flask_irl.limiter.failures import Failures
from flask_irl.limiter.late_gate import LateGate
from flask_irl.limiter.late_learning import LateLearning, ladder_for
from flask_irl.limiter.new_decider import new_decider
from flask_irl.limiter.rate_plans import RatePlans
from flask_irl.limits.plan import Mode, Plan, Scope
from flask_irl.limits.plan_cache import PlanCache
from flask_irl.stores.base import Store
from flask_irl.stores.site import Revisions
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Listener
from flask_irl.telemetry.log import event

if TYPE_CHECKING:
    from flask_irl.training.fit import Fit


class LiveLimits(LateLearning):
    """Decide on requests by limits that change while the app runs.

    Args:
        options: As of :class:`~flask_irl.limiter.limiter.Limiter`.
        store: As there.
        listener: As there.
        fit: As there.
        monotonic: As there.
        leader: Failures of the limiter whose store's connections this one shares.
        start: Starts background work in this process.

    Attributes:
        configured: The options without those settings.
        failures: Keeps failures of the store, and errors of the limiter's own, from the app.
        campaigns: Holds back newcomers' logins where there is a campaign.
        access: Clients and networks that are let pass, refused or counted as one.
        keys: Checks API keys; None where there are none.
        rate_plans: The rate plans in force, and who is assigned one.
        begin: Begins to ask about a request, see :class:`~flask_irl.limiter.decider.Decider`.
        decide: Decides on one, see there.
        refusals: Clients known to be over their limit; with an embedded store, likely to be.
        leases: Requests of clients that the store has counted ahead.
        asks_ahead: Whether :meth:`begin` may be of use.
        plans: The plans of routes, by the settings in force.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        listener: Listener | None,
        fit: Fit | None,
        monotonic: Callable[[], float],
        leader: Failures | None,
        *,
        start: Callable[[], object],
    ) -> None:
        super().__init__(options, store, listener, fit, monotonic, leader)
        self.configured = options
        self.breaker = self.failures.breaker
        self.access = Access(options, store, self.failures, monotonic, self.notify)
        self.rate_plans = RatePlans(options, store, self.access.now, self.notify)
        self._decider = new_decider(
            options, store, self.failures, self.access, start, monotonic, self.notify
        )
        self.keys = self._decider.keys
        self.begin, self.decide = self._decider.begin, self._decider.decide
        self.refusals, self.leases = self._decider.refusals, self._decider.leases
        self.plans = PlanCache(
            options.strategy, options.profile_ttl_seconds, options.time_zone, self.access.now
        )
        if self.keys is not None:
            self.keys.plan_for = lambda address: self.plans.plan(())
        self.asks_ahead = not store.local
        self.campaigns = LateGate(lambda: self.learning.gate)
        self.plans.use(options.own_scope, self.ladder.factors, options.mode)
        self._mode: Mode = options.mode
        self._news = Revisions(0, 0, 0)
        self._damaged = DamageLog("settings", "settings_damaged", self.notify)

    @property
    def mode(self) -> Mode:
        """Tell whether verdicts are enforced, only reported, or not made."""
        return self._mode

    def plan(self, scopes: tuple[Scope, ...]) -> Plan:
        """Give the plan for a route's scopes, beside the limit on all requests of a client."""
        return self.plans.plan(scopes)

    def forget(self, client: str) -> bool:
        """Forget a client, as if it had never been here; returns whether it was known.

        Raises:
            StoreError: The store failed.
        """
        self._decider.forget(client)
        return self.store.forget(client, self.plans.longest)

    def forget_all(self) -> int:
        """Forget all clients; operators' overrides, the model and the site's counters stay."""
        known = self.profiler.forget_all(self.plans.longest)
        self.failures.forget_all()
        self._decider.forget()
        return known

    def refresh(self, news: Revisions | None = None) -> None:
        """Take up changes made elsewhere: model, settings, overrides, clients to forget.

        Args:
            news: Revisions that were just read; a limiter that has had no request takes up from
                them what its first request needs.

        Raises:
            StoreError: The store failed.
        """
        alone = news is None
        before, waits = self._news, not alone and not self.has_learned
        news = self.store.revisions() if news is None else news
        if waits:
            news = news._replace(model=before.model, pin=before.pin, campaigns=before.campaigns)
        # First, so that a refusal that is under way isn't remembered past a change.
        self._news = self._decider.news = news
        try:
            if news.epoch != before.epoch:
                self._decider.forget()
                if self.keys is not None:
                    self.keys.refresh()
            self.access.refresh(before, news)
            self.rate_plans.refresh(before, news)
            self.plans.keep_up()
            if news.settings != before.settings:
                _, stored = self.store.settings()
                self._apply(read_settings(stored, self._damaged.tell))
            if waits:
                return
            self.campaigns.refresh(news.campaigns, enforced=self._mode == "enforce")
            if news.model != before.model or news.model != self.trainer.in_force.model.version:
                self.trainer.poll()
            self.trainer.in_force.take_pin(news.pin)
            if alone and self.trainer.uses_shared:
                # Elsewhere it has its own turn.
                self.refresh_shared()
        except BaseException:
            self._news = self._decider.news = before
            raise

    def _apply(self, settings: dict[str, Any]) -> None:
        """Put settings made at run time over the configured options."""
        options = apply_settings(self.configured, settings)
        if options == self.options:
            return
        self.options = options
        self._mode = options.mode
        self.access.window_seconds = options.window_seconds
        self.rate_plans.use(options)
        self.ladder = ladder_for(options)
        if self._made is not None:
            self._made.use(options, self.ladder)
        self.plans.use(options.own_scope, self.ladder.factors, options.mode)
        self._decider.forget()
        event(logging.WARNING, "settings_changed", **plain_settings(settings))
