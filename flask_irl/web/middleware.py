"""Serve requests in front of Flask: the whole way of a request, in one function."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_irl.limits.decision import REFUSED
from flask_irl.web.exchange import FAILED, Exchange, Headers
from flask_irl.web.refusal_body import form_for
from flask_irl.web.responses import RateLimitExceeded, early_refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from flask_irl.web.body import BodyDrain
    from flask_irl.web.enforcement import Enforcer
    from flask_irl.web.observer import Observer
    from flask_irl.web.recognition import Recognition
    from flask_irl.web.responses import Responder


class Middleware:
    """Wrap an app in its limits.

    Args:
        app: The app, or its wrapper of that moment.
        slot: Name in a request's environment under which its exchange is.
        recognition: Knows the routes of requests like earlier ones.
        enforcer: Decides on requests; its hook is called within the app.
        responder: Completes answers.
        observer: Notes answered requests.
        body: Drops what refused requests still have to send.
    """

    def __init__(
        self,
        app: WSGIApplication,
        slot: str,
        *,
        recognition: Recognition,
        enforcer: Enforcer,
        responder: Responder,
        observer: Observer,
        body: BodyDrain,
    ) -> None:
        self.app = app
        self._slot = slot
        self._recognise = recognition.recognise
        self._enforcer = enforcer
        self._complete = responder.complete
        self._observe = observer.observe
        self._drop_body = body.drop

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request: recognise its route, ask the store, run the app, answer, observe."""
        exchange = environ[self._slot] = Exchange()
        exchange.fronted = True
        answer = partial(self._answer, environ, exchange, start_response)
        try:
            known = self._recognise(environ)
            refusal = None if known is None else self._enforcer.ask(environ, exchange, known)
            if refusal is not None:
                return refusal.send(answer)
            return self.app(environ, answer)
        except RateLimitExceeded as error:
            # Raised where Flask answers no more: at the end of a request's context.
            form = form_for(environ)
            late = early_refusal(environ, error.decision, error.own_message, form)
            return late.send(partial(answer, exc_info=sys.exc_info()))
        except Exception:
            self._enforcer.settle(exchange)
            self._observe(environ, exchange, FAILED, [])
            raise
        finally:
            if exchange.early is not None:
                self._enforcer.settle(exchange)

    def _answer(
        self,
        environ: WSGIEnvironment,
        exchange: Exchange,
        start_response: StartResponse,
        status: str,
        headers: Headers,
        exc_info: Any = None,
    ) -> Any:
        before = exchange.decision
        if exchange.early is not None:
            # The app has answered before its first hook.
            self._enforcer.settle(exchange)
        elif not exchange.decided:
            self._enforcer.late.foreseen(exchange)
        elif exchange.exempt and status.startswith("404"):
            self._enforcer.late.miss(environ, exchange)
        decision = exchange.decision
        if decision is not None:
            # An answer that came before the decision stands, and may be made of the body.
            if decision.outcome in REFUSED and decision is before:
                self._drop_body(environ)
            self._complete(decision, status, headers)
            self._observe(environ, exchange, status, headers)
        if exc_info is None:
            return start_response(status, headers)
        return start_response(status, headers, exc_info)


def innermost(app: Flask) -> tuple[Any, str, bool]:
    """Find the place next to an app, inside of what its ``wsgi_app`` is wrapped in by now.

    Proxies must have been dealt with before a client is known by its address.

    Returns:
        The object and the attribute to put a middleware into, and whether the app itself, and
        nothing unknown, is there.
    """
    outer: Any = app
    place = "wsgi_app"
    while isinstance(getattr(outer, place), ProxyFix):
        outer, place = getattr(outer, place), "app"
    return outer, place, getattr(getattr(outer, place), "__self__", None) is app
