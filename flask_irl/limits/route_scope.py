"""Describe the requests of routes that count together."""

from __future__ import annotations

from dataclasses import dataclass

from flask_irl.limits.limit import Limit


@dataclass(frozen=True, slots=True)
class RouteScope:
    """Describe requests that count together under limits of routes, or would.

    Args:
        name: Name of the scope: a route's endpoint, or what its limits are counted under.
        routes: The method and the rule of each route whose requests count in it.
        limits: The limits in force; empty for none.
        unknown: Says why nobody can tell the consequences of other limits; empty if one can.
    """

    name: str
    routes: tuple[tuple[str, str], ...]
    limits: tuple[Limit, ...] = ()
    unknown: str = ""
