"""Hold the rules of the limits that an extension puts on all routes, beside their figures."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import Limit
from flask_irl.web.callbacks import CostFunc, DeductWhen, Filter, OnBreach, check_callback
from flask_irl.web.route_limits import RouteLimit, check_cost

APPLICATION: Final = "application"
"""Name of the scope of the application's limits; the routes share it."""
META: Final = "meta"
"""Name of the scope of the meta limits."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Say when and how the default limits, or the application's, count.

    Args:
        per_method: Count each HTTP method by itself.
        exempt_when: Returns True where they don't apply.
        deduct_when: Given the response, returns True where the request counts.
        cost: Units that a request counts for; None for the route's own cost.
    """

    per_method: bool = False
    exempt_when: Filter | None = None
    deduct_when: DeductWhen | None = None
    cost: int | CostFunc | None = None

    def check(self, group: str) -> None:
        """Check the conditions of a group of limits, ``default_limits`` or the application's.

        Raises:
            ConfigurationError: One isn't allowed.
        """
        for name in ("exempt_when", "deduct_when"):
            if getattr(self, name) is not None:
                check_callback(f"{group}_{name}", getattr(self, name))
        if self.cost is not None:
            check_cost(f"{group}_cost", self.cost)
        if not isinstance(self.per_method, bool):
            raise ConfigurationError(
                f"{group}_per_method is {self.per_method!r}: give True or False"
            )

    def limit(
        self, owner: object, limits: tuple[Limit, ...], shared: str | None = None
    ) -> RouteLimit:
        """Make the limit of figures under these conditions."""
        return RouteLimit(
            owner,
            limits=limits,
            shared=shared,
            per_method=self.per_method,
            exempt_when=self.exempt_when,
            deduct_when=self.deduct_when,
            role="count" if self.deduct_when is None else "test",
            cost=1 if self.cost is None else self.cost,
            own_cost=self.cost is not None,
            override_defaults=False,
        )


@dataclass(frozen=True, slots=True)
class LimitRules:
    """Hold the conditions of the limits on all routes, and the app's answers to refusals.

    Args:
        default: Conditions of the default limits.
        application: Those of the application's.
        on_breach: Is told of each refusal, and may answer it.
        on_meta_breach: Is told of those by a meta limit instead, and may answer them.
    """

    default: Conditions = Conditions()
    application: Conditions = Conditions()
    on_breach: OnBreach | None = None
    on_meta_breach: OnBreach | None = None

    def check(self) -> None:
        """Check all of them.

        Raises:
            ConfigurationError: One isn't allowed.
        """
        self.default.check("default_limits")
        self.application.check("application_limits")
        for name in ("on_breach", "on_meta_breach"):
            if getattr(self, name) is not None:
                check_callback(name, getattr(self, name))

    def default_limit(self, owner: object, limits: tuple[Limit, ...]) -> RouteLimit | None:
        """Make the default limits' limit; None where they have no conditions."""
        plain = all(getattr(self.default, x.name) == x.default for x in fields(self.default))
        return None if plain or not limits else self.default.limit(owner, limits)

    def on_all_routes(
        self, owner: object, application: tuple[Limit, ...], meta: tuple[Limit, ...]
    ) -> tuple[RouteLimit, ...]:
        """Make the limits that hold on all routes, the application's and the meta limits."""
        found = [self.application.limit(owner, application, APPLICATION)] if application else []
        if meta:
            found.append(meta_limit(owner, meta))
        return tuple(found)


NO_RULES: Final = LimitRules()
"""Those of an extension that was given none."""


def meta_limit(owner: object, limits: tuple[Limit, ...]) -> RouteLimit:
    """Make a limit on refusals."""
    return RouteLimit(owner, limits=limits, shared=META, role="breach", override_defaults=False)
