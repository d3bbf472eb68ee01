"""Count requests in limits with ``deduct_when`` once their answers are known.

Such a limit must have room for a request when that comes, in the one question about it. What is
counted after the answer is one more call of the store, for those requests alone that are to count.
Two requests that run at once may both find the last room: what exceeds it isn't counted.
"""

from __future__ import annotations

import threading

from flask import Flask, Response, request

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.limits.plan import Plan
from flask_irl.telemetry.forks import renew_after_fork
from flask_irl.web.callbacks import is_true
from flask_irl.web.exchange import Exchange
from flask_irl.web.questions import Question, Tested


class Deductions:
    """Count the requests of one app after their answers.

    Args:
        limiter: Counts.
        slot: Name in a request's environment under which its exchange is.
    """

    def __init__(self, limiter: Limiter, slot: str) -> None:
        self._limiter = limiter
        self._slot = slot
        self._serving = False
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent may have held the lock."""
        self._lock = threading.Lock()

    def serve(self, app: Flask | None) -> None:
        """Look at an app's answers from now on."""
        if self._serving or app is None:
            return
        with self._lock:
            if not self._serving:
                # As in web/bypass.py: first in the list is called last.
                app.after_request_funcs.setdefault(None, []).insert(0, self.deduct)
                self._serving = True

    def deduct(self, response: Response) -> Response:
        """Count a request in the limits that its answer calls for; gives the answer unchanged."""
        exchange: Exchange | None = request.environ.get(self._slot)
        # A refused request counts in none of its limits.
        if exchange is not None and exchange.decision is not None and exchange.decision.admitted:
            try:
                if exchange.question is not None:
                    self._count(exchange.question, exchange, response)
                for question in exchange.functions.values():
                    self._count(question, exchange, response)
            except Exception as error:
                self._limiter.failures.swallow("deduct_when", error)
        return response

    def _count(self, question: Question, exchange: Exchange, response: Response) -> None:
        chosen = [place for place, limit in question.tests if self._counts(limit, response)]
        if not chosen:
            return
        keys = question.keys_for(exchange.client)
        plan = self.plan(question, tuple(chosen), exchange)
        decision = self._limiter.decide(
            plan, [keys[0], *(keys[place] for place in chosen)], question.cost
        )
        self.show(exchange, decision)

    def plan(self, question: Question, chosen: tuple[int, ...], exchange: Exchange) -> Plan:
        """Make the plan that counts a request in the limits chosen, by their places."""
        return self._limiter.plans.taking(question.plan, chosen)

    def show(self, exchange: Exchange, decision: Decision) -> None:
        """Show the limit as it stands once the request has counted, if it has least left."""
        exchange.add(decision)

    def _counts(self, limit: Tested, response: Response) -> bool:
        try:
            return limit.deduct_when is not None and is_true(limit.deduct_when, response)
        except Exception as error:
            self._limiter.failures.callback_failed("deduct_when", error, limit.deduct_when)
            return False
