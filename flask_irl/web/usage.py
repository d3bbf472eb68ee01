"""Tell a client what it has used of its limits, and what remains, without counting a request."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from flask import Response, jsonify

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.current import CurrentLimit, current_limits
from flask_irl.telemetry.log import moment
from flask_irl.web.late import LateDecisions
from flask_irl.web.questions import Questions
from flask_irl.web.request_plans import RequestPlans
from flask_irl.web.routes import RouteTable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

RETRY_SECONDS: Final = 5
OUT: Final = {"detail": {"error": "Usage is not known at the moment", "reset_in": RETRY_SECONDS}}


class Usage:
    """Tell clients of one app what remains of the limits on all of their requests.

    Args:
        limiter: Has counted them.
        routes: The app's routes.
        questions: Turns routes into questions.
        request_plans: Tells the rate plan of each request.
        late: Rules on clients.
    """

    def __init__(
        self,
        limiter: Limiter,
        routes: RouteTable,
        questions: Questions,
        request_plans: RequestPlans,
        late: LateDecisions,
    ) -> None:
        self._limiter = limiter
        self._routes = routes
        self._questions = questions
        self._request_plans = request_plans
        self._late = late

    def answer(self, client: str, environ: WSGIEnvironment) -> Response:
        """Answer the current request with its client's plan and limits; never raises.

        Args:
            client: The client's key.
            environ: The request's.
        """
        try:
            found = None if self._limiter.breaker.is_open else self._of(client, environ)
        except Exception as error:
            self._limiter.failures.store_failed(error)
            found = None
        response = jsonify(OUT if found is None else found)
        if found is None:
            response.status_code = 503
            response.headers["Retry-After"] = str(RETRY_SECONDS)
        # It is this client's alone, and old in a moment.
        response.headers["Cache-Control"] = "no-store"
        return response

    def _of(self, client: str, environ: WSGIEnvironment) -> dict[str, Any]:
        key, refusal = self._late.rule(client, environ)
        plan = self._request_plans.of(client, environ)
        name = None if plan is None else plan.name
        if not key or refusal is not None:
            return {"plan": name, "limits": [], "unlimited": not key, "blocked": bool(key)}
        question = self._questions.rest(self._routes.missing, plan)
        now = self._limiter.access.now()
        counted = self._limiter.store.peek(question.plan, question.keys_for(key))
        limits = current_limits(question.plan, counted, now)
        # While an operator's override lasts, see current_limits.
        blocked = bool(limits) and all(each.limit == 0 for each in limits)
        shown = [] if blocked else [_described(each, now) for each in limits]
        return {"plan": name, "limits": shown, "unlimited": not limits, "blocked": blocked}


def _described(limit: CurrentLimit, now: float) -> dict[str, Any]:
    return {
        "limit": limit.limit,
        "window_seconds": limit.window_seconds,
        "used": max(limit.limit - limit.remaining, 0),
        "remaining": limit.remaining,
        "reset_in": math.ceil(limit.reset_after),
        "resets_at": moment(now + limit.reset_after),
    }
