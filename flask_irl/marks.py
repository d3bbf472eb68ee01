"""What decorators say of views, kept on the functions themselves until an app asks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask_irl.limit import Limit

LIMITS: Final = "__irl_limits__"
EXEMPT: Final = "__irl_exempt__"


@dataclass(frozen=True, slots=True, eq=False)
class RouteLimit:
    """One use of ``limit`` or ``shared_limit``.

    Args:
        owner: The extension that it belongs to.
        limits: The limits, when they are fixed.
        dynamic: Tells the limits of each request, when they aren't.
        shared: Name that routes count under together, or a function of the endpoint; None counts
            each route by itself.
        name: What it counts under outside of routes.
        key_func: Who is counted, when not the client.
        methods: The methods that it applies to; None for all.
        per_method: Count each method by itself.
        exempt_when: Tells whether it doesn't apply to this request.
        override_defaults: Whether it replaces the default limits or adds to them.
        cost: What a request counts for.
        error_message: What a 429 says, instead of "Rate limit exceeded".
    """

    owner: object
    limits: tuple[Limit, ...] = ()
    dynamic: Callable[[], str] | None = None
    shared: str | Callable[[str], str] | None = None
    name: str = ""
    key_func: Callable[[], str] | None = None
    methods: frozenset[str] | None = None
    per_method: bool = False
    exempt_when: Callable[[], bool] | None = None
    override_defaults: bool = True
    cost: int | Callable[[], int] = 1
    error_message: str | None = None

    @property
    def fixed(self) -> bool:
        """Whether it says the same of every request."""
        return (
            self.dynamic is None
            and self.key_func is None
            and self.exempt_when is None
            and not callable(self.shared)
            and not callable(self.cost)
        )

    def applies_to(self, method: str) -> bool:
        """Whether it limits a method; HEAD counts as GET."""
        if self.methods is None or method in self.methods:
            return True
        return method == "HEAD" and "GET" in self.methods

    def scope_name(self, endpoint: str, method: str) -> str:
        """What its requests count under: methods that it singles out count by themselves.

        Args:
            endpoint: The route's, or what stands for it outside of routes.
            method: The request's, GET for HEAD.
        """
        if self.shared is not None:
            return f"shared:{self.shared(endpoint) if callable(self.shared) else self.shared}"
        if self.per_method:
            return f"{endpoint}:{method}"
        return endpoint if self.methods is None else f"{endpoint}:{','.join(sorted(self.methods))}"


def add_limit(function: Any, limit: RouteLimit) -> None:
    """Note a limit on a function; wrappers made with ``functools.wraps`` carry it on."""
    # A bound method takes no notes: then its wrapper alone has them.
    with contextlib.suppress(AttributeError, TypeError):
        setattr(function, LIMITS, (*getattr(function, LIMITS, ()), limit))


def add_exemption(function: Any, owner: object) -> None:
    """Note that a function's routes aren't limited.

    Raises:
        AttributeError: The function takes no notes, as bound methods don't.
    """
    setattr(function, EXEMPT, (*getattr(function, EXEMPT, ()), owner))


def limits_of(function: Any, owner: object) -> tuple[RouteLimit, ...]:
    """The limits noted on a function by one extension."""
    return tuple(limit for limit in getattr(function, LIMITS, ()) if limit.owner is owner)


def is_exempt(function: Any, owner: object) -> bool:
    """Whether one extension exempted a function."""
    return any(other is owner for other in getattr(function, EXEMPT, ()))
