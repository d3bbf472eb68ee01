"""Let CORS preflights pass: they are the browser's own, and say nothing of the client.

A preflight that is refused hides the answer to the request after it: the page sees that the network
failed, not that it has to wait. So what Flask or flask-cors answers by itself isn't counted against
the client's limits. Floods of preflights have a limit of their own, in each worker and by address,
since a preflight carries no credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask_irl.config.options import Options
from flask_irl.limits.decision import Decision, decision_of
from flask_irl.limits.limit import MAX_AMOUNT, Limit
from flask_irl.limits.plan import Plan, Scope
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.forks import renew_after_fork
from flask_irl.web.key_functions import address_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TIMES_BASE: Final = 20
LEAST: Final = 300
"""Preflights in a window: so many times the base limit, and never fewer than this."""
USUAL_BASE: Final = 100
"""Stands for the base limit where that is switched off."""
MAX_ADDRESSES: Final = 10_000
SCOPE: Final = "preflight"
FLASK_CORS: Final = "flask_cors.decorator"


class Preflights:
    """Limit preflights by address, in this process alone.

    Args:
        options: The base limit and its window scale the preflights' own.

    Attributes:
        plan: That limit.
    """

    def __init__(self, options: Options) -> None:
        base = options.base_limit or USUAL_BASE
        most = Limit(min(max(LEAST, TIMES_BASE * base), MAX_AMOUNT), options.window_seconds)
        ttl = max(60, 2 * options.window_seconds)
        self.plan = Plan(
            (Scope(SCOPE, (most,)),), "sliding-window-counter", (1.0,), ttl_seconds=ttl
        )
        self.after_fork()
        renew_after_fork(self)

    def decide(self, environ: WSGIEnvironment) -> Decision:
        """Decide on a preflight."""
        address = address_of(environ)
        return decision_of(self.plan, address, self._store.hit(self.plan, (address,), 1), "local")

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self._store = MemoryStore(max_clients=MAX_ADDRESSES)


def is_preflight(environ: WSGIEnvironment) -> bool:
    """Tell whether a request is a CORS preflight, by its method and headers."""
    return (
        environ.get("REQUEST_METHOD") == "OPTIONS"
        and "HTTP_ORIGIN" in environ
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def answers_preflights(rule: Any, view: Any) -> bool:
    """Tell whether Flask or flask-cors answers OPTIONS on a rule, and not code of the app's.

    Args:
        rule: The rule.
        view: Its view, as it is registered.
    """
    if getattr(rule, "provide_automatic_options", False):
        return True
    # cross_origin() answers in the view's place, whatever was put around it.
    while view is not None:
        if getattr(view, "__globals__", {}).get("__name__") == FLASK_CORS:
            return True
        view = getattr(view, "__wrapped__", None)
    return False
