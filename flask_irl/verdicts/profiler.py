"""Learning from answered requests, off their path: profiles, verdicts, rows."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.buffer import Backlog
from flask_irl.behaviour.events import events_of
from flask_irl.behaviour.features import column, matrix
from flask_irl.behaviour.folding import fold
from flask_irl.behaviour.observation import AT, ROUTE, Fields
from flask_irl.behaviour.rows import ABUSE, pack_rows
from flask_irl.behaviour.site import count, hour_rarity, weekday_rarity
from flask_irl.errors import StoreError
from flask_irl.model.model import Model
from flask_irl.stores.base import Store
from flask_irl.stores.state import ClientState, Update
from flask_irl.telemetry.events import ClientsFlagged, ClientsScored, Notify
from flask_irl.telemetry.log import Sampler, event
from flask_irl.verdicts.crowd_guard import CrowdGuard
from flask_irl.verdicts.judge import Verdicts, horizons, judge
from flask_irl.verdicts.ladder import Ladder
from flask_irl.verdicts.rankings import Rankings
from flask_irl.verdicts.rules import Rules

MOST_TRAPPED: Final = 50_000
ROW_SECONDS: Final = 30.0
ROW_EVIDENCE: Final = 5.0
ROW_MINUTES: Final = 30.0
"""Minutes of activity after which a client's rows are taken half as often."""
LONGEST_TTL: Final = 7 * 86_400
MANY: Final = 65_000
PART: Final = 300
"""Observations merged at once while requests are served: no step of that takes a millisecond."""
REST_SECONDS: Final = 0.0005
"""For a request that waits for the interpreter: it would get it only after 5 ms otherwise."""
MAX_TRIES: Final = 5
"""How often a profile that somebody else saved meanwhile is merged again."""
TOLD: Final = 20
"""Clients flagged, and clients mended, that are logged in a second."""


@dataclass
class _Gathered:
    """What a flush has for the site as a whole, stored once at its end."""

    counts: Counter[str] = field(default_factory=Counter)
    rows: list[bytes] = field(default_factory=list)
    rankings: Rankings = field(default_factory=Rankings)


class Profiler:
    """Keeps the clients' profiles and verdicts up to date with what they do.

    Args:
        store: Where they are kept.
        ladder: The steps and the threshold.
        model: Gives the model in force.
        notify: Takes the events of scores.
        ttl_seconds: How long an idle client's state is kept.
        rows_capacity: Training rows kept.
        rules: What needs no model.
        pause: Waits so many seconds between two steps of a gentle flush.

    Attributes:
        observe: Takes note of an answered request, given as the fields of an
            :class:`~flask_irl.behaviour.observation.Observation`; costs less than a microsecond,
            does no I/O.
        observe_refused: The same of one that this process refused without the store.
    """

    def __init__(
        self,
        store: Store,
        *,
        ladder: Ladder,
        model: Callable[[], Model],
        notify: Notify,
        ttl_seconds: int,
        rows_capacity: int,
        rules: Rules,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._ladder = ladder
        self._model = model
        self._notify = notify
        self._ttl_seconds = ttl_seconds
        self._rows_capacity = rows_capacity
        self._rules = rules
        self._pause = pause
        self._guard = CrowdGuard()
        # Whoever comes under many names must not flood the log by being flagged.
        self._flagged_log, self._mended_log = (Sampler(1.0, burst=TOLD) for _ in range(2))
        self.after_fork()

    def after_fork(self) -> None:
        """Begin with nothing buffered: what a parent process saw is the parent's to flush."""
        self._backlog = Backlog()
        self.observe = self._backlog.add
        self.observe_refused = self._backlog.add_refused
        self._trapped: set[str] = set()
        self._flushing = threading.Lock()
        self._gentle = False

    def __len__(self) -> int:
        return len(self._backlog)

    def use(self, ladder: Ladder) -> None:
        """Judge by another ladder from now on."""
        self._ladder = ladder

    def waiting(self) -> dict[str, int]:
        """How many observations of each client wait for the next flush here; the most first."""
        return self._backlog.by_client()

    def label(self, client: str, feedback: int) -> bool:
        """Note an operator's feedback with a client's profile; False if it isn't known.

        Raises:
            StoreError: The store failed, or others save the profile all the time.
        """
        for _ in range(MAX_TRIES):
            state = self._store.load([client])[0]
            if state is None:
                return False
            records = profile.decode([state.profile])
            records["feedback"] = feedback
            [blob] = profile.encode(records)
            update = Update(client, state.revision, state.step, state.score, blob)
            [result] = self._store.save([update], self._ttl_seconds)
            if result != "stale":
                return result == "saved"
        raise StoreError(f"the profile of {client} is saved by others all the time")

    def pending(self, client: str) -> bool:
        """Whether a client's requests wait for the next flush."""
        return client in self._backlog

    def trap(self, client: str) -> None:
        """Send a client, whose request is observed too, to the last step with the next flush."""
        if len(self._trapped) < MOST_TRAPPED:
            self._trapped.add(client)

    def flush(self, *, gently: bool = False) -> int:
        """Merge what was observed, score the clients, save profiles and verdicts.

        Args:
            gently: With pauses, since requests want the interpreter, too; and not at all while
                another flush goes on.

        Returns:
            How many observations were merged.

        Raises:
            StoreError: The store failed; what it was about to merge is lost, and no request with
                it.
        """
        if not self._flushing.acquire(blocking=not gently):
            return 0
        try:
            self._gentle = gently
            merged, gathered = 0, _Gathered()
            left = len(self._backlog)
            while observations := self._backlog.take(min(PART, left) if gently else left):
                self._rest()
                self._merge(observations, gathered)
                self._rest()
                merged += len(observations)
                left = max(0, left - len(observations))
            if merged:
                self._keep(gathered)
            elif self._guard.flagged:
                self._guard.forget(self._store.now())
            self._notify(ClientsFlagged(self._guard.flagged))
            return merged
        finally:
            self._flushing.release()

    def features_of(self, state: ClientState, now: float) -> NDArray[np.float32]:
        """A stored client's features at a time (seconds since the epoch), for people to read."""
        site = self._model().site
        records = profile.decode([state.profile])
        view = profile.view(records, hour_rarity(site, now), weekday_rarity(site, now))
        row: NDArray[np.float32] = matrix(view)[0]
        return row

    def _rest(self) -> None:
        if self._gentle:
            self._pause(REST_SECONDS)

    def _keep(self, gathered: _Gathered) -> None:
        """Store what a flush has for the site as a whole."""
        if gathered.rows:
            self._store.add_rows(gathered.rows, self._rows_capacity)
            gathered.counts["rows"] = len(gathered.rows)
        self._store.add_counts(gathered.counts)
        gathered.rankings.keep(self._store)

    def _merge(self, observations: list[Fields], gathered: _Gathered) -> None:
        by_client: dict[str, list[Fields]] = {}
        for observation in observations:
            by_client.setdefault(observation[0], []).append(observation)
        gathered.counts += count(observations)
        model = self._model()
        pending = list(by_client)
        for _ in range(MAX_TRIES):
            self._rest()
            states = self._store.load(pending)
            known = [
                (client, state)
                for client, state in zip(pending, states, strict=True)
                if state is not None
            ]
            if not known:
                return
            pending = self._save(model, known, by_client, gathered)
            if not pending:
                return
        event(logging.WARNING, "profiles_contended", clients=len(pending))

    def _save(
        self,
        model: Model,
        known: list[tuple[str, ClientState]],
        by_client: dict[str, list[Fields]],
        gathered: _Gathered,
    ) -> list[str]:
        """Merge, judge and save; the clients that somebody else saved meanwhile."""
        clients = [client for client, _ in known]
        records = profile.decode([state.profile for _, state in known])
        idle = records["updated"].copy()
        owners: list[int] = []
        observations: list[Fields] = []
        for index, client in enumerate(clients):
            observations += by_client[client]
            owners += [index] * len(by_client[client])
        steps = np.array([state.step for _, state in known], dtype=np.int64)
        scores = np.array([state.score for _, state in known], dtype=np.float64)
        profile.forget(
            records,
            _latest(len(known), owners, observations),
            horizons(self._ladder, records, steps),
        )
        active = records["updated"] // 60
        self._rest()
        events = events_of(owners, observations, model.site.get("routes", {}))
        self._rest()
        fold(records, events)
        self._rest()
        now = records["updated"]
        latest = float(now.max())
        full = steps == 0
        records["minutes"] += full & (now // 60 != active) & (records["minutes"] < MANY)
        routes = [by_client[client][-1][ROUTE] for client in clients]
        verdicts = judge(
            model,
            self._ladder,
            self._rules,
            records,
            steps=steps,
            scores=scores,
            elapsed=np.where(scores == 0.0, np.inf, now - idle),
            routes=routes,
        )
        scores, after = verdicts.scores, verdicts.steps
        self._notify(ClientsScored(scores))
        if self._guard.admit(clients, after > 0, latest, steps > 0):
            after = np.where(verdicts.broken, after, np.minimum(after, steps))
        trapped = np.array([client in self._trapped for client in clients])
        after = np.where(trapped, len(self._ladder.steps) - 1, after)
        calm = full & (after == 0)
        worst = np.minimum(records["worst"], verdicts.raw)
        records["worst"] = np.where(calm, worst, records["worst"])
        offences = np.where(after > steps, verdicts.offences + 1.0, records["offences"])
        records["offences"] = offences
        records["stepped"] = np.where(after != steps, now, records["stepped"])
        takes = self._rows_due(records, verdicts, after)
        records["row_at"] = np.where(takes, now, records["row_at"])
        requests = records["total"] - records["row_total"]
        records["row_total"] = np.where(takes, records["total"], records["row_total"])
        # Who comes often is remembered for longer: for an hour more for each minute.
        keep = np.minimum(3600.0 * (1.0 + records["minutes"]), LONGEST_TTL)
        updates = [
            Update(client, state.revision, int(step), float(score), blob, int(seconds))
            for (client, state), step, score, blob, seconds in zip(
                known, after, scores, profile.encode(records), keep, strict=True
            )
        ]
        self._rest()
        results = self._store.save(updates, self._ttl_seconds)
        saved = np.array([result == "saved" for result in results])
        gathered.rows += self._rows(clients, takes & saved, requests, records, routes, verdicts)
        kept = [c for c, ok in zip(clients, saved, strict=True) if ok]
        gathered.rankings.note(kept, records[saved], scores[saved], after[saved])
        for index in np.flatnonzero(saved & (after != steps)).tolist():
            self._tell(clients[index], int(steps[index]), int(after[index]), scores[index])
        stale = [c for c, result in zip(clients, results, strict=True) if result == "stale"]
        # Who was saved by somebody else meanwhile is still to be trapped.
        self._trapped.difference_update(set(clients).difference(stale))
        return stale

    def _rows_due(
        self, records: profile.Records, verdicts: Verdicts, steps: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whose behaviour may be learned from: enough of it, and nothing refused or flagged."""
        refused = column(verdicts.features, "refused_share")
        abuse = records["feedback"] == ABUSE
        # The longer a client has been here, the less there is to learn from another minute of it.
        pause = ROW_SECONDS * (1.0 + records["minutes"] / ROW_MINUTES)
        due = records["updated"] - records["row_at"] >= pause
        legitimate = (steps == 0) & ~verdicts.suspect & (refused < 0.01)
        enough = profile.sums_of(records, "n") >= ROW_EVIDENCE
        return np.asarray(due & (legitimate | abuse) & enough)

    def _rows(
        self,
        clients: list[str],
        takes: NDArray[np.bool_],
        requests: NDArray[Any],
        records: profile.Records,
        routes: list[str],
        verdicts: Verdicts,
    ) -> list[bytes]:
        chosen = np.flatnonzero(takes)
        if not len(chosen):
            return []
        return pack_rows(
            [clients[i] for i in chosen],
            requests[chosen],
            records["updated"][chosen],
            verdicts.features[chosen],
            [routes[i] for i in chosen],
            verdicts.regular[chosen],
            records["feedback"][chosen],
        )

    def _tell(self, client: str, before: int, after: int, score: float) -> None:
        held = (self._flagged_log if after > before else self._mended_log).passes()
        if held is not None:
            event(
                logging.WARNING if after > before else logging.INFO,
                "client_flagged" if after > before else "client_mended",
                client=client,
                step=after,
                score=score,
                factor=self._ladder.steps[after].factor,
                not_logged=held,
            )


def _latest(clients: int, owners: list[int], observations: list[Fields]) -> NDArray[np.float64]:
    latest = np.zeros(clients)
    np.maximum.at(latest, owners, [observation[AT] for observation in observations])
    return latest
