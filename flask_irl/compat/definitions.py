"""Define limits as Flask-Limiter's users write them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Response
from limits import RateLimitItem, parse_many

from flask_irl.web.decorators import Declarations, LimitDecorator
from flask_irl.web.route_limits import RouteLimit as CarriedLimit

Provider = str | Callable[[], str]
OnBreach = Callable[[Any], Response | None]


class Owner(Protocol):
    """Describe the limiter that a limit belongs to."""

    key_func: Callable[[], str]
    declarations: Declarations

    def count(self, limit: CarriedLimit) -> None:
        """Count a call of a limited function."""

    def changed(self) -> None:
        """Take up that a limit has come."""

    def place(self) -> str:
        """Name the place in the app where a limit is made."""


@dataclass(eq=False)
class Limit:
    """Define a limit, as one of ``default_limits``.

    Args:
        limit_provider: Limits such as ``"20/minute"``, or a function that returns them.
        key_function: Names the key that is counted; the limiter's ``key_func`` by default.
        scope: Counts parts of a route apart: a name, or a function of the endpoint.
        cost: Units that a request counts for, or a function that returns those.
        shared: Whether routes count together under the scope.
        methods: Limit only these methods.
        per_method: Count each method by itself.
        error_message: Text of the 429, or a function that returns it.
        meta_limits: Limits on the requests that it refuses.
        exempt_when: Returns True where it doesn't apply.
        deduct_when: Given the response, returns True where the request counts.
        on_breach: Is told of each refusal, and may return the answer.
        finalized: Whether the limiter's conditions for the default or the application's limits
            don't apply to it.
    """

    limit_provider: Provider
    key_function: Callable[[], str] | None = None
    scope: Any = None
    cost: Callable[[], int] | int | None = None
    shared: bool = False
    methods: Sequence[str] | None = None
    per_method: bool = False
    error_message: str | Callable[[], str] | None = None
    meta_limits: Iterable[Any] | None = None
    exempt_when: Callable[[], bool] | None = None
    deduct_when: Callable[[Response], bool] | None = None
    on_breach: OnBreach | None = None
    override_defaults: bool | None = dataclasses.field(default=False, init=False)
    finalized: bool = True

    def __post_init__(self) -> None:
        if self.methods:
            self.methods = tuple(method.lower() for method in self.methods)
        self.metas: tuple[MetaLimit, ...] = tuple(
            dataclasses.replace(meta, key_function=meta.key_function or self.key_function)
            if isinstance(meta, MetaLimit)
            else MetaLimit(meta, key_function=self.key_function)
            for meta in self.meta_limits or ()
        )

    def items(self) -> tuple[RateLimitItem, ...]:
        """Give the limits that hold now.

        Raises:
            ValueError: They can't be read.
        """
        text = self.limit_provider() if callable(self.limit_provider) else self.limit_provider
        return _parsed(text) if text else ()

    @property
    def static(self) -> bool:
        """Tell whether it is the same for every request, and counts the client."""
        functions = (
            self.limit_provider,
            self.key_function,
            self.scope,
            self.cost,
            self.exempt_when,
        )
        return not any(map(callable, functions)) and all(meta.static for meta in self.metas)

    def spares(self, method: str) -> bool:
        """Tell whether requests of a method are left out."""
        return bool(self.methods) and method.lower() not in (self.methods or ())


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[RateLimitItem, ...]:
    return tuple(parse_many(text))


@dataclass(kw_only=True, eq=False)
class ApplicationLimit(Limit):
    """Define a limit on the whole application; arguments as of :class:`Limit`."""

    scope: Any = "global"
    shared: bool = dataclasses.field(init=False, default=True)


@dataclass(kw_only=True, eq=False)
class MetaLimit(Limit):
    """Define a limit on refusals; arguments as of :class:`Limit`."""

    scope: Any = "meta"
    shared: bool = dataclasses.field(init=False, default=True)
    meta_limits: Iterable[Any] | None = dataclasses.field(init=False, default=None)
    deduct_when: Callable[[Response], bool] | None = dataclasses.field(init=False, default=None)


@dataclass(frozen=True, slots=True, eq=False)
class Carrier(CarriedLimit):
    """Carry a definition to the routes that it decorates."""

    definition: Limit | None = None

    @property
    def fixed(self) -> bool:
        """Tell whether it is the same for every request."""
        return self.definition is not None and self.definition.static


@dataclass(kw_only=True, eq=False)
class RouteLimit(Limit, LimitDecorator):
    """Decorate a view, a function, a blueprint or a view class with a limit, or a ``with`` block.

    Args:
        limiter: The limiter that it belongs to. The others are those of :class:`Limit`.
        override_defaults: Replace the default limits rather than add to them.
    """

    override_defaults: bool | None = False
    limiter: dataclasses.InitVar[Owner]

    def __post_init__(self, limiter: Owner) -> None:
        if self.key_function is limiter.key_func:
            self.key_function = None
        super().__post_init__()
        carrier = Carrier(limiter, definition=self, name=limiter.place())
        LimitDecorator.__init__(self, carrier, limiter.declarations, limiter.count)
        self._limiter = limiter

    def __call__(self, target: Any) -> Any:
        decorated = super().__call__(target)
        self._limiter.changed()
        return decorated
