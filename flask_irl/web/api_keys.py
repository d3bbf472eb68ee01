"""Find API keys in requests, and refuse requests whose keys aren't accepted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask, Request, Response, has_request_context, request

from flask_irl.api_keys.presented import PresentedKey
from flask_irl.api_keys.record import ApiKey
from flask_irl.api_keys.text import BEGINNING
from flask_irl.limiter.failures import Failed, Failures
from flask_irl.limiter.key_ring import KeyRing
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.limits.plan import Plan
from flask_irl.web.api_key_errors import lacks_scope, missing, not_accepted
from flask_irl.web.body import BodyDrain
from flask_irl.web.bypass import Bypass
from flask_irl.web.callbacks import KeyFunc
from flask_irl.web.enforcement import Enforcer
from flask_irl.web.exchange import Exchange
from flask_irl.web.identity import Identity
from flask_irl.web.key_functions import address_of
from flask_irl.web.late import LateDecisions
from flask_irl.web.late_calls import LateCalls
from flask_irl.web.questions import Question
from flask_irl.web.request_plans import RequestPlans

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

BEARER: Final = "bearer "
NO_ROUTE: Final = ""


class ApiKeys:
    """Check the API keys of the requests of one app.

    Args:
        ring: Checks the keys.
        header: Name of the header that a key may be in, beside ``Authorization``.
        slot: Name in a request's environment under which its key is.
        failures: Takes errors of the limiter's own.
    """

    def __init__(self, ring: KeyRing, header: str, slot: str, failures: Failures) -> None:
        self._ring = ring
        self._header = "HTTP_" + header.upper().replace("-", "_")
        self._slot = slot
        self._failures = failures
        self._drop = BodyDrain({}, failures.swallow).drop

    def serve(self, app: Flask) -> None:
        """Serve an app, whose configuration bounds the bodies that are read."""
        self._drop = BodyDrain(app.config, self._failures.swallow).drop

    def presented(self, environ: WSGIEnvironment) -> PresentedKey | None:
        """Give the key that a request presents; None where there is none, or a key of the app's."""
        try:
            found: PresentedKey | None = environ[self._slot]
        except KeyError:
            found = environ[self._slot] = self._find(environ)
        return found

    def client(self, environ: WSGIEnvironment) -> str | None:
        """Name the client of a request with a key, by the store if need be; None without a key.

        That is the request's address where the key isn't accepted.
        """
        presented = self.presented(environ)
        if presented is None:
            return None
        if presented.key is None and not presented.rejection:
            self._ring.look(presented)
        return presented if presented.key is not None else presented.address

    def plan(self, environ: WSGIEnvironment) -> str | None:
        """Name the rate plan that a request's key has; None for none."""
        presented = self.presented(environ)
        key = None if presented is None else presented.key
        return key.plan or None if key is not None else None

    def valid(self, environ: WSGIEnvironment) -> ApiKey | None:
        """Give the key of a request, if it is accepted; asks the store where nobody has yet."""
        presented = self.presented(environ)
        if presented is None:
            return None
        if not presented.confirmed and not presented.rejection:
            self._ring.look(presented)
        return presented.valid

    def check(self, environ: WSGIEnvironment, exchange: Exchange) -> None:
        """Refuse a request that was decided on and admitted, if its key isn't accepted.

        Raises:
            ApiKeyError: It isn't.
        """
        presented = self.presented(environ)
        if presented is None or exchange.exempt or exchange.late:
            return
        if self.valid(environ) is None:
            if exchange.client == presented:
                exchange.client = presented.address
            self._refuse(presented, _label(exchange))

    def require(self, scope: str | None, route: str) -> None:
        """Refuse the current request, if it has no valid key, or one without a scope.

        Args:
            scope: The scope; None for any key.
            route: The request's route, for the log.

        Raises:
            ApiKeyError: It is refused.
        """
        environ = request.environ
        presented = self.presented(environ)
        if presented is None:
            self._ring.count("missing")
            raise missing(self._drop)
        key = self.valid(environ)
        if key is None:
            self._refuse(presented, route)
        elif scope is not None and scope not in key.scopes:
            self._ring.count("scope")
            raise lacks_scope(scope, self._drop)

    def _refuse(self, presented: PresentedKey, route: str) -> None:
        reason = presented.rejection or "unverified"
        self._ring.report(reason, presented, route)
        raise not_accepted(reason, self._drop)

    def _find(self, environ: WSGIEnvironment) -> PresentedKey | None:
        own = environ.get(self._header, "").strip()
        bearer = environ.get("HTTP_AUTHORIZATION", "")
        bearer = bearer[len(BEARER) :].strip() if bearer[: len(BEARER)].lower() == BEARER else ""
        texts = {text for text in (own, bearer) if text.startswith(BEGINNING)}
        if not texts:
            return None
        if len(texts) > 1:
            return PresentedKey.rejected("ambiguous", address_of(environ))
        return self._ring.present(texts.pop(), address_of(environ))


class KeyedIdentity(Identity):
    """Identify clients by their API keys, and those without by the app's key function.

    Args:
        key_func: As of :class:`Identity`.
        failed: As of it.
        keys: Finds the keys.
    """

    def __init__(self, key_func: KeyFunc, failed: Failed, keys: ApiKeys) -> None:
        super().__init__(key_func, failed)
        self._keys = keys
        own = self.early
        if own is not None:
            stored = own

            def early(environ: WSGIEnvironment) -> str | None:
                presented = keys.presented(environ)
                if presented is None:
                    return stored(environ)
                if presented.rejection:
                    return presented.address
                # None but the store can tell about a key that this worker doesn't know.
                return presented if presented.key is not None else None

            self.early = early

    def known(self, environ: WSGIEnvironment) -> str | None:
        """Give the client's key where the environment and the store tell it, else None."""
        return self._keys.client(environ) or super().known(environ)

    def client(self, environ: WSGIEnvironment, *, quietly: bool = False) -> str:
        """Give the client's key, during a request; never raises."""
        return self._keys.client(environ) or super().client(environ, quietly=quietly)


class KeyedLateDecisions(LateDecisions):
    """Decide on requests after the app's hooks, and refuse those whose keys aren't accepted."""

    keys: ApiKeys

    def _decide(
        self, current: Request, exchange: Exchange, *, answered: bool = False
    ) -> tuple[Decision, Question] | None:
        refused = super()._decide(current, exchange, answered=answered)
        if refused is None and not answered:
            self.keys.check(current.environ, exchange)
        return refused


class KeyedEnforcer(Enforcer):
    """Decide on the requests of one app, and refuse those whose keys aren't accepted.

    Args:
        keys: Checks the keys.
        limiter: As of :class:`Enforcer`; so are the others.
        identity: Identifies clients.
        **parts: The other parts.
    """

    def __init__(self, keys: ApiKeys, limiter: Any, identity: Identity, **parts: Any) -> None:
        super().__init__(limiter, identity, **parts)
        self._keys = keys
        self.late = KeyedLateDecisions(
            limiter,
            identity,
            self._questions,
            self._request_plans,
            slot=self._slot,
            filters=self._filters,
            refuse=self._refuse,
            routes=self._routes,
        )
        self.late.keys = keys

    def register(self, app: Flask, *, innermost: bool, bypass: Bypass, calls: LateCalls) -> None:
        """Decide on the requests of an app, in a hook before each; see :class:`Enforcer`."""
        super().register(app, innermost=innermost, bypass=bypass, calls=calls)
        self._keys.serve(app)

    def decide(self) -> Response | None:
        """Decide on the request being served, before its view; see :meth:`Enforcer.decide`.

        Raises:
            ApiKeyError: Its key isn't accepted.
            RateLimitExceeded: It is refused, and a handler of the app answers that.
        """
        response = super().decide()
        if response is None:
            current = cast(Request, request._get_current_object())  # type: ignore[attr-defined]
            self._keys.check(current.environ, current.environ[self._slot])
        return response


def keys_of(limiter: Limiter, slot: str, plans: RequestPlans) -> ApiKeys | None:
    """Make what checks the API keys of an app's requests; None where there are none.

    Args:
        limiter: The app's.
        slot: Name in a request's environment under which its exchange is.
        plans: Tells rate plans, those of keys from now on, too.
    """
    ring = limiter.keys
    if ring is None:
        return None
    # Whoever asks before the tenant is known must not answer for the tenant.
    slot = f"{slot}.key.{limiter.tenant}"
    keys = ApiKeys(ring, limiter.options.api_key_header, slot, limiter.failures)
    plans.of_key = keys.plan
    ring.plan_for = partial(_plan_for, limiter, plans)
    return keys


def new_identity(key_func: KeyFunc, failed: Failed, keys: ApiKeys | None) -> Identity:
    """Make what identifies clients, by API keys where there are some."""
    if keys is None:
        return Identity(key_func, failed)
    return KeyedIdentity(key_func, failed, keys)


def new_enforcer(keys: ApiKeys | None) -> Callable[..., Enforcer]:
    """Choose what decides on requests: it checks API keys where there are some."""
    return Enforcer if keys is None else partial(KeyedEnforcer, keys)


def _plan_for(limiter: Limiter, plans: RequestPlans, address: str) -> Plan:
    """Make the plan by which all requests of an address count, that of its rate plan if it has one.

    The app's function may be asked before all hooks have run, in the one request of a worker that
    meets the end of a key: where that is too early for it, the default plan holds.
    """
    if not limiter.rate_plans.any:
        return limiter.plan(())
    # A request that never came to be decided on is settled behind its context.
    environ = request.environ if has_request_context() else {}
    rate_plan = plans.of(address, environ, quietly=True)
    return limiter.plan(() if rate_plan is None else (rate_plan.scope,))


def _label(exchange: Exchange) -> str:
    route = getattr(exchange, "route", None)
    return NO_ROUTE if route is None else route.label
