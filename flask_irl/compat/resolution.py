"""Resolve the limits of a request as Flask-Limiter does: in two passes, each in order of windows.

The first pass holds what it checks before a request, the application's and the default limits and
those of blueprints; the second what it checks where a view's decorators, or a function's, come to
their limits. Both are one question to the store here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem

from flask_irl.compat.constants import ExemptionScope
from flask_irl.compat.definitions import Limit
from flask_irl.web.scopes import Notice

Load = Callable[[str, Limit], Iterable[RateLimitItem]]
"""Gives the limits of a definition, and logs those that can't be read, with who has them."""


@dataclass(frozen=True)
class Group:
    """Hold all definitions that may limit the requests of one endpoint and method.

    Attributes:
        endpoint: The endpoint.
        method: The method, GET for HEAD.
        name: The name of the view, or of the function that is called.
        blueprint: The blueprint's name.
        application: The application's limits.
        default: The default limits.
        meta: The limits on refusals.
        decorated: Those of the view or the function.
        inherited: Those of blueprints.
        exemption: What it is exempt from.
        marked: Whether limits are checked where the view is called.
        hinted: Whether functions called by the view have limits that all add to the default ones.
        function: Whether it is a function that the view calls.
    """

    endpoint: str
    method: str
    name: str
    blueprint: str
    application: tuple[Limit, ...] = ()
    default: tuple[Limit, ...] = ()
    meta: tuple[Limit, ...] = ()
    decorated: tuple[Limit, ...] = ()
    inherited: tuple[Limit, ...] = ()
    exemption: ExemptionScope = ExemptionScope.NONE
    marked: bool = False
    hinted: bool = False
    function: bool = False

    @property
    def definitions(self) -> tuple[Limit, ...]:
        """List all of them."""
        own = (*self.decorated, *self.inherited)
        return (*self.application, *self.default, *self.meta, *own)


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldLimit(Notice):
    """Describe one limit that holds for a request.

    Attributes:
        item: Its figures, as ``limits`` has them.
        definition: The definition that gave it.
        key: The key that it counts, if that isn't the client's.
    """

    item: RateLimitItem
    definition: Limit
    key: str = ""

    @property
    def limit(self) -> RateLimitItem:
        """Give its figures."""
        return self.item

    @property
    def shared(self) -> bool:
        """Tell whether routes share it."""
        return self.definition.shared

    @property
    def error_message(self) -> Any:
        """Give the text of its 429, or the function that returns it."""
        return self.definition.error_message


Found = list[tuple[RateLimitItem, Limit]]
"""Limits, each with its definition."""


def passes(group: Group, load: Load) -> tuple[Found, Found]:
    """Give the limits of both passes, each sorted by their windows' units."""

    def found(who: str, definitions: Sequence[Limit]) -> Found:
        return [(item, x) for x in definitions for item in load(who, x)]

    method = group.method
    inherited = found(f"blueprint {group.blueprint}", group.inherited) if group.inherited else []
    first: Found = []
    second: Found = []
    has_defaults = False
    if not group.function:
        if not group.exemption & ExemptionScope.APPLICATION:
            first += found("application", group.application)
        early = [] if group.marked else inherited
        exempt = bool(group.exemption & ExemptionScope.DEFAULT)
        if (_wants_defaults(early, method) and not (group.marked or exempt)) or group.hinted:
            first += found("default", group.default)
            has_defaults = True
        first += early
    if group.function or group.decorated:
        own = found(f"function {group.name}", group.decorated)
        if not any(x.override_defaults for _, x in own):
            own = [*own, *(inherited if group.marked or group.function else ())]
        exempt = bool(group.exemption & ExemptionScope.DEFAULT)
        wants = (_wants_defaults(own, method) and not exempt) or group.hinted
        if wants and not has_defaults:
            second += found("default", group.default)
        second += own
    return _sorted(first), _sorted(second)


def items_of(limit: Limit) -> tuple[RateLimitItem, ...]:
    """Give the limits of a definition outside of a request; none where a function gives them."""
    if callable(limit.limit_provider):
        return ()
    try:
        return limit.items()
    except ValueError:
        return ()


def _wants_defaults(limits: Found, method: str) -> bool:
    return all(x.spares(method) for _, x in limits) or not any(
        x.override_defaults for _, x in limits
    )


def _sorted(limits: Found) -> Found:
    return sorted(limits, key=lambda limit: limit[0].GRANULARITY.seconds)
