"""Describe attacks as incidents: their kind, their time, their clients, and what those got. Pure.

An incident of clients at a lower step begins with the first of them and ends when none has come for
five minutes; one of a campaign lasts as long as the campaign.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, NamedTuple

from flask_irl.campaigns.campaign import Campaign, Subject
from flask_irl.stored import Damaged, ignore, is_number, read_json

KEPT: Final = 200
"""Incidents that are kept: the latest."""
CALM_SECONDS: Final = 300.0
"""Time without a request of its clients after which an incident is over."""
EXAMPLES: Final = 20
"""Clients that an incident names."""
CAMPAIGN: Final = "campaign"
"""Begins the kinds of campaigns: ``campaign:login``."""
UNUSUAL: Final = "unusual"
LEAST_UNUSUAL: Final = 3
"""Clients that behave in no way of a known attack, with which an incident begins."""
WORDS: Final[Mapping[str, str]] = {
    "guessing": "guessing of passwords",
    "scanning": "search for paths that don't exist",
    "flood": "flood of requests",
    "scraping": "scraping",
    "trap": "requests for honeypots",
    UNUSUAL: "unusual behaviour",
    f"{CAMPAIGN}:login": "campaign on a login",
    f"{CAMPAIGN}:site": "campaign on the whole site",
    f"{CAMPAIGN}:network": "campaign from a network",
}
"""Word the kinds for people."""
COUNTS: Final = ("requests", "refused", "fine", "denied", "missing", "other")


@dataclass(frozen=True, slots=True)
class Incident:
    """Describe an attack.

    Args:
        kind: One of :data:`WORDS`.
        target: Route, network and sort of a campaign; else empty.
        since: Its beginning, in seconds since the epoch.
        seen: Time at which its clients were last seen.
        until: Its end; 0 while it goes on.
        clients: Clients that were part of it, about.
        requests: Their requests.
        refused: Those of them that were refused.
        fine: Those that got an answer below 400.
        denied: Those that got 401 or 403.
        missing: Those that got 404.
        other: Those that got another answer.
        examples: Some of the clients.
    """

    kind: str
    target: str
    since: float
    seen: float
    until: float = 0.0
    clients: int = 0
    requests: int = 0
    refused: int = 0
    fine: int = 0
    denied: int = 0
    missing: int = 0
    other: int = 0
    examples: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Give its id: eight hex digits."""
        name = "\n".join((self.kind, self.target, f"{self.since:.0f}"))
        return hashlib.blake2b(name.encode(errors="replace"), digest_size=4).hexdigest()

    @property
    def about(self) -> tuple[str, str]:
        """Give kind and target: of each pair, one incident goes on at a time."""
        return self.kind, self.target

    def ends_at(self, now: float) -> float:
        """Tell when it has ended, 0 while it goes on; ``now`` in seconds since the epoch."""
        if self.until or self.kind.startswith(CAMPAIGN) or now - self.seen < CALM_SECONDS:
            return self.until
        return self.seen


class Told(NamedTuple):
    """Hold what a worker tells of the clients of an incident.

    Attributes:
        kind: As of :class:`Incident`.
        target: As of :class:`Incident`.
        at: Time of their latest request, in seconds since the epoch.
        clients: Those that the worker tells for the first time.
        counts: In order of :data:`COUNTS`.
    """

    kind: str
    target: str
    at: float
    clients: Sequence[str]
    counts: Sequence[int]


class Outcome(NamedTuple):
    """Hold the incidents after a look, the latest first, and those that began or ended with it."""

    incidents: tuple[Incident, ...]
    began: list[Incident]
    ended: list[Incident]


def about(subject: Subject) -> tuple[str, str]:
    """Give kind and target of the incident of a campaign."""
    return f"{CAMPAIGN}:{subject.kind}", " ".join(filter(None, (subject.target, subject.sort)))


def look(
    before: Sequence[Incident],
    told: Sequence[Told],
    campaigns: Mapping[Subject, Campaign],
    now: float,
    count: Callable[[tuple[str, str], Sequence[str]], int],
) -> Outcome:
    """Bring incidents up to date.

    Args:
        before: The incidents until now.
        told: What workers have told since the last look.
        campaigns: The campaigns that run.
        now: Seconds since the epoch.
        count: Counts the clients among those given that were not given for that kind and target
            before, and forgets those of a pair with none given.
    """
    open_: dict[tuple[str, str], Incident] = {x.about: x for x in before if not x.until}
    known = {x.id for x in before}
    closed, reopened = {x.id: x for x in before if x.until}, set[str]()
    for subject, campaign in campaigns.items():
        begun = Incident(*about(subject), campaign.since, campaign.since)
        if begun.id in closed and begun.about not in open_:
            # An operator has ended the campaign, and put it back.
            reopened.add(begun.id)
            begun = replace(closed[begun.id], until=0.0)
        open_.setdefault(begun.about, begun)
    for one in told:
        pair = (one.kind, one.target)
        last = open_.get(pair)
        if last is None or last.ends_at(one.at):
            if last is not None:
                open_[(one.kind, f"{one.target} {last.id}")] = last
                count(pair, ())
            last = Incident(*pair, one.at, one.at)
        open_[pair] = _with(last, one, count(pair, one.clients))
    running = {about(subject): campaign for subject, campaign in campaigns.items()}
    result: list[Incident] = []
    for pair, one_open in open_.items():
        incident = _of_campaign(one_open, running.get(one_open.about))
        is_small = incident.kind == UNUSUAL and incident.clients < LEAST_UNUSUAL
        ends = incident.ends_at(now)
        if incident.kind.startswith(CAMPAIGN) and incident.about not in running:
            ends = max(incident.seen, incident.since)
        if ends:
            incident = replace(incident, until=ends)
            count(pair, ())
        if not (is_small and ends):
            result.append(incident)
    told_of = [x for x in result if not (x.kind == UNUSUAL and x.clients < LEAST_UNUSUAL)]
    small = {x.id for x in before if x.kind == UNUSUAL and x.clients < LEAST_UNUSUAL}
    began = [x for x in told_of if x.id not in known or x.id in small]
    ended = [x for x in told_of if x.until]
    kept = [*result, *(x for x in closed.values() if x.id not in reopened)]
    kept.sort(key=lambda x: -x.since)
    return Outcome(tuple(kept[:KEPT]), began, ended)


def is_shown(incident: Incident) -> bool:
    """Tell whether an incident is one: a client or two that are unusual are none."""
    return incident.kind != UNUSUAL or incident.clients >= LEAST_UNUSUAL


def encode(incidents: Sequence[Incident]) -> bytes:
    """Encode incidents for the store."""
    return json.dumps({"incidents": [asdict(incident) for incident in incidents]}).encode()


def decode(data: bytes | None, damaged: Damaged = ignore) -> tuple[Incident, ...]:
    """Decode incidents; damaged ones are left out.

    Args:
        data: The incidents, None for none.
        damaged: Takes the reason for each that is left out.
    """
    try:
        members: Any = read_json(b"{}" if data is None else data)
        entries = members.get("incidents", [])[: 2 * KEPT]
        return tuple(one for one in (_incident(x, damaged) for x in entries) if one is not None)
    except (ValueError, AttributeError, TypeError) as error:
        damaged(f"incidents can't be read: {error!r:.200}")
        return ()


def encode_told(told: Sequence[Told]) -> bytes:
    """Encode a worker's news for the store."""
    return json.dumps([list(one) for one in told]).encode()


def decode_told(data: bytes) -> list[Told]:
    """Decode a worker's news.

    Raises:
        ValueError: It is none.
    """
    found: list[Told] = []
    try:
        for kind, target, at, clients, counts in read_json(data):
            if not (is_number(at) and all(is_number(n) and n >= 0 for n in counts)):
                raise ValueError(f"{at!r:.40} or {counts!r:.40} are no figures")
            names = [str(client) for client in clients]
            figures = [int(n) for n in counts]
            if len(figures) < len(COUNTS):
                raise ValueError(f"{len(figures)} counts are too few")
            found.append(Told(str(kind), str(target), float(at), names, figures))
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no news: {error!r:.200}") from None
    return [one for one in found if one.kind in WORDS]


_NUMBERS: Final = [f.name for f in fields(Incident) if f.name not in ("kind", "target", "examples")]
_WHOLE: Final = frozenset({"clients", *COUNTS})


def _incident(members: Any, damaged: Damaged) -> Incident | None:
    try:
        numbers = {name: members.get(name, 0) for name in _NUMBERS}
        if not all(is_number(number) and number >= 0 for number in numbers.values()):
            raise ValueError("a figure is none")
        if members["kind"] not in WORDS:
            # One of a later version.
            return None
        given = {n: int(v) if n in _WHOLE else float(v) for n, v in numbers.items()}
        examples = tuple(str(client) for client in members.get("examples", ())[:EXAMPLES])
        made: Any = Incident
        incident: Incident = made(
            kind=members["kind"], target=str(members["target"]), examples=examples, **given
        )
        return incident
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        damaged(f"an incident can't be read: {error!r:.200}")
        return None


def _with(incident: Incident, told: Told, new: int) -> Incident:
    """Add what a worker tells to an incident."""
    more = dict(zip(COUNTS, told.counts, strict=False))
    examples = dict.fromkeys((*incident.examples, *told.clients))
    return replace(
        incident,
        since=min(incident.since, told.at),
        seen=max(incident.seen, told.at),
        clients=incident.clients + new,
        examples=tuple(examples)[:EXAMPLES],
        **{name: getattr(incident, name) + more[name] for name in COUNTS},
    )


def _of_campaign(incident: Incident, campaign: Campaign | None) -> Incident:
    """Take over what a campaign knows of itself."""
    if campaign is None:
        return incident
    return replace(
        incident,
        clients=max(incident.clients, round(campaign.clients)),
        requests=max(incident.requests, round(campaign.requests)),
    )
