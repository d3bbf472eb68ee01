"""Look up the routes of an app, with all definitions that may limit them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from flask import Flask, current_app
from limits.limits import TIME_TYPES
from werkzeug.routing import Rule

from flask_irl.compat.constants import ExemptionScope
from flask_irl.compat.definitions import Carrier, Limit
from flask_irl.compat.exemptions import Exemptions
from flask_irl.compat.resolution import Group, items_of, passes
from flask_irl.compat.util import get_qualified_name
from flask_irl.web.decorators import Declarations
from flask_irl.web.logins import Logins
from flask_irl.web.marks import Marks
from flask_irl.web.patterns import ConfiguredRules
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.routes import Route, RouteTable


@dataclass(slots=True)
class CompatRoute(Route):
    """Hold the definitions of one endpoint and method.

    Attributes:
        group: The definitions.
        named: Whether requests have names other than their endpoints.
    """

    group: Group | None = None
    named: bool = False

    def __post_init__(self) -> None:
        definitions = () if self.group is None else self.group.definitions
        self.fixed = not self.named and all(definition.static for definition in definitions)
        # A limit by a function may take the place of any that is fixed.
        self.may_replace_base = not self.fixed
        self.tested = False

    def texts(self) -> list[str]:
        """Write its limits for people."""
        if self.group is None:
            return []
        first, second = passes(self.group, _shown)
        return [str(item) for item, _ in (*first, *second)]


def _shown(who: str, limit: Limit) -> Sequence[Any]:
    return (_ByFunction(),) if callable(limit.limit_provider) else items_of(limit)


class _ByFunction:
    """Stand for the limits that a function gives."""

    GRANULARITY = TIME_TYPES["year"]

    def __str__(self) -> str:
        return "by a function"


class CompatRoutes(RouteTable):
    """Look up the routes of an app.

    Args:
        owner: The limiter whose limits count.
        declarations: The limiter's.
        configured: Rules of this package's configuration.
        logins: The routes that log in.
        exemptions: The limiter's.
        application: Its limits on the whole application.
        default: Its default limits.
        meta: Its limits on refusals.
        changed: Is called when routes must be worked out anew.
        named: Whether requests have names other than their endpoints.
    """

    def __init__(
        self,
        owner: object,
        declarations: Declarations,
        configured: ConfiguredRules,
        logins: Logins,
        *,
        exemptions: Exemptions,
        application: tuple[Limit, ...],
        default: tuple[Limit, ...],
        meta: tuple[Limit, ...],
        changed: Callable[[], object],
        named: bool,
    ) -> None:
        super().__init__(owner, (), declarations, configured, logins)
        self._exemptions = exemptions
        self._application = application
        self._default = default
        self._meta = meta
        self._changed = changed
        self._named = named
        self._hints: dict[str, dict[str, Limit]] = {}

    def alone(self, limit: RouteLimit, label: str, endpoint: str, method: str) -> Route:
        """Make a route of a limit on a function that is no view, called in a request."""
        definition = cast(Limit, cast(Carrier, limit).definition)
        hints = self._hints.setdefault(endpoint, {})
        known = hints.get(limit.name)
        if known is None or known.override_defaults != definition.override_defaults:
            hints[limit.name] = definition
            self._changed()
        group = self._group(current_app, endpoint, method, limit.name, (definition,))
        group = replace(group, function=True)
        return CompatRoute(label, False, (), (), endpoint, group.method, group=group)

    def _work_out(self, app: Flask, rule: Rule, method: str, parts: Any = ()) -> Route:
        worked_out = super()._work_out(app, rule, method, parts)
        if worked_out.exempt or worked_out.preflights:
            return worked_out
        endpoint = rule.endpoint
        view, marks, _ = self._view(app, rule, method)
        name = get_qualified_name(view) if callable(view) and hasattr(view, "__name__") else ""
        group = self._group(app, endpoint, method, name, self._decorated(view, marks))
        if not (group.decorated or group.inherited or self._is_limited(group)):
            return replace(worked_out, exempt=True)
        return CompatRoute(
            worked_out.label,
            False,
            (),
            (),
            endpoint,
            group.method,
            (),
            worked_out.covered,
            worked_out.inner,
            worked_out.below,
            recognisable=worked_out.recognisable and not self._named,
            login=worked_out.login,
            group=group,
            named=self._named,
        )

    def _decorated(self, view: object, marks: Marks) -> tuple[Limit, ...]:
        """List the definitions on a view; none on one with an exemption of any kind."""
        if self._exemptions.of(view):
            return ()
        limits = (*marks.limits, *marks.of_method)
        found = (x.definition for x in limits if isinstance(x, Carrier))
        return tuple(x for x in found if x is not None)

    def _group(
        self, app: Flask, endpoint: str, method: str, name: str, decorated: tuple[Limit, ...]
    ) -> Group:
        blueprint = endpoint.rpartition(".")[0]
        hints = self._hints.get(endpoint, {}).values()
        by_name: dict[str, list[Limit]] = {}
        for owner, limits in self._declarations.blueprint_limits.items():
            found = (x.definition for x in limits if isinstance(x, Carrier))
            by_name.setdefault(owner.name, []).extend(x for x in found if x is not None)
        return Group(
            endpoint,
            "GET" if method == "HEAD" else method,
            name,
            blueprint,
            self._application,
            self._default,
            self._meta,
            decorated,
            self._exemptions.inherited(app, blueprint, by_name),
            self._exemptions.scope(app, app.view_functions.get(endpoint), blueprint),
            bool(decorated or hints),
            bool(hints) and not any(x.override_defaults for x in hints),
        )

    def _is_limited(self, group: Group) -> bool:
        exempt = group.exemption
        return not (exempt & ExemptionScope.APPLICATION and exempt & ExemptionScope.DEFAULT)
