"""Tell which limits a route is exempt from, and which it inherits from its blueprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from flask import Flask

from flask_irl.compat.constants import ExemptionScope
from flask_irl.compat.definitions import Limit

NONE: Final = ExemptionScope.NONE
OWN: Final = ~(ExemptionScope.DEFAULT | ExemptionScope.APPLICATION)
"""Flags of a blueprint's exemption that are about other limits than the extension's own."""


class Exemptions:
    """Hold a limiter's exemptions, by the names of functions and blueprints."""

    def __init__(self) -> None:
        self.routes: dict[str, ExemptionScope] = {}
        self.blueprints: dict[str, ExemptionScope] = {}

    def scope(self, app: Flask, name: str, blueprint: str) -> ExemptionScope:
        """Give the flags of all exemptions that hold for a route.

        Args:
            app: The app.
            name: Name of the route's function.
            blueprint: Full name of its blueprint, with those that it is nested in.
        """
        scope = self.routes.get(name, NONE)
        if blueprint not in app.blueprints:
            return scope
        own, ancestors = self._of_blueprint(app, blueprint)
        if own & OWN or ancestors:
            for flags in ancestors.values():
                own |= flags
        return scope | own

    def inherited(
        self, app: Flask, blueprint: str, limits: Mapping[str, Sequence[Limit]]
    ) -> tuple[Limit, ...]:
        """Give the limits that a route has from its blueprint, and those that this is nested in.

        Args:
            app: The app.
            blueprint: The blueprint's full name.
            limits: The limits of blueprints, by their own names.
        """
        if blueprint not in app.blueprints:
            return ()
        name = app.blueprints[blueprint].name
        own, ancestors = self._of_blueprint(app, blueprint)
        if own & OWN:
            return ()
        mine = limits.get(name, ())
        alone = bool(mine) and all(limit.override_defaults for limit in mine)
        if alone or self.blueprints.get(name, NONE) & ExemptionScope.ANCESTORS:
            return tuple(mine)
        members = [x for x in reversed(blueprint.split(".")) if x in limits and x not in ancestors]
        return tuple(limit for member in dict.fromkeys(members) for limit in limits[member])

    def _of_blueprint(
        self, app: Flask, blueprint: str
    ) -> tuple[ExemptionScope, dict[str, ExemptionScope]]:
        """Give a blueprint's own flags, and those of what it is nested in that reach down to it."""
        own = self.blueprints.get(app.blueprints[blueprint].name, NONE) & ~ExemptionScope.ANCESTORS
        nested = set(blueprint.split("."))
        reaching = {
            name: flags
            for name, flags in self.blueprints.items()
            if flags & ExemptionScope.DESCENDENTS and name in nested
        }
        return own, reaching
