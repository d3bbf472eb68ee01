"""Describe a rate plan: the limits that a site's operator sells or grants under one name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Scope

SCOPE: Final = "plan:"
"""Begins the names of rate plans' scopes."""


@dataclass(frozen=True, slots=True, eq=False)
class RatePlan:
    """Describe the limits on all requests of the clients that have a plan.

    They count instead of the base limit, each plan by itself: a client that changes plans and comes
    back finds what it has used before. An operator's own limit for a client counts instead of both.

    Compared by identity, so that questions can be kept for each.

    Args:
        name: Its name, as the site's operator gives it.
        limits: 1 to 16 limits.
        scope: The limits, as they count.
    """

    name: str
    limits: tuple[Limit, ...]
    scope: Scope = field(init=False)

    def __post_init__(self) -> None:
        scope = Scope(SCOPE + self.name, self.limits, replaces_base=True, yields=True)
        object.__setattr__(self, "scope", scope)
