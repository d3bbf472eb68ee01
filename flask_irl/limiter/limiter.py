"""Decide on requests, and learn from them: one pass per request, whatever happens to the store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask_irl.behaviour.observation import BY_NAME
from flask_irl.config.options import Options
from flask_irl.config.runtime import apply_settings, read_settings
from flask_irl.limiter.access import Access
from flask_irl.limiter.decider import Decider
from flask_irl.limiter.late_gate import LateGate
from flask_irl.limiter.late_learning import LateLearning, ladder_for
from flask_irl.limiter.presence import Presence
from flask_irl.limiter.refusal_log import RefusalLog
from flask_irl.limiter.worker import Jobs, Worker, follow_process
from flask_irl.limits.decision import REFUSED, Decision
from flask_irl.limits.plan import Mode, Plan, Scope
from flask_irl.limits.plan_cache import PlanCache
from flask_irl.stores.base import Store
from flask_irl.stores.site import Revisions
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Listener
from flask_irl.telemetry.log import event

if TYPE_CHECKING:
    from flask_irl.training.fit import Fit
    from flask_irl.training.trainer import Training


class Limiter(LateLearning):
    """Decide on requests and learn from them; knows nothing of Flask.

    Args:
        options: All options.
        store: Where state lives.
        listener: Takes events, for metrics.
        fit: Trains detectors; by default a child process does.
        monotonic: Seconds of a clock that is never set, for refusals kept in this process.

    Attributes:
        configured: The options without those settings.
        failures: Keeps failures of the store, and errors of the limiter's own, from the app.
        campaigns: Holds back newcomers' logins where there is a campaign.
        access: Clients and networks that are let pass, refused or counted as one.
        begin: Begins to ask about a request, see :class:`~flask_irl.limiter.decider.Decider`.
        decide: Decides on one, see there.
        refusals: Clients known to be over their limit; with an embedded store, likely to be.
        leases: Requests of clients that the store has counted ahead.
        label_of: Names a client by its key for people, or gives None; by default for all.
        log_refusal: Logs a refused request, with its route.
        asks_ahead: Whether :meth:`begin` may be of use.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        *,
        listener: Listener | None = None,
        fit: Fit | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(options, store, listener, fit, monotonic)
        self.configured = options
        self.listener = listener
        self.breaker = self.failures.breaker
        self.access = Access(options, store, self.failures, monotonic, self.notify)
        self._decider = Decider(options, store, self.failures, self.access, self.start, monotonic)
        self.begin, self.decide = self._decider.begin, self._decider.decide
        self.refusals, self.leases = self._decider.refusals, self._decider.leases
        self.plans = PlanCache(options.strategy, options.profile_ttl_seconds)
        self.asks_ahead = not store.local
        self.campaigns = LateGate(lambda: self.learning.gate)
        self.plans.use(options.own_scope, self.ladder.factors, options.mode)
        self.worker = Worker(
            self.failures,
            Jobs(
                flush=self._flush_gently,
                refresh=self.refresh,
                train=self._train_if_due if options.train else None,
                end_training=self.end_learning,
                leave_training=lambda: self.trainer.leave(),
                expire=self._expire,
                tell=self._tell,
            ),
            train_seconds=options.training_interval_minutes * 60,
        )
        self._presence = Presence(store, lambda: self.learning.report())
        self.access.look_soon = self.worker.poll_soon
        self._mode: Mode = options.mode
        self._news = Revisions(0, 0, 0)
        self._damaged = DamageLog("settings", "settings_damaged", self.notify)
        self.log_refusal = RefusalLog().write
        self.label_of: Callable[[str], str | None] = lambda client: None
        follow_process(self)

    @property
    def mode(self) -> Mode:
        """Tell whether verdicts are enforced, only reported, or not made."""
        return self._mode

    def plan(self, scopes: tuple[Scope, ...]) -> Plan:
        """Give the plan for a route's scopes, beside the limit on all requests of a client."""
        return self.plans.plan(scopes)

    def observe(
        self,
        decision: Decision,
        *,
        route: str,
        path: int,
        method: str,
        status: int,
        size: int,
        login: int = BY_NAME,
        answered: bool = False,
        seconds: float = -1.0,
    ) -> None:
        """Note an answered request, to learn from it with the next flush.

        Args:
            decision: The decision on it.
            route: Its rule, or ``"unmatched"``.
            path: A hash of its path.
            method: Its method.
            status: The answer's status.
            size: The answer's bytes, or -1.
            login: Whether it logs in, see :mod:`flask_irl.behaviour.observation`.
            answered: Whether the app had answered it before the decision.
            seconds: Time that the decision took; -1 if unknown.
        """
        if self._mode != "off":
            outcome, key, _, _, _, _, anomalous, _, _, _, _, source, at, gap = decision
            refused = outcome in REFUSED
            note = (
                key,
                at,
                gap,
                route,
                path,
                method,
                status,
                size,
                refused,
                1,
                anomalous,
                login,
                outcome,
                answered,
                seconds,
            )
            if source == "local":
                self.buffer.add_refused(note)
            else:
                self.buffer.add(note)

    def flush(self) -> int:
        """Merge observations and judge their clients now; returns the number of observations.

        Raises:
            StoreError: The store failed.
        """
        try:
            return self.profiler.flush()
        finally:
            self._give_back_leases()

    def _flush_gently(self) -> None:
        try:
            self.profiler.flush(gently=True)
        finally:
            self.leases.give_back()

    def train(self) -> Training:
        """Flush, then train now; never raises."""
        return self.learning.train()

    def start_training(self) -> None:
        """Flush, then start a training in the background; see :meth:`Learning.start_training`."""
        self.learning.start_training()

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

    def refresh(self) -> None:
        """Take up changes made elsewhere: model, settings, overrides, clients to forget.

        Raises:
            StoreError: The store failed.
        """
        before, news = self._news, self.store.revisions()
        # First, so that a refusal that is under way isn't remembered past a change.
        self._news = self._decider.news = news
        try:
            if news.epoch != before.epoch:
                self._decider.forget()
            self.access.refresh(before, news)
            if news.settings != before.settings:
                _, stored = self.store.settings()
                self._apply(read_settings(stored, self._damaged.tell))
            self.campaigns.refresh(news.campaigns, enforced=self._mode == "enforce")
            if news.model != before.model or news.model != self.trainer.model.version:
                self.trainer.poll()
            self.trainer.in_force.take_pin(news.pin)
        except BaseException:
            self._news = self._decider.news = before
            raise

    def start(self, *, train_at_once: bool = False) -> None:
        """Start background work in this process, unless the options forbid it.

        Args:
            train_at_once: Train now for the first time, and not only after the interval.
        """
        if self.options.background:
            self.worker.start(train_at_once=train_at_once)
            self.failures.before_back = self.refresh
        self._decider.starting.done = True
        self.failures.start()

    def close(self) -> None:
        """Stop background work, flush, close the connections; what fails keeps none from the rest.

        Never raises.
        """
        guard = self.failures.guard
        # A process that is told to end is killed if it takes long, whatever the store does.
        guard("close", self.store.leave)
        if self.has_learned:
            guard("close", self.profiler.leave)
        if self.webhooks is not None:
            guard("close", self.webhooks.close)
        self.worker.close()
        guard("close", self.breaker.close)
        if not self.breaker.is_open:
            guard("flush", self.flush if self.has_learned else self._give_back_leases)
        guard("close", self.store.close)
        self.worker.join()

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent's threads and buffers aren't here."""
        self._decider.after_fork()
        self.worker.after_fork()
        self.failures.after_fork()
        self.forget_parent()
        self.store.after_fork()
        self.access.after_fork()

    def _apply(self, settings: dict[str, Any]) -> None:
        """Put settings made at run time over the configured options."""
        options = apply_settings(self.configured, settings)
        self.options = options
        self._mode = options.mode
        self.access.window_seconds = options.window_seconds
        self.ladder = ladder_for(options)
        self.learning.use(options, self.ladder)
        self.plans.use(options.own_scope, self.ladder.factors, options.mode)
        self._decider.forget()
        event(logging.WARNING, "settings_changed", **settings)

    def _give_back_leases(self) -> None:
        self.leases.give_back(every=True)

    def _train_if_due(self) -> None:
        if self._mode != "off":
            self.learning.train_if_due()

    def _tell(self) -> None:
        """Tell others that this process lives, and what has happened in it."""
        self._presence.tell()
        if self.webhooks is not None:
            self.webhooks.tell()

    def _expire(self) -> None:
        if gone := self.store.expire() + self.failures.expire():
            event(logging.INFO, "clients_expired", clients=gone)
