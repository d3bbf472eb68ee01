"""Decide on requests, and learn from them: one pass per request, whatever happens to the store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask_irl.behaviour.observation import BY_NAME
from flask_irl.config.options import Options
from flask_irl.limiter.live_limits import LiveLimits
from flask_irl.limiter.presence import Presence
from flask_irl.limiter.refusal_log import RefusalLog
from flask_irl.limiter.rounds import Companions, Rounds, Turn
from flask_irl.limiter.worker import Jobs, Worker, follow_process
from flask_irl.limits.decision import REFUSED, Decision
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import Listener
from flask_irl.telemetry.log import event

if TYPE_CHECKING:
    from flask_irl.training.fit import Fit
    from flask_irl.training.trainer import Training


class Limiter(LiveLimits):
    """Decide on requests and learn from them; knows nothing of Flask.

    Args:
        options: All options.
        store: Where state lives.
        listener: Takes events, for metrics.
        fit: Trains detectors; by default a child process does.
        monotonic: Seconds of a clock that is never set, for refusals kept in this process.
        rounds: Runs the background jobs, where several limiters share a process's; then whoever has
            the rounds ends and renews this one.

    Attributes:
        label_of: Names a client by its key for people, or gives None; by default for all.
        log_refusal: Logs a refused request, with its route.
        tenants: The limiters of the app's tenants beside this one; None where there are none.
        tenant: Name of the tenant whose limiter this is; empty for the app's own.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        *,
        listener: Listener | None = None,
        fit: Fit | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        rounds: Rounds | None = None,
    ) -> None:
        leader = None if rounds is None else rounds.failures
        super().__init__(options, store, listener, fit, monotonic, leader, start=self.start)
        self.tenants: Companions | None = None
        self.tenant = ""
        self.listener = listener
        jobs = Jobs(
            flush=self._flush_gently,
            refresh=self.refresh,
            train=self._train_if_due if options.train else None,
            end_training=self.end_learning,
            leave_training=lambda: self.trainer.leave(),
            expire=self._expire,
            tell=self._tell,
        )
        train_seconds = options.training_interval_minutes * 60
        self.worker: Worker | Turn = (
            Worker(self.failures, jobs, train_seconds=train_seconds)
            if rounds is None
            else rounds.turn(self, jobs)
        )
        self._presence = Presence(store, lambda: self.learning.report())
        self.access.look_soon = self.worker.poll_soon
        self.log_refusal = RefusalLog().write
        self.label_of: Callable[[str], str | None] = lambda client: None
        if rounds is None:
            follow_process(self)

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
        plan: str = "",
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
            plan: Name of the client's rate plan, by which it was decided; empty for none.
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
                plan,
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
            self._decider.flush()

    def train(self) -> Training:
        """Flush, then train now; never raises."""
        return self.learning.train()

    def start_training(self) -> None:
        """Flush, then start a training in the background; see :meth:`Learning.start_training`."""
        self.learning.start_training()

    def label(self, client: str) -> str | None:
        """Name a client for people: as the app does, else by its API key; None for neither."""
        named = self.label_of(client)
        return named if named or self.keys is None else self.keys.label(client)

    @property
    def is_used(self) -> bool:
        """Tell whether it has decided on requests that a flush has to do with."""
        return self._decider.is_used

    @property
    def is_training(self) -> bool:
        """Tell whether a training runs in this process."""
        return self._made is not None and self._made.is_training

    def start(self, *, train_at_once: bool = False) -> None:
        """Start background work in this process, unless the options forbid it.

        Args:
            train_at_once: Train now for the first time, and not only after the interval.
        """
        if self.options.background:
            self.worker.start(train_at_once=train_at_once)
            others = self.tenants
            self.failures.before_back = self.refresh if others is None else others.rounds.refresh
        self._decider.starting.done = True
        self.failures.start()

    def close(self) -> None:
        """Stop background work, flush, close the connections; what fails keeps none from the rest.

        Never raises.
        """
        guard = self.failures.guard
        # A process that is told to end is killed if it takes long, whatever the store does.
        guard("close", self.store.leave)
        if self.tenants is not None:
            guard("close", self.tenants.close)
        if self.has_learned:
            guard("close", self.profiler.leave)
        if self.webhooks is not None:
            guard("close", self.webhooks.close)
        self.worker.close()
        if self.tenant == "":
            guard("close", self.breaker.close)
        if not self.breaker.is_open:
            guard("flush", self.flush if self.has_learned else self._give_back_leases)
            if self.webhooks is not None:
                # What the last flush has found; another worker delivers it.
                guard("close", self.webhooks.tell)
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
        if self.tenants is not None:
            self.tenants.after_fork()

    def _give_back_leases(self) -> None:
        self.leases.give_back(every=True)
        self._decider.flush()

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
