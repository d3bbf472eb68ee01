"""Learn from a log what an attacker of its site knows: paths and answers, people's gaps and visits.

A log without labels gets weak ones, by rules that share nothing with the detector: no rate, no
gap, no novelty. A client is

- ``log:hostile`` if it posts to a login five times or more, asks twice for a lure that fails (a
  path that only scanners ask for), or fails in five requests or more that are three in ten of its
  own;
- ``legit:person`` if it isn't hostile, and nine in ten of its requests come from a browser;
- ``log:`` and its kind of user agent otherwise.

A scraper that pretends to be a browser, and fails seldom, is called a person. So losses of people
are told too high rather than too low.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from flask_irl.replay.formats import LogEntry
from flask_irl.replay.routes import RouteFolder

LOGIN: Final = re.compile(r"log-?in|log-?on|sign-?in|auth|session|xmlrpc", re.IGNORECASE)
LURE: Final = re.compile(
    r"\.(?:env|git|svn|aws|ds_store|htpasswd|sql|bak)\b|phpmyadmin|phpunit|eval-stdin|wp-config"
    r"|setup-config|/(?:shell|config|admin|install|upload)\w*\.(?:php|asp|jsp)|cgi-bin|/actuator"
    r"|/manager/html|/boaform|/hnap1|/solr/|server-status|\.\./|etc/passwd|revslider|timthumb",
    re.IGNORECASE,
)
LOGINS, LURES, FAILING, FAILING_SHARE, BROWSING = 5, 2, 5, 0.3, 0.9
VISIT: Final = 1800.0
"""Seconds of silence after which it is another visit."""
PERSON: Final = "legit:person"
HOSTILE: Final = "log:hostile"


class Call(NamedTuple):
    """Name something that can be asked for."""

    method: str
    path: str


class Answer(NamedTuple):
    """Hold a site's answer: its status, and its size in bytes."""

    status: int
    size: int


def weak_labels(entries: Iterable[LogEntry]) -> dict[str, str]:
    """Label the clients of a log by agents, logins, lures and failures."""
    agents: defaultdict[str, Counter[str]] = defaultdict(Counter)
    failed, logins, lures = Counter[str](), Counter[str](), Counter[str]()
    for entry in entries:
        client = entry.client
        failing = 400 <= entry.status < 500
        agents[client][entry.ua_class or "none"] += 1
        failed[client] += failing
        logins[client] += entry.method == "POST" and bool(LOGIN.search(entry.path))
        lures[client] += failing and bool(LURE.search(entry.path))
    found = {}
    for client, kinds in agents.items():
        failing = failed[client] >= max(FAILING, FAILING_SHARE * kinds.total())
        if failing or logins[client] >= LOGINS or lures[client] >= LURES:
            found[client] = HOSTILE
        elif kinds["browser"] >= BROWSING * kinds.total():
            found[client] = PERSON
        else:
            found[client] = f"log:{kinds.most_common(1)[0][0]}"
    return found


@dataclass(frozen=True)
class Ground:
    """Hold what is known of a site from a stretch of its log.

    Attributes:
        calls: Calls that were answered well, the commonest first.
        weights: Number of times that each was asked for.
        alike: Those calls by the pattern of their path.
        answers: The last answer to each call.
        numbered: Calls with a number in their path, such as a page's or a month's.
        gaps: Seconds between people's requests within a visit.
        visits: People's visits of ten requests and more.
        logins: The one or two calls that log in, most used first, each with its answers.
        missing: Sizes of answers to what doesn't exist.
    """

    calls: Sequence[Call]
    weights: Sequence[int]
    alike: Mapping[str, Sequence[Call]]
    answers: Mapping[Call, Answer]
    numbered: Sequence[Call]
    gaps: Sequence[float]
    visits: Sequence[Sequence[LogEntry]]
    logins: Sequence[tuple[Call, Sequence[Answer]]]
    missing: Sequence[int]


def survey(entries: Sequence[LogEntry]) -> Ground:
    """Learn from entries with labels: people are those whose labels begin with ``legit:``."""
    posts = sum(entry.method == "POST" for entry in entries)
    walked = {"GET", "POST"} if 2 * posts > len(entries) else {"GET"}
    asked: Counter[Call] = Counter()
    answers: dict[Call, Answer] = {}
    tries: defaultdict[str, list[Answer]] = defaultdict(list)
    missing: list[int] = []
    people: defaultdict[str, list[LogEntry]] = defaultdict(list)
    for entry in entries:
        call, answer = Call(entry.method, entry.path), Answer(entry.status, max(entry.size, 0))
        if call.method == "POST" and LOGIN.search(call.path) and not LURE.search(call.path):
            if entry.status != 404:
                tries[call.path].append(answer)
        elif call.method in walked and 200 <= entry.status < 400 and not LURE.search(call.path):
            asked[call] += 1
            answers[call] = answer
        if entry.status == 404:
            missing.append(answer.size)
        if entry.label.startswith("legit:"):
            people[entry.client].append(entry)
    ranked = asked.most_common() or [(Call("GET", "/"), 1)]
    route, alike = RouteFolder().route, defaultdict[str, list[Call]](list)
    for call, _ in ranked:
        alike[route(*call)].append(call)
    places = sorted(tries, key=lambda path: -len(tries[path]))[:2]
    logins = [(Call("POST", path), tries[path]) for path in places]
    return Ground(
        [call for call, _ in ranked],
        [count for _, count in ranked],
        alike,
        answers or {Call("GET", "/"): Answer(200, 1000)},
        [call for call, _ in ranked if re.search(r"/\d+\b", call.path)],
        [b.ts - a.ts for own in people.values() for a, b in pairwise(own) if b.ts - a.ts < VISIT],
        [visit for own in people.values() for visit in _visits(own) if len(visit) >= 10],
        logins or [(Call("POST", "/login"), [Answer(401, 300)])],
        missing or [500],
    )


def _visits(entries: Sequence[LogEntry]) -> list[list[LogEntry]]:
    visits: list[list[LogEntry]] = [[]]
    for entry in entries:
        if visits[-1] and entry.ts - visits[-1][-1].ts >= VISIT:
            visits.append([])
        visits[-1].append(entry)
    return visits
