"""What decorators say of views, kept on the functions themselves until an app asks."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import Limit, parse_limits

LIMITS: Final = "__irl_limits__"
EXEMPT: Final = "__irl_exempt__"
CHECKS: Final = "__irl_checks__"
NO_ROUTE: Final = "__irl_no_route__"


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
    for noted in _with_checked(function):
        # A bound method takes no notes: then its wrapper alone has them.
        with contextlib.suppress(AttributeError, TypeError):
            setattr(noted, LIMITS, (*getattr(noted, LIMITS, ()), limit))


def add_exemption(function: Any, owner: object) -> None:
    """Note that a function's routes aren't limited.

    Raises:
        AttributeError: The function takes no notes, as bound methods don't.
    """
    for noted in _with_checked(function):
        try:
            setattr(noted, EXEMPT, (*getattr(noted, EXEMPT, ()), owner))
        except AttributeError:
            if noted is function:
                raise


def _with_checked(function: Any) -> Iterator[Any]:
    """A function, and those in it that our own decorators wrapped.

    With several decorators above its route, it is the innermost that the app has registered.
    """
    yield function
    wrapper, inner = getattr(function, CHECKS, (None, None))
    # Other people's wrappers carry the note on, too, but it isn't about them.
    if wrapper is function:
        yield from _with_checked(inner)


def limits_of(function: Any, owner: object) -> tuple[RouteLimit, ...]:
    """The limits noted on a function by one extension."""
    return tuple(limit for limit in getattr(function, LIMITS, ()) if limit.owner is owner)


def is_exempt(function: Any, owner: object) -> bool:
    """Whether one extension exempted a function."""
    return any(other is owner for other in getattr(function, EXEMPT, ()))


def add_no_route(function: Any) -> None:
    """Note that a function answers only what no other route matches."""
    setattr(function, NO_ROUTE, True)


def is_no_route(function: Any) -> bool:
    """Whether a function answers only what no other route matches."""
    return getattr(function, NO_ROUTE, False) is True


def new_limit(
    owner: object,
    limit: str | Callable[[], str],
    *,
    shared: str | Callable[[str], str] | None,
    methods: Sequence[str] | None = None,
    cost: int | Callable[[], int],
    error_message: str | None,
    **rest: Any,
) -> RouteLimit:
    """Make a limit of a decorator's arguments.

    Raises:
        ConfigurationError: One of them isn't allowed.
    """
    if not callable(cost) and (isinstance(cost, bool) or not isinstance(cost, int) or cost < 0):
        raise ConfigurationError(
            f"cost {cost!r} is not allowed: give a whole number, 0 or more, or a function"
        )
    if error_message is not None and not isinstance(error_message, str):
        raise ConfigurationError(f"error_message {error_message!r} is not allowed: give a text")
    if shared is not None and not callable(shared) and not (shared and isinstance(shared, str)):
        raise ConfigurationError(f"scope {shared!r} is not allowed: give a name, or a function")
    if isinstance(methods, str):
        raise ConfigurationError(f"methods {methods!r} is not allowed: give [{methods!r}]")
    if not callable(limit) and not isinstance(limit, str):
        raise ConfigurationError(
            f"limit {limit!r} is not allowed: give a text such as '20/minute', or a function"
        )
    return RouteLimit(
        owner,
        limits=() if callable(limit) else parse_limits(limit),
        dynamic=limit if callable(limit) else None,
        shared=shared,
        methods=None if methods is None else frozenset(method.upper() for method in methods),
        cost=cost,
        error_message=error_message,
        **rest,
    )


def of_one_method(limit: RouteLimit, method: str) -> RouteLimit:
    """A limit on a view class's method: it counts that method, not the whole route."""
    if limit.shared is not None or limit.methods is not None or limit.per_method:
        return limit
    return replace(limit, methods=frozenset((method,)))


def scope_names(
    limits: Sequence[RouteLimit], endpoint: str, method: str, taken: set[str]
) -> tuple[str, ...]:
    """What each limit of a route counts under; fixed limits of one name count side by side.

    Others come and go with the request and count apart, lest the count of what they stand beside
    come and go with them.

    Args:
        limits: All that apply.
        endpoint: The route's.
        method: The request's, GET for HEAD.
        taken: Names that have other limits.

    Returns:
        A name for each; ``""`` where it depends on the request.
    """
    fixed = (limit for limit in limits if limit.fixed and limit.shared is None)
    taken = taken | {limit.scope_name(endpoint, method) for limit in fixed}
    names: list[str] = []
    for index, limit in enumerate(limits):
        name = "" if callable(limit.shared) else limit.scope_name(endpoint, method)
        if limit.shared is None and not limit.fixed:
            if name in taken:
                name = f"{name}#{index}"
            taken.add(name)
        names.append(name)
    return tuple(names)


def checked_first(function: Any, check: Callable[[], None]) -> Any:
    """A function that runs a check before the given one, and is async where that is."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def checked(*args: Any, **kwargs: Any) -> Any:
            check()
            return await function(*args, **kwargs)

    else:

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            check()
            return function(*args, **kwargs)

    setattr(checked, CHECKS, (checked, function))
    return checked
