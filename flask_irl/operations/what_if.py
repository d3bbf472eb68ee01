"""Tell the consequences of another threshold, limit or plan, from the courses of the last day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from flask_irl.behaviour.course_routes import route_name
from flask_irl.behaviour.sums import Floats
from flask_irl.config.options import check_option
from flask_irl.config.runtime import check_settings
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.keys import canonical
from flask_irl.limits.limit import Limit, parse_limits
from flask_irl.limits.route_scope import RouteScope
from flask_irl.operations.kept_courses import KeptCourses, read_courses, read_courses_on
from flask_irl.operations.plan_members import known_plans, members
from flask_irl.operations.preview_results import (
    Affected,
    AssignmentPreview,
    LimitPreview,
    RoutePreview,
    ThresholdPreview,
)
from flask_irl.stores.site import OVERRIDDEN, RANKED

SHOWN: Final = 50
"""Clients that are named at most."""
LEAST: Final = 0.5
"""Requests beyond a limit from which on one counts as refused: windows shorter than a minute, and
shares of limits, give fractions."""


class WhatIf:
    """Tell what would have been, over the clients whose courses are kept.

    Clients with an operator's override are left out.

    Args:
        limiter: The limiter.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._store = limiter.store

    def threshold(self, threshold: object) -> ThresholdPreview:
        """Tell which clients another threshold would have flagged, by their lowest scores.

        Clients of too few requests to be judged are left out.

        Args:
            threshold: The threshold, -1 to 0.

        Raises:
            ConfigurationError: It isn't one.
            StoreError: The store failed.
        """
        new = float(check_option("anomaly_threshold", threshold))
        courses, ladder = self._courses(), self._limiter.ladder
        lowest, flagged = courses.lowest(), courses.highest_step() > 0
        more = ~flagged & (lowest < new) & (courses.requests() >= ladder.evidence)
        # Rules and campaigns flag at any threshold.
        fewer = flagged & (lowest < ladder.threshold) & (lowest >= new)
        none = np.zeros(len(lowest))
        return {
            "threshold": new,
            "present": ladder.threshold,
            "clients": len(lowest),
            "flagged": int(flagged.sum()),
            "more": self._affected(courses, np.where(more, -lowest, 0.0), none),
            "more_total": int(more.sum()),
            "fewer": self._affected(courses, np.where(fewer, -lowest, 0.0), none),
            "fewer_total": int(fewer.sum()),
        }

    def base_limit(self, base_limit: object, window_seconds: object) -> LimitPreview:
        """Tell how much another base limit would have refused; each client at its step's share.

        Clients that are known to have a plan are left out.

        Args:
            base_limit: Requests per window.
            window_seconds: The window.

        Raises:
            ConfigurationError: One isn't allowed.
            StoreError: The store failed.
        """
        limit = Limit(
            int(check_option("base_limit", base_limit)),
            int(check_option("window_seconds", window_seconds)),
        )
        courses = self._courses()
        plans = known_plans(self._limiter, courses.clients)
        courses = courses.without([client for client, plan in plans.items() if plan is not None])
        return self._limits(courses, [limit], self._base())

    def plan(self, plan: str, limits: object) -> LimitPreview:
        """Tell how much other limits of a plan would have refused to the clients that have it.

        Args:
            plan: Its name.
            limits: The limits, as a text.

        Raises:
            ConfigurationError: There is no such plan, or the limits aren't readable.
            StoreError: The store failed.
        """
        new: Sequence[Limit] = check_settings({"plans": {plan: limits}})["plans"][plan]
        courses = self._courses()
        present = self._plan(plan)
        found = members(self._limiter, plan, courses.clients, self._store.now())
        return self._limits(courses.of(found), new, present)

    def route(self, scope: RouteScope, limits: str) -> RoutePreview:
        """Tell how much other limits of routes would have refused to the clients that ask for them.

        Args:
            scope: The requests that count together.
            limits: The limits, as a text.

        Raises:
            ConfigurationError: Nobody can tell for that scope, or the limits aren't readable.
            StoreError: The store failed.
        """
        if scope.unknown:
            raise ConfigurationError(
                f"no preview can be given of the limit of {scope.name!r:.60}: it {scope.unknown}"
            )
        new = parse_limits(limits)
        self._limiter.refresh()
        names = {route_name(*route) for route in scope.routes}
        courses, kept = read_courses_on(self._store, names)
        found = self._limits(self._without_overridden(courses), new, scope.limits)
        return {**found, "scope": scope.name, "routes": len(names), "routes_kept": len(kept)}

    def assignment(self, client: str, plan: str) -> AssignmentPreview:
        """Tell how much a plan would have refused to a client.

        Args:
            client: The client's key.
            plan: Name of the plan.

        Raises:
            ConfigurationError: There is no such plan.
            StoreError: The store failed.
        """
        self._limiter.refresh()
        key, new = canonical(client), self._plan(plan)
        own = read_courses(self._store).of([key])
        present = known_plans(self._limiter, [key]).get(key)
        limits = self._base() if present is None else self._plan(present)
        refused, before = (self._excess(own, each) for each in (new, limits))
        return {
            "plan": plan,
            "kept": bool(own.clients),
            "requests": int(own.requests().sum()),
            "refused_requests": _whole(refused),
            "present_plan": present,
            "present_requests": _whole(before),
        }

    def _limits(
        self, courses: KeptCourses, new: Sequence[Limit], present: Sequence[Limit]
    ) -> LimitPreview:
        refused, before = (self._excess(courses, limits) for limits in (new, present))
        return {
            "limits": [str(limit) for limit in new],
            "clients": len(courses.clients),
            "refused_clients": int((refused >= LEAST).sum()),
            "refused_requests": _whole(refused),
            "present_clients": int((before >= LEAST).sum()),
            "present_requests": _whole(before),
            "affected": self._affected(courses, np.where(refused >= LEAST, refused, 0.0), refused),
        }

    def _excess(self, courses: KeptCourses, limits: Sequence[Limit]) -> Floats:
        """Count each client's requests beyond limits: of several, beyond the one of most."""
        tightens = self._limiter.mode == "enforce"
        factors = self._limiter.ladder.factors if tightens else (1.0,)
        found = np.zeros(len(courses.clients))
        for limit in limits:
            found = np.maximum(found, courses.excess(limit.amount, limit.window_seconds, factors))
        return found

    def _base(self) -> list[Limit]:
        options = self._limiter.options
        if options.base_limit is None:
            return []
        return [Limit(options.base_limit, options.window_seconds)]

    def _plan(self, name: str) -> Sequence[Limit]:
        known = self._limiter.rate_plans.table
        if name not in known:
            raise ConfigurationError(
                f"plan is {name!r:.60}, which is no plan; there are: {', '.join(known) or 'none'}"
            )
        return known[name].limits

    def _courses(self) -> KeptCourses:
        """Read the courses of all clients without an override."""
        self._limiter.refresh()
        return self._without_overridden(read_courses(self._store))

    def _without_overridden(self, courses: KeptCourses) -> KeptCourses:
        now = self._store.now()
        known = set(courses.clients)
        ranked = [c for c in self._store.ranked(OVERRIDDEN, 0, RANKED)[0] if c in known]
        states, _ = self._store.load_reachable(ranked) if ranked else ([], None)
        held = [
            client
            for client, state in zip(ranked, states, strict=True)
            if state is not None and state.override is not None and state.override.until > now
        ]
        access = self._limiter.access
        if access.networks:
            covering = ((client, access.network_of(client)) for client in courses.clients)
            held += [c for c, one in covering if one is not None and one.override.until > now]
        return courses.without(held) if held else courses

    def _affected(self, courses: KeptCourses, order: Floats, refused: Floats) -> list[Affected]:
        """Describe the clients of the highest figures, without those of none."""
        lowest, at, requests = courses.lowest(), courses.lowest_at(), courses.requests()
        first = [i for i in np.argsort(-order, kind="stable")[:SHOWN].tolist() if order[i] > 0]
        return [
            {
                "client": courses.clients[i],
                "label": self._limiter.label(courses.clients[i]),
                "score": round(float(lowest[i]) + 0.0, 4),
                "at": float(at[i]),
                "requests": int(requests[i]),
                "refused": _whole(refused[i : i + 1]),
            }
            for i in first
        ]


def _whole(refused: Floats) -> int:
    """Count requests, without those of clients that would hardly have been refused one."""
    return int(np.rint(refused[refused >= LEAST].sum()))
