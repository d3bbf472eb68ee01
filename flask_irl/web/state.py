"""Hold an extension's state for one app: its limiter, and each part of a request's way."""

from __future__ import annotations

from collections.abc import Collection
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
from flask_irl.web.callbacks import KeyFunc
from flask_irl.web.decorators import Declarations
from flask_irl.web.enforcement import Enforcer
from flask_irl.web.error_handlers import ErrorHandlers
from flask_irl.web.identity import Identity
from flask_irl.web.middleware import Middleware, innermost
from flask_irl.web.questions import Questions, fixed_plan
from flask_irl.web.recognition import Recognition
from flask_irl.web.responses import Responder
from flask_irl.web.routes import Route, RouteTable
from flask_irl.web.tracing import new_observer

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
        key_func: KeyFunc,
        declarations: Declarations,
        listener: Listener | None,
    ) -> None:
        self.owner = owner
        self.options = options
        self.limiter = open_limiter(options, listener=listener)
        self.routes = RouteTable(owner, options.default_limits, declarations)
        self._slot = f"flask_irl.{id(self):x}"
        failed = self.limiter.failures.swallow
        self._recognition = Recognition()
        self._responder = Responder(
            headers_enabled=options.headers_enabled,
            ietf=options.ietf_headers,
            epoch=options.reset_format == "epoch",
            failed=failed,
        )
        self._error_handlers = ErrorHandlers()
        callback_failed = self.limiter.failures.callback_failed
        self.questions = Questions(self.limiter, callback_failed)
        self.enforcer = Enforcer(
            self.limiter,
            Identity(key_func, callback_failed),
            routes=self.routes,
            questions=self.questions,
            recognition=self._recognition,
            slot=self._slot,
            filters=declarations.filters,
            lists=AccessLists(options.allow, options.deny)
            if options.allow or options.deny
            else None,
            early_refusals=options.early_refusals,
            error_handlers=self._error_handlers,
            exceeded=self._responder.exceeded,
        )
        self._observer = new_observer(self.limiter, options.honeypots)

    def register(self, app: Flask) -> None:
        """Take part in each of an app's requests."""
        outer, place, is_app = innermost(app)
        self.enforcer.register(app, innermost=is_app)
        self._error_handlers.register(app)
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
