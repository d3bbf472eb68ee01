"""Tell an app about a request that is being served, by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.current import CurrentLimit
from flask_irl.limits.decision import Decision
from flask_irl.web.current import limits_of
from flask_irl.web.identity import Identity
from flask_irl.web.tenants import TenantStates

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class OnRequest:
    """Know requests by the limiter of an app's state."""

    limiter: Limiter
    tenants: TenantStates[Any] | None
    _slot: str
    _identity: Identity

    def limiter_for(self, tenant: str | None) -> Limiter:
        """Give the limiter of a tenant, of the current request's with None.

        Raises:
            ConfigurationError: There is no such tenant.
            StoreError: The store failed.
        """
        if tenant is None:
            return self.limiter if self.tenants is None else self.tenants.current().limiter
        if self.tenants is None:
            raise ConfigurationError(f"tenant is {tenant!r:.100}: the app gives no tenant_of")
        found = self.tenants.limiters.find(tenant)
        if found is None:
            raise ConfigurationError(f"tenant is {tenant!r:.100}: there is no such tenant")
        # With it come those parts of the limiter that only requests need.
        self.tenants.state(found)
        return found

    def decision_on(self, environ: WSGIEnvironment) -> Decision | None:
        """Give the decision on a request, by its environment."""
        exchange = environ.get(self._slot)
        return None if exchange is None else exchange.decision

    def limits_on(self, environ: WSGIEnvironment) -> list[CurrentLimit]:
        """List the limits that a request counts under, as they stand, by its environment."""
        exchange = environ.get(self._slot)
        return [] if exchange is None else limits_of(exchange, self.limiter)

    def key_on(self, environ: WSGIEnvironment) -> str:
        """Give the key of a request's client, whether that is limited or not."""
        exchange = environ.get(self._slot)
        known = "" if exchange is None else exchange.client
        if not known or known in self.limiter.access.networks:
            # A request that counts as its network's has a client all the same.
            return self._identity.client(environ)
        return known

    def note_failed_login(self, environ: Mapping[str, Any]) -> None:
        """Note that a request is a login that failed, whatever it will be answered with."""
        exchange = environ.get(self._slot)
        if exchange is not None:
            exchange.failed_login = True
