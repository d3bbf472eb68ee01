"""Flush observations: merge them, judge their clients, take training rows, save."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from flask_irl.behaviour.observation import Fields
from flask_irl.errors import StoreError
from flask_irl.model.model import Model
from flask_irl.stores.base import Store
from flask_irl.stores.state import ClientState
from flask_irl.telemetry.events import ClientsScored, Notify
from flask_irl.telemetry.log import event
from flask_irl.verdicts.campaign_watch import CampaignWatch
from flask_irl.verdicts.crowd_guard import CrowdGuard
from flask_irl.verdicts.judge import Verdicts, judge
from flask_irl.verdicts.ladder import Ladder
from flask_irl.verdicts.merge import Profiles, merge
from flask_irl.verdicts.row_quota import RowQuota
from flask_irl.verdicts.rules import Rules
from flask_irl.verdicts.save import save
from flask_irl.verdicts.save_turns import SaveTurns
from flask_irl.verdicts.site_update import SiteUpdate
from flask_irl.verdicts.step_log import StepLog
from flask_irl.verdicts.steps import take_steps
from flask_irl.verdicts.training_rows import take_rows
from flask_irl.verdicts.traps import Traps

LOADED: Final = 300
"""Clients loaded between two rests."""
MAX_TRIES: Final = 5
"""Attempts to merge into a profile that others save all the time."""


class Judged(NamedTuple):
    """Report clients judged together.

    Attributes:
        model: The model in force.
        ladder: The steps.
        profiles: The clients, with their observations merged.
        verdicts: The verdicts on them, before the crowd guard and traps.
    """

    model: Model
    ladder: Ladder
    profiles: Profiles
    verdicts: Verdicts


@dataclass(frozen=True, slots=True)
class Flush:
    """Run one flush, of one or more parts.

    Args:
        store: Holds the clients' states.
        model: The model in force.
        ladder: The steps.
        rules: Rules that need no model.
        guard: The crowd guard.
        traps: Clients that hit a honeypot.
        step_log: Logs the clients that take a step.
        notify: Takes the event of scores.
        damaged: Takes each client whose profile can't be read.
        on_judged: Takes the clients judged together.
        ttl_seconds: Least time for which an idle client's state is kept.
        rest: Is called between two steps.
        campaigns: Watches for attacks of many clients.
        site: Gathers the part that concerns the site as a whole, which isn't saved here.
        row_quota: Bounds the training rows of each network.
        turns: Spreads the saves of clients that many workers see.
    """

    store: Store
    model: Model
    ladder: Ladder
    rules: Rules
    guard: CrowdGuard
    traps: Traps
    step_log: StepLog
    notify: Notify
    damaged: Callable[[str], object]
    on_judged: Callable[[Judged], object]
    ttl_seconds: int
    rest: Callable[[], object]
    campaigns: CampaignWatch
    site: SiteUpdate
    row_quota: RowQuota
    turns: SaveTurns

    def add(self, by_client: Mapping[str, Sequence[Fields]]) -> StoreError | None:
        """Merge observations, by client, judge their clients and save them.

        A client that the store doesn't know (any more) is left out, and its trap with it.

        Clients whose node of a cluster is out are left out, too: others are none the worse for it.

        Returns:
            The error of those nodes, None if there was none.

        Raises:
            StoreError: The store failed; traps that count for no saved client stay set.
        """
        observations = [observation for own in by_client.values() for observation in own]
        self.site.count(observations, history=self.store.keeps_history)
        trapped = self.traps.take(by_client)
        pending = list(by_client)
        failed: StoreError | None = None
        try:
            for _ in range(MAX_TRIES):
                states, error = self._load(pending)
                failed = failed or error
                trapped &= states.keys()
                if not states:
                    return failed
                pending = self._update(states, by_client, trapped)
                trapped &= set(pending)
                if not pending:
                    return failed
        finally:
            self.traps.put_back(trapped)
        event(logging.WARNING, "profiles_contended", clients=len(pending))
        return failed

    def _load(self, clients: Sequence[str]) -> tuple[dict[str, ClientState], StoreError | None]:
        found: dict[str, ClientState] = {}
        failed: StoreError | None = None
        for start in range(0, len(clients), LOADED):
            self.rest()
            part = clients[start : start + LOADED]
            states, error = self.store.load_reachable(part)
            failed = failed or error
            pairs = zip(part, states, strict=True)
            found.update((client, state) for client, state in pairs if state is not None)
        return found, failed

    def _update(
        self,
        states: Mapping[str, ClientState],
        by_client: Mapping[str, Sequence[Fields]],
        trapped: AbstractSet[str],
    ) -> list[str]:
        """Merge, judge and save clients; list those that somebody else saved meanwhile."""
        self.rest()
        shares = self.model.site.get("routes", {})
        profiles = merge(
            states,
            by_client,
            ladder=self.ladder,
            shares=shares,
            rest=self.rest,
            damaged=self.damaged,
        )
        self.rest()
        verdicts = self._judge(profiles)
        self.rest()
        # While a model only advises, the site is still learned; without one campaigns stand alone.
        learning = self.model.version > 0 and self.model.advisory
        steps = take_steps(
            profiles,
            verdicts,
            ladder=self.ladder,
            guard=self.guard,
            trapped=trapped,
            held=None if learning else self.campaigns.held(profiles, verdicts),
        )
        rows = take_rows(profiles, verdicts, steps, self.row_quota)
        scores = verdicts.scores
        result = save(
            self.store, profiles, scores, steps, ttl_seconds=self.ttl_seconds, rest=self.rest
        )
        self.rest()
        saved, clients = result.saved, profiles.clients
        # A client near the threshold is judged every second, like one that is held.
        calm = (steps == 0) & (profiles.steps == 0) & (scores > self.ladder.threshold / 2)
        self.turns.note(profiles, saved, calm)
        self.site.rows.extend(row for index, row in rows.items() if saved[index])
        if self.store.keeps_history:
            self.site.see(profiles, saved, scores, steps)
        if self.site.recent is not None:
            self.site.recent.add(clients, saved, by_client)
        for index in np.flatnonzero(saved & (steps != profiles.steps)).tolist():
            step = int(steps[index])
            self.step_log.log(
                clients[index],
                int(profiles.steps[index]),
                step,
                scores[index],
                self.ladder.steps[step].factor,
            )
        self.rest()
        # Last, so that an error of the watch's loses nothing else.
        self.campaigns.see(profiles, verdicts, by_client, saved, steps, trapped)
        return result.stale

    def _judge(self, profiles: Profiles) -> Verdicts:
        verdicts = judge(
            self.model,
            self.ladder,
            self.rules,
            profiles.records,
            steps=profiles.steps,
            scores=profiles.scores,
            elapsed=profiles.elapsed,
            routes=profiles.routes,
            now=profiles.now,
            rest=self.rest,
        )
        self.notify(ClientsScored(verdicts.scores))
        self.on_judged(Judged(self.model, self.ladder, profiles, verdicts))
        return verdicts
