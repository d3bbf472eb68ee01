"""View the site as a whole: take news of newcomers, learn what is usual, name campaigns."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from flask_irl.behaviour.routes import is_login
from flask_irl.campaigns import criteria
from flask_irl.campaigns.activity import HOUR, MINUTE, Activity
from flask_irl.campaigns.campaign import ALL, KINDS, MAX_CAMPAIGNS, Campaign, Subject, Table
from flask_irl.campaigns.newcomers import LOGIN_SORTS, SORTS, is_system
from flask_irl.stored import Damaged, ignore, read_json

MOST_LOGINS: Final = 256
"""Subjects of logins that are kept: those with most failures, then those with most successes."""
MOST_NETWORKS: Final = 512
"""Networks' subjects that are kept: those with most newcomers of their sort."""
LEAST_PER_MINUTE: Final = {"direct": 0.5, "page": 2.0, "visitor": 2.0}
"""Logins a minute that newcomers of an attacked sort may always try."""
LEARN_SECONDS: Final = 10.0
"""Least time between two looks of the usual rates at the present ones."""

Counts = Mapping[Subject, Mapping[str, float]]


class Outcome(NamedTuple):
    """Tell the outcome of a look at the site.

    Attributes:
        table: The campaigns that run from now on.
        began: Those that were named just now.
        ended: Those that have ended just now.
    """

    table: Table
    began: list[Campaign]
    ended: list[Campaign]


class SiteView:
    """Hold the activity of all subjects.

    Attributes:
        activities: By subject.
    """

    def __init__(self) -> None:
        self.activities: dict[Subject, Activity] = {}
        self._learned_at = self._learned = self._learned_systems = 0.0
        self._knows_systems = False
        self._fresh: dict[Subject, Counter[str]] = {}

    def add(self, news: Iterable[Counts], now: float, running: Iterable[Subject] = ()) -> None:
        """Take news of workers.

        A network's activity is kept from its first newcomer of a sort on.

        Args:
            news: Counts by subject, of each worker.
            now: The present, in seconds since the epoch.
            running: Subjects of running campaigns, which are never dropped.
        """
        followed = frozenset(running)
        for counts in news:
            for subject, amounts in counts.items():
                self._knows_systems = self._knows_systems or _where(subject) == "system"
                activity = self.activities.get(subject)
                if activity is None:
                    if subject.kind == "network" and not amounts.get("odd"):
                        continue
                    # Whoever learned of the site for so long knows that it was quiet there, but
                    # nothing of newcomers before the first.
                    activity = self.activities[subject] = Activity(now, self._quiet_for(subject))
                activity.add(amounts, now)
                if subject in followed:
                    self._fresh.setdefault(subject, Counter()).update(amounts)
        self._drop_least(followed)

    def look(self, table: Table, now: float, *, guarding: bool = False) -> Outcome:
        """Name campaigns, end those whose subjects are back to usual, and learn what is usual.

        Args:
            table: The campaigns that run.
            now: The present, in seconds since the epoch.
            guarding: Whether the crowd guard is active: then the site has changed, and newcomers
                anywhere say nothing.
        """
        began: list[Campaign] = []
        ended: list[Campaign] = []
        running: dict[Subject, Campaign] = {}
        muted = {subject: until for subject, until in table.muted.items() if until > now}
        for subject in table.campaigns:
            # What is known of one may have been lost with the worker that looked before.
            self.activities.setdefault(subject, Activity(now, self._learned))
        for subject, activity in self.activities.items():
            activity.fade(now)
            campaign = table.campaigns.get(subject)
            if campaign is not None:
                after = self._follow(campaign, activity, now)
                if after is None:
                    activity.become_usual()
                    ended.append(campaign)
                    if _is_longest(campaign, now):
                        muted[subject] = now + criteria.LEARNING_ANEW_SECONDS
                else:
                    running[subject] = after
            elif subject not in muted:
                named = self._name(subject, activity, now, guarding)
                if named is not None and len(table.campaigns) + len(began) < MAX_CAMPAIGNS:
                    began.append(named)
                    running[subject] = named
        self._fresh.clear()
        self._learn(running, now)
        return Outcome(Table(running, muted, table.workers), began, ended)

    def encode(self) -> bytes:
        """Encode it for the store."""
        entries = [[*subject, activity.encode()] for subject, activity in self.activities.items()]
        learned = {
            "learned_at": self._learned_at,
            "learned": self._learned,
            "learned_systems": self._learned_systems,
        }
        return json.dumps({**learned, "activities": entries}).encode()

    @classmethod
    def decode(cls, data: bytes | None, damaged: Damaged = ignore) -> SiteView:
        """Decode it; what is damaged or of another form is left out and begins anew.

        Args:
            data: The view, None for none.
            damaged: Takes the reason for each part that is left out.
        """
        view = cls()
        try:
            members: Any = read_json(b"{}" if data is None else data)
            names = ("learned_at", "learned", "learned_systems")
            learned = (float(members.get(name, 0.0)) for name in names)
            view._learned_at, view._learned, view._learned_systems = (
                x if 0.0 <= x < math.inf else 0.0 for x in learned
            )
            entries = list(members.get("activities", ()))
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            damaged(f"what is usual can't be read: {error!r:.200}")
            return cls()
        for entry in entries[: 2 * (MOST_LOGINS + MOST_NETWORKS)]:
            try:
                kind, target, sort, activity = entry
                if kind in KINDS:
                    subject = Subject(kind, str(target), str(sort))
                    view.activities[subject] = Activity.decode(activity)
            except (ValueError, TypeError) as error:
                damaged(f"what is usual for a subject can't be read: {error!r:.200}")
        return view

    def _name(
        self, subject: Subject, activity: Activity, now: float, guarding: bool
    ) -> Campaign | None:
        """Name a campaign if a subject has been out of what is usual for long enough."""
        kind, target, sort = subject
        if kind == "login":
            if sort not in LOGIN_SORTS:
                return None
            everybody = self.activities.get(Subject("login", target, ALL), activity)
            done_by = activity if is_login(target) else everybody
            horizon = criteria.odd_logins(sort, activity, done_by)
            if not criteria.login_works(sort, everybody):
                horizon = None
                if sort != "direct":
                    # What fails now says nothing later, either.
                    activity.become_usual()
            wait = criteria.odd_seconds(sort, activity)
        else:
            site = self.activities.get(Subject("site", "", sort))
            if sort not in SORTS or site is None or guarding:
                return None
            horizon = criteria.odd_newcomers(sort, activity, site, where=_where(subject))
            wait = 0.0
        if horizon is None:
            activity.odd_since = 0.0
            return None
        # The lesser one: a clock may have been set back since.
        activity.odd_since = min(activity.odd_since or now, now)
        if now - activity.odd_since < wait:
            return None
        clients = "clients" if kind == "login" else "odd"
        requests = "failed" if kind == "login" else "odd"
        return Campaign(
            subject,
            now,
            round(activity.count(clients, horizon), 1),
            round(activity.count(requests, horizon), 1),
            _left(sort, activity) if kind == "login" else 0.0,
            slow=horizon == HOUR,
        )

    def _follow(self, campaign: Campaign, activity: Activity, now: float) -> Campaign | None:
        """Follow a campaign; None if it has ended."""
        kind, _, sort = campaign.subject
        fresh = self._fresh.get(campaign.subject)
        if fresh:
            more = ("failed", "refused") if kind == "login" else ("held",)
            campaign = replace(
                campaign,
                clients=round(campaign.clients + fresh["clients"] + fresh["odd"], 1),
                requests=round(campaign.requests + sum(fresh[name] for name in more), 1),
            )
        if kind == "login":
            calm, seconds = criteria.calm_logins(activity, campaign.slow), criteria.LOGIN_CALM
        else:
            site = self.activities.get(Subject("site", "", sort), activity)
            if _is_longest(campaign, now):
                return None
            calm = criteria.calm_newcomers(activity, site, _where(campaign.subject))
            seconds = criteria.NEWCOMER_CALM
        if not calm:
            return replace(campaign, calm_since=0.0) if campaign.calm_since else campaign
        if campaign.calm_since:
            calm_since = min(campaign.calm_since, now)
            is_over = now - calm_since >= seconds
            return None if is_over else replace(campaign, calm_since=calm_since)
        return replace(campaign, calm_since=now)

    def _learn(self, running: Mapping[Subject, Campaign], now: float) -> None:
        """Learn what is usual, but of nothing that isn't: an attack would teach itself as usual."""
        seconds = now - self._learned_at
        if 0.0 <= seconds < LEARN_SECONDS:
            return
        self._learned_at = now
        if seconds < 0.0 or seconds > criteria.LEARNING_SECONDS:
            # The first look, or the first one after a pause, of which nothing is known.
            seconds = LEARN_SECONDS
        self._learned += seconds
        if self._knows_systems:
            self._learned_systems += seconds
        frozen = {s.target for s in running if s.kind == "login"}
        sorts = {s.sort for s in running if s.kind != "login"}
        for subject, activity in self.activities.items():
            attacked = subject in running or activity.odd_since > 0.0
            if subject.kind == "login":
                attacked = attacked or subject.target in frozen
            else:
                attacked = attacked or subject.sort in sorts or _where(subject) == "network"
            if not attacked:
                activity.learn(seconds)

    def _quiet_for(self, subject: Subject) -> float:
        """Give the seconds for which a subject that is new is known to have been quiet.

        Of providers that is the time since any is known, for the file may be new.
        """
        where = "" if subject.kind == "login" else _where(subject)
        if where == "system":
            return self._learned_systems
        return 0.0 if where == "site" else self._learned

    def _drop_least(self, running: frozenset[Subject]) -> None:
        """Drop the subjects with least activity, where there are too many."""
        for kind, most in (("login", MOST_LOGINS), ("network", MOST_NETWORKS)):
            found = [s for s in self.activities if s.kind == kind and s not in running]
            if len(found) > most:
                found.sort(key=self._weight)
                for subject in found[: len(found) - most]:
                    del self.activities[subject]

    def _weight(self, subject: Subject) -> tuple[float, ...]:
        """Tell how much a subject is to be kept."""
        activity = self.activities[subject]
        if subject.kind == "network":
            return (activity.count("odd", HOUR),)
        # Failures first: where no login succeeds, the least is done.
        return tuple(activity.count(name, HOUR) for name in ("failed", "done"))


def _where(subject: Subject) -> criteria.Where:
    """Tell where the newcomers of a subject that is no login are counted."""
    if subject.kind != "network":
        return "site"
    return "system" if is_system(subject.target) else "network"


def _is_longest(campaign: Campaign, now: float) -> bool:
    """Tell whether a campaign has run for as long as one may."""
    return campaign.subject.kind != "login" and now - campaign.since >= criteria.LONGEST_SECONDS


def _left(sort: str, activity: Activity) -> float:
    """Compute the logins a minute that are left to newcomers of an attacked sort."""
    usual = activity.expected("done", MINUTE) + activity.expected("failed", MINUTE)
    return round(max(criteria.TIMES * usual, LEAST_PER_MINUTE[sort]), 2)
