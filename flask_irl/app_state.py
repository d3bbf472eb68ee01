"""What an extension keeps for one app: its limiter, its routes, and the hooks on each request."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import Any, Final, cast

from flask import Blueprint, Flask, Request, Response, current_app, request

from flask_irl.engine import open_limiter
from flask_irl.errors import IrlError
from flask_irl.key_funcs import remote_address
from flask_irl.keys import canonical
from flask_irl.limiter import Limiter
from flask_irl.listener import Listener
from flask_irl.marks import RouteLimit
from flask_irl.options import Options
from flask_irl.records import Decision
from flask_irl.responses import RateLimitExceeded, refusal, retry_seconds, set_headers
from flask_irl.routing import Asked, Route, RouteTable

EXTENSION: Final = "flask_irl"


class Served:
    """One request under way.

    Attributes:
        decision: What was decided; None when it is exempt.
        route: Its route.
        client: Who it is from.
        seconds: How long the decision took.
        observed: Whether it was noted.
    """

    __slots__ = ("client", "decision", "observed", "route", "seconds")

    def __init__(
        self,
        decision: Decision | None,
        route: Route,
        client: str,
        seconds: float = 0.0,
    ) -> None:
        self.decision = decision
        self.route = route
        self.client = client
        self.seconds = seconds
        self.observed = decision is None


class AppState:
    """The extension's state for one app; its methods are the app's hooks.

    Args:
        owner: The extension.
        options: The app's options.
        key_func: Who a request is from.
        filters: Which requests aren't limited; shared with the extension, which may add to it.
        blueprint_limits: By blueprint; shared with the extension too.
        exempt_blueprints: Shared with the extension too.
        listener: Told of decisions.

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
        self._filters = filters
        self._blueprint_limits = blueprint_limits
        self._exempt_blueprints = exempt_blueprints
        self._routes = self.routes_for(self.limiter)
        self._slot = f"flask_irl.{id(self):x}"

    def routes_for(self, limiter: Limiter) -> RouteTable:
        """The app's routes, with plans of a limiter."""
        return RouteTable(
            self.owner,
            limiter,
            self.options.default_limits,
            self._blueprint_limits,
            self._exempt_blueprints,
            limiter.swallow,
        )

    def described_routes(self, app: Flask) -> list[dict[str, Any]]:
        """Each of an app's routes with its limits, for people to read."""
        return self._routes.described(app)

    def before(self) -> Response | None:
        """Decide on the request, before its view; the answer to a refused one."""
        current = cast(Request, request._get_current_object())  # type: ignore[attr-defined]
        try:
            served, asked = self._decide(current)
        except Exception as error:
            # Whatever goes wrong in here is ours, and no reason to fail the host's request.
            self.limiter.swallow("before_request", error)
            return None
        current.environ[self._slot] = served
        decision = served.decision
        if asked is None or decision is None or decision.admitted:
            return None
        return self._refuse(current, served, decision, asked.message(decision))

    def after(self, response: Response) -> Response:
        """Show the decision in the response's headers, and note the response."""
        try:
            served = request.environ.get(self._slot)
            if served is not None and served.decision is not None:
                decision = served.decision
                if self.options.headers_enabled and decision.source != "none":
                    set_headers(response.headers, decision, ietf=self.options.ietf_headers)
                if response.status_code == 429 and not decision.admitted:
                    # The app's own handler of 429 may not have thought of it.
                    response.headers.setdefault("Retry-After", str(retry_seconds(decision)))
                self._observe(served, response.status_code, response.content_length)
        except Exception as error:
            self.limiter.swallow("after_request", error)
        return response

    def teardown(self, error: BaseException | None) -> None:
        """Note a request whose view raised and that got no response from the app."""
        try:
            # Copies of the request's context, in threads of the app's own, end sooner than it does.
            served = None if error is None else request.environ.get(self._slot)
            if served is not None and not served.observed:
                self._observe(served, 500, None)
        except Exception as failed:
            self.limiter.swallow("teardown_request", failed)

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
            plan = self.limiter.without_base(asked.plan)
            decision = self.limiter.decide(plan, asked.keys, asked.cost)
        except Exception as error:
            self.limiter.swallow("limit", error)
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

    def _decide(self, current: Request) -> tuple[Served, Asked | None]:
        started = time.perf_counter()
        route = self._routes.of(current_app, current.url_rule, current.method)
        if route.exempt or any(self._filtered(passes) for passes in self._filters):
            self.limiter.listener.exempted(route.label)
            return Served(None, route, ""), None
        client = self._client()
        asked = self._routes.ask(route, client)
        decision = self.limiter.decide(asked.plan, asked.keys, asked.cost)
        return Served(decision, route, client, time.perf_counter() - started), asked

    def _filtered(self, passes: Callable[[], bool]) -> bool:
        try:
            return bool(passes())
        except Exception as error:
            self.limiter.swallow("request_filter", error)
            return False

    def _client(self) -> str:
        try:
            key = self._key_func()
            if key:
                return canonical(str(key))
        except Exception as error:
            self.limiter.swallow("key_func", error)
        return canonical(remote_address())

    def _refuse(
        self, current: Request, served: Served, decision: Decision, message: str | None
    ) -> Response:
        self.limiter.refused(decision, served.route.label)
        if _handles_refusal(current_app, current, decision):
            raise RateLimitExceeded(decision, message)
        return refusal(current, decision, message)

    def _observe(self, served: Served, status: int, size: int | None) -> None:
        decision = served.decision
        if served.observed or decision is None:
            return
        served.observed = True
        if decision.source not in ("none", "fallback"):
            environ = request.environ
            path = environ.get("PATH_INFO", "")
            self.limiter.observe(
                decision,
                route=served.route.label,
                path=zlib.crc32(path.encode("latin-1", "replace")),
                method=environ.get("REQUEST_METHOD", ""),
                status=status,
                size=-1 if size is None else size,
            )
        self.limiter.listener.decided(decision, served.route.label, served.seconds)


def state_of(app: Flask) -> AppState:
    """The state of an app's extension.

    Raises:
        IrlError: None is registered.
    """
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, AppState):
        raise IrlError("no IntelligentLimiter is registered with this app: call init_app first")
    return state


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
