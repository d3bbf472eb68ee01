"""Load what learns from requests when it is first needed.

With numpy it takes longer to import than all that a request needs. A worker loads it on its
background thread, a little after its first answer; a process that is about to fork does so at once,
so that its children share the memory, and none is born in the midst of an import.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Final

from flask_irl.behaviour.buffer import Buffer
from flask_irl.config.options import Options
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.failures import Failures
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import Listener, Notify, ignore
from flask_irl.verdicts.ladder import Ladder, ladder_of
from flask_irl.verdicts.traps import Traps

if TYPE_CHECKING:
    from flask_irl.addresses.countries import Countries
    from flask_irl.campaigns.newcomers import SystemOf
    from flask_irl.limiter.learning import Learning
    from flask_irl.limiter.webhooks import TenantWebhooks, Webhooks
    from flask_irl.model.model import Model
    from flask_irl.training.fit import Fit
    from flask_irl.training.trainer import Trainer
    from flask_irl.verdicts.incident_watch import Announce
    from flask_irl.verdicts.profiler import Profiler

LEARNING: Final = "flask_irl.limiter.learning"
SCHEDULER: Final = "flask_irl.limiter.scheduler"


def ladder_for(options: Options) -> Ladder:
    """Give the steps that the options name."""
    return ladder_of(options.factors, float(options.window_seconds), options.anomaly_threshold)


def webhooks_of(options: Options, store: Store, notify: Notify) -> Webhooks | None:
    """Make what delivers webhooks; None where there are none.

    Raises:
        ConfigurationError: They have no secret.
    """
    if not options.webhooks:
        return None
    if not options.webhook_secret:
        raise ConfigurationError(
            "webhooks are given without webhook_secret (IRL_WEBHOOK_SECRET), which signs them: "
            "give a text of at least 16 characters"
        )
    from flask_irl.limiter.webhooks import Webhooks

    return Webhooks(store, options.webhooks, options.webhook_secret, notify)


def countries_of(options: Options, notify: Notify) -> Countries | None:
    """Open the file that tells the countries of clients; None where none is given.

    Raises:
        ConfigurationError: It can't be read.
    """
    if options.country_file is None:
        return None
    from flask_irl.addresses.countries import Countries

    return Countries(options.country_file, notify)


def system_of(options: Options, notify: Notify) -> SystemOf | None:
    """Give what names the autonomous systems of clients, by a file; None where none is given.

    Raises:
        ConfigurationError: It can't be read.
    """
    if options.asn_file is None:
        return None
    from flask_irl.addresses.systems import Systems

    return Systems(options.asn_file, notify).find


class LateLearning:
    """Take observations, and learn from them with a part that is loaded when it is first needed.

    Args:
        options: All options.
        store: Where state lives.
        listener: Takes events.
        fit: Trains detectors; by default a child process does.
        monotonic: Seconds of a clock that is never set.
        leader: Those of a limiter whose store's connections this one shares.

    Attributes:
        options: The options in force, settings changed at run time included.
        ladder: The steps in force.
        buffer: Holds observations until they are flushed.
        traps: Holds clients that hit a honeypot until then.
        webhooks: Tells others of events; None where nobody is to be told.
        countries: Tells the countries of clients; None where no file does.
        system_of: Names the autonomous systems of clients; None where no file does.
        shared_model: Gives the model that judges while there is none of its own; None for none.
        refresh_shared: Loads that model as it is in the store by now.
        limited_routes: Names the routes that have limits of their own, as courses do; none by
            default.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        listener: Listener | None,
        fit: Fit | None,
        monotonic: Callable[[], float],
        leader: Failures | None = None,
    ) -> None:
        self.options = options
        self.store = store
        self.notify: Notify = ignore if listener is None else listener.notify
        store.report_damage(self.notify)
        self.webhooks = webhooks_of(options, store, self.notify)
        self.countries = countries_of(options, self.notify)
        self.system_of = system_of(options, self.notify)
        # Not on a request's way: none of those events becomes a webhook.
        self._watched = self.notify
        self._announce: Announce | None = None
        if self.webhooks is not None:
            self.announce_by(self.webhooks)
        self.failures = Failures(store, options, self._watched, monotonic, leader)
        self.ladder = ladder_for(options)
        self.buffer = Buffer()
        self.traps = Traps()
        self.fit = fit
        self.shared_model: Callable[[], Model] | None = None
        self.refresh_shared: Callable[[], object] = bool
        self.limited_routes: Callable[[], Collection[str]] = tuple
        self._made: Learning | None = None
        self._making = threading.Lock()
        _LEARNERS.add(self)

    def announce_by(self, webhooks: Webhooks | TenantWebhooks) -> None:
        """Have webhooks tell of what is learned; call it before anything is."""
        self._watched, self._announce = webhooks.watch, webhooks.announce_incident

    @cached_property
    def learning(self) -> Learning:
        """Give what keeps profiles, verdicts and models; the first call takes long."""
        with _LOADING:
            # Without APScheduler, which can't be imported while a process ends.
            from flask_irl.limiter.learning import Learning
        with self._making:
            if self._made is None:
                self._made = Learning(
                    self.options,
                    self.store,
                    self._watched,
                    self.failures,
                    self.fit,
                    self.ladder,
                    self.buffer,
                    self.traps,
                    self._announce,
                    self.shared_model,
                    None if self.countries is None else self.countries.of,
                    lambda: self.limited_routes(),
                    self.system_of,
                )
            return self._made

    @cached_property
    def profiler(self) -> Profiler:
        """Give what keeps profiles and verdicts."""
        return self.learning.profiler

    @cached_property
    def trainer(self) -> Trainer:
        """Give what trains models, and holds the one in force."""
        return self.learning.trainer

    @property
    def has_learned(self) -> bool:
        """Tell whether anything was learned, or waits to be."""
        return self._made is not None or self.buffer.count() > 0 or len(self.traps) > 0

    def forget_parent(self) -> None:
        """Begin anew in a forked process."""
        self._making = threading.Lock()
        if self.webhooks is not None:
            self.webhooks.after_fork()
        if self._made is None:
            self.buffer.after_fork()
            self.traps.after_fork()
        else:
            self._made.after_fork()

    def end_learning(self) -> bool:
        """Start no training any more; returns whether one still runs."""
        return self._made is not None and self._made.close()


def load() -> None:
    """Import what learns from requests, and what runs it."""
    with _LOADING:
        import_module(LEARNING)
        import_module(SCHEDULER)


def _before_fork() -> None:
    try:
        # Not for a process that forks before it has a limiter.
        if _LEARNERS:
            load()
    finally:
        _LOADING.acquire()


def _after_fork() -> None:
    _LOADING.release()


_LOADING: Final = threading.Lock()
_LEARNERS: Final[weakref.WeakSet[LateLearning]] = weakref.WeakSet()

# Windows forks no process.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
