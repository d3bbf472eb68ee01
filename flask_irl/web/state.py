"""Hold an extension's state for one app: its limiter, and each part of a request's way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from flask import Flask

from flask_irl.config.access_lists import AccessLists
from flask_irl.config.options import Options
from flask_irl.errors import IrlError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.limits.keys import canonical
from flask_irl.limits.plan import Plan
from flask_irl.telemetry.events import Listener
from flask_irl.web.decorators import Declarations
from flask_irl.web.enforcement import Enforcer
from flask_irl.web.identity import Identity
from flask_irl.web.logins import Logins
from flask_irl.web.middleware import Middleware, innermost
from flask_irl.web.observer import Observer
from flask_irl.web.questions import Questions, fixed_plan
from flask_irl.web.recognition import Recognition
from flask_irl.web.responses import Responder
from flask_irl.web.routes import Route, RouteTable

EXTENSION: Final = "flask_irl"


class AppState:
    """Put a limiter on each request's way through an app.

    Args:
        owner: The extension.
        options: The app's options.
        key_func: Identifies clients.
        declarations: The extension's; may grow.
        listener: Takes events.

    Raises:
        ConfigurationError: An option is wrong.
    """

    def __init__(
        self,
        owner: object,
        options: Options,
        *,
        key_func: Callable[[], str],
        declarations: Declarations,
        listener: Listener | None,
    ) -> None:
        self.owner = owner
        self.options = options
        self.limiter = open_limiter(options, listener=listener)
        self.routes = RouteTable(
            owner, options.default_limits, declarations, Logins(owner, options.login_routes)
        )
        self._slot = f"flask_irl.{id(self):x}"
        failed = self.limiter.failures.swallow
        self._recognition = Recognition()
        self.questions = Questions(self.limiter, failed)
        self.enforcer = Enforcer(
            self.limiter,
            Identity(key_func, failed),
            routes=self.routes,
            questions=self.questions,
            recognition=self._recognition,
            slot=self._slot,
            filters=declarations.filters,
            lists=AccessLists(options.allow, options.deny)
            if options.allow or options.deny
            else None,
            early_refusals=options.early_refusals,
        )
        self._responder = Responder(
            headers_enabled=options.headers_enabled, ietf=options.ietf_headers, failed=failed
        )
        self._observer = Observer(self.limiter, options.honeypots)

    def register(self, app: Flask) -> None:
        """Take part in each of an app's requests."""
        outer, place, is_app = innermost(app)
        self.enforcer.register(app, innermost=is_app)
        middleware = Middleware(
            getattr(outer, place),
            self._slot,
            recognition=self._recognition,
            enforcer=self.enforcer,
            responder=self._responder,
            observer=self._observer,
        )
        setattr(outer, place, middleware)

    def described_routes(self, app: Flask, besides: Collection[str] = ()) -> list[dict[str, Any]]:
        """Describe an app's routes with their limits for people, but those of blueprints."""
        return self.routes.described(app, besides)

    def fixed_plan(self, limiter: Limiter, route: Route) -> Plan | None:
        """Make the plan of a route's fixed limits for any limiter; None where it is exempt."""
        return None if route.exempt else fixed_plan(limiter, route)

    def note_failed_login(self, environ: Mapping[str, Any]) -> None:
        """Note that a request is a login that failed, whatever it will be answered with."""
        exchange = environ.get(self._slot)
        if exchange is not None:
            exchange.failed_login = True

    def forget(self, client: str) -> bool:
        """Forget a client, by its name or by its stored key."""
        return self.limiter.forget(canonical(client))


def state_of(app: Flask) -> AppState:
    """Give the state of an app's extension.

    Raises:
        IrlError: None is registered.
    """
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, AppState):
        raise IrlError("no IntelligentLimiter is registered with this app: call init_app first")
    return state
