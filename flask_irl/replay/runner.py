"""Run a log through the limiter in virtual time, with the same trainings."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable
from typing import Final

from flask_irl.behaviour.observation import BY_NAME
from flask_irl.behaviour.sums import LONG
from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.limits.keys import UNKNOWN, canonical, network_key
from flask_irl.limits.plan import Plan
from flask_irl.replay.formats.entry import LogEntry
from flask_irl.replay.report import ClientReport, ModelReport, ReplayReport
from flask_irl.replay.series import Series
from flask_irl.training.fit import Fit, fit_here
from flask_irl.verdicts.profiler import Profiler

FLUSH_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 5.0
"""Longest time between two flushes, and between two looks at the campaigns that run."""
CAMPAIGN_EVIDENCE: Final = 3.0
"""Requests of a client from which on its verdict may change while a campaign runs."""
MAX_PENDING: Final = 20_000
"""Observations that may wait for a flush; fewer than the buffer holds, so that none is lost."""
EXPIRE_SECONDS: Final = 600.0


class _Tally:
    """Count the requests of a client."""

    __slots__ = (
        *("first", "first_flagged", "flagged", "held", "key", "label", "last", "recent"),
        *("refused", "requests", "static"),
    )

    def __init__(self, client: str, first: float, label: str) -> None:
        self.key = _key(client)
        self.first = first
        self.label = label
        self.requests = 0
        self.refused = 0
        self.flagged = 0
        self.static = 0
        self.first_flagged: tuple[int, float] | None = None
        self.held = False
        self.last = first
        self.recent = 0.0


class Replay:
    """Replay requests against a limiter of its own on the embedded store.

    Args:
        options: Options of the app; its store and its background work aren't used.
        route: Finds a request's route by its method and path.
        plan: Finds a route's plan by limiter, route and method; None if the route isn't limited.
        login: Tells whether a request logs in, by its route and method; by default by their names.
        max_pending: Observations that may wait for a flush, 1 or more.
        fit: Fits detectors; by default this process does.
    """

    def __init__(
        self,
        options: Options,
        *,
        route: Callable[[str, str], str],
        plan: Callable[[Limiter, str, str], Plan | None],
        login: Callable[[str, str], int] = lambda route, method: BY_NAME,
        max_pending: int = MAX_PENDING,
        fit: Fit | None = None,
    ) -> None:
        self._login = login
        self._max_pending = max_pending
        self._now = 0.0
        options = dataclasses.replace(
            options,
            storage_uri="memory://",
            storage_options={},
            background=False,
            mode="enforce",
            recent_requests=0,
            country_file=None,
        )
        self._limiter = open_limiter(options, clock=self._clock, fit=fit or fit_here)
        static = dataclasses.replace(options, mode="off", asn_file=None)
        self._static = open_limiter(static, clock=self._clock)
        # Asked directly: nobody overrides, and no store of a replay fails.
        self._counts = self._static.store
        # Nobody looks at it after a replay.
        self._limiter.store.keeps_history = self._static.store.keeps_history = False
        self._evidence = self._limiter.ladder.evidence - 1.0
        self._route = route
        self._plan = plan
        self._interval = options.training_interval_minutes * 60
        self._next_training = 0.0
        self._next_expiry = self._next_look = 0.0
        self._pending: dict[str, float] = {}
        self._models: list[ModelReport] = []
        self._tallies: dict[str, _Tally] = {}
        self.requests = 0
        self.series = Series()

    def one(self, entry: LogEntry) -> None:
        """Replay one request, not earlier than the one before."""
        self._tick(entry.ts)
        self._decide(entry)

    def report(self, unreadable_lines: int = 0, server_answered_lines: int = 0) -> ReplayReport:
        """Report on the requests replayed so far.

        Args:
            unreadable_lines: Lines of the log that could not be read.
            server_answered_lines: Lines of requests that no app saw.
        """
        clients = tuple(
            ClientReport(
                name,
                tally.label,
                tally.requests,
                tally.refused,
                tally.flagged,
                tally.static,
                None if tally.first_flagged is None else tally.first_flagged[0],
                None if tally.first_flagged is None else tally.first_flagged[1],
            )
            for name, tally in self._tallies.items()
        )
        return ReplayReport(
            sum(c.requests for c in clients),
            sum(c.refused for c in clients),
            sum(c.flagged for c in clients),
            sum(c.static_refused for c in clients),
            unreadable_lines,
            tuple(self._models),
            clients,
            server_answered_lines,
        )

    @property
    def profiler(self) -> Profiler:
        """Give the profiler of the replay's limiter, for evaluations."""
        return self._limiter.profiler

    @property
    def untrained(self) -> str:
        """Give the reason why no model was trained; empty if one was."""
        if self._models:
            return ""
        last = self._limiter.trainer.last
        return last.reason if last else "the log is shorter than the training interval"

    def close(self) -> None:
        """Close both limiters."""
        self._limiter.close()
        self._static.close()

    def _clock(self) -> float:
        return self._now

    def _decide(self, entry: LogEntry) -> None:
        tally = self._tallies.get(entry.client)
        if tally is None:
            tally = self._tallies[entry.client] = _Tally(entry.client, entry.ts, entry.label)
        tally.requests += 1
        tally.recent = tally.recent * math.exp((tally.last - entry.ts) / LONG) + 1.0
        tally.last = entry.ts
        self.requests += 1
        route = self._route(entry.method, entry.path)
        plan = self._plan(self._limiter, route, entry.method)
        if plan is None:
            self.series.add(entry.ts, False, False, False)
            return
        key = tally.key
        due = self._pending.setdefault(key, entry.ts) <= entry.ts - FLUSH_SECONDS
        # Until there is enough evidence to judge a client, its verdict can't have changed.
        table = self._limiter.learning.campaigns.table
        evidence = CAMPAIGN_EVIDENCE if table.campaigns else self._evidence
        if due and (tally.held or tally.recent > evidence):
            self._flush()
            self._pending[key] = entry.ts
        keys = (key,) * len(plan.scopes)
        decision = self._limiter.decide(plan, keys)
        check = self._limiter.campaigns.check
        if check is not None:
            decision = check(decision, route, entry.method)
        static_plan = self._plan(self._static, route, entry.method)
        static = static_plan is not None and not self._counts.hit(static_plan, keys, 1).admitted
        self._limiter.observe(
            decision,
            route=route,
            path=zlib.crc32(entry.path.encode(errors="replace")),
            method=entry.method,
            status=entry.status if decision.admitted else 429,
            size=entry.size,
            login=self._login(route, entry.method),
        )
        tally.static += static
        tally.refused += not decision.admitted
        tally.held = decision.is_anomalous
        if decision.is_anomalous:
            tally.flagged += 1
            if tally.first_flagged is None:
                tally.first_flagged = (tally.requests, entry.ts - tally.first)
        self.series.add(entry.ts, not decision.admitted, decision.is_anomalous, static)

    def _flush(self) -> None:
        self._limiter.flush()
        self._pending.clear()

    def _tick(self, now: float) -> None:
        if len(self._limiter.profiler) >= self._max_pending:
            self._flush()
        if now >= self._next_training:
            if self._next_training:
                # At the time it is due, not at the next request: by then idle clients may be gone.
                self._now = self._next_training
                self._train(self._now)
            self._next_training = now + self._interval
        self._now = now
        if now >= self._next_look:
            self._flush()
            self._limiter.refresh()
            self._next_look = now + LOOK_SECONDS
        if now >= self._next_expiry:
            for limiter in (self._limiter, self._static):
                limiter.store.expire()
            self._next_expiry = now + EXPIRE_SECONDS

    def _train(self, now: float) -> None:
        self._flush()
        training = self._limiter.trainer.tick()
        if training is not None and training.result in ("accepted", "rejected"):
            accepted = training.result == "accepted"
            self._models.append(ModelReport(now, training.version, training.rows, accepted))


def _key(client: str) -> str:
    """Find the key of a client: addresses are grouped as the app's ``remote_address`` does."""
    key = network_key(client)
    return canonical(client) if key == UNKNOWN else key
