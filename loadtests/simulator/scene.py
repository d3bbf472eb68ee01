"""Share site, time and addresses between all clients of a log."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from random import Random

from flask_irl.replay.formats import LogEntry
from loadtests.simulator.parameters import Parameters
from loadtests.simulator.site import Route, Site

MINUTE, HOUR = 60.0, 3600.0
_STALE_SECONDS = 1200.0
Row = LogEntry
"""Request; ``ts`` in seconds since the log began while it is in the making."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """Deploy a new version of the site, from ``at`` on.

    For ``trouble`` seconds a share ``failing`` of all answers are 5xx; for a while a share
    ``stale`` of requests for assets are for the old version's.
    """

    at: float
    site: Site
    trouble: float
    failing: float
    stale: float


@dataclass(frozen=True, slots=True)
class DayOff:
    """Begin a holiday at ``at``: a share of people, some hours later, hardly any offices."""

    at: float
    people: float
    later: float
    offices: float


@dataclass
class Scene:
    """Hold one log in the making; the attacks of the labels in ``early`` come at once.

    It begins at the hour ``begins`` of the day, and is without attacks for ``clean`` seconds.
    """

    parameters: Parameters
    first_site: Site
    seconds: float
    clean: float
    seed: str
    begins: float
    deploy: Deploy | None = None
    day_off: DayOff | None = None
    early: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._numbers = count()
        rng = self.rng("addresses")
        self._offset, self._step = rng.getrandbits(24), rng.getrandbits(24) | 1
        self._swing = rng.uniform(0.2, 0.6)
        self._peak = rng.uniform(12, 17)

    def rng(self, *names: object) -> Random:
        """Make random numbers for one purpose, independent of the other purposes."""
        return Random("/".join((self.seed, *map(str, names))))

    def address(self) -> str:
        """Give a new address."""
        # An odd step meets each of the 2**24 once.
        number = (self._offset + next(self._numbers) * self._step) & 0xFFFFFF
        return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"

    def network4(self) -> str:
        """Draw a network of 250 addresses that nobody else has: its first three bytes."""
        return f"172.{next(self._numbers) % 250}.{self._offset % 250}"

    def network6(self) -> str:
        """Draw a /48 that nobody else has."""
        return f"2001:db8:{next(self._numbers) % 2**16:x}"

    def site(self, ts: float) -> Site:
        """Give the site at a time."""
        return self.deploy.site if self.deploy and ts >= self.deploy.at else self.first_site

    def busy(self, ts: float) -> float:
        """Give the factor of an hour of the day on the number of people."""
        hour, share = self.begins + ts / HOUR, 1.0
        if self.day_off and ts >= self.day_off.at:
            hour, share = hour - self.day_off.later, self.day_off.people
        return share * (1 + self._swing * math.cos((hour - self._peak) / 24 * 2 * math.pi))

    def staffed(self, ts: float) -> float:
        """Give the share of people in their offices."""
        return self.day_off.offices if self.day_off and ts >= self.day_off.at else 1.0


@dataclass
class Caller:
    """Make the rows of a client; ``known`` is the chance that it has a thing in its cache."""

    scene: Scene
    rng: Random
    client: str
    label: str
    ua: str
    known: float = 0.0

    def ask(
        self,
        ts: float,
        route: Route,
        item: int | None = None,
        user: int = 0,
        status: int | None = None,
        method: str = "",
    ) -> Row:
        """Request a route; a status replaces the site's own answer."""
        site = self.scene.site(ts)
        return self.send(ts, route, site.path(route, self.rng, item, user), status, method)

    def send(
        self, ts: float, route: Route, path: str, status: int | None = None, method: str = ""
    ) -> Row:
        """Request a path of a route."""
        deploy, old = self.scene.deploy, self.scene.first_site
        in_caches = deploy and "build" in route.names and 0 <= ts - deploy.at < _STALE_SECONDS
        if deploy and in_caches and self.rng.random() < deploy.stale:
            path, status = path.replace(deploy.site.build, old.build), 404
        status = self._answer(ts, route) if status is None else status
        size = self._size(ts, route, path, status, method)
        return Row(ts, self.client, method or route.method, path, status, size, self.ua, self.label)

    def probe(self, ts: float, path: str, status: int = 404, method: str = "GET") -> Row:
        """Request a path that no route of the site has."""
        size = self.scene.site(ts).missing_size + self.rng.randrange(20)
        return Row(ts, self.client, method, path, status, size, self.ua, self.label)

    def _answer(self, ts: float, route: Route) -> int:
        deploy = self.scene.deploy
        if deploy and 0 <= ts - deploy.at < deploy.trouble and self.rng.random() < deploy.failing:
            return self.rng.choice((500, 502, 503))
        if self.rng.random() < route.failing:
            return 500
        if route.cacheable and self.known and self.rng.random() < self.known:
            return 304
        return route.ok

    def _size(self, ts: float, route: Route, path: str, status: int, method: str) -> int:
        site = self.scene.site(ts)
        if status in (204, 304) or method == "HEAD":
            return 0
        if status == 404:
            return site.missing_size + self.rng.randrange(20)
        if status >= 400:
            return 120 + status % 100 * 3
        return round(site.size(route, path) * (1 + 0.02 * self.rng.random()))
