"""Tell the rate plan of each request: the operators' word, the API key's, the app's, the default.

The app's function may need what Flask and the app's hooks provide, a login above all; then the
request is decided on after those, as one whose client a key function names.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from flask_irl.errors import ConfigurationError, IrlError
from flask_irl.limiter.failures import Failed
from flask_irl.limiter.rate_plans import RatePlans
from flask_irl.limits.rate_plan import RatePlan
from flask_irl.telemetry.log import name_of
from flask_irl.web.callbacks import call, check_callback

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PlanFunc = Callable[[], str | Awaitable[str | None] | None]
"""Names the rate plan of the current request's client; None for the default."""

UNTOLD: Final = RatePlan("", ())
"""Stands for the plan of a request that only the app's function can tell, within Flask."""
QUOTED_CHARACTERS: Final = 60


class RequestPlans:
    """Tell the rate plan of each request of one app.

    Args:
        plans: The plans in force.
        plan_of: The app's function; None where there is none.
        failed: Takes an error of it, with the place's name and the function.

    Attributes:
        asks_app: Whether the app's function must be asked, within Flask, about clients that no
            operator has assigned a plan.
        of_key: Names the plan that a request's API key has, by its environment; None for none.
            While it is None itself, keys have no plans.
    """

    def __init__(self, plans: RatePlans, plan_of: PlanFunc | None, failed: Failed) -> None:
        self._plans = plans
        self._plan_of = plan_of
        self._failed = failed
        self.asks_app = plans.by_request = plan_of is not None
        self.of_key: Callable[[WSGIEnvironment], str | None] | None = None

    def early(self, client: str, environ: WSGIEnvironment) -> RatePlan | None:
        """Tell a request's plan without Flask.

        Args:
            client: The key that the request counts under.
            environ: The request's.

        Returns:
            The plan; None for the base limit; :data:`UNTOLD` where the app must be asked.
        """
        found = self._given(client, environ)
        if found is None:
            return UNTOLD if self.asks_app else self._plans.default
        return found

    def of(
        self, client: str, environ: WSGIEnvironment, *, quietly: bool = False
    ) -> RatePlan | None:
        """Tell a request's plan, within Flask; None for the base limit. Never raises.

        Args:
            client: The key that the request counts under.
            environ: The request's.
            quietly: Report no error of the app's function.
        """
        found = self._given(client, environ)
        if found is None and self._plan_of is not None:
            try:
                found = self._asked(self._plan_of)
            except Exception as error:
                if not quietly:
                    self._failed("plan_of", error, self._plan_of)
        return found or self._plans.default

    def _given(self, client: str, environ: WSGIEnvironment) -> RatePlan | None:
        """Give the plan that an operator has assigned, or that the request's API key has."""
        if client in self._plans.assigned:
            found = self._plans.assigned_to(client)
            if found is not None:
                return found
        if self.of_key is not None:
            name = self.of_key(environ)
            if name is not None:
                return self._plans.table.get(name)
        return None

    def _asked(self, plan_of: PlanFunc) -> RatePlan | None:
        name: object = call(plan_of)
        if name is None:
            return None
        known = self._plans.table
        if not isinstance(name, str):
            kind = f"{type(name).__module__}.{type(name).__qualname__}"
            raise IrlError(
                f"{name_of(plan_of)} returned an object of {kind}: give a plan's name or None"
            )
        plan = known.get(name)
        if plan is None:
            raise IrlError(
                f"{name_of(plan_of)} returned {name[:QUOTED_CHARACTERS]!r}, which is no plan; "
                f"there are: {', '.join(known)}"
            )
        return plan


def plan_function(given: PlanFunc | str | None) -> PlanFunc | None:
    """Make the function that names a request's plan of what an app gives.

    Args:
        given: A function; or the name of an attribute of Flask-Login's ``current_user``, such as
            ``plan`` or ``account.plan``; None for none.

    Raises:
        ConfigurationError: It is neither, or Flask-Login isn't installed.
    """
    if given is None:
        return None
    if not isinstance(given, str):
        check_callback("plan_of", given)
        return given
    names = given.split(".")
    if not all(name.isidentifier() for name in names):
        raise ConfigurationError(
            f"plan_of is {given!r}, which is not allowed: give a function, or the name of an "
            "attribute of the user, such as 'plan' or 'account.plan'"
        )
    if importlib.util.find_spec("flask_login") is None:
        raise ConfigurationError(
            f"plan_of is {given!r}, an attribute of Flask-Login's current_user: install "
            "flask-login, or give a function"
        )
    return UserAttribute(names)


class UserAttribute:
    """Name a request's plan by an attribute of the user who is logged in.

    Args:
        names: The attribute, and those of what it leads to.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self.__qualname__ = f"current_user.{'.'.join(names)}"

    def __call__(self) -> Any:
        """Give the attribute's value; None where nobody is logged in."""
        from flask_login import current_user

        value: Any = current_user
        if not value.is_authenticated:
            return None
        for name in self._names:
            value = getattr(value, name)
            if value is None:
                return None
        return value
