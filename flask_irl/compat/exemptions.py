"""Tell which limits a route is exempt from, and which it inherits from its blueprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import Flask

from flask_irl.compat.constants import ExemptionScope
from flask_irl.compat.definitions import Limit
from flask_irl.compat.util import get_qualified_name

NONE: Final = ExemptionScope.NONE
OWN: Final = ~(ExemptionScope.DEFAULT | ExemptionScope.APPLICATION)
"""Flags of a blueprint's exemption that are about other limits than the extension's own."""


NOTE: Final = "__irl_compat_exempt__"


class Exemptions:
    """Hold a limiter's exemptions: of functions, as notes on them, and of blueprints by names."""

    def __init__(self) -> None:
        self.blueprints: dict[str, ExemptionScope] = {}
        self._names: dict[str, ExemptionScope] = {}

    def add(self, function: Any, flags: ExemptionScope) -> None:
        """Exempt a function; what wraps it by ``functools.wraps`` afterwards is exempt, too."""
        try:
            setattr(function, NOTE, {**getattr(function, NOTE, {}), self: flags})
        except (AttributeError, TypeError):
            # A bound method, for one, takes no notes.
            self._names[get_qualified_name(function)] = flags

    def of(self, view: Any) -> ExemptionScope:
        """Give the flags of a view's exemption."""
        noted: ExemptionScope = getattr(view, NOTE, {}).get(self, NONE)
        if self._names and hasattr(view, "__qualname__"):
            return noted | self._names.get(get_qualified_name(view), NONE)
        return noted

    def scope(self, app: Flask, view: Any, blueprint: str) -> ExemptionScope:
        """Give the flags of all exemptions that hold for a route.

        Args:
            app: The app.
            view: The route's view.
            blueprint: Full name of its blueprint, with those that it is nested in.
        """
        scope = self.of(view)
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
