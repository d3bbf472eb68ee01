"""Serve the requests of an app's tenants, each by a state of its own, behind one middleware."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, cast

from flask import Flask, Response, has_request_context, request

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.tenants import Tenants
from flask_irl.telemetry.log import TENANT
from flask_irl.web.body import BodyDrain
from flask_irl.web.bypass import Bypass
from flask_irl.web.callbacks import key_of
from flask_irl.web.declared_tenants import TenantOf
from flask_irl.web.enforcement import Enforcer
from flask_irl.web.exchange import Exchange, Headers
from flask_irl.web.late_calls import LateCalls
from flask_irl.web.middleware import Middleware
from flask_irl.web.observer import Observer
from flask_irl.web.recognition import Recognition
from flask_irl.web.responses import Responder
from flask_irl.web.tenant_selectors import TenantSelector

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Parts(NamedTuple):
    """Hold what all states of an app share on a request's way."""

    innermost: bool
    bypass: Bypass
    calls: LateCalls
    body: BodyDrain


class Served(Protocol):
    """Describe an app's state for one tenant, as far as it serves requests."""

    limiter: Limiter
    enforcer: Enforcer
    observer: Observer
    responder: Responder

    def connect(self, app: Flask, parts: Parts) -> None:
        """Take part in an app's requests, by what all states share."""

    def middleware(self, inner: WSGIApplication, body: BodyDrain) -> Middleware:
        """Make the middleware of its requests."""

    def deduct(self, response: Response) -> Response:
        """Count a request in the limits that its answer calls for."""


S = TypeVar("S", bound=Served)


class TenantStates(Generic[S]):
    """Choose the state that serves a request, by its tenant.

    Args:
        main: The app's own, for requests of no tenant.
        tenant_of: Tells the tenant of a request.
        declared: The options of the declared tenants.
        new_state: Makes the state of a tenant's limiter.
        slot: Name in a request's environment under which its exchange is.

    Attributes:
        limiters: The tenants' limiters.
        hook: The one hook of the app, before each request.
    """

    def __init__(
        self,
        main: S,
        tenant_of: TenantOf,
        declared: dict[str, Options],
        new_state: Callable[[Limiter], S],
        slot: str,
    ) -> None:
        self._main = main
        self._tenant_of = tenant_of
        self._new_state = new_state
        self._slot = slot
        self._place = f"{slot}.tenant"
        self._states: dict[str, S] = {}
        self._parts: tuple[Flask, Parts] | None = None
        self._middlewares: dict[str, Middleware] = {}
        self._deducts = False
        self.app: Any = None
        self.limiters = Tenants(main.limiter, declared)
        self.hook = self._decide
        main.enforcer.hook = self.hook
        self.by_environ = isinstance(tenant_of, TenantSelector)

    def state(self, limiter: Limiter) -> S:
        """Give the state of a tenant's limiter."""
        name = limiter.tenant
        if not name:
            return self._main
        state = self._states.get(name)
        if state is None:
            state = self._new_state(limiter)
            state.enforcer.hook = self.hook
            if self._parts is not None:
                state.connect(*self._parts)
            # Of two that are made at once, one stays.
            state = self._states.setdefault(name, state)
        return state

    def current(self) -> S:
        """Give the state of the request being served; the app's own outside of one."""
        if not has_request_context():
            return self._main
        environ = request.environ
        known = environ.get(self._place)
        return self._ask(environ) if known is None else known

    def register(self, app: Flask, inner: WSGIApplication, parts: Parts) -> TenantMiddleware:
        """Take part in an app's requests; gives the middleware."""
        # By the environment alone nobody can be asked about whose tenant a function names.
        parts = parts._replace(innermost=parts.innermost and self.by_environ)
        self._parts = app, parts
        self.app = inner
        for state in (self._main, *self._states.values()):
            state.connect(app, parts)
        if not self.by_environ:
            return TenantMiddleware(self, self._late_middleware(inner, parts.body))
        return TenantMiddleware(self, None)

    def dispatch(self) -> _Dispatch:
        """Make what stands for the parts of the request's own tenant."""
        return _Dispatch(self)

    def deduct_after(self, app: Flask | None) -> None:
        """Count requests in the limits that their answers call for, from now on."""
        if app is not None and not self._deducts:
            self._deducts = True
            app.after_request_funcs.setdefault(None, []).insert(0, self._deduct)

    def middleware_for(self, environ: WSGIEnvironment) -> Middleware:
        """Give the middleware of a request's tenant, which is known by its environment."""
        state = environ[self._place] = self._ask(environ)
        name = state.limiter.tenant
        TENANT.set(name)
        found = self._middlewares.get(name)
        if found is None:
            parts = cast(tuple[Flask, Parts], self._parts)[1]
            found = self._middlewares[name] = state.middleware(self._call_app, parts.body)
        return found

    def state_on(self, environ: WSGIEnvironment) -> S:
        """Give the state that a request was found to be of; the app's own before that."""
        return cast(S, environ.get(self._place, self._main))

    def fix(self) -> S:
        """Give the state of the request being served, and let that be its last word."""
        environ = request.environ
        known = environ.get(self._place)
        if known is None:
            known = environ[self._place] = self._ask(environ)
            # Past the middleware nobody would take it back.
            if self._slot in environ:
                TENANT.set(known.limiter.tenant)
        return cast(S, known)

    def _decide(self) -> Response | None:
        """Decide on the request being served."""
        return self.fix().enforcer.decide()

    def _deduct(self, response: Response) -> Response:
        return self.state_on(request.environ).deduct(response)

    def _call_app(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        # It may be replaced: the first requests are looked at in between.
        return cast(Iterable[bytes], self.app(environ, start))

    def _late_middleware(self, inner: WSGIApplication, body: BodyDrain) -> Middleware:
        """Make the middleware of requests whose tenant only the app's function knows."""
        parts: Any = self.dispatch()
        return Middleware(
            self._call_app,
            self._slot,
            recognition=Recognition(),
            enforcer=parts,
            responder=self._main.responder,
            observer=parts,
            body=body,
        )

    def _ask(self, environ: WSGIEnvironment) -> S:
        """Ask whose a request is; the app's own where that is nobody, or the answer of no use."""
        tenant_of, asking = self._tenant_of, f"{self._place}.asking"
        if asking in environ:
            # The app's function asks for what depends on its answer.
            return self._main
        environ[asking] = True
        try:
            if isinstance(tenant_of, TenantSelector):
                name = tenant_of.of(environ)
            else:
                name = key_of(tenant_of)
            return self._main if not name else self.state(self.limiters.choose(name))
        except Exception as error:
            self._main.limiter.failures.callback_failed("tenant_of", error, tenant_of)
            return self._main
        finally:
            del environ[asking]


class _Dispatch:
    """Stand for the enforcer, the observer and the late decisions of a request's tenant."""

    def __init__(self, states: TenantStates[Any]) -> None:
        self._states = states
        self.late = self

    def ask(self, environ: WSGIEnvironment, exchange: Exchange, known: object) -> None:
        """Ask nothing before Flask sees a request: whose it is isn't known yet."""

    def settle(self, exchange: Exchange) -> None:
        """Settle nothing, since nothing is asked early."""

    def observe(
        self, environ: WSGIEnvironment, exchange: Exchange, status: str, headers: Headers
    ) -> None:
        """Note a request that was decided on."""
        self._states.state_on(environ).observer.observe(environ, exchange, status, headers)

    def foreseen(self, exchange: Exchange) -> None:
        """Count a request whose answer came before the limiter's hook."""
        if has_request_context():
            self._states.fix().enforcer.late.foreseen(exchange)

    def miss(self, environ: WSGIEnvironment, exchange: Exchange) -> None:
        """Count a request for a static file that isn't there."""
        self._states.state_on(environ).enforcer.late.miss(environ, exchange)


class TenantMiddleware:
    """Give each request to the middleware of its tenant.

    Args:
        states: Choose it.
        late: Takes all requests, where only the app's function knows whose they are.

    Attributes:
        app: The app, or its wrapper of that moment.
    """

    def __init__(self, states: TenantStates[Any], late: Middleware | None) -> None:
        self._states = states
        self._late = late

    @property
    def app(self) -> WSGIApplication:
        """Give the app that is called."""
        return cast("WSGIApplication", self._states.app)

    @app.setter
    def app(self, app: WSGIApplication) -> None:
        self._states.app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Serve a request; the lines that it logs name its tenant."""
        token = TENANT.set("")
        try:
            return (self._late or self._states.middleware_for(environ))(environ, start)
        finally:
            TENANT.reset(token)
