"""What all clients of a log share: the site, the time, and the addresses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from random import Random

from flask_irl.replay.formats import LogEntry
from loadtests.simulator.parameters import Parameters
from loadtests.simulator.site import Route, Site

HOUR = 3600.0
_STALE_SECONDS = 1200.0
Row = LogEntry
"""One request; ``ts`` in seconds since the log began while it is in the making."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """A new version of the site, from ``at`` on.

    Attributes:
        trouble: For so many seconds a share ``failing`` of all answers are 5xx.
        stale: Share of requests for what the old version's pages loaded, for a while.
    """

    at: float
    site: Site
    trouble: float
    failing: float
    stale: float


@dataclass(frozen=True, slots=True)
class DayOff:
    """A holiday, from ``at`` on: so many people, so many hours later, hardly any offices."""

    at: float
    people: float
    later: float
    offices: float


class Scene:
    """One log in the making.

    Args:
        parameters: What to draw from.
        site: As it is at the beginning.
        seconds: How long the log is.
        clean: How long nobody attacks.
        seed: Makes every random number.
        begins: Hour of the day at which the log begins.
        deploy: A new version of the site.
        day_off: When it begins, and what it does to people.
        early: Labels of the attacks that come at once.
    """

    def __init__(
        self,
        parameters: Parameters,
        site: Site,
        seconds: float,
        clean: float,
        seed: str,
        begins: float,
        deploy: Deploy | None = None,
        day_off: DayOff | None = None,
        early: frozenset[str] = frozenset(),
    ) -> None:
        self.parameters = parameters
        self.seconds = seconds
        self.clean = clean
        self.begins = begins
        self.deploy = deploy
        self.day_off = day_off
        self.early = early
        self._site = site
        self._seed = seed
        self._numbers = count()
        rng = self.rng("addresses")
        self._offset, self._step = rng.getrandbits(24), rng.getrandbits(24) | 1
        self._swing = rng.uniform(0.2, 0.6)
        self._peak = rng.uniform(12, 17)

    def rng(self, *names: object) -> Random:
        """Random numbers for one purpose, whatever the other purposes draw."""
        return Random("/".join((self._seed, *map(str, names))))

    def address(self) -> str:
        """An address that nobody else has."""
        # An odd step meets each of the 2**24 once.
        number = (self._offset + next(self._numbers) * self._step) & 0xFFFFFF
        return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"

    def site(self, ts: float) -> Site:
        """The site as it is then."""
        return self.deploy.site if self.deploy and ts >= self.deploy.at else self._site

    def old_site(self, ts: float) -> Site | None:
        """The version before, for as long as some still have it in their cache."""
        deploy = self.deploy
        return self._site if deploy and 0 <= ts - deploy.at < _STALE_SECONDS else None

    def busy(self, ts: float) -> float:
        """How busy this hour of the day is, 1 on an average day."""
        hour, share = self.begins + ts / HOUR, 1.0
        if self.day_off and ts >= self.day_off.at:
            hour, share = hour - self.day_off.later, self.day_off.people
        return share * (1 + self._swing * math.cos((hour - self._peak) / 24 * 2 * math.pi))

    def staffed(self, ts: float) -> float:
        """Share of the offices' people who are there."""
        return self.day_off.offices if self.day_off and ts >= self.day_off.at else 1.0


class Caller:
    """A client that asks for things; it makes its rows.

    Args:
        known: Whether it has been here before, so that it may have things in its cache.
    """

    def __init__(
        self, scene: Scene, rng: Random, client: str, label: str, ua: str, known: float = 0.0
    ) -> None:
        self.scene = scene
        self.rng = rng
        self.client = client
        self._label = label
        self._ua = ua
        self._known = known

    def ask(
        self,
        ts: float,
        route: Route,
        item: int | None = None,
        user: int = 0,
        status: int | None = None,
        method: str = "",
    ) -> Row:
        """A request of a route; with a status, that is how it is answered."""
        site = self.scene.site(ts)
        return self.send(ts, route, site.path(route, self.rng, item, user), status, method)

    def send(
        self, ts: float, route: Route, path: str, status: int | None = None, method: str = ""
    ) -> Row:
        """A request of a path of a route."""
        old = self.scene.old_site(ts) if "build" in route.names else None
        if old and self.scene.deploy and self.rng.random() < self.scene.deploy.stale:
            path, status = path.replace(self.scene.site(ts).build, old.build), 404
        status = self._answer(ts, route) if status is None else status
        size = self._size(ts, route, path, status, method)
        return Row(
            ts, self.client, method or route.method, path, status, size, self._ua, self._label
        )

    def probe(self, ts: float, path: str, status: int = 404, method: str = "GET") -> Row:
        """A request of something that no route of the site has."""
        size = self.scene.site(ts).missing_size + self.rng.randrange(20)
        return Row(ts, self.client, method, path, status, size, self._ua, self._label)

    def _answer(self, ts: float, route: Route) -> int:
        deploy = self.scene.deploy
        if deploy and 0 <= ts - deploy.at < deploy.trouble and self.rng.random() < deploy.failing:
            return self.rng.choice((500, 502, 503))
        if self.rng.random() < route.failing:
            return 500
        if route.cacheable and self._known and self.rng.random() < self._known:
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
