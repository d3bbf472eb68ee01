"""Mark views with limits and exemptions: the decorators, and the notes that they leave.

A note stays on the function itself until an app asks for it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from flask import Blueprint
from flask.views import View

from flask_irl.errors import ConfigurationError
from flask_irl.web.route_limits import RouteLimit

LIMITS: Final = "__irl_limits__"
EXEMPT: Final = "__irl_exempt__"
CHECKS: Final = "__irl_checks__"
NO_ROUTE: Final = "__irl_no_route__"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Declarations:
    """Hold the declarations of an extension that aren't notes on functions; shared with its apps.

    Attributes:
        filters: Functions that return True for requests that aren't limited.
        blueprint_limits: The limits of all routes of a blueprint.
        exempt_blueprints: Blueprints that aren't limited.
    """

    filters: list[Callable[[], bool]] = field(default_factory=list)
    blueprint_limits: dict[Blueprint, list[RouteLimit]] = field(default_factory=dict)
    exempt_blueprints: set[Blueprint] = field(default_factory=set)


class LimitDecorator:
    """Put a limit on a view, a function, a blueprint or a view class, or on a ``with`` block.

    Args:
        limit: The limit.
        declarations: The extension's.
        check: Counts a limit outside of routes.
    """

    def __init__(
        self, limit: RouteLimit, declarations: Declarations, check: Callable[[RouteLimit], None]
    ) -> None:
        self._limit = limit
        self._declarations = declarations
        self._check = check

    def __call__(self, target: T) -> T:
        if isinstance(target, Blueprint):
            self._declarations.blueprint_limits.setdefault(target, []).append(self._limit)
            return target
        if isinstance(target, type) and issubclass(target, View):
            target.decorators = [*target.decorators, self]
            return target
        if not callable(target) or isinstance(target, type):
            raise ConfigurationError(
                f"limit can't decorate {target!r}: give a function, a blueprint or a view class"
            )
        wrapped: T = self._wrap(target)
        return wrapped

    def __enter__(self) -> None:
        self._check(self._limit)

    def __exit__(self, *exc_info: object) -> None:
        return

    def _wrap(self, function: Any) -> Any:
        kind = function if hasattr(function, "__qualname__") else type(function)
        limit = replace(self._limit, name=f"{kind.__module__}.{kind.__qualname__}")
        add_limit(function, limit)
        limited = checked_first(function, functools.partial(self._check, limit))
        if limit not in limits_of(limited, limit.owner):
            add_limit(limited, limit)
        return limited


def exempt(target: T, owner: object, declarations: Declarations) -> T:
    """Exempt a view, a blueprint or a view class of an extension's app.

    Returns:
        The target, or for a bound method, which takes no notes, a function that does.
    """
    if isinstance(target, Blueprint):
        declarations.exempt_blueprints.add(target)
    elif isinstance(target, type) and issubclass(target, View):
        again = functools.partial(exempt, owner=owner, declarations=declarations)
        target.decorators = [*target.decorators, again]
    else:
        try:
            add_exemption(target, owner)
        except AttributeError:
            target = checked_first(target, _nothing)
            add_exemption(target, owner)
    return target


def add_limit(function: Any, limit: RouteLimit) -> None:
    """Note a limit on a function; wrappers made with ``functools.wraps`` carry it on."""
    for noted in checked_functions(function):
        # A bound method takes no notes: its wrapper alone has them.
        with contextlib.suppress(AttributeError, TypeError):
            setattr(noted, LIMITS, (*getattr(noted, LIMITS, ()), limit))


def add_exemption(function: Any, owner: object) -> None:
    """Note that a function's routes aren't limited.

    Raises:
        AttributeError: The function takes no notes, as bound methods don't.
    """
    for noted in checked_functions(function):
        try:
            setattr(noted, EXEMPT, (*getattr(noted, EXEMPT, ()), owner))
        except AttributeError:
            if noted is function:
                raise


def checked_functions(function: Any) -> Iterator[Any]:
    """Walk through a function and the functions in it that our own decorators wrapped.

    With several decorators above its route, it is the innermost that the app has registered.
    """
    yield function
    wrapper, inner = getattr(function, CHECKS, (None, None))
    # Other people's wrappers carry the note on, too, but it isn't about them.
    if wrapper is function:
        yield from checked_functions(inner)


def limits_of(function: Any, owner: object) -> tuple[RouteLimit, ...]:
    """Read the limits noted on a function by one extension."""
    return tuple(limit for limit in getattr(function, LIMITS, ()) if limit.owner is owner)


def is_exempt(function: Any, owner: object) -> bool:
    """Tell whether one extension exempted a function."""
    return any(other is owner for other in getattr(function, EXEMPT, ()))


def add_no_route(function: Any) -> None:
    """Note that a function answers only requests that no other route matches."""
    setattr(function, NO_ROUTE, True)


def is_no_route(function: Any) -> bool:
    """Tell whether a function answers only requests that no other route matches."""
    return getattr(function, NO_ROUTE, False) is True


def checked_first(function: Any, check: Callable[[], None]) -> Any:
    """Wrap a function in one that runs a check first, and is async where the function is."""
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


def _nothing() -> None:
    return
