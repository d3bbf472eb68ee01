"""Read an extension's marks on a view: its limits, its exemption, and where the limits are checked.

A mark may be on the view itself or what it stands for, on a method of a view class, in the class's
``decorators`` or in the ``method_decorators`` of flask-restx and flask-restful, or in the
extension's declarations.
"""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from flask_irl.web.decorators import (
    CHECKS,
    NOT_OURS,
    Declarations,
    Exemption,
    LimitDecorator,
)
from flask_irl.web.route_limits import RouteLimit

MOST_WRAPPERS: Final = 100
"""Bound on the wrappers looked into: an object may claim to wrap another for ever."""


class Marks(NamedTuple):
    """Hold the marks on a view for one HTTP method.

    Attributes:
        exempt: Whether it isn't limited.
        limits: The limits of the whole view.
        of_method: Those of the one method of a view class.
        method: The HTTP method that the view class's method is for, GET where it serves HEAD.
        below: The limits whose decorators are reached only after somebody else's: a login's, for
            one.
        inner: Those of them that are reached last, with none of somebody else's in between.
        bearers: All that may bear the mark of a login.
    """

    exempt: bool
    limits: tuple[RouteLimit, ...]
    of_method: tuple[RouteLimit, ...]
    method: str
    below: tuple[RouteLimit, ...]
    inner: tuple[RouteLimit, ...]
    bearers: tuple[object, ...]


def read_marks(view: object, method: str, owner: object, declarations: Declarations) -> Marks:
    """Read the marks of one extension on a view.

    Args:
        view: The view.
        method: The request's HTTP method.
        owner: The extension.
        declarations: The extension's.
    """
    view_class = getattr(view, "view_class", None)
    handler, handled = _handler(view_class, method)
    whole = (*_behind(view), getattr(view_class, "dispatch_request", None))
    limits = tuple(dict.fromkeys(x for part in whole for x in declarations.limits_of(part, owner)))
    of_class = _ours(getattr(view_class, "decorators", ()), owner)
    if _is_seen_through(view):
        # A class that is decorated once it has become a view has the decorator, the view hasn't.
        taken = {limit.origin for limit in limits}
        limits += tuple(x.limit for x in of_class if _is_limit(x) and x.limit not in taken)
    per_request = _ours(_method_decorators(view_class, method), owner)
    of_method = dict.fromkeys(
        (
            *declarations.limits_of(handler, owner),
            *(x.limit for x in per_request if _is_limit(x)),
        )
    )
    steps = (
        *_steps(view),
        *_steps(whole[-1]),
        *(x.limit if _is_limit(x) else x for x in reversed(per_request)),
        *_steps(handler),
    )
    below, inner = _below_others(steps, owner)
    return Marks(
        exempt=any(declarations.exempts(x, owner) for x in (*whole, handler))
        or any(isinstance(x, Exemption) for x in (*of_class, *per_request)),
        limits=limits,
        of_method=tuple(limit for limit in of_method if limit not in limits),
        method=handled,
        below=below,
        inner=inner,
        bearers=(*whole, handler, view_class),
    )


def _behind(view: object) -> Iterator[object]:
    """List a view and the functions that it stands for: a partial's, and an object's own."""
    yield view
    while isinstance(view, functools.partial):
        view = view.func
        yield view
    call = getattr(type(view), "__call__", None)  # noqa: B004 - the function, if it is one
    if isinstance(call, types.FunctionType):
        yield call


def _handler(view_class: object, method: str) -> tuple[object, str]:
    """Find the method of a view class that serves an HTTP method, and its own HTTP method."""
    found = getattr(view_class, method.lower(), None)
    if found is None and method == "HEAD":
        return getattr(view_class, "get", None), "GET"
    return found, method


def _method_decorators(view_class: object, method: str) -> list[Any]:
    """List the decorators that flask-restx and flask-restful apply on each request."""
    found = getattr(view_class, "method_decorators", None) or ()
    if isinstance(found, Mapping):
        found = found.get(method.lower(), ())
    return list(found)


def _ours(decorators: Iterable[Any], owner: object) -> list[Any]:
    """Pick out an extension's own decorators; None stands for one of somebody else's."""
    picked: list[Any] = []
    for decorator in decorators:
        is_ours = isinstance(decorator, LimitDecorator | Exemption) and decorator.owner is owner
        picked.append(decorator if is_ours else _exempting(decorator, owner))
    return picked


def _exempting(decorator: Any, owner: object) -> Exemption | None:
    """Take ``limiter.exempt`` itself, a method of the extension's, for an exemption."""
    bound_to = getattr(decorator, "__self__", None)
    if bound_to is owner and getattr(decorator, "__name__", "") == "exempt":
        return Exemption(owner, Declarations())
    return None


def _is_limit(decorator: object) -> bool:
    return isinstance(decorator, LimitDecorator)


def _layers(function: Any) -> Iterator[tuple[Any, bool, RouteLimit | None]]:
    """Walk inward through a function's wrappers: each, whether it is ours, and its limit."""
    for _ in itertools.repeat(None, MOST_WRAPPERS):
        *_, function = _behind(function)
        function = getattr(function, "__func__", function)
        wrapper, inner, limit = getattr(function, CHECKS, NOT_OURS)
        ours = wrapper is function
        yield function, ours, limit if ours else None
        function = inner if ours else getattr(function, "__wrapped__", None)
        if function is None:
            return


def _is_seen_through(view: object) -> bool:
    """Tell whether all wrappers are seen, down to the function that Flask made of the class."""
    *_, (last, _, _) = _layers(view)
    return getattr(last, "__qualname__", "").endswith("as_view.<locals>.view")


def _steps(function: Any) -> Iterator[RouteLimit | None]:
    """List the limits that a function's wrappers check, outermost first; None for other's."""
    *wrappers, _ = _layers(function)
    for _, ours, limit in wrappers:
        if limit is not None or not ours:
            yield limit


def _below_others(
    steps: Iterable[Any], owner: object
) -> tuple[tuple[RouteLimit, ...], tuple[RouteLimit, ...]]:
    """List the limits below somebody else's decorators, and those of them that are innermost."""
    below: list[RouteLimit] = []
    first = 0
    others = apart = False
    for step in steps:
        if step is None:
            others = apart = True
        elif others and isinstance(step, RouteLimit) and step.owner is owner:
            if apart:
                first, apart = len(below), False
            below.append(step)
    return tuple(below), tuple(below[first:])
