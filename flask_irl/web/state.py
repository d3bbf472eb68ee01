"""What an extension keeps for one app: its limiter, its routes, and the hooks on each request."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Blueprint, Flask, Request, Response, current_app, request

from flask_irl.config.access_lists import AccessLists
from flask_irl.config.options import Options
from flask_irl.errors import IrlError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.opening import open_limiter
from flask_irl.limits.decision import Decision
from flask_irl.limits.keys import canonical
from flask_irl.telemetry.events import Listener, RequestDecided, RequestExempted
from flask_irl.web.ahead import Ahead
from flask_irl.web.decorators import RouteLimit
from flask_irl.web.key_functions import KeyFromEnviron, remote_address
from flask_irl.web.middleware import Front, Headers, Served, put_in_front
from flask_irl.web.responses import RateLimitExceeded, refusal, retry_seconds, set_headers
from flask_irl.web.routes import Asked, RouteTable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

EXTENSION: Final = "flask_irl"
NOT_LEARNED_FROM: Final = frozenset({"none", "fallback", "list"})


class AppState:
    """The extension's state for one app; its methods are the app's hooks.

    Args:
        owner: The extension.
        options: The app's options.
        key_func: Who a request is from.
        filters: Which requests aren't limited; shared with the extension, which may add to it.
        blueprint_limits: By blueprint; shared with the extension too.
        exempt_blueprints: Shared with the extension too.
        listener: Takes events.

    Raises:
        ConfigurationError: An option is wrong.
    """

    def __init__(
        self,
        owner: object,
        options: Options,
        *,
        key_func: Callable[[], str],
        filters: list[Callable[[], bool]],
        blueprint_limits: dict[Blueprint, list[RouteLimit]],
        exempt_blueprints: set[Blueprint],
        listener: Listener | None,
    ) -> None:
        self.owner = owner
        self.options = options
        self.limiter = open_limiter(options, listener=listener)
        self._key_func = key_func
        self._key_of = key_func.stored if isinstance(key_func, KeyFromEnviron) else None
        self._filters = filters
        self._blueprint_limits = blueprint_limits
        self._exempt_blueprints = exempt_blueprints
        self._routes = self.routes_for(self.limiter)
        self._lists = (
            AccessLists(options.allow, options.deny) if options.allow or options.deny else None
        )
        self._honeypots = options.honeypots
        self._headers_enabled = options.headers_enabled
        self._slot = f"flask_irl.{id(self):x}"
        self._ahead: Ahead | None = None

    def register(self, app: Flask) -> None:
        """Take part in each of an app's requests."""
        before = self.before
        app.before_request(before)
        hooks = app.before_request_funcs[None]
        by_path = not (app.url_map.host_matching or app.subdomain_matching)
        if by_path and isinstance(self._key_func, KeyFromEnviron):
            self._ahead = Ahead(
                self.limiter,
                self._routes,
                self._key_func,
                filters=self._filters,
                lists=self._lists,
                refuses=self.options.early_refusals,
                hooks=hooks,
                hook=before,
                finish=self.finish,
            )
        put_in_front(app, self._front)

    def _front(self, inner: WSGIApplication, innermost: bool) -> Front:
        if not innermost:
            # What else is between it and the app may see a request in another way.
            self._ahead = None
        early, unused = (self._ahead.early, self._ahead.unused) if self._ahead else (None, None)
        return Front(
            inner, self._slot, early=early, unused=unused, finish=self.finish, failed=self.failed
        )

    def routes_for(self, limiter: Limiter) -> RouteTable:
        """The app's routes, with plans of a limiter."""
        return RouteTable(
            self.owner,
            limiter,
            self.options.default_limits,
            self._blueprint_limits,
            self._exempt_blueprints,
            limiter.troubles.swallow,
        )

    def described_routes(self, app: Flask, besides: Collection[str] = ()) -> list[dict[str, Any]]:
        """Each of an app's routes with its limits, for people to read, but those of blueprints."""
        return self._routes.described(app, besides)

    def before(self) -> Response | None:
        """Decide on the request, before its view; the answer to a refused one."""
        current = cast(Request, request._get_current_object())  # type: ignore[attr-defined]
        environ = current.environ
        served = environ.get(self._slot)
        if served is None:
            served = environ[self._slot] = Served()
        elif served.decision is not None:
            return None
        asked: Asked | None
        decision: Decision | None
        begun = served.begun
        try:
            if begun is not None and served.rule is current.url_rule:
                started = time.perf_counter()
                served.begun = None
                asked = served.asked
                decision = self.limiter.decide(asked.plan, served.keys, asked.cost, begun)
                served.decision = decision
                served.seconds += time.perf_counter() - started
            else:
                asked = self._decide(current, served)
                decision = served.decision
        except Exception as error:
            # Whatever goes wrong in here is ours, and no reason to fail the host's request.
            self.limiter.troubles.swallow("before_request", error)
            return None
        if asked is None or decision is None or decision.admitted:
            return None
        return self._refuse(current, served, decision, asked)

    def finish(
        self, environ: WSGIEnvironment, served: Served, status: str, headers: Headers
    ) -> None:
        """Show the decision in the response's headers, and note the response."""
        decision = served.decision
        if decision is None:
            return
        try:
            size = -1
            for name, value in headers:
                if name == "Content-Length":
                    size = int(value)
            if self._headers_enabled and decision.source != "none":
                set_headers(headers, decision, ietf=self.options.ietf_headers)
            # The app's own handler of 429 may not have thought of it.
            if status.startswith("429") and not decision.admitted and not _says_when(headers):
                headers.append(("Retry-After", str(retry_seconds(decision))))
            if not served.observed:
                self._observe(environ, served, decision, int(status[:3]), size)
        except Exception as error:
            self.limiter.troubles.swallow("response", error)

    def failed(self, environ: WSGIEnvironment, served: Served) -> None:
        """Note a request whose view raised and that got no response from the app."""
        try:
            if served.decision is not None and not served.observed:
                self._observe(environ, served, served.decision, 500, -1)
        except Exception as error:
            self.limiter.troubles.swallow("response", error)

    def check(self, limit: RouteLimit) -> None:
        """Count a function's limit, unless the request's route has done so.

        Raises:
            RateLimitExceeded: It refuses.
        """
        served = request.environ.get(self._slot)
        if served is None or served.decision is None or limit in served.route.covered:
            return
        try:
            if not limit.applies_to(request.method):
                return
            endpoint = request.endpoint or ""
            route = self._routes.alone(limit, served.route.label, endpoint, request.method)
            asked = self._routes.ask(route, served.client)
            if len(asked.plan.scopes) == 1:
                return
            # The limit on everything has counted this request before.
            plan = self.limiter.plans.without_base(asked.plan)
            decision = self.limiter.decide(plan, asked.keys_for(served.client), asked.cost)
        except Exception as error:
            self.limiter.troubles.swallow("limit", error)
            return
        before = served.decision
        shown = before
        if not decision.admitted or decision.remaining < before.remaining:
            shown = decision._replace(at=before.at, gap=before.gap)
        outcome = before.outcome if decision.outcome == "allowed" else decision.outcome
        served.decision = shown._replace(outcome=outcome)
        if not decision.admitted:
            self.limiter.refused(decision, served.route.label)
            message = asked.message(decision)
            response = None
            if not _handles_refusal(current_app, request, decision):
                response = refusal(request, decision, message)
            raise RateLimitExceeded(decision, message, response)

    def decision_on(self, environ: dict[str, Any]) -> Decision | None:
        """The decision on a request, by its WSGI environment."""
        served = environ.get(self._slot)
        return None if served is None else served.decision

    def forget(self, client: str) -> bool:
        """Forget a client, by what it is called or by its stored key."""
        return self.limiter.forget(canonical(client))

    def _decide(self, current: Request, served: Served) -> Asked | None:
        limiter = self.limiter
        started = time.perf_counter()
        route = self._routes.of(current_app, current.url_rule, current.method)
        served.route = route
        if route.exempt or (self._filters and any(map(self._filtered, self._filters))):
            limiter.notify(RequestExempted(route.label))
            return None
        client = served.client = self._client(current.environ)
        word = "" if self._lists is None else self._lists.rule_for(client)
        if word == "allow":
            limiter.notify(RequestExempted(route.label))
            return None
        asked = self._routes.ask(route, client)
        if word == "deny":
            served.decision = limiter.turn_away(client)
        else:
            decision = limiter.decide(asked.plan, asked.keys_for(client), asked.cost)
            served.decision = decision
            worth_it = limiter.asks_ahead or not decision.admitted
            if worth_it and asked.keys is None and self._ahead is not None:
                self._ahead.learn(current.environ, route, current.url_rule)
        served.seconds = time.perf_counter() - started
        return asked

    def _filtered(self, passes: Callable[[], bool]) -> bool:
        try:
            return bool(passes())
        except Exception as error:
            self.limiter.troubles.swallow("request_filter", error)
            return False

    def _client(self, environ: WSGIEnvironment) -> str:
        try:
            if self._key_of is not None:
                return self._key_of(environ)
            key = self._key_func()
            if key:
                return canonical(str(key))
        except Exception as error:
            self.limiter.troubles.swallow("key_func", error)
        return remote_address.stored(environ)

    def _refuse(
        self, current: Request, served: Served, decision: Decision, asked: Asked
    ) -> Response:
        message = asked.message(decision)
        route = served.route
        self.limiter.refused(decision, route.label)
        if _handles_refusal(current_app, current, decision):
            raise RateLimitExceeded(decision, message)
        route.plainly_refused = True
        return refusal(current, decision, message)

    def _observe(
        self, environ: WSGIEnvironment, served: Served, decision: Decision, status: int, size: int
    ) -> None:
        served.observed = True
        label = served.route.label
        if decision.source not in NOT_LEARNED_FROM:
            if self._honeypots and environ["PATH_INFO"].startswith(self._honeypots):
                self.limiter.profiler.trap(decision.key)
            self.limiter.observe(
                decision,
                route=label,
                path=zlib.crc32(environ["PATH_INFO"].encode("latin-1", "replace")),
                method=environ["REQUEST_METHOD"],
                status=status,
                size=size,
            )
        self.limiter.notify(RequestDecided(decision, label, served.seconds))


def state_of(app: Flask) -> AppState:
    """The state of an app's extension.

    Raises:
        IrlError: None is registered.
    """
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, AppState):
        raise IrlError("no IntelligentLimiter is registered with this app: call init_app first")
    return state


def _says_when(headers: Headers) -> bool:
    return any(name.lower() == "retry-after" for name, _ in headers)


def _handles_refusal(app: Flask, current: Request, decision: Decision) -> bool:
    """Whether the app has an error handler of its own for such a refusal.

    One for 429, ``TooManyRequests`` or ``RateLimitExceeded`` counts; a catch-all for every
    exception or HTTP error doesn't: it would turn refusals into something else. Nor is the 503 of
    a limiter without a store any business of a handler of 429.
    """
    if decision.source == "none":
        return False
    return any(
        issubclass(RateLimitExceeded, kind)
        for name in (*current.blueprints, None)
        for kind in app.error_handler_spec.get(name, {}).get(429, {})
    )
