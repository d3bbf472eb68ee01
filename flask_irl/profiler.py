"""Learning from answered requests, off their path: buffer, profiles, verdicts, rows, rankings."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl import profile
from flask_irl.errors import StoreError
from flask_irl.features import FEATURE_NAMES, matrix
from flask_irl.guard import CrowdGuard
from flask_irl.judge import Verdicts, horizons, judge
from flask_irl.listener import Listener
from flask_irl.log import event
from flask_irl.model import Model
from flask_irl.policy import Ladder
from flask_irl.records import ClientState, Observation, Update
from flask_irl.rows import ABUSE, pack_rows
from flask_irl.rules import Rules
from flask_irl.site import hour_rarity, weekday_rarity
from flask_irl.stores.base import Store
from flask_irl.stores.site import RANKED

Fields = tuple[str, float, float, str, int, str, int, int, bool, int, bool]
"""An observation as it waits: a plain tuple, which the garbage collector soon leaves alone."""

BUFFER: Final = 50_000
"""Observations kept for the next flush; a flood beyond it is counted, not kept."""
ROW_SECONDS: Final = 30.0
ROW_EVIDENCE: Final = 5.0
ROW_MINUTES: Final = 30.0
"""Minutes of activity after which a client's rows are taken half as often."""
LONGEST_TTL: Final = 7 * 86_400
MANY: Final = 65_000
RANKED_AT_ONCE: Final = 50
"""Clients that one flush may put into each ranking."""
PART: Final = 60
"""Observations merged before requests get a chance: two milliseconds' work."""
PAUSE_SECONDS: Final = 0.01
SPREAD_SECONDS: Final = 0.5
MAX_TRIES: Final = 5
"""How often a profile that somebody else saved meanwhile is merged again."""


class Profiler:
    """Keeps the clients' profiles and verdicts up to date with what they do.

    Args:
        store: Where they are kept.
        ladder: The steps and the threshold.
        model: Gives the model in force.
        listener: Told of scores.
        ttl_seconds: How long an idle client's state is kept.
        rows_capacity: Training rows kept.
        rules: What needs no model.
        pause: Waits so many seconds between two parts of a long flush.
    """

    def __init__(
        self,
        store: Store,
        *,
        ladder: Ladder,
        model: Callable[[], Model],
        listener: Listener,
        ttl_seconds: int,
        rows_capacity: int,
        rules: Rules,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._ladder = ladder
        self._model = model
        self._listener = listener
        self._ttl_seconds = ttl_seconds
        self._rows_capacity = rows_capacity
        self._rules = rules
        self._pause = pause
        self._guard = CrowdGuard()
        self.after_fork()

    def after_fork(self) -> None:
        """Begin with nothing buffered: what a parent process saw is the parent's to flush."""
        self._buffer: deque[Fields] = deque(maxlen=BUFFER)
        self._refused: dict[str, tuple[int, Fields]] = {}
        self._trapped: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._flushing = threading.Lock()

    def __len__(self) -> int:
        return len(self._buffer)

    def use(self, ladder: Ladder) -> None:
        """Judge by another ladder from now on."""
        self._ladder = ladder

    def waiting(self, most: int = 100) -> dict[str, int]:
        """How many observations of each client wait for the next flush here; the most first."""
        counts = Counter(fields[0] for fields in list(self._buffer))
        with self._lock:
            counts.update({client: n for client, (n, _) in self._refused.items()})
        return dict(counts.most_common(most))

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
        return client in self._refused or any(fields[0] == client for fields in list(self._buffer))

    def observe(self, observation: Fields, *, alone: bool = False) -> None:
        """Take note of an answered request; costs less than a microsecond, does no I/O.

        Args:
            observation: The fields of an :class:`~flask_irl.records.Observation`, in order.
            alone: Whether this process refused it without the store, and nobody else counts it.
        """
        if not alone:
            self._buffer.append(observation)
            return
        # A flood of such refusals becomes one observation.
        client = observation[0]
        with self._lock:
            count, _ = self._refused.get(client, (0, observation))
            self._refused[client] = (count + 1, observation)

    def trap(self, client: str) -> None:
        """Send a client, whose request is observed too, to the last step with the next flush."""
        if len(self._trapped) < BUFFER:
            self._trapped.add(client)

    def flush(self, *, gently: bool = False) -> int:
        """Merge what was observed, score the clients, save profiles and verdicts.

        Args:
            gently: In small parts with pauses between them, spread over half a second at most:
                requests want the interpreter, too.

        Returns:
            How many observations were merged.

        Raises:
            StoreError: The store failed; what it was about to merge is lost, and no request with
                it.
        """
        with self._flushing:
            merged = 0
            left = len(self._buffer)
            part = PART if gently else max(left, 1)
            pause = min(PAUSE_SECONDS, SPREAD_SECONDS * PART / max(left, 1))
            while observations := self._drain(min(part, left)):
                if merged:
                    self._pause(pause)
                self._merge(observations)
                merged += len(observations)
                left = max(0, left - part)
            if not merged and self._guard.flagged:
                self._guard.forget(self._store.now())
            self._listener.flagged(self._guard.flagged)
            return merged

    def features_of(self, state: ClientState, now: float) -> NDArray[np.float32]:
        """A stored client's features at a time (seconds since the epoch), for people to read."""
        site = self._model().site
        records = profile.decode([state.profile])
        view = profile.view(records, hour_rarity(site, now), weekday_rarity(site, now))
        row: NDArray[np.float32] = matrix(view)[0]
        return row

    def _drain(self, most: int) -> list[Observation]:
        buffer = self._buffer
        observations = [Observation._make(buffer.popleft()) for _ in range(most)]
        if self._refused:
            with self._lock:
                refused, self._refused = self._refused, {}
            observations += [
                Observation._make(fields)._replace(times=count)
                for count, fields in refused.values()
            ]
        return observations

    def _merge(self, observations: list[Observation]) -> None:
        by_client: dict[str, list[Observation]] = {}
        for observation in observations:
            by_client.setdefault(observation.client, []).append(observation)
        self._count(observations)
        model = self._model()
        pending = list(by_client)
        for _ in range(MAX_TRIES):
            states = self._store.load(pending)
            known = [
                (client, state)
                for client, state in zip(pending, states, strict=True)
                if state is not None
            ]
            if not known:
                return
            pending = self._save(model, known, by_client)
            if not pending:
                return
        event(logging.WARNING, "profiles_contended", clients=len(pending))

    def _save(
        self,
        model: Model,
        known: list[tuple[str, ClientState]],
        by_client: dict[str, list[Observation]],
    ) -> list[str]:
        """Merge, judge and save; the clients that somebody else saved meanwhile."""
        clients = [client for client, _ in known]
        records = profile.decode([state.profile for _, state in known])
        idle = records["updated"].copy()
        owners: list[int] = []
        observations: list[Observation] = []
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
        profile.fold(records, profile.events_of(owners, observations, model.site.get("routes", {})))
        now = records["updated"]
        latest = float(now.max())
        full = steps == 0
        records["minutes"] += full & (now // 60 != active) & (records["minutes"] < MANY)
        routes = [by_client[client][-1].route for client in clients]
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
        self._listener.scored(scores)
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
        kept = np.minimum(3600.0 * (1.0 + records["minutes"]), LONGEST_TTL)
        updates = [
            Update(client, state.revision, int(step), float(score), blob, int(keep))
            for (client, state), step, score, blob, keep in zip(
                known, after, scores, profile.encode(records), kept, strict=True
            )
        ]
        results = self._store.save(updates, self._ttl_seconds)
        saved = np.array([result == "saved" for result in results])
        self._store_rows(clients, takes & saved, requests, records, routes, verdicts)
        self._rank(clients, records, scores, after, saved)
        for index in np.flatnonzero(saved & (after != steps)).tolist():
            self._tell(clients[index], int(steps[index]), int(after[index]), scores[index])
        stale = [c for c, result in zip(clients, results, strict=True) if result == "stale"]
        # Who was saved by somebody else meanwhile is still to be trapped.
        self._trapped.difference_update(set(clients).difference(stale))
        return stale

    def _rank(
        self,
        clients: list[str],
        records: profile.Records,
        scores: NDArray[np.float64],
        steps: NDArray[np.int64],
        saved: NDArray[np.bool_],
    ) -> None:
        """Keep the rankings that operators ask for; costs the same however many clients."""
        self._store.saw([c for c, ok in zip(clients, saved, strict=True) if ok])
        values = {
            "active": profile.sums_of(records, "recent"),
            "refused": profile.sums_of(records, "refused"),
            "anomalous": -scores,
            "flagged": np.where(steps > 0, records["stepped"], 0),
        }
        for name, value in values.items():
            chosen = np.flatnonzero(saved & (value > 0))
            if len(chosen) > RANKED_AT_ONCE:
                chosen = chosen[np.argpartition(-value[chosen], RANKED_AT_ONCE)[:RANKED_AT_ONCE]]
            mended = np.flatnonzero(saved & (value <= 0)) if name == "flagged" else ()
            self._store.rank(
                name,
                {clients[i]: float(value[i]) for i in chosen},
                [clients[i] for i in mended[:RANKED]],
            )

    def _rows_due(
        self, records: profile.Records, verdicts: Verdicts, steps: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whose behaviour may be learned from: enough of it, and nothing refused or flagged."""
        refused = verdicts.features[:, FEATURE_NAMES.index("refused_share")]
        abuse = records["feedback"] == ABUSE
        # The longer a client has been here, the less there is to learn from another minute of it.
        pause = ROW_SECONDS * (1.0 + records["minutes"] / ROW_MINUTES)
        due = records["updated"] - records["row_at"] >= pause
        legitimate = (steps == 0) & ~verdicts.suspect & (refused < 0.01)
        enough = profile.sums_of(records, "n") >= ROW_EVIDENCE
        return np.asarray(due & (legitimate | abuse) & enough)

    def _store_rows(
        self,
        clients: list[str],
        takes: NDArray[np.bool_],
        requests: NDArray[Any],
        records: profile.Records,
        routes: list[str],
        verdicts: Verdicts,
    ) -> None:
        chosen = np.flatnonzero(takes)
        if len(chosen):
            rows = pack_rows(
                [clients[i] for i in chosen],
                requests[chosen],
                records["updated"][chosen],
                verdicts.features[chosen],
                [routes[i] for i in chosen],
                verdicts.regular[chosen],
                records["feedback"][chosen],
            )
            self._store.add_rows(rows, self._rows_capacity)
            self._store.add_counts({"rows": len(rows)})

    def _count(self, observations: list[Observation]) -> None:
        counts: Counter[str] = Counter()
        for o in observations:
            counts["requests"] += o.times
            counts["refused"] += o.times if o.refused else 0
            counts["anomalous"] += o.times if o.anomalous else 0
            counts[f"route:{o.route}"] += o.times
            moment = time.gmtime(o.at)
            counts[f"hour:{moment.tm_hour}"] += o.times
            counts[f"weekday:{moment.tm_wday}"] += o.times
            counts[f"day:{int(o.at // 86400)}"] += o.times
        self._store.add_counts({name: n for name, n in counts.items() if n})

    def _tell(self, client: str, before: int, after: int, score: float) -> None:
        event(
            logging.WARNING if after > before else logging.INFO,
            "client_flagged" if after > before else "client_mended",
            client=client,
            step=after,
            score=score,
            factor=self._ladder.steps[after].factor,
        )


def _latest(
    clients: int, owners: list[int], observations: list[Observation]
) -> NDArray[np.float64]:
    latest = np.zeros(clients)
    np.maximum.at(latest, owners, [o.at for o in observations])
    return latest
