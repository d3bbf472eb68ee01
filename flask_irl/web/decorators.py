"""Mark views with limits and exemptions: the decorators, and the notes that they leave.

A note stays on the function itself until an app asks for it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from flask import Blueprint, Flask, has_request_context
from flask.views import View

from flask_irl.errors import ConfigurationError
from flask_irl.web.callbacks import Filter
from flask_irl.web.route_limits import RouteLimit

LIMITS: Final = "__irl_limits__"
EXEMPT: Final = "__irl_exempt__"
CHECKS: Final = "__irl_checks__"
NO_ROUTE: Final = "__irl_no_route__"
NOT_OURS: Final = (None, None, None)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Declarations:
    """Hold the declarations of an extension that aren't notes on functions; shared with its apps.

    Attributes:
        filters: Functions that return True for requests that aren't limited.
        blueprint_limits: The limits of all routes of a blueprint.
        exempt_blueprints: Blueprints that aren't limited.
        noted: Functions that take no notes, such as bound methods, each with its limit, or None
            where it is exempt.
        requires_api_keys: Scopes of the API keys that views require, None for any key.
        at_first: Work on an app when all its routes are there.
    """

    filters: list[Filter] = field(default_factory=list)
    blueprint_limits: dict[Blueprint, list[RouteLimit]] = field(default_factory=dict)
    exempt_blueprints: set[Blueprint] = field(default_factory=set)
    noted: list[tuple[Any, RouteLimit | None]] = field(default_factory=list)
    requires_api_keys: set[str | None] = field(default_factory=set)
    at_first: list[Callable[[Flask], object]] = field(default_factory=list)

    def note(self, function: Any, limit: RouteLimit | None) -> None:
        """Note a limit, or an exemption, of a function that takes no notes."""
        # A bound method is another object each time that it is looked up, and equal to the first.
        if (function, limit) not in self.noted:
            self.noted.append((function, limit))

    def limits_of(self, function: Any, owner: object) -> tuple[RouteLimit, ...]:
        """Read the limits of a function, noted on it or here."""
        here = (limit for noted, limit in self.noted if limit is not None and noted == function)
        return (*limits_of(function, owner), *here)

    def exempts(self, function: Any, owner: object) -> bool:
        """Tell whether a function is exempt, by a note on it or here."""
        return is_exempt(function, owner) or (function, None) in self.noted


class LimitDecorator:
    """Put a limit on a view, a function, a blueprint or a view class, or on a ``with`` block.

    Args:
        limit: The limit.
        declarations: The extension's.
        check: Counts a limit outside of routes.

    Attributes:
        limit: The same.
        owner: The extension that it belongs to.
    """

    def __init__(
        self, limit: RouteLimit, declarations: Declarations, check: Callable[[RouteLimit], None]
    ) -> None:
        self.limit = limit
        self.owner = limit.owner
        self._declarations = declarations
        self._check = check

    def __call__(self, target: T) -> T:
        if isinstance(target, Blueprint):
            self._declarations.blueprint_limits.setdefault(target, []).append(self.limit)
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
        self._check(self.limit)

    def __exit__(self, *exc_info: object) -> None:
        return

    def _wrap(self, function: Any) -> Any:
        kind = function if hasattr(function, "__qualname__") else type(function)
        name = f"{kind.__module__}.{kind.__qualname__}"
        passing = has_request_context()
        limit = replace(self.limit, name=name, origin=self.limit, passing=passing)
        # What decorates a function anew in each request would leave a note there in each.
        noted = passing and any(map(limit.repeats, limits_of(function, self.owner)))
        if not noted and not add_limit(function, limit) and not passing:
            self._declarations.note(function, limit)
        limited = checked_first(function, functools.partial(self._check, limit), limit)
        if not noted and limit not in limits_of(limited, limit.owner):
            add_limit(limited, limit)
        return limited


class Exemption:
    """Exempt what it decorates, in a class's list of decorators.

    Args:
        owner: The extension.
        declarations: The extension's.
    """

    def __init__(self, owner: object, declarations: Declarations) -> None:
        self.owner = owner
        self._declarations = declarations

    def __call__(self, target: T) -> T:
        return exempt(target, self.owner, self._declarations)


def exempt(target: T, owner: object, declarations: Declarations) -> T:
    """Exempt a view, a blueprint or a view class of an extension's app.

    Returns:
        The target, or for one that takes no notes, such as a bound method, a function that does;
        the target is exempt all the same.

    Raises:
        ConfigurationError: The target is none of these.
    """
    if isinstance(target, Blueprint):
        declarations.exempt_blueprints.add(target)
    elif isinstance(target, type) and issubclass(target, View):
        target.decorators = [*target.decorators, Exemption(owner, declarations)]
    elif not callable(target) or isinstance(target, type):
        raise ConfigurationError(
            f"exempt can't take {target!r}: give a function, a blueprint or a view class"
        )
    elif not add_exemption(target, owner):
        if not has_request_context():
            declarations.note(target, None)
        target = checked_first(target, _nothing)
        add_exemption(target, owner)
    return target


def add_limit(function: Any, limit: RouteLimit) -> bool:
    """Note a limit on a function; wrappers made with ``functools.wraps`` carry it on.

    Returns:
        Whether the function takes notes; a bound method, for one, doesn't.
    """
    return _add(function, LIMITS, limit)


def add_exemption(function: Any, owner: object) -> bool:
    """Note that a function's routes aren't limited; returns whether the function takes notes."""
    return _add(function, EXEMPT, owner)


def _add(function: Any, notes: str, note: object) -> bool:
    taken = []
    for noted in checked_functions(function):
        try:
            setattr(noted, notes, (*getattr(noted, notes, ()), note))
        except (AttributeError, TypeError):
            taken.append(False)
        else:
            taken.append(True)
    return taken[0]


def checked_functions(function: Any) -> Iterator[Any]:
    """Walk through a function and the functions in it that our own decorators wrapped.

    With several decorators above its route, it is the innermost that the app has registered.
    """
    yield function
    wrapper, inner, _ = getattr(function, CHECKS, NOT_OURS)
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


def checked_first(function: Any, check: Callable[[], None], limit: RouteLimit | None = None) -> Any:
    """Wrap a function in one that runs a check first, and is async where the function is.

    Args:
        function: The function.
        check: The check.
        limit: The limit that it counts.
    """
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

    setattr(checked, CHECKS, (checked, function, limit))
    return checked


def _nothing() -> None:
    return
