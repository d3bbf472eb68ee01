"""Make up a site: its routes, the names of its items, its answers."""

from __future__ import annotations

import math
import string
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from random import Random
from statistics import NormalDist
from typing import Any, NamedTuple

from loadtests.simulator.draws import Picker, Span
from loadtests.simulator.parameters import Parameters
from loadtests.simulator.shapes import WORDS, Shape

PAGES = ("home", "listing", "search", "item", "page", "account", "login", "write")
# Chances of the next page after each kind of page, in the order of PAGES.
_ONWARD = {
    "home": (0.05, 0.35, 0.12, 0.3, 0.1, 0.03, 0.04, 0.01),
    "listing": (0.05, 0.25, 0.06, 0.58, 0.03, 0.01, 0.01, 0.01),
    "search": (0.04, 0.12, 0.25, 0.54, 0.02, 0.01, 0.01, 0.01),
    "item": (0.09, 0.25, 0.08, 0.35, 0.04, 0.06, 0.02, 0.11),
    "page": (0.35, 0.15, 0.05, 0.2, 0.2, 0.02, 0.02, 0.01),
    "account": (0.15, 0.15, 0.05, 0.3, 0.05, 0.25, 0.01, 0.04),
    "login": (0.1, 0.1, 0.02, 0.1, 0.01, 0.64, 0.02, 0.01),
    "write": (0.08, 0.25, 0.04, 0.45, 0.02, 0.12, 0.01, 0.03),
}
_LANDING = (0.4, 0.12, 0.04, 0.36, 0.05, 0.02, 0.01, 0.0)
_PLACEHOLDERS = ("id", "user", "cat", "n", "build")


@dataclass(frozen=True, slots=True)
class Route:
    """Describe one kind of request, and its usual answer, of ``size`` bytes in the median.

    A share ``failing`` is answered with 500, and a known client, if it is ``cacheable``, with 304
    at times.
    """

    method: str
    pattern: str
    size: float
    spread: float
    ok: int = 200
    failing: float = 0.0
    cacheable: bool = False
    names: tuple[str, ...] = field(default=(), compare=False)


class Names(NamedTuple):
    """Name things in a style of :class:`Shape`; ``salt`` sets one site's names apart."""

    style: str
    salt: int


@lru_cache(maxsize=65_536)
def _name(names: Names, number: int) -> str:
    """Name a thing, the same for the same number."""
    style, salt = names
    if style == "int":
        return str(salt % 90_000 + 1_000 + number)
    digest = blake2b(f"{salt}/{number}".encode(), digest_size=16).hexdigest()
    if style == "hex":
        return digest[:12]
    if style == "uuid":
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
    title = "-".join(WORDS[int(digest[i : i + 4], 16) % len(WORDS)] for i in (0, 4, 8, 12))
    if style == "dated":
        month, day = int(digest[16:20], 16) % 12 + 1, int(digest[20:24], 16) % 28 + 1
        return f"20{20 + number % 5}/{month:02}/{day:02}/{title}"
    return f"{number + salt % 900}-{title}"


@dataclass(frozen=True, slots=True)
class Site:
    """Hold the routes and answers of a site; ``stock`` are its items' numbers, popular ones first.

    ``onward`` has the next kind of page after each kind, ``denied`` is the status of a failed
    login, ``hidden`` that of a thing that belongs to another person.
    """

    shape: Shape
    build: str
    items: Names
    people: Names
    stock: Picker[int]
    categories: Picker[str]
    routes: dict[str, Picker[Route]]
    onward: dict[str, Picker[str]]
    landing: Picker[str]
    assets: Picker[Route] | None
    broken: Picker[Route]
    api: Picker[Route]
    api_writes: Picker[Route]
    rpc: Picker[Route]
    app_gets: Picker[Route]
    login: Route
    person: Route
    order: Route
    feeds: tuple[Route, ...]
    health: Route
    assets_per_page: float
    burst: Span
    denied: int
    hidden: int
    missing_size: int
    size_salt: int

    @property
    def count(self) -> int:
        """Give the number of items."""
        return len(self.stock.items)

    def path(self, route: Route, rng: Random, item: int | None = None, user: int = 0) -> str:
        """Make a path of a route, for an item, or for a popular one."""
        makers: dict[str, Callable[[], str]] = {
            "id": lambda: _name(self.items, self.stock.pick(rng) if item is None else item),
            "user": lambda: _name(self.people, user),
            "cat": lambda: self.categories.pick(rng),
            "n": lambda: str(rng.randrange(12)),
            "build": lambda: self.build,
        }
        return route.pattern.format_map({name: makers[name]() for name in route.names})

    def size(self, route: Route, path: str) -> int:
        """Give the bytes of an answer: a path's own, not far from its route's."""
        return _size(route.size, route.spread, path, self.size_salt)


@lru_cache(maxsize=65_536)
def _size(median: float, spread: float, path: str, salt: int) -> int:
    share = (zlib.crc32(path.encode(), salt) + 0.5) / 2**32
    return max(round(median * math.exp(spread * NormalDist().inv_cdf(share))), 20)


def build_site(parameters: Parameters, rng: Random, kind: str = "") -> Site:
    """Draw a site from the parameters, of a kind that :attr:`Parameters.kinds` has."""
    shape = rng.choice(parameters.kinds[kind])
    numbers = list(range(parameters.items.whole(rng)))
    rng.shuffle(numbers)
    broken = rng.sample(shape.broken, min(len(shape.broken), rng.randint(2, 4)))
    return Site(
        shape=shape,
        build=f"{rng.getrandbits(32):08x}",
        items=Names(shape.ids, rng.getrandbits(32)),
        people=Names(shape.users, rng.getrandbits(32)),
        stock=Picker.zipf(numbers, parameters.zipf.draw(rng)),
        categories=Picker.uneven(rng.sample(WORDS, rng.randint(5, 14)), rng),
        routes=_page_routes(shape, rng),
        onward={page: _habits(weights, rng) for page, weights in _ONWARD.items()},
        landing=_habits(_LANDING, rng),
        assets=_picker("GET", shape.assets, rng, 18_000, 1.0, cacheable=True)
        if shape.assets
        else None,
        broken=_picker("GET", broken, rng, 300, 0.0, ok=404),
        api=_picker("GET", shape.api, rng, 1_800, 0.8),
        api_writes=_picker("POST", shape.api_writes, rng, 250, 0.5, ok=rng.choice((200, 204))),
        rpc=_picker("POST", _some(shape.rpc, rng), rng, 1_500, 0.9),
        app_gets=_picker("GET", shape.app_gets, rng, 4_000, 0.9),
        login=_route("POST", shape.login, rng, 400, 0.1, ok=rng.choice((200, 302))),
        person=_route("GET", shape.person, rng, 900, 0.3),
        order=_route("GET", shape.order, rng, 1_500, 0.4),
        feeds=tuple(_route("GET", p, rng, 700, 0.2, cacheable=True) for p in shape.feeds),
        health=_route("GET", shape.health, rng, 60, 0.0),
        assets_per_page=rng.uniform(10, 15),
        burst=Span(0.02, rng.uniform(0.1, 0.25)),
        denied=rng.choice((401, 401, 403)),
        hidden=rng.choice((403, 404, 404)),
        missing_size=rng.randint(150, 6_000),
        size_salt=rng.getrandbits(32),
    )


def _some(patterns: Sequence[str], rng: Random) -> tuple[str, ...]:
    """Draw most of the patterns: no two sites have all the same routes."""
    return tuple(rng.sample(patterns, max(len(patterns) - rng.randint(0, 2), 1)))


def _page_routes(shape: Shape, rng: Random) -> dict[str, Picker[Route]]:
    return {
        "home": _picker("GET", (shape.home,), rng, 12_000, 0.2),
        "listing": _picker("GET", (shape.listing,), rng, 20_000, 0.4),
        "search": _picker("GET", (shape.search,), rng, 15_000, 0.3),
        "item": _picker("GET", shape.item, rng, 16_000, 0.5),
        "page": _picker("GET", _some(shape.pages, rng), rng, 9_000, 0.5),
        "account": _picker("GET", shape.account, rng, 8_000, 0.3),
        "login": _picker("GET", (shape.login_page,), rng, 5_000, 0.1),
        "write": _picker(
            "POST", _some(shape.writes, rng), rng, 500, 0.4, ok=rng.choice((200, 302))
        ),
    }


def _habits(weights: Sequence[float], rng: Random) -> Picker[str]:
    return Picker.of(
        (page, weight * rng.lognormvariate(0.0, 0.35) + 1e-9)
        for page, weight in zip(PAGES, weights, strict=True)
    )


def _route(
    method: str,
    pattern: str,
    rng: Random,
    size: float,
    spread: float,
    *,
    ok: int = 200,
    cacheable: bool = False,
) -> Route:
    names = tuple(name for _, name, _, _ in string.Formatter().parse(pattern) if name)
    unknown = set(names).difference(_PLACEHOLDERS)
    if unknown:
        raise ValueError(f"{pattern}: {sorted(unknown)}; allowed are {', '.join(_PLACEHOLDERS)}")
    own = size * rng.lognormvariate(0.0, 0.5)
    failing = rng.uniform(0.0, 0.002)
    return Route(method, pattern, own, spread, ok, failing, cacheable, names)


def _picker(
    method: str, patterns: Sequence[str], rng: Random, size: float, spread: float, **options: Any
) -> Picker[Route]:
    routes = [_route(method, pattern, rng, size, spread, **options) for pattern in patterns]
    return Picker.uneven(routes, rng, 0.7)


def renewed(site: Site, rng: Random) -> Site:
    """Make the next version of a site: routes moved, added, and other sizes."""
    mark = rng.choice(("next", "r2", "beta", "v9"))
    routes = {page: _renewed(picker, rng, "", 0.0) for page, picker in site.routes.items()}
    added = (f"/{mark}/tour", f"/{mark}/offers/{{cat}}", f"/{mark}/saved")
    routes["page"] = _joined(routes["page"], _picker("GET", added, rng, 9_000, 0.5))
    calls = (f"/{mark}/hints/{{id}}", f"/{mark}/flags")
    return replace(
        site,
        build=f"{rng.getrandbits(32):08x}",
        routes=routes,
        assets=site.assets and _renewed(site.assets, rng, "", 0.0),
        api=_joined(_renewed(site.api, rng, mark, 0.4), _picker("GET", calls, rng, 1_500, 0.8)),
        rpc=_renewed(site.rpc, rng, mark, 0.3),
        app_gets=_renewed(site.app_gets, rng, mark, 0.3),
        size_salt=rng.getrandbits(32),
    )


def _renewed(picker: Picker[Route], rng: Random, mark: str, moved: float) -> Picker[Route]:
    return replace(picker, items=tuple(_moved(r, rng, mark, moved) for r in picker.items))


def _moved(route: Route, rng: Random, mark: str, moved: float) -> Route:
    pattern = route.pattern
    if rng.random() < moved:
        head, tail = pattern[1:].split("/", 1)
        pattern = f"/{head}/{mark}/{tail}"
    return replace(route, pattern=pattern, size=route.size * rng.lognormvariate(0.0, 0.4))


def _joined(one: Picker[Route], other: Picker[Route]) -> Picker[Route]:
    shift = one.cumulative[-1]
    return Picker(
        one.items + other.items, one.cumulative + tuple(shift + c for c in other.cumulative)
    )
