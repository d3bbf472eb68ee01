"""Put a compat limiter on each request's way through one app."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from flask import Flask, Response, has_request_context, request

from flask_irl.compat.errors import RateLimitExceeded
from flask_irl.compat.exemptions import Exemptions
from flask_irl.compat.questions import LOGGER, CompatQuestions, Rules
from flask_irl.compat.request_limit import RequestLimit
from flask_irl.compat.resolution import HeldLimit
from flask_irl.compat.responder import CompatResponder
from flask_irl.compat.routes import CompatRoutes
from flask_irl.compat.settings import Settings
from flask_irl.compat.storage import Storage, Strategy
from flask_irl.config.options import Options
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.current import CurrentLimit, shown_limit
from flask_irl.limits.decision import Decision
from flask_irl.limits.plan import Plan
from flask_irl.web.callbacks import OnBreach
from flask_irl.web.current import limits_of
from flask_irl.web.decorators import Declarations
from flask_irl.web.deductions import Deductions
from flask_irl.web.exchange import Exchange
from flask_irl.web.limit_rules import LimitRules
from flask_irl.web.logins import Logins
from flask_irl.web.patterns import ConfiguredRules
from flask_irl.web.questions import Question, Questions
from flask_irl.web.refusal_page import RefusalPage
from flask_irl.web.responses import RateLimitExceeded as Refusal
from flask_irl.web.responses import Responder
from flask_irl.web.routes import Route, RouteTable
from flask_irl.web.state import AppState


class CompatDeductions(Deductions):
    """Count requests after their answers, and show no other limit than before."""

    def plan(self, question: Question, chosen: tuple[int, ...], exchange: Exchange) -> Plan:
        """Make the plan that counts a request in the limits chosen."""
        plan = super().plan(question, chosen, exchange)
        shown = cast(Decision, exchange.decision).scope
        return self._limiter.plans.ordered(plan, "together", shown)

    def show(self, exchange: Exchange, decision: Decision) -> None:
        """Show the limit that was shown before, as it stands now, if it was counted."""
        before = cast(Decision, exchange.decision)
        if decision.scope == before.scope:
            exchange.decision = decision._replace(at=before.at, gap=before.gap)


class CompatState(AppState):
    """Put a compat limiter on each request's way through an app.

    Args:
        app: The app; not held.
        owner: The limiter.
        options: The options of this package's limiter.
        settings: The limiter's settings for this app.
        declarations: The limiter's; may grow.
        exemptions: The limiter's; may grow.
    """

    def __init__(
        self,
        app: Flask,
        owner: object,
        options: Options,
        *,
        settings: Settings,
        declarations: Declarations,
        exemptions: Exemptions,
    ) -> None:
        self.settings = settings
        self._exemptions = exemptions
        if options.plans:
            raise ConfigurationError(
                "plans are given to a limiter by Flask-Limiter's names, which has none: take "
                "flask_irl.IntelligentLimiter for them"
            )
        super().__init__(
            app,
            owner,
            options,
            key_func=settings.key_func,
            declarations=declarations,
            listener=None,
        )
        self.storage = Storage(self.limiter)
        self.strategy = Strategy(self.limiter)
        # A line for each, as Flask-Limiter has it, is written with the exception.
        self.limiter.log_refusal = _nothing

    def new_routes(
        self,
        declarations: Declarations,
        configured: ConfiguredRules,
        logins: Logins,
        rules: LimitRules,
    ) -> RouteTable:
        """Make the table of the app's routes."""
        return CompatRoutes(
            self.owner,
            declarations,
            configured,
            logins,
            exemptions=self._exemptions,
            application=self.settings.application,
            default=self.settings.default,
            meta=self.settings.meta,
            changed=self.forget_routes,
            named=self.settings.identify is not None,
        )

    def new_questions(self) -> Questions:
        """Make the maker of questions about routes."""
        settings = self.settings
        rules = Rules(
            "in turn" if settings.fail_on_first_breach else "apart",
            settings.fallback,
            settings.key_func,
            settings.identify,
        )
        failed = self.limiter.failures.callback_failed
        return CompatQuestions(self.limiter, failed, rules, self._seen)

    def new_responder(self, page: RefusalPage) -> Responder:
        """Make the responder that completes answers."""
        settings = self.settings
        return CompatResponder(
            settings.headers_enabled,
            settings.headers,
            http_dates=settings.http_dates,
            failed=self.limiter.failures.swallow,
        )

    def new_deductions(self) -> Deductions:
        """Make what counts requests after their answers."""
        return CompatDeductions(self.limiter, self._slot)

    def fixed_plan(self, limiter: Limiter, route: Route) -> Plan | None:
        """Make the plan of a route's fixed limits for any limiter; None where it is exempt."""
        if route.exempt:
            return None
        questions = cast(CompatQuestions, self.questions).with_limiter(limiter)
        return questions.rest(route).plan

    def forget_routes(self) -> None:
        """Work routes out anew: limits have changed."""
        self.routes.forget()
        self._recognition.forget()

    @property
    def serving(self) -> bool:
        """Tell whether a request is being served, and not only its context kept by a test."""
        exchange = self._exchange()
        return has_request_context() and not (exchange is not None and exchange.observed)

    def request_limits(self) -> list[RequestLimit]:
        """List the limits that the current request was decided by, in turn."""
        exchange = self._exchange()
        if exchange is None or exchange.decision is None:
            return []
        decision = exchange.decision
        found = [] if exchange.question is None else [exchange.question]
        found += exchange.functions.values()
        limits = [cast(HeldLimit, x) for question in found for x in question.notices]
        if not decision.admitted:
            refusing = [x for x in limits if _decided(x, decision)]
            if refusing and refusing[0].role == "breach":
                return [self._described(refusing[0], exchange, breached=True)]
            if refusing and self.settings.fail_on_first_breach:
                limits = limits[: limits.index(refusing[0]) + 1]
        return [
            self._described(x, exchange, not decision.admitted and _decided(x, decision))
            for x in limits
            if x.role != "breach"
        ]

    def request_limit(self) -> RequestLimit | None:
        """Give the limit that the current request's headers show."""
        exchange = self._exchange()
        if exchange is None or exchange.decision is None:
            return None
        decision = exchange.decision
        found = [] if exchange.question is None else [exchange.question]
        for question in (*found, *exchange.functions.values()):
            notice = question.notice(decision)
            if notice is not None:
                limit = cast(HeldLimit, notice)
                return self._described(limit, exchange, not decision.admitted)
        return None

    def _exceeded(self, decision: Decision, question: Question) -> tuple[Refusal, bool]:
        """Make the exception that refuses a request; the app's own functions answer it first.

        What these raise is theirs to answer, as it is with Flask-Limiter.
        """
        held = cast(HeldLimit | None, question.notice(decision))
        if held is None:
            return RateLimitExceeded(None, decision=decision), True
        exchange = self._exchange() or Exchange()
        key = held.key or exchange.client or decision.key
        scope = held.scope.encode("unicode_escape").decode()
        LOGGER.info("ratelimit %s (%s) exceeded at endpoint: %s", held.item, key, scope)
        if exchange.decision is None:
            exchange.decision = decision
        limit = self._described(held, exchange, True)
        settings = self.settings
        functions: list[OnBreach | None] = [settings.on_breach, held.on_breach]
        name = "on_breach"
        if held.role == "breach":
            functions, name = [held.on_breach or settings.on_meta_breach], "on_meta_breach"
        answer = None
        for function in dict.fromkeys(functions):
            if function is None:
                continue
            try:
                given = function(limit)
            except Exception as error:
                if not settings.swallow_errors:
                    raise
                LOGGER.exception("%s callback failed with error %s", name, error)
                continue
            if isinstance(given, Response):
                answer = given
        return RateLimitExceeded(held, answer, decision=decision), True

    def _described(self, held: HeldLimit, exchange: Exchange, breached: bool) -> RequestLimit:
        decision = cast(Decision, exchange.decision)
        prefix = f"{self.settings.key_prefix}/" if self.settings.key_prefix else ""
        client = held.key or exchange.client or decision.key
        key = f"{held.item.namespace}/{prefix}{client}/{held.scope}"

        def ask() -> CurrentLimit | None:
            if _decided(held, decision):
                return shown_limit(decision)
            found = limits_of(exchange, self.limiter)
            return next((x for x in found if x.scope == held.scope), None)

        return RequestLimit(held.item, key, breached, held.shared, decision.at, ask)

    def _seen(self) -> Collection[str]:
        """Give the scopes that the current request has counted in."""
        exchange = self._exchange()
        if exchange is None:
            return ()
        found = [] if exchange.question is None else [exchange.question]
        found += exchange.functions.values()
        return {notice.scope for question in found for notice in question.notices}

    def _exchange(self) -> Exchange | None:
        if not has_request_context():
            return None
        exchange: Exchange | None = request.environ.get(self._slot)
        return exchange


def _decided(limit: HeldLimit, decision: Decision) -> bool:
    return (limit.scope, limit.window) == (decision.scope, decision.window_seconds)


def _nothing(decision: Decision, route: str) -> None:
    return
