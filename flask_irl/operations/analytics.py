"""Rank a site's routes, clients, networks, countries and plans of its last days, from tallies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.entries import Entries
from flask_irl.operations.overridden import Overridden
from flask_irl.operations.plans import PlanOperations
from flask_irl.operations.results import ClientEntry
from flask_irl.operations.tallied import (
    Measured,
    check_days,
    count_members,
    days_until,
    measured,
    rank_measures,
)
from flask_irl.stores.history import DAY, Tally
from flask_irl.verdicts.tallies import MEASURES, SITE

RANKED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "requests": ("requests",),
    "refused": ("limited", "shadowed"),
    "flagged": ("flagged",),
}
"""Measures that are added up for each order of the rankings."""

ByMeasure = Mapping[str, Counter[str]]


class Ranked(Measured):
    """Describe a route, a client, a network or a country by its ``name`` and its requests.

    Members:
        refused: Those that this limiter refused, or would have, were it not in shadow mode.
    """

    name: str
    refused: int


class RankedPlan(Ranked):
    """Describe a rate plan by the requests that were decided by it.

    ``limits`` are its limits; operators have assigned it to ``assigned`` clients.
    """

    limits: list[str]
    assigned: int


class Day(Measured):
    """Describe a day that begins ``at`` so many seconds since the epoch."""

    at: float
    refused: int


class Analytics(TypedDict):
    """Describe some days of a site.

    Members:
        since: Beginning of the first day, in UTC.
        until: The present.
        total: Requests of the whole site.
        routes, clients, networks: Those with most requests of the order that was asked for.
        countries: The same of countries, by their codes; of clients whose keys are addresses.
        plans: All rate plans.
        days: The earliest first.
    """

    since: float
    until: float
    total: Measured
    routes: list[Ranked]
    clients: list[Ranked]
    networks: list[Ranked]
    countries: list[Ranked]
    plans: list[RankedPlan]
    days: list[Day]


class AnalyticsOperations:
    """Rank what a site's requests were for, and whose, and describe clients by their names.

    Args:
        limiter: The limiter.
        audit: Knows who set overrides.
        plans: Knows the rate plans.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog, plans: PlanOperations) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._plans = plans
        self._entries = Entries(limiter, Overridden(limiter, audit))

    def read(self, days: int = 7, order: str = "requests", listed: int = 20) -> Analytics:
        """Rank routes, clients, networks, countries and plans over the last days with today.

        Args:
            days: Their number, 1 to 8.
            order: ``requests``, ``refused`` or ``flagged``.
            listed: Entries of each ranking at most.

        Raises:
            ConfigurationError: The days are too many or none, or there is no such order.
            StoreError: The store failed.
        """
        check_days(days)
        if order not in RANKED_BY:
            raise ConfigurationError(f"order is {order!r}: give one of {', '.join(RANKED_BY)}")
        now = self._store.now()
        wanted = days_until(now, days)
        site = self._store.tallies([(day, SITE) for day in wanted], len(MEASURES))
        total: Counter[str] = Counter()
        for tally in site:
            total.update(tally)
        routes, clients, networks, countries = (
            _ranked(rank_measures(self._store, kind, wanted, RANKED_BY[order], listed))
            for kind in ("route", "client", "network", "country")
        )
        return {
            "since": float(wanted[0] * DAY),
            "until": now,
            "total": measured(total),
            "routes": routes,
            "clients": clients,
            "networks": networks,
            "countries": countries,
            "plans": self._ranked_plans(wanted, order),
            "days": [_day(day, tally) for day, tally in zip(wanted, site, strict=True)],
        }

    def today(self) -> Day:
        """Count the requests of the day until now, in UTC.

        Raises:
            StoreError: The store failed.
        """
        day = int(self._store.now() // DAY)
        return _day(day, self._store.tallies([(day, SITE)], len(MEASURES))[0])

    def named(self, clients: Sequence[str]) -> list[ClientEntry]:
        """Describe clients as of now, in the order of their names; unknown ones are left out.

        Raises:
            StoreError: The store failed.
        """
        names = list(dict.fromkeys(clients))
        self._limiter.refresh()
        loaded, _ = self._store.load_reachable(names) if names else ([], None)
        states = {n: s for n, s in zip(names, loaded, strict=True) if s is not None}
        return self._entries.list(states, self._store.now())

    def _ranked_plans(self, days: Sequence[int], order: str) -> list[RankedPlan]:
        plans = {entry["plan"]: entry for entry in self._plans.read()["plans"]}
        if not plans:
            return []
        by_measure = count_members(self._store, "plan", days, [*plans])
        found: list[RankedPlan] = [
            {**_entry(name, by_measure), "limits": plan["limits"], "assigned": plan["assigned"]}
            for name, plan in plans.items()
        ]
        found.sort(key=lambda entry: -sum(by_measure[m][entry["name"]] for m in RANKED_BY[order]))
        return found


def _ranked(by_measure: ByMeasure) -> list[Ranked]:
    return [_entry(name, by_measure) for name in by_measure[""]]


def _entry(name: str, by_measure: ByMeasure) -> Ranked:
    tally = {measure: by_measure[measure][name] for measure in MEASURES}
    # All requests of clients and networks are told some seconds later than those out of the
    # ordinary.
    counts = measured({**tally, "requests": max(tally.values())})
    return {"name": name, **counts, "refused": _refused(counts)}


def _day(day: int, tally: Tally) -> Day:
    counts = measured(tally)
    return {"at": float(day * DAY), **counts, "refused": _refused(counts)}


def _refused(counts: Measured) -> int:
    return counts["refused_by_limits"] + counts["refused_by_verdict"]
