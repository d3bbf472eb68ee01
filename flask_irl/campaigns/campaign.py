"""Describe campaigns that have been named, and the table of them that all workers share."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args

from flask_irl.stored import Damaged, ignore, read_json

T = TypeVar("T")
Kind = Literal["login", "site", "network"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
ALL: Final = "all"
"""The sort of a subject that counts every client, for comparison; never that of a campaign."""
MUTED_SECONDS: Final = 3600.0
"""Time for which a campaign that an operator has ended isn't named again, if none is given."""
MAX_CAMPAIGNS: Final = 50
"""Campaigns that run at a time at most."""
MOST_READ: Final = 1000
"""Entries of a table that are read: more than ever run, or are muted, at a time."""


class Subject(NamedTuple):
    """Name what a campaign may be named for.

    Attributes:
        kind: ``login``, ``site`` or ``network``.
        target: The login's route, or that of changes that were denied; empty for the whole site;
            the network: a /24, a /48 or an autonomous system, such as ``AS64500``.
        sort: The sort of newcomers, see :mod:`flask_irl.campaigns.newcomers`.
    """

    kind: Kind
    target: str
    sort: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """Describe a running campaign.

    Args:
        subject: What it was named for.
        since: Its beginning, in seconds since the epoch.
        clients: Newcomers that were part of it so far.
        requests: Their failed and refused logins so far; of other kinds, requests sent while held.
        per_minute: Logins a minute that newcomers of its sort may try in all workers together; 0
            for other kinds.
        slow: Whether it was too slow to be seen within five minutes.
        calm_since: Time since which its subject is back to what is usual; 0 for not.
    """

    subject: Subject
    since: float
    clients: float = 0.0
    requests: float = 0.0
    per_minute: float = 0.0
    slow: bool = False
    calm_since: float = 0.0

    @property
    def id(self) -> str:
        """Give the id by which an operator names it: eight hex digits."""
        name = "\n".join((*self.subject, f"{self.since:.0f}"))
        return hashlib.blake2b(name.encode(errors="replace"), digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class Table:
    """Hold the campaigns that run.

    Args:
        campaigns: By subject.
        muted: Subjects that an operator has ended a campaign of, with the time, in seconds since
            the epoch, until which none is named for them.
        workers: Workers that share what is left to newcomers, 1 or more.
    """

    campaigns: Mapping[Subject, Campaign] = field(default_factory=dict)
    muted: Mapping[Subject, float] = field(default_factory=dict)
    workers: int = 1

    def find(self, campaign_id: str) -> Campaign | None:
        """Find a campaign by its id."""
        return next((c for c in self.campaigns.values() if c.id == campaign_id), None)

    def without(self, campaign: Campaign, until: float) -> Table:
        """End a campaign on an operator's word.

        Args:
            campaign: The campaign.
            until: Time, in seconds since the epoch, until which none is named for its subject.
        """
        rest = {s: c for s, c in self.campaigns.items() if c.id != campaign.id}
        muted = {**self.muted, campaign.subject: until}
        return Table(rest, muted, self.workers)

    def with_again(self, campaign: Campaign) -> Table:
        """Put back a campaign that an operator has ended."""
        muted = {s: until for s, until in self.muted.items() if s != campaign.subject}
        return Table({**self.campaigns, campaign.subject: campaign}, muted, self.workers)

    def encode(self) -> bytes:
        """Encode it for the store."""
        return json.dumps(
            {
                "campaigns": [asdict(c) for c in self.campaigns.values()],
                "muted": [[*subject, until] for subject, until in self.muted.items()],
                "workers": self.workers,
            }
        ).encode()


EMPTY: Final = Table()
_NUMBERS: Final = frozenset(f.name for f in fields(Campaign)) - {"subject", "slow"}


def decode(data: bytes | None, damaged: Damaged = ignore) -> Table:
    """Decode a table; entries that are damaged or of another form are left out.

    Args:
        data: The table, None for none.
        damaged: Takes the reason for each that is left out, but for kinds that aren't known: a
            later version may know them.
    """
    try:
        members: Any = read_json(b"{}" if data is None else data)
        read = [_campaign(x, damaged) for x in _list(members, "campaigns")[:MOST_READ]]
        campaigns = [campaign for campaign in read if campaign is not None]
        times = [_muted(x, damaged) for x in _list(members, "muted")[:MOST_READ]]
        muted = dict(entry for entry in times if entry is not None)
        workers = members.get("workers", 1)
        count = workers if isinstance(workers, int) and 1 <= workers <= 10_000 else 1
        return Table({c.subject: c for c in campaigns[:MAX_CAMPAIGNS]}, muted, count)
    except (ValueError, AttributeError) as error:
        damaged(f"the table can't be read: {error!r:.200}")
        return EMPTY


def _list(members: Any, name: str) -> list[Any]:
    value = members.get(name, [])
    return value if isinstance(value, list) else []


def _campaign(members: Any, damaged: Damaged) -> Campaign | None:
    def read() -> Campaign:
        numbers = {name: _number(members[name]) for name in members.keys() & _NUMBERS}
        slow = bool(members.get("slow", False))
        return Campaign(_subject(members["subject"]), slow=slow, **numbers)

    return _or_none(read, damaged)


def _muted(entry: Any, damaged: Damaged) -> tuple[Subject, float] | None:
    return _or_none(lambda: (_subject(entry[:3]), _number(entry[3])), damaged)


def _number(value: Any) -> float:
    number = float(value)
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{value!r:.40} is no number from 0")
    return number


def _subject(parts: Any) -> Subject:
    kind, target, sort = map(str, parts)
    return Subject(next(k for k in KINDS if k == kind), target, sort)


def _or_none(read: Callable[[], T], damaged: Damaged) -> T | None:
    try:
        return read()
    except StopIteration:
        return None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        damaged(f"an entry of the table can't be read: {error!r:.200}")
        return None
