"""Play attacks, each from its start on, with the site's own answers.

Each takes the scene, its own random numbers, and its label.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from random import Random

from loadtests.simulator.draws import Span, around
from loadtests.simulator.scene import MINUTE, Caller, Row, Scene

_LURES = tuple(
    "/.env /.git/config /wp-login.php /wp-admin/ /xmlrpc.php /phpmyadmin/ /admin.php /config.php"
    " /backup.zip /.aws/credentials /server-status /cgi-bin/luci /vendor/phpunit/phpunit.xml"
    " /actuator/env /console /manager/html /solr/admin /HNAP1 /boaform/admin /owa/auth/logon.aspx"
    " /.svn/entries /.DS_Store /db.sql /dump.sql /old/ /test/ /shell.php /api/swagger.json".split()
)
_STEMS = "admin backup old test dev tmp db data config api private user upload site www".split()
_ENDINGS = (".php", ".zip", ".sql", ".bak", ".asp", ".jsp", "/", "", ".tar.gz", ".txt")


class Walk:
    """Walk through a site as a scraper: one item after the other.

    By ``style``, ``lists`` asks a list before its items, ``api`` asks items by the API, ``popular``
    takes items as people choose them.
    """

    def __init__(self, scene: Scene, rng: Random, style: str) -> None:
        self._rng = rng
        self._style = style
        self._items = sorted(scene.site(0).stock.items)
        if rng.random() < 0.5:
            rng.shuffle(self._items)
        self._place = rng.randrange(len(self._items))
        self._step = 0
        self._per_list = rng.randint(8, 30)

    def take(self, caller: Caller, ts: float) -> Row:
        """Make the next request."""
        site, rng = caller.scene.site(ts), self._rng
        self._step += 1
        if rng.random() < 0.004:
            return caller.ask(
                ts, site.routes["item"].items[0], item=site.count + self._step, status=404
            )
        if self._style == "popular":
            return caller.ask(ts, site.routes["item"].pick(rng))
        if self._style == "lists" and self._step % self._per_list == 0:
            return caller.ask(ts, site.routes["listing"].pick(rng))
        self._place += 1
        number = self._items[self._place % len(self._items)]
        route = site.routes["item"].items[0]
        if self._style == "api":
            route = next((r for r in site.api.items if "id" in r.names), route)
        return caller.ask(ts, route, item=number)


def times_at(
    rate: float, rng: Random, start: float, end: float, shape: str = "steady", spread: float = 1.0
) -> Iterator[float]:
    """Give times at a rate a minute on average, steadily or with gaps as people's."""
    mean = MINUTE / rate
    order = 1 / spread**2
    draws: dict[str, Callable[[], float]] = {
        "steady": lambda: mean * rng.uniform(0.97, 1.03),
        "lognormal": lambda: around(rng, mean, spread),
        "exponential": lambda: rng.expovariate(1 / mean),
        "gamma": lambda: rng.gammavariate(order, mean / order),
        # A pause of ten gaps now and then, and faster in between.
        "pauses": lambda: (
            mean * (10 if rng.random() < 0.05 else 0.5 / 0.95) * rng.uniform(0.6, 1.4)
        ),
    }
    ts = start
    while ts < end:
        yield ts
        ts += draws[shape]()


def scraper(scene: Scene, rng: Random, name: str, *, rate: int, jitter: bool) -> Iterator[Row]:
    """Take everything, at 20, 60 or 95 a minute."""
    parameters = scene.parameters
    spans = {20: parameters.scraper_20, 60: parameters.scraper_60, 95: parameters.scraper_95}
    own = spans[rate].draw(rng)
    start, end = _stay(scene, rng, name, parameters.scraper_length)
    caller = Caller(scene, rng, scene.address(), name, rng.choice(("browser", "tool")))
    walk = Walk(scene, rng, rng.choice(parameters.routes_of_scrapers))
    shape, spread = "steady", 1.0
    if jitter:
        shape, spread = rng.choice(parameters.jitters), parameters.jitter_spread.draw(rng)
    for ts in times_at(own, rng, start, end, shape, spread):
        yield walk.take(caller, ts)


def flood(scene: Scene, rng: Random, name: str) -> Iterator[Row]:
    """Ask one route as often as possible."""
    start, end = _stay(scene, rng, name, scene.parameters.flood_length)
    caller = Caller(scene, rng, scene.address(), name, "tool")
    rate = scene.parameters.flood_rate.draw(rng)
    page = rng.choice(("home", "search", "item"))
    failing = rng.uniform(0.0, 0.2)
    for ts in times_at(rate, rng, start, end, "exponential", 1.0):
        status = 503 if rng.random() < failing else None
        yield caller.ask(ts, scene.site(ts).routes[page].items[0], status=status)


def stuffing(scene: Scene, rng: Random, name: str) -> Iterator[Row]:
    """Try stolen passwords from one address."""
    start, end = _stay(scene, rng, name, scene.parameters.stuffing_length)
    caller = Caller(scene, rng, scene.address(), name, rng.choice(("browser", "tool")))
    works = scene.parameters.stuffing_success.draw(rng)
    rate = scene.parameters.stuffing_rate.draw(rng)
    for ts in times_at(rate, rng, start, end, "lognormal", 0.4):
        yield _try(caller, ts, works)


def spread_stuffing(scene: Scene, rng: Random, name: str) -> Iterator[Row]:
    """Try stolen passwords from hundreds of addresses, a few times from each."""
    parameters = scene.parameters
    start, end = _stay(scene, rng, name, parameters.spread_length)
    works = parameters.stuffing_success.draw(rng)
    for _ in range(parameters.spread_addresses.whole(rng)):
        caller = Caller(scene, rng, scene.address(), name, "browser")
        ts = rng.uniform(start, end)
        for _ in range(parameters.spread_tries.whole(rng)):
            if ts >= end:
                break
            yield _try(caller, ts, works)
            ts += 2 + rng.expovariate(1 / 240)


def _try(caller: Caller, ts: float, works: float) -> Row:
    site = caller.scene.site(ts)
    denied = site.denied if caller.rng.random() < 0.97 else 400
    return caller.ask(ts, site.login, status=None if caller.rng.random() < works else denied)


def scan(scene: Scene, rng: Random, name: str) -> Iterator[Row]:
    """Look for paths that others left open."""
    parameters = scene.parameters
    rate = parameters.scan_rate.draw(rng)
    count = parameters.scan_paths.whole(rng)
    start, end = _stay(scene, rng, name, Span(count / rate, count / rate))
    caller = Caller(scene, rng, scene.address(), name, rng.choice(("browser", "tool", "empty")))
    method = rng.choice(("GET", "GET", "HEAD"))
    for ts in times_at(rate, rng, start, end, "lognormal", 0.5):
        status = 404 if rng.random() > 0.03 else rng.choice((403, 301, 400))
        yield caller.probe(ts, _lure(rng), status, method)


def _lure(rng: Random) -> str:
    if rng.random() < 0.25:
        return rng.choice(_LURES)
    word = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 5)))
    return f"/{rng.choice(_STEMS)}{rng.choice(('-', '_', '/', ''))}{word}{rng.choice(_ENDINGS)}"


def enumeration(scene: Scene, rng: Random, name: str) -> Iterator[Row]:
    """Guess ids of people, a few a minute, for hours."""
    parameters = scene.parameters
    start, end = _stay(scene, rng, name, parameters.enumeration_length)
    caller = Caller(scene, rng, scene.address(), name, "tool")
    hits = parameters.enumeration_hits.draw(rng)
    number, step = rng.randrange(100_000), rng.randint(1, 3)
    rate = parameters.enumeration_rate.draw(rng)
    for ts in times_at(rate, rng, start, end, "lognormal", rng.uniform(0.1, 1.0)):
        site = scene.site(ts)
        status = None if rng.random() < hits else site.hidden
        yield caller.ask(ts, site.person, user=number, status=status)
        number += step


def rotation(scene: Scene, rng: Random, name: str) -> Iterator[Row]:
    """Scrape, with another /64 of one /48 every so many requests."""
    parameters = scene.parameters
    start, end = _stay(scene, rng, name, parameters.rotation_length)
    walk = Walk(scene, rng, rng.choice(parameters.routes_of_scrapers))
    each = parameters.rotation_requests.whole(rng)
    network, places = scene.network6(), iter(rng.sample(range(2**16), 2**12))
    caller = Caller(scene, rng, f"{network}:{next(places):x}::1", name, "browser")
    rate = parameters.rotation_rate.draw(rng)
    for number, ts in enumerate(times_at(rate, rng, start, end, "lognormal", 0.4)):
        if number and number % each == 0:
            caller.client = f"{network}:{next(places):x}::1"
        yield walk.take(caller, ts)


def drift(scene: Scene, rng: Random, name: str) -> Iterator[Row]:
    """Come in the clean hours like a person, grow slowly so as to be learned, and take all.

    Weeks are pressed into hours: its rate grows by the same factor in each.
    """
    parameters = scene.parameters
    start = rng.uniform(0, 0.05) * scene.seconds
    low, high = parameters.drift_from.draw(rng), parameters.drift_to.draw(rng)
    caller = Caller(scene, rng, scene.address(), name, "browser")
    walk = Walk(scene, rng, "items")
    ts, page = start, "home"
    while ts < scene.seconds:
        site = scene.site(ts)
        done = (ts - start) / (scene.seconds - start)
        if rng.random() < done:
            yield walk.take(caller, ts)
        else:
            page = site.onward[page].pick(rng)
            yield caller.ask(ts, site.routes[page].pick(rng))
        ts += around(rng, MINUTE / (low * (high / low) ** done), 0.6)


def _stay(scene: Scene, rng: Random, name: str, minutes: Span) -> tuple[float, float]:
    """Draw start and end, somewhere after the clean hours; early attacks start at once."""
    length = min(minutes.draw(rng) * MINUTE, scene.seconds - scene.clean)
    slack = scene.seconds - scene.clean - length
    if name in scene.early:
        slack = min(slack, 10 * MINUTE)
    start = scene.clean + rng.uniform(0, slack)
    return start, start + length
