"""Finish requests that come to an app past the middleware, by Flask's own hooks.

Whoever took ``app.wsgi_app`` before the limiter was registered, or puts something else in its
place afterwards, calls the app without the middleware. Limits hold then, too, but answers would
have no headers, and nobody would learn from them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flask import Flask, Response, request

from flask_irl.limits.decision import REFUSED
from flask_irl.telemetry.log import event
from flask_irl.web.body import BodyDrain
from flask_irl.web.exchange import FAILED, Exchange
from flask_irl.web.late import LateDecisions
from flask_irl.web.observer import Observer
from flask_irl.web.responses import Responder

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOST: Final = "refusals in front of Flask, and questions to the store while Flask gets ready"
MEND: Final = "call init_app before anything else takes app.wsgi_app, and wrap it, don't replace it"


class Bypass:
    """Finish the requests of one app that have passed the middleware by.

    Args:
        slot: Name in a request's environment under which its exchange is.
        responder: Completes answers.
        observer: Notes answered requests.
        body: Drops what refused requests still have to send.
        late: Counts requests that are decided on only when they are answered.
        look: Looks at the first request that has passed it by.
    """

    def __init__(
        self,
        slot: str,
        *,
        responder: Responder,
        observer: Observer,
        body: BodyDrain,
        late: LateDecisions,
        look: Callable[[WSGIEnvironment], None],
    ) -> None:
        self._slot = slot
        self._late = late
        self._look = look
        self._complete = responder.complete
        self._observe = observer.observe
        self._drop_body = body.drop
        self._lock = threading.Lock()
        self._serving = False
        self._warned = False

    def serve(self, app: Flask) -> None:
        """Finish an app's requests from now on, that being served included."""
        if self._serving:
            return
        with self._lock:
            if not self._serving:
                # Not by the decorators, which Flask refuses while it serves. First in the list is
                # called last: after the hooks that have made the answer what it is.
                app.after_request_funcs[None].insert(0, self._finish)
                app.teardown_request_funcs[None].append(self._tear_down)
                self._serving = True
                self._look(request.environ)

    def _finish(self, response: Response) -> Response:
        """Complete and observe an answer, as the middleware does."""
        exchange = request.environ.get(self._slot)
        if exchange is None:
            # A hook before the limiter's has answered.
            exchange = request.environ[self._slot] = Exchange()
        if exchange.fronted:
            return response
        before = exchange.decision
        if not exchange.decided:
            self._late.foreseen(exchange)
        elif exchange.exempt and response.status_code == 404:
            self._late.miss(request.environ, exchange)
        if exchange.decided and not self._warned:
            self._warned = True
            event(logging.WARNING, "middleware_bypassed", lost=LOST, mend=MEND)
        decision = exchange.decision
        if decision is not None:
            # As in the middleware.
            if decision.outcome in REFUSED and decision is before:
                self._drop_body(request.environ)
            headers = list(response.headers)
            self._complete(decision, response.status, headers)
            response.headers.clear()
            response.headers.extend(headers)
            self._observe(request.environ, exchange, response.status, headers)
        return response

    def _tear_down(self, error: BaseException | None) -> None:
        """Observe a request that raised, and got no answer from the app."""
        exchange = self._passed_by()
        if error is not None and exchange is not None:
            self._observe(request.environ, exchange, FAILED, [])

    def _passed_by(self) -> Exchange | None:
        exchange: Exchange | None = request.environ.get(self._slot)
        return None if exchange is None or exchange.fronted else exchange
