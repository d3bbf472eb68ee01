"""Write the scripts of the demo's clients: pauses and requests, drawn from a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple

from demo_app.catalogue import LAST, ON_SALE, PAGES
from demo_app.views import PASSWORD


class Call(NamedTuple):
    """Describe a request and the pause before it, in seconds since the answer to the last one."""

    pause: float
    method: str
    path: str
    body: bytes | None = None


Script = Callable[[Random], Iterator[Call]]


def _get(pause: float, path: str) -> Call:
    return Call(pause, "GET", path)


def _post(pause: float, path: str, body: Any) -> Call:
    return Call(pause, "POST", path, json.dumps(body).encode())


def _any_item(random: Random) -> str:
    # Some goods are asked for far more often than others.
    rank = min(len(ON_SALE), int(random.paretovariate(0.6)))
    return f"/api/items/{ON_SALE[rank - 1]}"


def _any_page(random: Random) -> str:
    return f"/api/data?page={min(PAGES, int(random.paretovariate(1.0)))}"


def _log_in(random: Random, user: str) -> Iterator[Call]:
    if random.random() < 0.15:
        typo = PASSWORD.replace(random.choice(PASSWORD), "", 1)
        yield _post(random.uniform(2, 6), "/login", {"user": user, "password": typo})
    yield _post(random.uniform(2, 6), "/login", {"user": user, "password": PASSWORD})


def _visit(random: Random, think: float) -> Iterator[Call]:
    """Open a list, then some goods on it, loaded together as browsers do."""
    pause = random.expovariate(1 / think) + 1.0
    if random.random() < 0.25:
        yield _get(pause, "/")
        pause = random.uniform(0.5, 2)
    yield _get(pause, _any_page(random))
    for _ in range(random.randint(1, 6)):
        yield _get(random.uniform(0.03, 0.3), _any_item(random))
    if random.random() < 0.05:
        yield _get(random.uniform(0.5, 3), f"/api/items/{LAST + random.randint(1, 50)}")


def reader(random: Random) -> Iterator[Call]:
    """Look around in bursts, with pauses; sometimes follow a dead link."""
    yield from _visit(random, 3)
    if random.random() < 0.4:
        yield from _log_in(random, f"user{random.randint(1, 500)}")
    think = random.uniform(2, 10)
    while True:
        yield from _visit(random, think)


def mobile_app(random: Random) -> Iterator[Call]:
    """Poll for news every few seconds, as an open app does."""
    every = random.uniform(1.5, 4)
    if random.random() < 0.5:
        yield from _log_in(random, f"user{random.randint(1, 500)}")
    while True:
        yield _get(random.gauss(every, every / 8), "/api/data?page=1")
        if random.random() < 0.2:
            yield _get(random.uniform(0.5, 2), _any_item(random))


def office(random: Random) -> Iterator[Call]:
    """Mix two readers behind one key."""
    people = [reader(random) for _ in range(2)]
    due = [(random.uniform(0, 8), index) for index in range(len(people))]
    coming = [next(person) for person in people]
    now = 0.0
    while True:
        at, index = min(due)
        yield coming[index]._replace(pause=max(0.02, at - now))
        now = max(now, at)
        coming[index] = next(people[index])
        due[index] = (at + coming[index].pause, index)


def slow_reader(random: Random) -> Iterator[Call]:
    """Read every word, and open a page now and then."""
    while True:
        yield _get(random.uniform(3, 8), random.choice((_any_page, _any_item))(random))


def editor(random: Random) -> Iterator[Call]:
    """Send figures, look at goods, and at times get a figure wrong."""
    yield from _log_in(random, f"editor{random.randint(1, 20)}")
    while True:
        for _ in range(random.randint(1, 3)):
            yield _get(random.uniform(0.5, 3), _any_item(random))
        values: list[Any] = [random.randint(1, 1000) for _ in range(random.randint(1, 30))]
        if random.random() < 0.05:
            values.append("12,5")
        yield _post(random.uniform(2, 6), "/api/process", {"values": values})


def reporter(random: Random) -> Iterator[Call]:
    """Run the expensive report, within its limit of twenty a minute, and page through lists."""
    while True:
        yield _get(random.uniform(6, 12), "/api/heavy-operation")
        for _ in range(random.randint(1, 4)):
            yield _get(random.uniform(0.5, 2), _any_page(random))


def gallery(random: Random) -> Iterator[Call]:
    """Open pages full of pictures, all loaded at once, and look at them for a while."""
    while True:
        yield from _burst(random, random.randint(8, 20))
        yield _get(random.uniform(8, 15), "/")


def _burst(random: Random, requests: int) -> Iterator[Call]:
    yield _get(random.uniform(1, 4), _any_page(random))
    for _ in range(requests):
        yield _get(random.uniform(0.02, 0.12), _any_item(random))


def burst(random: Random) -> Iterator[Call]:
    """Open by far the largest gallery of the site: a burst, but within the limit."""
    yield from _burst(random, 45)
    yield from gallery(random)


def flood(random: Random) -> Iterator[Call]:
    """Post the same figures as fast as possible."""
    while True:
        yield _post(random.uniform(0.01, 0.02), "/api/process", {"values": [1, 2, 3]})


def scraper(random: Random) -> Iterator[Call]:
    """Walk through all numbers of goods, steadily, on sale or not."""
    for number in count(random.randint(1, LAST // 4)):
        yield _get(random.uniform(0.12, 0.16), f"/api/items/{number}")


def stuffer(random: Random) -> Iterator[Call]:
    """Try stolen passwords, one account after the other."""
    while True:
        account = {"user": f"user{random.randint(1, 10**6)}", "password": f"{random.random():.6}"}
        yield _post(random.uniform(0.15, 0.25), "/login", account)


WEAK_SPOTS: Final = (
    "wp-login.php .env .git/config phpmyadmin/ admin.php backup.zip config.json xmlrpc.php "
    "server-status actuator/env console/ cgi-bin/test solr/ vendor/phpunit owa/ login.action"
).split()


def scanner(random: Random) -> Iterator[Call]:
    """Probe paths that a site might have left open."""
    while True:
        spot = random.choice(WEAK_SPOTS)
        folder = random.choice(("", "old/", "new/", "test/", "blog/", "shop/"))
        yield _get(random.uniform(0.1, 0.2), f"/{folder}{spot}")


def runaway(random: Random) -> Iterator[Call]:
    """Log in again and again with a password that is no longer right, without a pause."""
    account = {"user": "app", "password": "of last year"}
    while True:
        yield _post(random.uniform(0.06, 0.1), "/login", account)


@dataclass(frozen=True, slots=True)
class Persona:
    """Describe a kind of client.

    Args:
        name: Its name.
        script: Its script.
        many: Number of such clients.
    """

    name: str
    script: Script
    many: int
