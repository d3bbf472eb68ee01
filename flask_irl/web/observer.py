"""Observe answered requests: note each once, for the limiter to learn from and for metrics."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from flask_irl.behaviour.observation import FAILED_LOGIN
from flask_irl.limiter.limiter import Limiter
from flask_irl.telemetry.events import PlanDecided, RequestDecided
from flask_irl.web.exchange import Exchange, Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

NOT_LEARNED_FROM: Final = frozenset({"none", "fallback", "list"})


class Observer:
    """Note requests when their answers leave.

    Args:
        limiter: Learns from them.
        honeypots: Beginnings of paths that only an attacker asks for.
    """

    def __init__(self, limiter: Limiter, honeypots: tuple[str, ...]) -> None:
        self._limiter = limiter
        self._honeypots = honeypots
        self._notify = None if limiter.listener is None else limiter.listener.notify

    def observe(
        self, environ: WSGIEnvironment, exchange: Exchange, status: str, headers: Headers
    ) -> None:
        """Note a request that was decided on, with its answer; never raises.

        Args:
            environ: The request's.
            exchange: The request's.
            status: The answer's status line.
            headers: The answer's headers.
        """
        decision = exchange.decision
        if decision is None or exchange.observed:
            return
        exchange.observed = True
        route = exchange.route.label
        login = FAILED_LOGIN if exchange.failed_login else exchange.route.login
        question = exchange.question
        rate_plan = None if question is None else question.rate_plan
        try:
            if decision.source not in NOT_LEARNED_FROM:
                size = -1
                for name, value in headers:
                    if name == "Content-Length":
                        size = int(value)
                path = environ.get("PATH_INFO", "")
                if self._honeypots and path.startswith(self._honeypots):
                    self._limiter.traps.add(decision.key)
                self._limiter.observe(
                    decision,
                    route=route,
                    path=zlib.crc32(path.encode("latin-1", "replace")),
                    method=environ.get("REQUEST_METHOD", "GET"),
                    status=int(status[:3]),
                    size=size,
                    login=login,
                    answered=exchange.answered,
                    seconds=exchange.seconds,
                    plan="" if rate_plan is None else rate_plan.name,
                )
            if self._notify is not None:
                self._notify(RequestDecided(decision, route, exchange.seconds))
                if rate_plan is not None:
                    self._notify(PlanDecided(rate_plan.name, decision.outcome))
        except Exception as error:
            self._limiter.failures.swallow("response", error)
