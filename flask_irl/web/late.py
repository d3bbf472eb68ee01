"""Decide on requests after the app's hooks, where their limits or their client depend on those.

A login hook, of the app or of a blueprint, may be what tells whom to count and what their limit is.
Such a request is decided on when all hooks have run: right before its view, or where the view's
decorators come to the limit, if somebody else's decorator is above it. All of it is one question
to the store. Flask has no hook there, so its own calls are wrapped. A request that is answered
before is counted then, by what needs no hook, and refused if that refuses: no login fails for free.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Request, Response, current_app, has_request_context, request

from flask_irl.limiter.access import Ruling
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.telemetry.events import RequestExempted
from flask_irl.web.callbacks import Filter, is_true
from flask_irl.web.exchange import Exchange, refused_by_another
from flask_irl.web.flask_calls import wrap_call
from flask_irl.web.identity import Identity
from flask_irl.web.preflights import is_preflight
from flask_irl.web.questions import Question, Questions
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.routes import Route, RouteTable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Refuse = Callable[[Request, Exchange, Decision, Question], Response]


class LateDecisions:
    """Decide on the requests of one app whose limits or client depend on its hooks.

    Args:
        limiter: Decides.
        identity: Identifies clients.
        questions: Turns routes into questions.
        slot: Name in a request's environment under which its exchange is.
        filters: Return True for requests that aren't limited; may grow.
        refuse: Answers a refused request, or raises for the app to answer.
        routes: The app's routes.
    """

    def __init__(
        self,
        limiter: Limiter,
        identity: Identity,
        questions: Questions,
        *,
        slot: str,
        filters: list[Filter],
        refuse: Refuse,
        routes: RouteTable,
    ) -> None:
        self._limiter = limiter
        self._identity = identity
        self._questions = questions
        self._slot = slot
        self._filters = filters
        self._access = limiter.access
        self._refuse = refuse
        self._routes = routes
        self._wrapped = False
        self._lock = threading.Lock()

    def serve(self, app: Flask, hook: object) -> None:
        """Take the app whose requests these are, and the limiter's hook before each of them."""
        self._app = app
        self._hook = hook

    def begin(self, current: Request, exchange: Exchange) -> tuple[Decision, Question] | None:
        """Decide in the limiter's hook if nothing is to be waited for, else put that off.

        Returns:
            The decision and its question; None where it is put off, or the request is exempt.
        """
        hooks = self._app.before_request_funcs
        follow = hooks[None][-1] is not self._hook or any(x in hooks for x in current.blueprints)
        if not follow and not self.waits(exchange.route):
            return self.decide(current, exchange)
        limiter, client = self._limiter, exchange.client
        if client in limiter.refusals.known and not exchange.route.may_replace_base:
            rest = self._questions.rest(exchange.route)
            # One more call of the store, for a client only that was just over these limits.
            if limiter.refusals.knows(client, rest.plan):
                decision = limiter.decide(rest.plan, rest.keys_for(client), rest.cost)
                if not decision.admitted:
                    return decision, rest
                exchange.rest = decision
        self._wrap()
        exchange.late = True
        return None

    def reach(self, limit: RouteLimit, exchange: Exchange) -> tuple[Decision, Question] | None:
        """Decide on a request whose view's decorators have come to a limit.

        Returns:
            The decision and its question if the request is refused, else None.
        """
        inner = exchange.route.inner
        if inner and limit not in inner and not (limit.passing and limit.origin in inner):
            # The decision waits for a limit further down.
            return None
        return self._decide(_current(), exchange)

    def passes(self, *, quietly: bool = False) -> bool:
        """Tell whether a filter lets the request being served pass.

        Args:
            quietly: Report no filter that fails.
        """
        return any(self._filtered(passes, quietly) for passes in self._filters)

    def exempt(self, exchange: Exchange) -> None:
        """Let a request pass, uncounted."""
        exchange.decision, exchange.late = None, False
        exchange.decided = exchange.exempt = True
        self._limiter.notify(RequestExempted(exchange.route.label))

    def miss(self, environ: WSGIEnvironment, exchange: Exchange) -> None:
        """Count a request for a static file whose answer, on its way, says that it isn't there.

        Only where that isn't known before: the app serves its files in a way of its own.
        """
        if exchange.route.files is None:
            return
        try:
            route = exchange.route = self._routes.missing
            client, refusal = self.rule(self._identity.client(environ), environ)
            exchange.client = client
            if not client or self.passes(quietly=True):
                return
            question = self._questions.rest(route)
            keys = question.keys_for(client)
            exchange.decision = refusal or self._limiter.decide(question.plan, keys, question.cost)
        except Exception as error:
            self._limiter.failures.swallow("response", error)

    def foreseen(self, exchange: Exchange) -> None:
        """Count a request whose answer, on its way, came before the limiter's hook.

        The answer stands: a hook that comes first has the first word.
        """
        shown = exchange.decision
        # A limited function's refusal stands, and another limiter's. A mounted app has the same
        # environment. The hook isn't there while the limiter is switched off.
        if (
            (shown is not None and not shown.admitted)
            or not has_request_context()
            or request.environ.get(self._slot) is not exchange
            or current_app != self._app
            or self._hook not in self._app.before_request_funcs[None]
            or refused_by_another(request.environ, exchange)
        ):
            return
        current, app = _current(), self._app
        try:
            route = exchange.route = self._routes.route(app, current.url_rule, current.method)
            if route.exempt or (route.preflights and is_preflight(current.environ)):
                self.exempt(exchange)
                return
        except Exception as error:
            self._limiter.failures.swallow("response", error)
            return
        self._decide(current, exchange, answered=True)

    def _wrap(self) -> None:
        """Wrap the app's calls, once."""
        if not self._wrapped:
            with self._lock:
                if not self._wrapped:
                    wrap_call(self._app, "dispatch_request", self._dispatch)
                    wrap_call(self._app, "finalize_request", self._finalize)
                    self._wrapped = True

    def _dispatch(self, dispatch: Callable[..., Any], *arguments: Any) -> Any:
        """Decide before the view, unless a decorator of the view's is to be reached first."""
        exchange = request.environ.get(self._slot)
        if exchange is not None and exchange.late:
            if self.waits(exchange.route):
                exchange.reached = True
                return dispatch(*arguments)
            current = _current()
            refused = self._decide(current, exchange)
            if refused is not None:
                return self._refuse(current, exchange, *refused)
        return dispatch(*arguments)

    def _finalize(self, finalize: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Count a request that was answered before it came to be decided on."""
        exchange = request.environ.get(self._slot)
        if exchange is not None and exchange.late:
            *context, answer = arguments
            refused = None
            # The refusal of a function's limit burns nothing of the others.
            if exchange.decision is None or exchange.decision.admitted:
                refused = self._decide(_current(), exchange, answered=True)
            if refused is not None:
                try:
                    answer = self._refuse(_current(), exchange, *refused)
                except Exception as error:
                    # Also what a function of the app's, told of the refusal, has raised.
                    app: Any = self._app
                    answer = app.handle_user_exception(*context, error)
            arguments = (*context, answer)
        return finalize(*arguments, **named)

    def waits(self, route: Route) -> bool:
        """Tell whether a login decorator of the view's may be what the decision depends on."""
        return bool(route.inner) and (self._identity.early is None or not route.fixed)

    def _decide(
        self, current: Request, exchange: Exchange, *, answered: bool = False
    ) -> tuple[Decision, Question] | None:
        """Decide on a request; None where it is admitted or exempt. Never raises."""
        exchange.late, exchange.answered = False, answered
        started = time.perf_counter()
        try:
            made = self.decide(current, exchange, answered=answered)
        except Exception as error:
            exchange.decided = True
            self._limiter.failures.swallow("before_request", error)
            return None
        exchange.seconds += time.perf_counter() - started
        if made is None:
            return None
        decision, question = made
        check = self._limiter.campaigns.check
        if check is not None and not answered:
            decision = check(decision, exchange.route.label, current.method)
        exchange.decided = True
        exchange.add(decision)
        return None if decision.admitted else (decision, question)

    def decide(
        self, current: Request, exchange: Exchange, *, answered: bool = False
    ) -> tuple[Decision, Question] | None:
        """Decide on a request by all that the app tells of it now; None where it is exempt.

        Args:
            current: The request.
            exchange: The request's.
            answered: Whether it was answered already: then a limit's functions are asked only if it
                stands above what answered.
        """
        route, limiter = exchange.route, self._limiter
        # What a hook has kept from the view, it may have kept from the app's functions, too: that
        # is nobody's error.
        if self.passes(quietly=answered):
            self.exempt(exchange)
            return None
        client = exchange.client or self._identity.client(current.environ, quietly=answered)
        client, refusal = self.rule(client, current.environ)
        if not client:
            self.exempt(exchange)
            return None
        exchange.client = client
        questions, rest = self._questions, exchange.rest
        by_hook = answered and not exchange.reached
        question = (
            questions.rest(route)
            if by_hook
            else questions.question(route, client, without=route.below if answered else ())
        )
        exchange.question = question
        if refusal is not None:
            return refusal, question
        if rest is not None:
            left = None if by_hook else questions.without_rest(route, question)
            if left is None:
                return rest, question
            exchange.add(rest)
            question = left
        return limiter.decide(question.plan, question.keys_for(client), question.cost), question

    def rule(self, client: str, environ: WSGIEnvironment) -> Ruling:
        """Rule on a client's request by what is allowed, refused or overridden as a whole."""
        rule = self._access.rule
        return (
            Ruling(client, None) if rule is None else rule(client, environ.get("REMOTE_ADDR") or "")
        )

    def _filtered(self, passes: Filter, quietly: bool) -> bool:
        try:
            return is_true(passes)
        except Exception as error:
            if not quietly:
                self._limiter.failures.callback_failed("request_filter", error, passes)
            return False


def _current() -> Request:
    return cast(Request, request._get_current_object())  # type: ignore[attr-defined]
