"""Describe a limit of a route, as a decorator gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flask_irl.errors import ConfigurationError, IrlError
from flask_irl.limits.limit import Limit, parse_limits
from flask_irl.limits.plan import Role
from flask_irl.web.callbacks import (
    IN_MEMORY,
    CostFunc,
    DeductWhen,
    Filter,
    KeyFunc,
    LimitFunc,
    OnBreach,
    ScopeFunc,
    call,
    check_callback,
)

ONLY_CALLBACKS: Final = ("key_func", "exempt_when", "deduct_when", "on_breach")
CALLBACKS: Final = ("limit", "scope", "cost", *ONLY_CALLBACKS)
"""Arguments that are functions, or may be."""


@dataclass(frozen=True, slots=True, eq=False)
class RouteLimit:
    """Describe one use of ``limit`` or ``shared_limit``.

    Args:
        owner: The extension that it belongs to.
        limits: The limits, when they are fixed.
        dynamic: Gives the limits of each request, when they aren't.
        default: The limits that hold while ``dynamic`` fails.
        shared: Name that routes count under together, or a function of the endpoint; None counts
            each route by itself.
        name: Name of its scope outside of routes.
        key_func: Gives the key that is counted, when it isn't the client's.
        methods: The methods that it applies to; None for all.
        per_method: Count each method by itself.
        exempt_when: Returns True where it doesn't apply to a request.
        override_defaults: Whether it replaces the default limits or adds to them.
        override_base: Whether it replaces the base limit, too, wherever it applies.
        cost: Units that a request counts for.
        error_message: Text of the 429, instead of "Rate limit exceeded".
        origin: The limit as the decorator has it, of which this is a use.
        passing: Whether it was made during a request, as RESTX's ``method_decorators`` are.
        deduct_when: Given the response, returns True where the request counts; it must have room
            for the request all the same.
        on_breach: Is told of each refusal by it, and may answer it.
        meta: Limits on the requests that it refuses.
        within: Name of a part of each route, or a function of the endpoint: parts count apart.
        role: Its part in deciding, see :data:`~flask_irl.limits.plan.Role`.
        parent: The limit whose refusals it counts; None for all refusals.
        own_cost: Whether ``cost`` is for it alone, and not for the route's other limits.
    """

    owner: object
    limits: tuple[Limit, ...] = ()
    dynamic: LimitFunc | None = None
    shared: str | ScopeFunc | None = None
    name: str = ""
    key_func: KeyFunc | None = None
    methods: frozenset[str] | None = None
    per_method: bool = False
    exempt_when: Filter | None = None
    override_defaults: bool = True
    cost: int | CostFunc = 1
    error_message: str | None = None
    default: tuple[Limit, ...] = ()
    origin: RouteLimit | None = None
    passing: bool = False
    override_base: bool = False
    deduct_when: DeductWhen | None = None
    on_breach: OnBreach | None = None
    meta: tuple[RouteLimit, ...] = ()
    within: str | ScopeFunc | None = None
    role: Role = "count"
    parent: RouteLimit | None = None
    own_cost: bool = False

    @property
    def fixed(self) -> bool:
        """Tell whether it is the same for every request."""
        return (
            self.dynamic is None
            and self.key_func is None
            and self.exempt_when is None
            and not callable(self.shared)
            and not callable(self.cost)
            and not callable(self.within)
            and (self.parent is None or self.parent.fixed)
        )

    @property
    def apart(self) -> bool:
        """Tell whether it counts in a scope of its own, beside other limits of the route."""
        return self.role != "count" or self.own_cost or not self.fixed

    def with_metas(self) -> tuple[RouteLimit, ...]:
        """Give the limit, and the limits on its refusals."""
        metas = (
            replace(meta, parent=self, key_func=meta.key_func or self.key_func)
            for meta in self.meta
        )
        return (self, *metas)

    def applies_to(self, method: str) -> bool:
        """Tell whether it limits a method; HEAD counts as GET."""
        if self.methods is None or method in self.methods:
            return True
        return method == "HEAD" and "GET" in self.methods

    def repeats(self, other: RouteLimit) -> bool:
        """Tell whether another limit was made in the same place, during an earlier request."""
        mine, theirs = self.origin, other.origin
        return (
            other.passing
            and mine is not None
            and theirs is not None
            and (mine.name, mine.limits) == (theirs.name, theirs.limits)
        )

    def scope_name(self, endpoint: str, method: str) -> str:
        """Name the scope of its requests: methods that it singles out count by themselves.

        Args:
            endpoint: The route's, or the limit's name outside of routes.
            method: The request's, GET for HEAD.
        """
        if self.shared is not None:
            name = f"shared:{_named(self.shared, endpoint)}"
            return f"{name}:{method}" if self.per_method else name
        if self.within is not None:
            endpoint = f"{endpoint}:{_named(self.within, endpoint)}"
        if self.per_method:
            return f"{endpoint}:{method}"
        return endpoint if self.methods is None else f"{endpoint}:{','.join(sorted(self.methods))}"


def _named(scope: str | ScopeFunc, endpoint: str) -> str:
    name = call(scope, endpoint) if callable(scope) else scope
    if not isinstance(name, str) or IN_MEMORY in name:
        raise IrlError(f"scope {name!r} is not allowed: give a text")
    return name


def new_limit(
    owner: object,
    limit: str | LimitFunc,
    *,
    shared: str | ScopeFunc | None,
    methods: Sequence[str] | None = None,
    cost: int | CostFunc,
    error_message: str | None,
    default: str | None = None,
    scope: str | ScopeFunc | None = None,
    meta_limits: Sequence[str] | None = None,
    **rest: Any,
) -> RouteLimit:
    """Make a limit of a decorator's arguments.

    Raises:
        ConfigurationError: One of them isn't allowed.
    """
    check_cost("cost", cost)
    if error_message is not None and not isinstance(error_message, str):
        raise ConfigurationError(f"error_message {error_message!r} is not allowed: give a text")
    for name in (shared, scope):
        if name is not None and not callable(name) and not (name and isinstance(name, str)):
            raise ConfigurationError(f"scope {name!r} is not allowed: give a name, or a function")
    callbacks = {"limit": limit, "scope": shared or scope, "cost": cost, **rest}
    for option in CALLBACKS:
        given = callbacks.get(option)
        if callable(given) or (option in ONLY_CALLBACKS and given is not None):
            check_callback(option, given)
    if isinstance(methods, str):
        raise ConfigurationError(f"methods {methods!r} is not allowed: give [{methods!r}]")
    if not callable(limit) and not isinstance(limit, str):
        raise ConfigurationError(
            f"limit {limit!r} is not allowed: give a text such as '20/minute', or a function"
        )
    if default is not None and not (callable(limit) and isinstance(default, str)):
        raise ConfigurationError(
            f"default {default!r} is not allowed: give a text such as '20/minute', "
            "beside a function that returns the limit"
        )
    if isinstance(meta_limits, str):
        raise ConfigurationError(f"meta_limits {meta_limits!r} is not allowed: give a list of them")
    return RouteLimit(
        owner,
        limits=() if callable(limit) else parse_limits(limit),
        within=scope,
        meta=tuple(
            RouteLimit(owner, limits=parse_limits(meta), role="breach", override_defaults=False)
            for meta in meta_limits or ()
        ),
        role="count" if rest.get("deduct_when") is None else "test",
        dynamic=limit if callable(limit) else None,
        shared=shared,
        methods=None if methods is None else frozenset(method.upper() for method in methods),
        cost=cost,
        error_message=error_message,
        default=() if default is None else parse_limits(default),
        **rest,
    )


def check_cost(option: str, cost: object) -> None:
    """Check what a request counts for.

    Raises:
        ConfigurationError: It is neither a whole number, 0 or more, nor a function.
    """
    if not callable(cost) and (isinstance(cost, bool) or not isinstance(cost, int) or cost < 0):
        raise ConfigurationError(
            f"{option} {cost!r} is not allowed: give a whole number, 0 or more, or a function"
        )


def of_one_method(limit: RouteLimit, method: str) -> RouteLimit:
    """Narrow a limit on a view class's method to that method: it isn't the whole route's."""
    if limit.shared is not None or limit.methods is not None or limit.per_method:
        return limit
    return replace(limit, methods=frozenset((method,)))


def scope_names(
    limits: Sequence[RouteLimit], endpoint: str, method: str, taken: set[str]
) -> tuple[str, ...]:
    """Name the scope of each limit of a route; plain limits of one name count side by side.

    Others come and go with the request and count apart, lest the count of the limits beside them
    come and go with them.

    Args:
        limits: All that apply.
        endpoint: The route's.
        method: The request's, GET for HEAD.
        taken: Names that have other limits.

    Returns:
        A name for each; ``""`` where it depends on the request.
    """
    together = (limit for limit in limits if not limit.apart and limit.shared is None)
    taken = taken | {limit.scope_name(endpoint, method) for limit in together}
    names: list[str] = []
    for index, limit in enumerate(limits):
        if limit.parent is not None:
            above = names[limits.index(limit.parent)]
            names.append(above and f"meta:{above}#{index}")
            continue
        named_late = callable(limit.shared) or callable(limit.within)
        name = "" if named_late else limit.scope_name(endpoint, method)
        if name and limit.shared is None and limit.apart:
            if name in taken:
                name = f"{name}#{index}"
            taken.add(name)
        names.append(name)
    return tuple(names)
