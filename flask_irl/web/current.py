"""Tell which limits hold for the current request, and how they stand."""

from __future__ import annotations

from typing import Final

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.current import CurrentLimit, current_limits, shown_limit
from flask_irl.web.exchange import Exchange

ASKED: Final = frozenset({"store", "local"})
"""Sources of decisions that the store can tell more about."""


def limits_of(exchange: Exchange, limiter: Limiter) -> list[CurrentLimit]:
    """List the limits that a request counts under, those of functions called in it last.

    The store is read once for the request, and once for each function. Where it can't be read, the
    list has the limit alone that the decision shows.
    """
    decision = exchange.decision
    if decision is None:
        return []
    client = exchange.client or decision.key
    questions = [] if exchange.question is None else [exchange.question]
    questions += exchange.functions.values()
    # Of a client that is refused whatever it has left, its counts say nothing.
    tells = decision.source in ASKED and decision.outcome != "blocked" and questions
    if not tells or limiter.breaker.is_open:
        return [shown_limit(decision)]
    found: list[CurrentLimit] = []
    try:
        for question in questions:
            plan = question.plan
            if question is not exchange.question:
                # As when it was counted: the limit on all requests of the client is the request's.
                plan = limiter.plans.without_base(plan)
            counted = limiter.store.peek(plan, question.keys_for(client))
            found += current_limits(plan, counted, decision.at)
    except Exception as error:
        limiter.failures.store_failed(error)
        return [shown_limit(decision)]
    return found
