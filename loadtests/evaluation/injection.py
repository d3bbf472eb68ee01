"""Inject attackers into a log: each asks for what the log itself holds, and gets its answers.

The log may be a real one or a made-up one; the attackers are drawn from
:class:`~loadtests.evaluation.ground.Ground`, not from the simulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random
from typing import Final

from flask_irl.replay.formats import LogEntry
from loadtests.evaluation.ground import Answer, Call, Ground
from loadtests.simulator.draws import around
from loadtests.simulator.scene import HOUR, MINUTE

PACES: Final = ("fixed", "exponential", "lognormal", "copied")
"""Shapes of gaps; ``copied`` ones are people's own, stretched to the attacker's rate."""
ORDERS: Final = ("popular", "uniform", "sequential")
RATES: Final = (20, 60, 95)
EACH: Final = 50
"""Requests after which a rotating scraper takes another /64."""
SPREAD: Final = 300
"""Addresses of a spread attack."""
MAX_LABEL: Final = 64
DAY: Final = 24 * HOUR
VISITS: Final = 36
"""Visits of a poisoner: one every two hours of three days."""
LURES: Final = (
    "/.env /.git/config /backup.zip /phpmyadmin/ /config.php /admin.php /.aws/credentials /dump.sql"
    " /server-status /cgi-bin/luci /vendor/phpunit/phpunit.xml /actuator/env /solr/admin /shell.php"
).split()

Entries = Iterator[LogEntry]


@dataclass(frozen=True)
class Attacker:
    """Make the requests of one attacker, from a start to an end, in seconds of the log."""

    ground: Ground
    rng: Random
    client: str
    label: str
    start: float
    end: float

    def ask(
        self, ts: float, call: Call, answer: Answer | None = None, client: str = ""
    ) -> LogEntry:
        """Make a request, with the log's own answer unless another is given."""
        status, size = answer or self.ground.answers.get(call, Answer(404, self.missing()))
        who = client or self.client
        return LogEntry(
            round(ts, 3), who, call.method, call.path, status, size, "browser", self.label
        )

    def missing(self) -> int:
        """Draw the size of an answer to what doesn't exist."""
        return self.rng.choice(self.ground.missing)

    def times(self, rate: float, pace: str) -> Iterator[float]:
        """Give times at a rate a minute on average."""
        rng, mean, gaps = self.rng, MINUTE / rate, self.ground.gaps or (1.0,)
        spread = rng.uniform(0.4, 1.2)
        own = mean / max(sum(gaps) / len(gaps), 1e-3)
        draws: dict[str, Callable[[], float]] = {
            "fixed": lambda: mean * rng.uniform(0.98, 1.02),
            "exponential": lambda: rng.expovariate(1 / mean),
            "lognormal": lambda: around(rng, mean, spread),
            "copied": lambda: own * rng.choice(gaps),
        }
        ts = self.start
        while ts < self.end:
            yield ts
            ts += draws[pace]()


class Walk:
    """Choose calls of the log one after the other.

    Args:
        ground: Knows the calls.
        rng: Draws them.
        order: One of :data:`ORDERS`.
        again: Whether a call may come again before all the others came.
        few: Whether it keeps to some dozens of calls.
    """

    def __init__(self, ground: Ground, rng: Random, order: str, again: bool, few: bool) -> None:
        count = len(ground.calls)
        chosen = list(range(count))
        if few and count > 20:
            chosen = sorted(rng.sample(chosen, min(count, rng.randint(20, 60))))
        self._rng, self._order, self._again = rng, order, again
        self._calls = [ground.calls[i] for i in chosen]
        self._weights = [float(ground.weights[i]) for i in chosen]
        self._left: list[Call] = []

    def next(self) -> Call:
        """Choose the next call."""
        if self._order != "sequential" and self._again:
            weights = self._weights if self._order == "popular" else None
            return self._rng.choices(self._calls, weights)[0]
        if not self._left:
            self._left = self._round()
        return self._left.pop()

    def _round(self) -> list[Call]:
        """Put all calls in order, the next one last."""
        if self._order == "sequential":
            return sorted(self._calls, reverse=True)
        weights = self._weights if self._order == "popular" else [1.0] * len(self._calls)
        # Draws without replacement by weight (Efraimidis and Spirakis 2006).
        keys = [self._rng.random() ** (1 / weight) for weight in weights]
        return [call for _, call in sorted(zip(keys, self._calls, strict=True))]


def walker(attacker: Attacker, rate: float, pace: str, walk: Walk) -> Entries:
    """Take what is known of the site."""
    for ts in attacker.times(rate, pace):
        yield attacker.ask(ts, walk.next())


def scan(attacker: Attacker) -> Entries:
    """Look for what others left open."""
    rng = attacker.rng
    for ts in attacker.times(rng.uniform(30, 240), "lognormal"):
        path = rng.choice(LURES)
        if rng.random() < 0.8:
            path = f"/{rng.choice('abcdefgh')}{rng.getrandbits(24):x}{path.rstrip('/')}"
        yield attacker.ask(ts, Call("GET", path), Answer(404, attacker.missing()))


def stuffing(attacker: Attacker) -> Entries:
    """Try passwords from one address."""
    login = attacker.rng.choice(attacker.ground.logins)
    attacker = replace(attacker, label=f"{attacker.label}/{login[0].path}"[:MAX_LABEL])
    for ts in attacker.times(attacker.rng.uniform(15, 80), attacker.rng.choice(PACES[:3])):
        yield _try(attacker, ts, *login)


def spread_stuffing(attacker: Attacker) -> Entries:
    """Try passwords, a few from each of hundreds of addresses."""
    rng = attacker.rng
    tries = []
    for _ in range(SPREAD):
        client = f"198.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
        ts = rng.uniform(attacker.start, attacker.end)
        for _ in range(rng.randint(1, 4)):
            tries.append(_try(attacker, ts, *attacker.ground.logins[0], client))
            ts += 2 + rng.expovariate(1 / 120)
    return (entry for entry in sorted(tries) if entry.ts < attacker.end)


def _try(
    attacker: Attacker, ts: float, login: Call, answers: Sequence[Answer], client: str = ""
) -> LogEntry:
    return attacker.ask(ts, login, attacker.rng.choice(answers), client)


def enumeration(attacker: Attacker) -> Entries:
    """Go through numbers in a path, a few a minute."""
    rng, ground = attacker.rng, attacker.ground
    call = rng.choice(ground.numbered) if ground.numbered else Call("GET", "/item/1")
    number, step, hits = rng.randrange(20_000), rng.randint(1, 3), rng.uniform(0.2, 0.9)
    answer = ground.answers.get(call, Answer(200, 1000))
    for ts in attacker.times(rng.uniform(2, 8), "lognormal"):
        path = re.sub(r"(.*/)\d+\b", rf"\g<1>{number}", call.path, count=1)
        found = answer if rng.random() < hits else Answer(404, attacker.missing())
        yield attacker.ask(ts, call._replace(path=path), found)
        number += step


def replayed_visits(attacker: Attacker) -> Entries:
    """Send a person's visit again and again, with other calls of the same patterns."""
    rng, ground = attacker.rng, attacker.ground
    if not ground.visits:
        return
    visit = rng.choice(ground.visits)
    calls = [Call(entry.method, entry.path) for entry in visit]
    like = {call: part for part in ground.alike.values() for call in part}
    ts = attacker.start
    while True:
        for entry, call in zip(visit, calls, strict=True):
            at = ts + (entry.ts - visit[0].ts) * rng.uniform(0.95, 1.05)
            if at >= attacker.end:
                return
            other = rng.choice(like.get(call, (call,)))
            same = Answer(entry.status, max(entry.size, 0))
            yield attacker.ask(at, other, None if other in ground.answers else same)
        ts = max(at, ts) + rng.uniform(10, 120)


def drift(attacker: Attacker) -> Entries:
    """Come again and again, first like a person, in the end at 95 a minute."""
    rng, length = attacker.rng, attacker.end - attacker.start
    low = rng.uniform(1.0, 3.0)
    walk = Walk(attacker.ground, rng, "popular", True, False)
    last = Walk(attacker.ground, rng, rng.choice(ORDERS), False, False)
    every = length / VISITS
    stay = every / (6 if length > DAY else 2)
    for visit in range(VISITS):
        ts = attacker.start + visit * every + rng.uniform(0, every - stay)
        end = ts + stay
        while ts < end:
            done = (ts - attacker.start) / length
            yield attacker.ask(ts, (last if rng.random() < done else walk).next())
            ts += around(rng, MINUTE / (low * (95 / low) ** done), 0.7)


def rotation(attacker: Attacker) -> Entries:
    """Walk with another /64 of one /48 every fifty requests."""
    rng = attacker.rng
    walk = Walk(attacker.ground, rng, rng.choice(ORDERS), False, False)
    network = f"2001:db8:{rng.getrandbits(16):x}"
    places = rng.sample(range(2**16), 2**10)
    for number, ts in enumerate(attacker.times(rng.uniform(50, 90), "lognormal")):
        client = f"{network}:{places[number // EACH % len(places)]:x}::1"
        yield attacker.ask(ts, walk.next(), client=client)


OTHERS: Final[dict[str, tuple[Callable[[Attacker], Entries], int, tuple[float, float]]]] = {
    "attack:scan": (scan, 2, (5, 15)),
    "attack:stuffing": (stuffing, 2, (15, 40)),
    "attack:stuffing_spread": (spread_stuffing, 1, (120, 240)),
    "attack:enumeration": (enumeration, 2, (120, 240)),
    "attack:replayed_visits": (replayed_visits, 2, (120, 240)),
    "attack:rotation": (rotation, 1, (30, 60)),
}
"""Attacks beside walks and drift: numbers of attackers, and minutes from and to."""
WALK_MINUTES: Final = (20.0, 40.0)


def inject(
    entries: Sequence[LogEntry], ground: Ground, learned: float, seed: str, cold: bool = False
) -> list[LogEntry]:
    """Add every attack to a log in order of time.

    Args:
        entries: The log, not empty.
        ground: Knowledge of the log's site.
        learned: Time before which nobody attacks, save that the poisoner is there from the start.
        seed: Text that the attackers are drawn from.
        cold: Whether scrapers, a scan and a guesser come in the log's first ten minutes instead.
    """
    first, last = entries[0].ts, entries[-1].ts
    judged = [entry.ts for entry in entries if entry.ts >= learned]
    attackers: list[Entries] = []
    clients = 0

    def place(label: str, minutes: tuple[float, float], span: bool = False) -> Attacker:
        nonlocal clients
        clients += 1
        rng = Random(f"{seed}/{label}/{clients}")
        length = min(rng.uniform(*minutes) * MINUTE, last - max(learned, first))
        # At a time at which somebody is there: a log may have gaps of weeks.
        start = first + rng.uniform(0, 10 * MINUTE) if cold else rng.choice(judged)
        start = first if span else max(min(start, last - length), min(learned, last - length))
        name = f"192.0.{clients // 250}.{clients % 250 + 1}"
        return Attacker(ground, rng, name, label, start, last if span else start + length)

    for rate in RATES:
        for pace in PACES:
            style = Random(f"{seed}/{rate}/{pace}")
            order, again, few = style.choice(ORDERS), style.random() < 0.5, style.random() < 0.5
            label = f"attack:walk_{rate}/{pace},{order},{'again' * again or 'once'},"
            label += "few" if few else "many"
            if not cold or pace == PACES[RATES.index(rate)]:
                attacker = place(label, WALK_MINUTES)
                walk = Walk(ground, attacker.rng, order, again, few)
                attackers.append(walker(attacker, rate, pace, walk))
    for label, (attack, number, minutes) in OTHERS.items():
        if not cold or label in ("attack:scan", "attack:stuffing"):
            attackers += [attack(place(label, minutes)) for _ in range(1 if cold else number)]
    if not cold:
        days = {entry.ts // DAY for entry in entries}
        poison = drift(place("attack:drift", WALK_MINUTES, span=True))
        attackers.append(entry for entry in poison if entry.ts // DAY in days)
    return sorted(chain(entries, *attackers), key=lambda entry: entry.ts)
