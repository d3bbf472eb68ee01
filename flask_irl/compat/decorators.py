"""Give a compat limiter its decorators; what they declare holds for all of its apps."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import Blueprint

from flask_irl.compat.constants import ExemptionScope
from flask_irl.compat.definitions import OnBreach, Provider, RouteLimit
from flask_irl.compat.exemptions import Exemptions
from flask_irl.web.decorators import Declarations
from flask_irl.web.route_limits import RouteLimit as Carried

ALL: Final = ExemptionScope.APPLICATION | ExemptionScope.DEFAULT | ExemptionScope.META
MAKERS: Final = ("flask_irl.compat", "flask_limiter", "dataclasses")
"""Modules that make limits for others."""


class Decorators:
    """Give the decorators of a limiter.

    Args:
        key_func: The limiter's.

    Attributes:
        key_func: The same.
        declarations: What they have declared.
        exemptions: The exemptions.
    """

    def __init__(self, key_func: Callable[[], str]) -> None:
        self.key_func = self._key_func = key_func
        self.declarations = Declarations()
        self.exemptions = Exemptions()

    def changed(self) -> None:
        """Take up that a limit has come."""

    def count(self, limit: Carried) -> None:
        """Count a call of a limited function."""

    def limit(
        self,
        limit_value: Provider,
        *,
        key_func: Callable[[], str] | None = None,
        per_method: bool = False,
        methods: Sequence[str] | None = None,
        error_message: str | Callable[[], str] | None = None,
        exempt_when: Callable[[], bool] | None = None,
        override_defaults: bool = True,
        deduct_when: Callable[[Any], bool] | None = None,
        on_breach: OnBreach | None = None,
        cost: int | Callable[[], int] = 1,
        scope: Any = None,
        meta_limits: Sequence[Any] | None = None,
    ) -> RouteLimit:
        """Limit a view, a function, a blueprint or a view class, or a ``with`` block.

        Args:
            limit_value: Limits such as ``"20/minute"``, or a function that returns them.
            key_func: Names the key that is counted instead of the client.
            per_method: Count each method by itself.
            methods: Limit only these methods.
            error_message: Text of the 429, or a function that returns it.
            exempt_when: Returns True where the limit doesn't apply.
            override_defaults: Replace the default limits rather than add to them.
            deduct_when: Given the response, returns True where the request counts.
            on_breach: Is told of each refusal, and may return the answer.
            cost: Units that a request counts for in this limit.
            scope: Counts parts of a route apart.
            meta_limits: Limits on the requests that this limit refuses.
        """
        return RouteLimit(
            limit_value,
            limiter=self,
            key_function=key_func,
            per_method=per_method,
            methods=methods,
            error_message=error_message,
            exempt_when=exempt_when,
            override_defaults=override_defaults,
            deduct_when=deduct_when,
            on_breach=on_breach,
            cost=cost,
            scope=scope,
            meta_limits=meta_limits,
        )

    def shared_limit(self, limit_value: Provider, scope: Any, **arguments: Any) -> RouteLimit:
        """Limit several routes together.

        Args:
            limit_value: As of :meth:`limit`.
            scope: Its name, or a function that makes one of the endpoint.
            **arguments: The others of :meth:`limit`.
        """
        limit = self.limit(limit_value, scope=scope, **arguments)
        limit.shared = True
        return limit

    def exempt(self, obj: Any = None, *, flags: ExemptionScope = ALL) -> Any:
        """Exempt a view or a blueprint from limits; a decorator, also with flags.

        Args:
            obj: The view or the blueprint.
            flags: Which limits it is exempt from, and how far that reaches.
        """
        if obj is None:
            return functools.partial(self.exempt, flags=flags)
        if isinstance(obj, Blueprint):
            self.exemptions.blueprints[obj.name] = flags
        else:
            self.exemptions.add(obj, flags)
        self.changed()
        return obj

    def request_filter(self, fn: Callable[[], bool]) -> Callable[[], bool]:
        """Register a function that returns True for requests that aren't limited."""
        self.declarations.filters.append(fn)
        return fn

    def place(self) -> str:
        """Name the place in the app where a limit is made."""
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(MAKERS):
            frame = frame.f_back
        code = frame.f_code
        return f"{frame.f_globals.get('__name__')}.{code.co_qualname}:{frame.f_lineno}"
