"""Play people: browsing, in a single-page app, in a mobile app, in offices, mistyping passwords."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random

from loadtests.simulator.draws import around, arrivals
from loadtests.simulator.parameters import APP_GAPS, APP_LENGTHS, WEB_LENGTHS
from loadtests.simulator.scene import HOUR, Caller, Row, Scene
from loadtests.simulator.site import Route, Site

_MOST_VISITS = 6
# Seconds: some came before the log began, and come again.
_BEFORE = 3 * HOUR
_POSTING = 0.89
# Share of people with most assets in the cache already.
_FAMILIAR = 0.22
# Share of people who scroll through a list without end, many requests a minute.
_SCROLLERS = 0.012

Session = Callable[[Caller, float], Iterator[Row]]


def coming(scene: Scene, name: str, per_hour: float, session: Session) -> Iterator[Row]:
    """Let people come one by one, some of them again."""
    rng = scene.rng(name)
    for index, ts in enumerate(arrivals(rng, per_hour * 1.6 / HOUR, -_BEFORE, scene.seconds)):
        if rng.random() * 1.6 < scene.busy(ts):
            own = scene.rng(name, index)
            cache = own.uniform(0.1, 0.6) if own.random() < 0.4 else 0.0
            caller = Caller(scene, own, scene.address(), name, "browser", cache)
            yield from _visits(caller, session, ts)


def visits(session: Session) -> float:
    """Give the mean number of visits of a person in a day."""
    again = _returning(session)
    return sum(again**visit for visit in range(_MOST_VISITS))


def _returning(session: Session) -> float:
    return 0.55 if session is browse else 0.3


def _visits(caller: Caller, session: Session, ts: float) -> Iterator[Row]:
    for _ in range(_MOST_VISITS):
        last = ts
        for row in session(caller, ts):
            last = row.ts
            yield row
        if caller.rng.random() > _returning(session):
            return
        ts = last + 1800 + caller.rng.expovariate(1 / 5400)


def browse(caller: Caller, ts: float, landing: int | None = None) -> Iterator[Row]:
    """Browse, with the assets of pages where the site serves them; ``landing`` is an item."""
    rng, scene = caller.rng, caller.scene
    site = scene.site(ts)
    if site.assets is None:
        yield from _browse_bare(caller, ts, landing)
        return
    left = max(round(WEB_LENGTHS.draw(rng)), 1)
    missing = min(around(rng, scene.parameters.broken.draw(rng) * 1.3, 0.8), 0.5)
    patience = rng.lognormvariate(math.log(75.0), 0.8) * scene.parameters.pace.draw(rng)
    page, item = _landing(site, rng, landing)
    loaded: set[str] = set()
    heavy = site.assets_per_page * (0.12 if rng.random() < _FAMILIAR else 1.0)
    while left > 0:
        site = scene.site(ts)
        yield _page(caller, ts, site, page, item)
        left -= 1
        if page == "login" and left:
            ts += 3 + rng.expovariate(1 / 8)
            yield _login(caller, ts)
            left -= 1
        if rng.random() < 0.2 and left:
            yield caller.ask(ts + rng.uniform(0.3, 2.5), site.api_writes.items[0])
            left -= 1
        mean = heavy * (0.5 if loaded else 1.0)
        loads = min(round(rng.expovariate(1 / mean)), left)
        moment = ts
        for row in _load(caller, ts, loads, missing, loaded):
            moment = max(moment, row.ts)
            yield row
        left -= loads
        ts = moment + around(rng, patience, 1.2)
        page, item = site.onward[page].pick(rng), None


def _load(caller: Caller, ts: float, count: int, missing: float, loaded: set[str]) -> Iterator[Row]:
    rng, site = caller.rng, caller.scene.site(ts)
    for _ in range(count):
        ts += rng.uniform(0.8, 3.0) if rng.random() < 0.12 else site.burst.draw(rng) / 2
        lost = rng.random() < missing or site.assets is None
        route, path = _asset(site, rng, lost, loaded)
        yield caller.send(ts, route, path, status=404 if lost else None)


def _asset(site: Site, rng: Random, lost: bool, loaded: set[str]) -> tuple[Route, str]:
    routes = site.broken if lost or site.assets is None else site.assets
    for _ in range(2):
        route = routes.pick(rng)
        path = site.path(route, rng)
        # A browser has in its cache what it loaded a moment ago.
        if lost or path not in loaded:
            break
    loaded.add(path)
    return route, path


def _landing(site: Site, rng: Random, item: int | None) -> tuple[str, int | None]:
    return (site.landing.pick(rng), None) if item is None else ("item", item)


def _browse_bare(caller: Caller, ts: float, landing: int | None) -> Iterator[Row]:
    rng, scene = caller.rng, caller.scene
    pace = scene.parameters.pace.draw(rng) * rng.lognormvariate(0, 0.3)
    page, item = _landing(scene.site(ts), rng, landing)
    length = max(round(APP_LENGTHS.draw(rng)), 1)
    for _ in range(length):
        site = scene.site(ts)
        if rng.random() < 0.01:
            yield caller.ask(ts, site.broken.pick(rng), status=404)
        else:
            yield _page(caller, ts, site, page, item)
            if page == "login":
                ts += 3 + rng.expovariate(1 / 8)
                yield _login(caller, ts)
        page, item = site.onward[page].pick(rng), None
        ts += APP_GAPS.draw(rng) * pace * _hurry(length)


def _hurry(length: int) -> float:
    """Give the factor on gaps: people in long sessions ask more often."""
    return 1.5 * math.pow(max(length, 3), -0.14)


def _login(caller: Caller, ts: float) -> Row:
    site = caller.scene.site(ts)
    return caller.ask(ts, site.login, status=site.denied if caller.rng.random() < 0.08 else None)


def _page(caller: Caller, ts: float, site: Site, page: str, item: int | None = None) -> Row:
    return caller.ask(ts, site.routes[page].pick(caller.rng), item=item)


def single_page(caller: Caller, ts: float) -> Iterator[Row]:
    """Use the single-page app: a burst of calls for each view."""
    rng, scene = caller.rng, caller.scene
    parameters = scene.parameters
    user = rng.randrange(1_000_000)
    views = max(round(around(rng, parameters.views.draw(rng), 0.8)), 1)
    patience = rng.lognormvariate(3.0, 0.4) * parameters.pace.draw(rng)
    calls = parameters.view_calls.draw(rng)
    yield _page(caller, ts, scene.site(ts), "home")
    if rng.random() < 0.3:
        ts += 4 + rng.expovariate(1 / 8)
        yield _login(caller, ts)
    yield caller.ask(ts + 0.2, scene.site(ts).person, user=user)
    for _ in range(views):
        site = scene.site(ts)
        item = site.stock.pick(rng)
        moment = ts
        for _ in range(max(round(rng.gauss(calls, calls / 3)), 1)):
            moment += rng.expovariate(1 / 0.12)
            routes = site.api_writes if rng.random() < 0.1 else site.api
            status = rng.choice((401, 404)) if rng.random() < 0.003 else None
            yield caller.ask(moment, routes.pick(rng), item=item, user=user, status=status)
        ts = moment + around(rng, patience, 1.0)


def mobile(caller: Caller, ts: float) -> Iterator[Row]:
    """Use the mobile app."""
    rng, scene = caller.rng, caller.scene
    pace = scene.parameters.pace.draw(rng) * rng.lognormvariate(0, 0.45)
    length = max(round(APP_LENGTHS.draw(rng)), 1)
    pace *= _hurry(length)
    rush = rng.randint(30, 150) if rng.random() < _SCROLLERS else 0
    length, rush_gap = max(length, rush + 2), rng.uniform(0.35, 1.8)
    rush_from = rng.randint(0, length - rush)
    faulty = rng.uniform(0.005, 0.04) if rng.random() < 0.08 else 0.0
    user = rng.randrange(1_000_000)
    for step in range(length):
        site = scene.site(ts)
        routes = site.rpc if rng.random() < _POSTING else site.app_gets
        route = site.person if rng.random() < 0.01 else routes.pick(rng)
        status = rng.choice((400, 404, 409)) if rng.random() < faulty else None
        yield caller.ask(ts, route, user=user, status=status)
        rushing = rush_from <= step < rush_from + rush
        ts += around(rng, rush_gap, 0.6) if rushing else APP_GAPS.draw(rng) * pace


def mistyping(caller: Caller, ts: float) -> Iterator[Row]:
    """Need several tries for a password, or give up."""
    rng, scene = caller.rng, caller.scene
    site = scene.site(ts)
    yield _page(caller, ts, site, "login")
    for _ in range(scene.parameters.mistypes.whole(rng)):
        ts += 4 + rng.expovariate(1 / 12)
        yield caller.ask(ts, site.login, status=site.denied)
    if rng.random() < 0.8:
        ts += 5 + rng.expovariate(1 / 25)
        yield caller.ask(ts, site.login)
        yield from browse(caller, ts + 1)


def office(scene: Scene, size: int, index: int) -> Iterator[Row]:
    """Share one address, each person in own sessions through the day."""
    name = f"legit:office_{size}"
    rng = scene.rng(name, index)
    shape = scene.site(0).shape
    sessions = (browse, single_page, mobile)
    weights = (shape.browsers, 0.12 * shape.singles, 0.3 * shape.mobiles)
    caller = Caller(scene, rng, scene.address(), name, "browser", 0.5)
    per_hour = scene.parameters.office_sessions.draw(rng) * scene.busy(0)
    for _ in range(size):
        session = rng.choices(sessions, weights)[0]
        for ts in arrivals(rng, per_hour / HOUR, 0, scene.seconds):
            if rng.random() < scene.staffed(ts):
                yield from session(caller, ts)


def crowd(scene: Scene, sessions: dict[Session, int], start: float, length: float) -> Iterator[Row]:
    """Come for the same thing, many people at once: quickly more, slowly fewer."""
    name = "legit:flash_crowd"
    hot = scene.site(start).stock.pick(scene.rng(name))
    everybody = [session for session, count in sessions.items() for _ in range(count)]
    for index, session in enumerate(everybody):
        own = scene.rng(name, index)
        caller = Caller(scene, own, scene.address(), name, "browser")
        ts = start + length * own.betavariate(1.4, 2.4)
        yield from browse(caller, ts, hot) if session is browse else session(caller, ts)


LABELS: dict[Session, str] = {
    browse: "legit:browser",
    single_page: "legit:spa",
    mobile: "legit:mobile_app",
    mistyping: "legit:mistyped_password",
}
