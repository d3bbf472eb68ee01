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
            counted = limiter.store.peek(question.plan, question.keys_for(client))
            limits = current_limits(question.plan, counted, decision.at)
            # The limit on all requests of the client is part of each question.
            found += limits if question is exchange.question else limits[1:]
    except Exception as error:
        limiter.failures.store_failed(error)
        return [shown_limit(decision)]
    return found
