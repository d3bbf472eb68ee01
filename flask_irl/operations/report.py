"""Report on some days: whom the app's own limiter refused, and whom this one would have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.entries import Entries
from flask_irl.operations.overridden import Overridden
from flask_irl.operations.results import ClientEntry
from flask_irl.operations.tallied import MOST_DAYS as MOST_DAYS
from flask_irl.operations.tallied import Measured, check_days, days_until, measured, read_measures
from flask_irl.stores.history import DAY, TALLIED
from flask_irl.verdicts.tallies import MEASURES, SITE

LISTED: Final = 100
"""Clients that a report lists at most, and routes and networks."""
ABUSE_SHARE: Final = 0.1
"""Share of a client's requests at a lower step from which on it looks like abuse."""
GROUPS: Final = ("both", "app_only", "limiter_only")


class ReportedClient(Measured):
    """Describe a client in a report.

    Members:
        group: ``both`` refuse it, ``app_only`` or ``limiter_only``.
        looks_like: ``person``, ``abuse`` or, where nobody knows, ``unknown``.
        why: The reason for its present step; empty at the full limit.
    """

    client: str
    label: str | None
    group: str
    looks_like: str
    why: str


class ReportedRoute(Measured):
    """Describe a route in a report."""

    route: str


class ReportedNetwork(Measured):
    """Describe a network in a report."""

    network: str


class ReportedCountry(Measured):
    """Describe a country in a report, by its code."""

    country: str


class ReportedDay(Measured):
    """Describe a day of a report; it begins ``at`` so many seconds since the epoch."""

    at: float


class GroupCount(TypedDict):
    """Count the clients of a group, and how many of them look like people or abuse."""

    clients: int
    people: int
    abuse: int


class Report(Measured):
    """Describe some days of a site; a client, route or network that few requests concern may lack.

    Members:
        since: Beginning of the first day, in UTC.
        until: The present.
        summary: All of it in a line or two.
        groups: Counts of clients by group.
        clients: Clients that either refuses, those with most refusals first.
        top_clients: Clients with most requests.
    """

    days: int
    since: float
    until: float
    summary: str
    groups: dict[str, GroupCount]
    clients: list[ReportedClient]
    routes: list[ReportedRoute]
    networks: list[ReportedNetwork]
    countries: list[ReportedCountry]
    top_clients: list[ReportedClient]
    by_day: list[ReportedDay]


class Reports:
    """Make reports.

    Args:
        limiter: The limiter.
        audit: Knows who set overrides.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._entries = Entries(limiter, Overridden(limiter, audit))

    def make(self, days: int = 7, listed: int = LISTED) -> Report:
        """Make a report on the last days, today included.

        Args:
            days: Their number, 1 to 8.
            listed: Clients, routes and networks that are listed at most.

        Raises:
            ConfigurationError: The days are too many or none.
            StoreError: The store failed.
        """
        check_days(days)
        self._limiter.refresh()
        now = self._store.now()
        wanted = days_until(now, days)
        site = self._store.tallies([(day, SITE) for day in wanted], len(MEASURES))
        by_client = read_measures(self._store, "client", wanted)
        clients = [
            self._client(client, by_client)
            for client in by_client["requests"].keys()
            | by_client["by_app"].keys()
            | by_client["limited"].keys()
            | by_client["shadowed"].keys()
        ]
        refused = sorted((c for c in clients if _refusals(c)), key=_by_refusals)
        top = sorted(clients, key=lambda c: (-c["requests"], c["client"]))[:listed]
        self._explain([*refused[:TALLIED], *top], now)
        totals: Counter[str] = Counter()
        for tally in site:
            totals.update(tally)
        site_wide = measured(totals)
        groups = {group: _count(refused, group) for group in GROUPS}
        return {
            **site_wide,
            "days": days,
            "since": float(wanted[0] * DAY),
            "until": now,
            "summary": summary(days, site_wide, groups),
            "groups": groups,
            "clients": refused[:listed],
            "routes": [{"route": n, **m} for n, m in self._ranked("route", wanted, listed)],
            "networks": [{"network": n, **m} for n, m in self._ranked("network", wanted, listed)],
            "countries": [{"country": n, **m} for n, m in self._ranked("country", wanted, listed)],
            "top_clients": top,
            "by_day": [
                {"at": float(day * DAY), **measured(tally)}
                for day, tally in zip(wanted, site, strict=True)
            ],
        }

    def _ranked(self, kind: str, days: Sequence[int], most: int) -> list[tuple[str, Measured]]:
        by_measure = read_measures(self._store, kind, days)
        names = [name for name, _ in by_measure["requests"].most_common(most)]
        return [(name, measured({m: by_measure[m][name] for m in MEASURES})) for name in names]

    def _client(self, client: str, by_measure: Mapping[str, Counter[str]]) -> ReportedClient:
        counts = measured({m: by_measure[m][client] for m in MEASURES})
        by_us = counts["refused_by_limits"] + counts["refused_by_verdict"]
        group = "limiter_only" if not counts["refused_by_app"] else "app_only"
        return {
            "client": client,
            "label": None,
            **counts,
            "group": "both" if by_us and counts["refused_by_app"] else group,
            "looks_like": "unknown",
            "why": "",
        }

    def _explain(self, reported: Sequence[ReportedClient], now: float) -> None:
        """Add what is known of clients now."""
        names = list(dict.fromkeys(client["client"] for client in reported))
        loaded, _ = self._store.load_reachable(names) if names else ([], None)
        states = {n: s for n, s in zip(names, loaded, strict=True) if s is not None}
        known = {e["client"]: e for e in self._entries.list(states, now)}
        model = self._limiter.trainer.model
        learned = model.version > 0 and not model.advisory
        for client in reported:
            entry = known.get(client["client"])
            client["looks_like"] = _looks_like(client, entry, learned)
            if entry is not None:
                client["label"], client["why"] = entry["label"], entry["reason"]


def summary(days: int, total: Measured, groups: Mapping[str, GroupCount]) -> str:
    """Word a report for somebody who is busy."""
    by_us = total["refused_by_limits"] + total["refused_by_verdict"]
    both, app, ours = (groups[group] for group in GROUPS)
    span = "Today" if days == 1 else f"In {days} days"
    return (
        f"{span} the app refused {_number_of(total['refused_by_app'], 'request')} of "
        f"{_number_of(both['clients'] + app['clients'], 'client')}; this limiter refused or would "
        f"have refused {_number_of(by_us, 'request')} of "
        f"{_number_of(both['clients'] + ours['clients'], 'client')}. "
        f"Both: {both['clients']:,}. Only the app: {app['clients']:,} ({_kinds(app)}). "
        f"Only this limiter: {ours['clients']:,} ({_kinds(ours)})."
    )


def _number_of(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def _kinds(group: GroupCount) -> str:
    people, abuse = group["people"], group["abuse"]
    rest = group["clients"] - people - abuse
    parts = [f"{people:,} like people" if people else "", f"{abuse:,} like abuse" if abuse else ""]
    parts.append(f"{rest:,} unknown" if rest else "")
    return ", ".join(part for part in parts if part) or "none"


def _refusals(client: ReportedClient) -> int:
    by_us = client["refused_by_limits"] + client["refused_by_verdict"]
    return by_us + client["refused_by_app"]


def _by_refusals(client: ReportedClient) -> tuple[int, str]:
    return -_refusals(client), client["client"]


def _count(clients: Sequence[ReportedClient], group: str) -> GroupCount:
    looks = Counter(client["looks_like"] for client in clients if client["group"] == group)
    return {"clients": looks.total(), "people": looks["person"], "abuse": looks["abuse"]}


def _looks_like(client: ReportedClient, entry: ClientEntry | None, learned: bool) -> str:
    is_held = entry is not None and entry["is_anomalous"]
    if is_held or client["flagged"] > ABUSE_SHARE * client["requests"]:
        return "abuse"
    return "person" if learned and entry is not None else "unknown"
