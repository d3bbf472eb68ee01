"""Keep a limiter for each tenant of an app, over one store's connections and one thread."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal

from flask_irl.config.options import Options
from flask_irl.config.tenants import ALLOWED_NAMES, DEFAULT, OTHER, is_name, prefix_of, undeclared
from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.rounds import Rounds
from flask_irl.limiter.worker import Worker
from flask_irl.telemetry.events import Listener, TenantUnusable
from flask_irl.telemetry.log import Sampler, event, named

if TYPE_CHECKING:
    from flask_irl.limiter.shared_model import SharedModel
    from flask_irl.model.model import Model
    from flask_irl.training.pool import Pooled

Reason = Literal["name", "undeclared", "full", "store"]
LOG_SECONDS: Final = 60.0
MAX_CHARACTERS: Final = 80
"""Characters of a name that is no tenant's, in the log."""


class Tenants:
    """Open the limiters of an app's tenants, and end and renew them with the app's own.

    Args:
        first: The app's own limiter, which has the requests that are of no tenant.
        declared: The options of each declared tenant.
        monotonic: Seconds of a clock that is never set.

    Attributes:
        rounds: Runs their background jobs.
        shared: Keeps the model that tenants with few rows share; None until one is asked for.
    """

    def __init__(
        self,
        first: Limiter,
        declared: Mapping[str, Options],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(first.worker, Worker):
            raise ConfigurationError("a tenant can't have tenants of its own")
        self._first = first
        self._declared = declared
        self._own = first.options.undeclared_tenants == "own"
        self._monotonic = monotonic
        self._logs: dict[Reason, Sampler] = {}
        self.rounds = Rounds(first, first.worker, monotonic)
        first.worker.others = self.rounds
        first.tenants = self
        self._noted: frozenset[str] | None = None
        """All tenants that are not declared, where there can be no more."""
        self._limiters: dict[str, Limiter] = {}
        self.shared: SharedModel | None = None
        self.after_fork()
        for name, options in declared.items():
            self._open(name, options)

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self._lock = threading.Lock()
        for limiter in self._limiters.values():
            limiter.after_fork()
        if self.shared is not None:
            self.shared.after_fork()

    def all(self) -> dict[str, Limiter]:
        """Give the limiters that this process has, by the names of their tenants."""
        return dict(self._limiters)

    def choose(self, name: str) -> Limiter:
        """Give the limiter for requests of a tenant, opened now where there was none; never raises.

        Args:
            name: As the app names it: anything.
        """
        known = self._limiters.get(name)
        if known is not None:
            return known
        if name == DEFAULT:
            return self._first
        if not is_name(name):
            return self._unusable("name", name, self._first)
        if not self._own:
            return self._unusable("undeclared", name, self._first)
        if self._noted is None:
            if self._first.breaker.is_open:
                return self._unusable("store", name, self._other())
            try:
                admitted = self._note(name)
            except StoreError as error:
                self._first.failures.store_failed(error)
                return self._unusable("store", name, self._other())
        else:
            admitted = name in self._noted
        if not admitted:
            return self._unusable("full", name, self._other())
        return self._open(name, undeclared(self._first.configured, name))

    def find(self, name: str) -> Limiter | None:
        """Give the limiter of a tenant that there is, in any process; None for no tenant.

        Raises:
            StoreError: The store failed.
        """
        if name == DEFAULT:
            return self._first
        known = self._limiters.get(name)
        if known is None and self._own and is_name(name):
            if name == OTHER:
                return self._other()
            if name in self._first.store.tenants():
                return self._open(name, undeclared(self._first.configured, name))
        return known

    def names(self) -> list[str]:
        """List all tenants that there are, in any process.

        Raises:
            StoreError: The store failed.
        """
        noted = self._first.store.tenants() if self._own else []
        others = {OTHER} & self._limiters.keys()
        return [DEFAULT, *sorted({*self._declared, *noted}), *others]

    def train_all(self) -> None:
        """Train for all tenants that there are, whichever processes have their requests."""
        self.rounds.open_all = self._open_all

    def _open_all(self) -> None:
        self._open_shared()
        for name in self.names():
            self.find(name)

    def close(self) -> None:
        """End them; never raises."""
        for limiter in list(self._limiters.values()):
            with named(limiter.tenant):
                limiter.close()
        if self.shared is not None:
            self.shared.turn.close()

    def _shared_model(self) -> Model:
        """Give the model that tenants with few rows share; the first call takes long."""
        return self._open_shared().trainer.model

    def _refresh_shared(self) -> None:
        self._open_shared().refresh()

    def _open_shared(self) -> SharedModel:
        if self.shared is None:
            from flask_irl.limiter.shared_model import NAME, SharedModel

            first = self._first
            with self._lock:
                if self.shared is None:
                    self.shared = SharedModel(
                        first.configured,
                        first.store.within(prefix_of(first.configured, NAME)),
                        first.failures,
                        self.rounds,
                        self._pooled,
                        first.fit,
                    )
        return self.shared

    def _pooled(self) -> list[Pooled]:
        from flask_irl.training.pool import Pooled

        sharing = (x for x in self._limiters.values() if x.configured.shared_model)
        return [Pooled(limiter.tenant, limiter.store) for limiter in sharing]

    def _note(self, name: str) -> bool:
        """Note a tenant for all processes; False if there are as many as there may be."""
        store, most = self._first.store, self._first.options.max_tenants
        if store.admit_tenant(name, most):
            return True
        # No more can come: from now on the names are known without the store.
        self._noted = frozenset(store.tenants())
        return False

    def _other(self) -> Limiter:
        return self._limiters.get(OTHER) or self._open(
            OTHER, undeclared(self._first.configured, OTHER)
        )

    def _open(self, name: str, options: Options) -> Limiter:
        with self._lock:
            known = self._limiters.get(name)
            if known is not None:
                return known
            first = self._first
            limiter = Limiter(
                options,
                first.store.within(options.key_prefix),
                listener=_listener_for(first.listener, name),
                fit=first.fit,
                monotonic=self._monotonic,
                rounds=self.rounds,
            )
            limiter.tenant = name
            if first.webhooks is not None:
                from flask_irl.limiter.webhooks import TenantWebhooks

                limiter.announce_by(TenantWebhooks(first.webhooks, name, limiter.notify))
            if options.shared_model:
                limiter.shared_model = self._shared_model
                limiter.refresh_shared = self._refresh_shared
            limiter.label_of, limiter.log_refusal = first.label_of, first.log_refusal
            limiter.countries, limiter.system_of = first.countries, first.system_of
            self._limiters = {**self._limiters, name: limiter}
        return limiter

    def _unusable(self, reason: Reason, name: str, instead: Limiter) -> Limiter:
        """Count and log a request that is of no tenant of its own."""
        self._first.failures.guard(
            "listener", functools.partial(self._first.notify, TenantUnusable(reason))
        )
        log = self._logs.setdefault(reason, Sampler(LOG_SECONDS, self._monotonic))
        held = log.passes()
        if held is not None:
            event(
                logging.WARNING,
                "tenant_unusable",
                reason=reason,
                name=str(name)[:MAX_CHARACTERS],
                then=instead.tenant or DEFAULT,
                allowed=ALLOWED_NAMES if reason == "name" else None,
                not_logged=held,
            )
        return instead


def _listener_for(listener: Listener | None, name: str) -> Listener | None:
    """Give a tenant's listener: the app's, by its method ``for_tenant`` where it has one."""
    of_tenant = getattr(listener, "for_tenant", None)
    return listener if of_tenant is None else of_tenant(name)
