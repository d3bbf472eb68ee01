"""Tally each day's requests by client, route, network, country and plan, for operators.

A flush adds the highest counts alone; the others wait here until they are among those, so that it
costs the same however many clients there are.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Final

from flask_irl.behaviour.site_counting import Marked, SiteCounts
from flask_irl.campaigns.newcomers import network_of
from flask_irl.stores.history import DAY, Tally, TallyName

MEASURES: Final = ("requests", "limited", "shadowed", "flagged", "by_app", "by_both")
"""Counts of each client, route, network, country and plan, and of the whole site."""
CLIENTS: Final = "client.requests"
NETWORKS: Final = "network.requests"
COUNTRIES: Final = "country.requests"
SITE: Final = "site"
"""Name of the tally of the whole site, whose members are measures."""
MOST_TOLD: Final = 100
"""Members of a tally that one flush adds."""
TOLD_SECONDS: Final = 5
"""Time after which the requests of clients and their places are told again, which are many."""
MOST_WAITING: Final = 5000
"""Members of a tally that wait; beyond it those with the lowest counts go."""

IPV4: Final = re.compile(r"\d+\.\d+\.\d+(?=\.\d+$)", re.ASCII)

CountryOf = Callable[[str], str]
"""Name the country of a client, or give ``""``."""

_parsed_network = lru_cache(10_000)(network_of)


class Tallies:
    """Hold counts until they are stored.

    A client's network and country are found only when the client's count is told, or gives way to
    others.

    Args:
        country_of: Names the country of a client; None where nothing does.
    """

    def __init__(self, country_of: CountryOf | None = None) -> None:
        self._places: dict[str, Callable[[str], str]] = {NETWORKS: _network_of}
        if country_of is not None:
            self._places[COUNTRIES] = country_of
        self._waiting: dict[TallyName, dict[str, int]] = {}
        self._latest = self._told_at = 0

    def clients(self, at: float) -> dict[str, int]:
        """Give the requests of each client that wait, of the day of a time, to be added to."""
        return self._waiting.setdefault((int(at // DAY), CLIENTS), {})

    def count(self, counted: SiteCounts) -> None:
        """Count observations, but for the requests of clients."""
        day, self._latest = counted.latest // DAY, counted.latest
        self._add(day, "route.requests", counted.routes)
        self._add(day, "plan.requests", counted.plans)
        self._add(day, SITE, {"requests": counted.routes.total()})
        for marked, times in counted.marked.items():
            places = {name: place_of(marked.client) for name, place_of in self._places.items()}
            for measure in measures_of(marked):
                self._add(day, f"client.{measure}", {marked.client: times})
                self._add(day, f"route.{measure}", {marked.route: times})
                self._add(day, SITE, {measure: times})
                if marked.plan:
                    self._add(day, f"plan.{measure}", {marked.plan: times})
                for name, place in places.items():
                    if place:
                        self._add(day, name.replace("requests", measure), {place: times})

    def highest(self) -> dict[TallyName, Tally]:
        """Give what a flush is to add."""
        found: dict[TallyName, Tally] = {}
        is_due = not 0 <= self._latest - self._told_at < TOLD_SECONDS
        for name, counts in self._waiting.items():
            if name[1] in (CLIENTS, *self._places) and not is_due:
                continue
            if len(counts) <= MOST_TOLD:
                found[name] = dict(counts)
            else:
                found[name] = dict(heapq.nlargest(MOST_TOLD, counts.items(), key=itemgetter(1)))
        for day, kind in list(found):
            if kind == CLIENTS:
                for place, of_clients in self._by_place(found[day, kind]).items():
                    places = dict(found.get((day, place), {}))
                    _add_to(places, of_clients)
                    if places:
                        found[day, place] = places
        return found

    def remove(self, told: Mapping[TallyName, Tally]) -> None:
        """Remove what was stored, and drop what has waited for too long."""
        for name, counts in told.items():
            if name[1] == CLIENTS:
                self._told_at = self._latest
            left = self._waiting.get(name, {})
            for member in counts:
                left.pop(member, None)
        self.bound()

    def bound(self) -> None:
        """Drop the lowest counts where too many wait, and all but the latest days."""
        days = sorted({day for day, _ in self._waiting})[-2:]
        for name, counts in list(self._waiting.items()):
            if name[0] not in days or not counts:
                del self._waiting[name]
            elif len(counts) > MOST_WAITING:
                kept = heapq.nlargest(MOST_WAITING // 2, counts.items(), key=itemgetter(1))
                if name[1] == CLIENTS:
                    gone = counts.keys() - {client for client, _ in kept}
                    by_place = self._by_place({client: counts[client] for client in gone})
                    for place, of_clients in by_place.items():
                        self._add(name[0], place, of_clients)
                self._waiting[name] = dict(kept)

    def _by_place(self, clients: Tally) -> dict[str, dict[str, int]]:
        """Add up the counts of clients by their networks, and by their countries."""
        found: dict[str, dict[str, int]] = {}
        for name, place_of in self._places.items():
            counts = found[name] = {}
            for client, times in clients.items():
                place = place_of(client)
                if place:
                    counts[place] = counts.get(place, 0) + times
        return found

    def _add(self, day: int, name: str, counts: Tally) -> None:
        if counts:
            _add_to(self._waiting.setdefault((day, name), {}), counts)


def measures_of(marked: Marked) -> list[str]:
    """List the measures that requests out of the ordinary count for."""
    by_us = marked.limited or marked.shadowed
    found = {
        "limited": marked.limited,
        "shadowed": marked.shadowed,
        "flagged": marked.flagged,
        "by_app": marked.by_app,
        "by_both": marked.by_app and by_us,
    }
    return [measure for measure, counts in found.items() if counts]


def _add_to(counts: dict[str, int], more: Tally) -> None:
    for member, times in more.items():
        counts[member] = counts.get(member, 0) + times


def _network_of(client: str) -> str:
    """Name a client's network: quickly for most, since it is done for each in a flood."""
    found = IPV4.match(client)
    return f"{found[0]}.0/24" if found else _parsed_network(client)
