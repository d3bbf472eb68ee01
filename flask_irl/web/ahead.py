"""What is done for a request before Flask looks at it, as far as enough is known of it by then.

Flask finds out a request's route by itself, and takes its time. One that was met under the same
method and path before is the same again. So a client that is known to be over its limit is refused
without Flask, and about any other one the store is asked while Flask gets ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import Rule

from flask_irl.config.access_lists import AccessLists
from flask_irl.limiter.limiter import Limiter
from flask_irl.web.key_functions import KeyFromEnviron
from flask_irl.web.middleware import Answer, Headers, Served
from flask_irl.web.responses import answer_to, may_want_problem, retry_seconds
from flask_irl.web.routes import Asked, Route, RouteTable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_PATHS: Final = 4096
MAX_CHARACTERS: Final = 300

Finish = Callable[["WSGIEnvironment", Served, str, Headers], None]


class Ahead:
    """Knows routes by method and path, as Flask has matched them before; bounded.

    Args:
        limiter: Decides.
        routes: Tells what it is asked.
        key_func: Who a request is from, told by no more than its environment.
        filters: Which requests aren't limited: only the app can tell, so while there are any,
            nothing is done ahead.
        lists: Whose requests aren't counted, if there are such.
        refuses: Whether clients may be refused here.
        hooks: The app's hooks before each request.
        hook: The limiter's among them. The store is asked only if it is the first: one before it
            may answer instead of the app, and such requests don't count.
        finish: Given the status and headers of each refusal, which it adds to.
    """

    def __init__(
        self,
        limiter: Limiter,
        routes: RouteTable,
        key_func: KeyFromEnviron,
        *,
        filters: Sequence[Any],
        lists: AccessLists | None,
        refuses: bool,
        hooks: Sequence[object],
        hook: object,
        finish: Finish,
    ) -> None:
        self._limiter = limiter
        self._routes = routes
        self._key_of = key_func.stored
        self._filters = filters
        self._lists = lists
        self._refuses = refuses
        self._hooks = hooks
        self._hook = hook
        self._finish = finish
        self._known: dict[tuple[str, str], tuple[Route, Rule | None]] = {}

    def learn(self, environ: WSGIEnvironment, route: Route, rule: Rule | None) -> None:
        """Remember the route of a request whose limits are the same for all that are like it."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if len(method) + len(path) <= MAX_CHARACTERS:
            if len(self._known) >= MAX_PATHS:
                self._known.clear()
            self._known[method, path] = route, rule

    def early(self, environ: WSGIEnvironment, served: Served) -> Answer | None:
        """The refusal of a request by a client that is known to be over its limit.

        A browser's request from another site goes on to the app, which may have headers for it
        without which the browser hides the refusal; so does one whose refusal the app may answer.
        """
        limiter = self._limiter
        if self._filters or not (limiter.asks_ahead or limiter.refusals.known):
            return None
        try:
            known = self._known.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            if known is None:
                return None
            route, rule = known
            asked = self._routes.ask_fixed(route)
            if asked is None:
                return None
            client = self._key_of(environ)
            if client not in limiter.refusals.known:
                if (
                    limiter.asks_ahead
                    and self._hooks[0] is self._hook
                    and (self._lists is None or not self._lists.rule_for(client))
                ):
                    started = time.perf_counter()
                    keys = asked.keys_for(client)
                    served.route, served.rule, served.client = route, rule, client
                    served.asked, served.keys = asked, keys
                    served.begun = limiter.begin(asked.plan, keys, asked.cost)
                    served.seconds = time.perf_counter() - started
            elif (
                self._refuses
                and route.plainly_refused
                and "HTTP_ORIGIN" not in environ
                and not may_want_problem(environ)
            ):
                return self._refuse(environ, served, route, asked, client)
        except Exception as error:
            served.decision = None
            limiter.troubles.swallow("early", error)
        return None

    def unused(self, served: Served) -> None:
        """Take the store's answer on a request that never came to be decided on."""
        begun, served.begun = served.begun, None
        self._limiter.decide(served.asked.plan, served.keys, served.asked.cost, begun)

    def _refuse(
        self, environ: WSGIEnvironment, served: Served, route: Route, asked: Asked, client: str
    ) -> Answer | None:
        limiter = self._limiter
        started = time.perf_counter()
        decision = limiter.decide(asked.plan, asked.keys_for(client), asked.cost)
        served.decision, served.route, served.client = decision, route, client
        served.seconds = time.perf_counter() - started
        if decision.admitted:
            return None
        limiter.refused(decision, route.label)
        status, mimetype, body = answer_to(decision, asked.message(decision))
        data = body.encode()
        line = f"{status} {HTTP_STATUS_CODES[status].upper()}"
        headers = [
            ("Content-Type", mimetype),
            ("Content-Length", str(len(data))),
            ("Retry-After", str(retry_seconds(decision))),
        ]
        self._finish(environ, served, line, headers)
        return Answer(line, headers, data if environ["REQUEST_METHOD"] != "HEAD" else b"")
