"""Describe clients for lists: their limits, their traffic as of now, and why they are held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import matrix
from flask_irl.behaviour.site_statistics import hour_rarity, weekday_rarity
from flask_irl.behaviour.sums import Floats
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.campaign_clients import part_of_campaigns
from flask_irl.operations.overridden import Authored, Overridden
from flask_irl.operations.results import ClientEntry
from flask_irl.stores.state import ClientState
from flask_irl.verdicts import explanations as explain
from flask_irl.verdicts.ladder import MILD
from flask_irl.verdicts.present import judge_now
from flask_irl.verdicts.rules import Rules

States = Mapping[str, ClientState]
Why = tuple[list[str], list[explain.Reason]]
"""Sentences on campaigns and broken rules, and the reasons for a score."""


class Entries:
    """Describe clients by their states.

    Args:
        limiter: The limiter.
        overridden: Knows the overrides, who set them, and why.
    """

    def __init__(self, limiter: Limiter, overridden: Overridden) -> None:
        self._limiter = limiter
        self._overridden = overridden

    def scores(self, states: States, records: profile.Records, now: float) -> Floats:
        """Score clients as of now."""
        return judge_now(
            self._limiter.trainer.model,
            self._limiter.ladder,
            self._rules,
            records,
            steps=np.array([state.step for state in states.values()], dtype=np.int64),
            scores=np.array([state.score for state in states.values()], dtype=np.float64),
            now=now,
        )

    def list(self, states: States, now: float) -> list[ClientEntry]:
        """Describe clients; unpacking all profiles at once pays for a thousand.

        Args:
            states: Their states by key.
            now: Seconds since the epoch.
        """
        records = profile.decode([state.profile for state in states.values()])
        scores = self.scores(states, records, now)
        recent = profile.sums_of(records, "recent", now)
        n, refused = profile.sums_of(records, "n"), profile.sums_of(records, "refused")
        shares = np.minimum(refused / np.maximum(n, 1e-3), 1.0)
        ladder, options = self._limiter.ladder, self._limiter.options
        countries = self._limiter.countries
        overrides = self._overridden.authored(states, now)
        entries: list[ClientEntry] = []
        for index, (key, state) in enumerate(states.items()):
            step = ladder.steps[min(state.step, len(ladder.steps) - 1)]
            stepped = float(records["stepped"][index])
            entry: ClientEntry = {
                "client": key,
                "label": self._limiter.label(key),
                "country": countries.of(key) or None if countries else None,
                "step": state.step,
                "factor": step.factor,
                "limit": options.base_at(step.factor),
                "score": round(float(scores[index]) + 0.0, 4),
                "is_anomalous": state.step > 0,
                "override": None,
                "amount": 0,
                "since": stepped if state.step > 0 and stepped else None,
                "until": stepped + step.hold_seconds if state.step > 0 and stepped else None,
                "reason": "",
                "who": None,
                "last_seen": state.last_seen,
                "requests_per_minute": round(float(recent[index]), 3),
                "refused_share": round(float(shares[index]), 4),
            }
            if key in overrides:
                _add_override(entry, overrides[key])
            entries.append(entry)
        self._add_reasons(entries, records)
        return entries

    def why(
        self, key: str, state: ClientState, record: profile.Records, score: float, now: float
    ) -> Why:
        """Give the reasons for a client's score; none for one that behaves like others.

        Args:
            key: The client's key.
            state: Its state. One at a lower step is explained as of its latest request, for which
                it was sent there.
            record: Its profile alone.
            score: Its score as of now.
            now: Seconds since the epoch.
        """
        model = self._limiter.trainer.model
        if state.step == 0:
            record = profile.faded(record, now)
        rules = part_of_campaigns(self._limiter, key, record)
        rules += explain.broken_rules(model, self._rules, record)
        # Nearer to one that is left in peace than to one that is flagged.
        is_normal = state.step == 0 and not rules
        if is_normal and score > (MILD + self._limiter.ladder.threshold) / 2:
            return [], []
        rows = self.features(record, float(record["updated"][0]))[None]
        most = explain.doublings_of_harm(model, record, rows)
        return rules, explain.reasons_of(model, rows, most)[0]

    def features(self, record: profile.Records, now: float) -> np.ndarray[Any, Any]:
        """Compute a client's features at a time, in seconds since the epoch."""
        site = self._limiter.trainer.model.site
        faded = profile.faded(record, now)
        view = profile.view(faded, hour_rarity(site, now), weekday_rarity(site, now))
        row: np.ndarray[Any, Any] = matrix(view)[0]
        return row

    def _add_reasons(self, entries: Sequence[ClientEntry], records: profile.Records) -> None:
        """Add the first reason why each client that is held by no operator is at a lower step."""
        model = self._limiter.trainer.model
        unbroken: list[int] = []
        for index, entry in enumerate(entries):
            if entry["step"] == 0 or entry["override"] is not None:
                continue
            record = records[index : index + 1]
            rules = part_of_campaigns(self._limiter, entry["client"], record)
            rules += explain.broken_rules(model, self._rules, record)
            if rules:
                entry["reason"] = rules[0]
            else:
                unbroken.append(index)
        if not unbroken:
            return
        rows = np.stack(
            [self.features(records[i : i + 1], float(records["updated"][i])) for i in unbroken]
        )
        most = explain.doublings_of_harm(model, records[unbroken], rows)
        told = explain.reasons_of(model, rows, most)
        for index, reasons in zip(unbroken, told, strict=True):
            entries[index]["reason"] = reasons[0].sentence if reasons else ""

    @property
    def _rules(self) -> Rules:
        options = self._limiter.options
        return Rules(options.login_failures, options.unknown_paths)


def _add_override(entry: ClientEntry, found: Authored) -> None:
    entry["override"], entry["amount"] = found.override.kind, found.override.amount
    entry["since"], entry["until"] = found.since, found.override.until
    entry["reason"], entry["who"] = found.reason, found.who
