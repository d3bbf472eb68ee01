"""Work out the limits of each route of an app: once, looked up from then on.

Static files aren't limited; a request that no route matches (404, 405) or for a static file that
isn't there, and Flask's automatic answer to OPTIONS, count against the limit on all requests, not
against a route's own; HEAD counts as GET.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Blueprint, Flask, request
from werkzeug.routing import Rule

from flask_irl.behaviour.course_routes import route_name
from flask_irl.behaviour.observation import BY_NAME
from flask_irl.limits.limit import Limit
from flask_irl.web.decorators import Declarations, is_no_route
from flask_irl.web.logins import Logins
from flask_irl.web.marks import Marks, read_marks
from flask_irl.web.patterns import ConfiguredRules
from flask_irl.web.preflights import answers_preflights
from flask_irl.web.route_limits import RouteLimit, of_one_method, scope_names
from flask_irl.web.static_files import StaticFiles

UNMATCHED: Final = "unmatched"
METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)
OTHER_METHOD: Final = "OTHER"
"""Stands for every method that a client may have invented."""


@dataclass(slots=True)
class Route:
    """Hold the limits of one endpoint and method.

    Attributes:
        label: The rule's text, or ``"unmatched"``: bounded, safe for metrics.
        exempt: Whether it isn't limited at all.
        limits: The decorators' limits that apply.
        defaults: The default limits that apply.
        endpoint: The app's name for it.
        method: The request's method, GET for HEAD.
        names: The scope of each of ``limits``; ``""`` where it depends on the request.
        covered: The limits that its decorators need not check: they are in the plan, or don't
            apply.
        inner: The limits that are checked last, below somebody else's decorator, as a login's.
        below: Those of ``limits`` that are checked below such a decorator.
        question: The question to the limiter, where it is the same for every client and request.
        generation: The generation of plans that ``question`` is of.
        planned: The same for clients with a rate plan, by that.
        planned_generation: The generation of plans that those are of.
        plainly_refused: Whether a refusal on it was answered by the extension, not by the app.
        fixed: Whether its plan is the same for every request.
        tested: Whether a fixed limit counts only after the answer.
        may_replace_base: Whether a limit that depends on the request may replace the base limit.
        preflights: Whether Flask or flask-cors answers its CORS preflights.
        files: The static files that it serves, if it does; what isn't there is unmatched.
        recognisable: Whether all requests under one method and path of it are alike.
        login: The app's word on whether it logs in.
    """

    label: str
    exempt: bool
    limits: tuple[RouteLimit, ...] = ()
    defaults: tuple[Limit, ...] = ()
    endpoint: str = ""
    method: str = ""
    names: tuple[str, ...] = ()
    covered: tuple[RouteLimit, ...] = ()
    inner: tuple[RouteLimit, ...] = ()
    below: tuple[RouteLimit, ...] = ()
    question: Any = None
    generation: int = -1
    planned: dict[Any, Any] = field(default_factory=dict)
    planned_generation: int = -1
    plainly_refused: bool = False
    fixed: bool = field(init=False)
    may_replace_base: bool = field(init=False)
    tested: bool = field(init=False)
    preflights: bool = False
    files: StaticFiles | None = None
    recognisable: bool = True
    login: int = BY_NAME

    def __post_init__(self) -> None:
        self.fixed = all(limit.fixed for limit in self.limits)
        self.may_replace_base = any(x.override_base and not x.fixed for x in self.limits)
        self.tested = any(x.role == "test" and x.fixed for x in self.limits)

    def texts(self) -> list[str]:
        """Write its limits for people."""
        texts = [str(limit) for limit in self.defaults]
        for limit in self.limits:
            notes = " (shared)" if limit.shared is not None else ""
            notes += " (on refusals)" if limit.role == "breach" else ""
            notes += " (instead of base_limit)" if limit.override_base else ""
            texts += [f"{fixed}{notes}" for fixed in limit.limits] or [f"by a function{notes}"]
        return texts

    def covers(self, limit: RouteLimit) -> bool:
        """Tell whether the decision on a request to it includes a limit."""
        return limit in self.covered or (limit.passing and limit.origin in self.covered)


class RouteTable:
    """Look up the routes of an app.

    Args:
        owner: The extension whose decorators count.
        defaults: The default limits of routes.
        declarations: The extension's.
        configured: The rules of the app's configuration.
        logins: The routes that log in.
        default_limit: The default limits where they have conditions, instead of ``defaults``.
        on_all: The limits that hold on all routes.

    Attributes:
        at_first: Called with the app, once each, when its first route is looked up.
        missing: Stands for the routes of static files where there is no such file.
    """

    def __init__(
        self,
        owner: object,
        defaults: tuple[Limit, ...],
        declarations: Declarations,
        configured: ConfiguredRules,
        logins: Logins,
        default_limit: RouteLimit | None = None,
        on_all: tuple[RouteLimit, ...] = (),
    ) -> None:
        self.at_first: deque[Callable[[Flask], object]] = deque()
        self.configured = configured
        self._by_parts: dict[tuple[str, str, str, tuple[str, ...]], Route] = {}
        self._owner = owner
        self._defaults = () if default_limit is not None else defaults
        self._default_limit = default_limit
        self._on_all = on_all
        self._declarations = declarations
        self.logins = logins
        self._routes: dict[tuple[str, str, str], Route] = {}
        names = scope_names(on_all, UNMATCHED, "", set())
        self._unmatched = Route(UNMATCHED, False, on_all, names=names)
        # A file may come to be there.
        self.missing = Route(UNMATCHED, False, on_all, names=names, recognisable=False)

    def __len__(self) -> int:
        return len(self._routes) + len(self._by_parts)

    def route(self, app: Flask, rule: Rule | None, method: str, path: str | None = None) -> Route:
        """Give the route of a request.

        Args:
            app: The app.
            rule: The rule that matches it, None where none does.
            method: Its method.
            path: Its path; that of the request being served by default.
        """
        if rule is None:
            return self._unmatched
        if method not in METHODS and method not in tuple(rule.methods or ()):
            method = self._bounded(app, rule, method)
        key = (rule.rule, rule.endpoint, method)
        route = self._routes.get(key)
        if route is None:
            self._begin(app)
            parts = self.configured.parts(rule)
            if parts:
                if path is None:
                    path = request.path
                return self.part(app, rule, method, [x.text for x in parts if x.matches(path)])
            route = self._routes[key] = self._work_out(app, rule, method)
        return route

    def _begin(self, app: Flask) -> None:
        """Do the work that waits for the first route, each once: several threads may come."""
        # Asking whether there is some, and taking it after that, would be two steps.
        with contextlib.suppress(IndexError):
            while True:
                self.at_first.popleft()(app)

    def part(self, app: Flask, rule: Rule, method: str, parts: Sequence[str]) -> Route:
        """Give the route of those of a rule's paths that some patterns match."""
        key = (rule.rule, rule.endpoint, method, tuple(parts))
        route = self._by_parts.get(key)
        if route is None:
            route = self._by_parts[key] = self._work_out(app, rule, method, parts)
        return route

    def limited(self) -> set[str]:
        """Name the routes met so far that have limits of their own, as courses do."""
        on_all = {*self._on_all, self._default_limit}
        return {
            route_name(route.method, route.label)
            for route in [*self._routes.values(), *self._by_parts.values()]
            if any(x.role != "breach" and x not in on_all for x in route.limits)
        }

    def forget(self) -> None:
        """Forget all routes that were worked out: limits have changed."""
        self._routes, self._by_parts = {}, {}

    def alone(self, limit: RouteLimit, label: str, endpoint: str, method: str) -> Route:
        """Make a route of a limit on a function that is no view, called in a request."""
        method = "GET" if method == "HEAD" else method
        metas = tuple(x for x in self._on_all if x.role == "breach")
        limits = (*limit.with_metas(), *metas)
        # Such calls count apart from the route's own requests, whatever that is called.
        names = scope_names(limits, limit.name, method, set())
        return Route(label, False, limits, (), endpoint, method, names)

    def _bounded(self, app: Flask, rule: Rule, method: str) -> str:
        """Fold the methods that nobody named into one: a rule may take any."""
        _, marks, blueprints = self._view(app, rule, method)
        limits = [*marks.limits, *marks.of_method]
        for blueprint in blueprints:
            limits += self._declarations.blueprint_limits.get(blueprint, [])
        named = any(limit.methods is not None and method in limit.methods for limit in limits)
        return method if named else OTHER_METHOD

    def _view(self, app: Flask, rule: Rule, method: str) -> tuple[object, Marks, list[Blueprint]]:
        """Find a rule's view, its marks for a method, and its blueprints."""
        view = app.view_functions.get(rule.endpoint)
        found = (app.blueprints.get(name) for name in _blueprints(rule.endpoint))
        blueprints = [blueprint for blueprint in found if isinstance(blueprint, Blueprint)]
        return view, read_marks(view, method, self._owner, self._declarations), blueprints

    def _work_out(self, app: Flask, rule: Rule, method: str, parts: Sequence[str] = ()) -> Route:
        endpoint = rule.endpoint
        label = rule.rule
        view, marks, blueprints = self._view(app, rule, method)
        owner = blueprints[0] if blueprints else app
        if is_no_route(view):
            return self._unmatched
        exempt, configured = self.configured.apply(rule, parts)
        exempt = exempt or marks.exempt
        if exempt or any(x in self._declarations.exempt_blueprints for x in blueprints):
            return Route(label, True)
        is_static = endpoint.rpartition(".")[2] == "static" and owner.has_static_folder
        if is_static and not configured:
            return Route(label, True, files=StaticFiles(owner, view))
        login = self.logins.word_on(label, endpoint, marks.bearers)
        preflights = method == "OPTIONS" and answers_preflights(rule, view)
        # Flask notes it on the rules that it makes, not on one of the app's own in the url_map.
        if preflights and getattr(rule, "provide_automatic_options", False):
            return Route(label, False, preflights=True, recognisable=False, login=login)
        of_method = {x: of_one_method(x, marks.method) for x in marks.of_method}
        below = tuple(of_method.get(x, x) for x in marks.below)
        own = [*marks.limits, *of_method.values()]
        own = [x for x in own if x.applies_to(method)]
        if not any(x.override_defaults for x in own):
            for blueprint in blueprints:
                own += self._declarations.blueprint_limits.get(blueprint, [])
        own = list(dict.fromkeys(x for x in (*own, *configured) if x.applies_to(method)))
        overridden = any(x.override_defaults for x in own)
        defaults = () if overridden else self._defaults
        if self._default_limit is not None and not overridden:
            own.append(self._default_limit)
        own = [x for limit in own for x in limit.with_metas()]
        own += self._on_all
        method = "GET" if method == "HEAD" else method
        return Route(
            label,
            False,
            tuple(own),
            defaults,
            endpoint,
            method,
            scope_names(own, endpoint, method, {endpoint} if defaults else set()),
            (*marks.limits, *marks.of_method),
            marks.inner,
            below,
            preflights=preflights,
            recognisable=not preflights,
            login=login,
        )


def _blueprints(endpoint: str) -> list[str]:
    """Name the blueprints of an endpoint, the innermost first."""
    parts = endpoint.split(".")[:-1]
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
