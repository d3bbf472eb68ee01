"""Send made-up traffic through a limiter, in virtual time: people, crowds, apps, attackers."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, NamedTuple

from flask_irl.campaigns.campaign import Campaign
from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.verdicts.campaign_watch import WATCH

START = 1_709_542_800.0
"""A Monday at nine, UTC."""
HOUR = 3600.0
FLUSH_SECONDS = 5.0
LOGIN = "/login"


class Sent(NamedTuple):
    """Describe a request: its time in seconds, and the status that the site would answer."""

    at: float
    client: str
    route: str
    path: str
    method: str = "GET"
    status: int = 200
    kind: str = "person"


Requests = Iterable[Sent]


class Site:
    """Run a site in virtual time, and count its refusals by kind and status.

    Args:
        usual: What a site has learned, as :func:`learned` gives it; empty for a new site.
        start: The time at first, in seconds since the epoch.
        options: Options beside the defaults.
    """

    def __init__(self, usual: bytes = b"", start: float = START, **options: Any) -> None:
        self.now = self._start = start
        made = Options(**{"background": False, "min_clients": 5, **options})
        self.limiter: Limiter = open_limiter(made, clock=lambda: self.now)
        if usual:
            self.limiter.store.put_note(WATCH, usual)
        self.sent: Counter[tuple[str, int]] = Counter()
        self.refused: Counter[tuple[str, int]] = Counter()
        self.begun: dict[str, Campaign] = {}
        self._flush_at = self.now

    def run(self, *requests: Requests, idle: float = 0.0) -> Site:
        """Send requests in order of time, and let some seconds pass after them."""
        for each in sorted(one for some in requests for one in some):
            self._advance(self._start + each.at)
            self._send(each)
        self._advance(self.now + max(idle, FLUSH_SECONDS))
        return self

    def share(self, kind: str, status: int | None = None) -> float:
        """Give the share of the requests of a kind, with a status, that were refused."""
        keys = [k for k in self.sent if k[0] == kind and status in (None, k[1])]
        return sum(self.refused[k] for k in keys) / max(sum(self.sent[k] for k in keys), 1)

    def running(self) -> list[Campaign]:
        """List the campaigns that run."""
        return list(self.limiter.learning.campaigns.table.campaigns.values())

    def usual(self) -> bytes:
        """Give what the site has learned."""
        note = self.limiter.store.note(WATCH)
        assert note is not None
        return note

    def _advance(self, until: float) -> None:
        while self._flush_at <= until:
            self.now = max(self.now, self._flush_at)
            self.limiter.flush()
            self.limiter.refresh()
            self.begun.update((c.id, c) for c in self.running())
            self._flush_at += FLUSH_SECONDS
        self.now = max(self.now, until)

    def _send(self, each: Sent) -> None:
        limiter = self.limiter
        decision = limiter.decide(limiter.plan(()), (each.client,))
        check = limiter.campaigns.check
        if check is not None:
            decision = check(decision, each.route, each.method)
        limiter.observe(
            decision,
            route=each.route,
            path=zlib.crc32(each.path.encode()),
            method=each.method,
            status=each.status if decision.admitted else 429,
            size=5000,
        )
        self.sent[each.kind, each.status] += 1
        self.refused[each.kind, each.status] += not decision.admitted


def address(rng: Random) -> str:
    """Draw an address of any network."""
    return f"{rng.randint(11, 220)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"


def hashed(rng: Random) -> str:
    """Draw a name that says nothing of a network."""
    return f"#{rng.getrandbits(128):032x}"


Name = Callable[[Random], str]


def visit(
    rng: Random, at: float, name: Name = address, *, login: float = 0.3, fails: float = 0.1
) -> Iterator[Sent]:
    """Browse: pages with their parts, then perhaps the login page and a login or two."""
    client, ts = name(rng), at
    for _ in range(rng.randint(1, 6)):
        yield Sent(ts, client, "/item/<id>", f"/item/{rng.randrange(300)}")
        for part in range(rng.randint(0, 5)):
            yield Sent(ts + 0.1 * part, client, "/static/<f>", f"/static/{rng.randrange(40)}")
        ts += 3 + rng.expovariate(1 / 20)
    if rng.random() < login:
        yield from log_in(rng, ts, client, fails=fails)


def log_in(
    rng: Random, at: float, client: str, *, fails: float, page: bool = True, kind: str = "person"
) -> Iterator[Sent]:
    """Log in, with another try or two after a failure, and go on where it succeeded."""
    if page:
        yield Sent(at, client, LOGIN, LOGIN, kind=kind)
    for _ in range(3):
        at += 4 + rng.expovariate(1 / 8)
        failed = rng.random() < fails
        yield Sent(at, client, LOGIN, LOGIN, "POST", 401 if failed else 200, kind)
        if not failed:
            for number in range(rng.randint(1, 4)):
                at += 2 + rng.expovariate(1 / 10)
                yield Sent(at, client, "/account", f"/account/{number}", kind=kind)
            return


def people(rng: Random, per_hour: float, start: float, end: float, **how: Any) -> Iterator[Sent]:
    """Let people come one by one."""
    ts = start
    while (ts := ts + rng.expovariate(per_hour / HOUR)) < end:
        yield from visit(rng, ts, **how)


def stuffing(
    rng: Random,
    addresses: int,
    tries: tuple[int, int],
    seconds: float,
    *,
    start: float = 0.0,
    name: Name = address,
    page: bool = False,
    works: float = 0.01,
) -> Iterator[Sent]:
    """Try stolen passwords from many addresses, a few times from each."""
    for _ in range(addresses):
        client, ts = name(rng), start + rng.uniform(0, seconds)
        for _ in range(rng.randint(*tries)):
            if page:
                yield Sent(ts, client, LOGIN, LOGIN, kind="stuffing")
                ts += rng.uniform(0.3, 3)
            status = 200 if rng.random() < works else 401
            yield Sent(ts, client, LOGIN, LOGIN, "POST", status, "stuffing")
            ts += 2 + rng.expovariate(1 / 120)


def rotation(
    rng: Random,
    name: Name,
    *,
    each: tuple[int, int] = (50, 50),
    per_minute: float = 60.0,
    seconds: float = 1800.0,
    shape: str = "even",
    routes: int = 1,
) -> Iterator[Sent]:
    """Scrape, with a new name every so many requests."""
    ts, item = 0.0, 0
    while ts < seconds:
        client = name(rng)
        for _ in range(rng.randint(*each)):
            item += 1
            route = item % routes
            yield Sent(ts, client, f"/r{route}/<id>", f"/r{route}/{item}", kind="rotation")
            mean = 60.0 / per_minute
            ts += rng.expovariate(1 / mean) if shape == "any" else mean * rng.uniform(0.7, 1.3)


def learned(name: Name = address, **options: Any) -> bytes:
    """Let a site learn what is usual in an hour and a half of ordinary people."""
    rng = Random(1)
    site = Site(start=START - 1.5 * HOUR, **options).run(people(rng, 240, 0, 1.5 * HOUR, name=name))
    assert not site.begun
    return site.usual()
