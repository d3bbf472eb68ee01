"""Profile clients off the requests' path: take observations, and flush them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from flask_irl.behaviour import profile
from flask_irl.behaviour.buffer import Buffer
from flask_irl.errors import StoreError
from flask_irl.model.model import Model
from flask_irl.stores.base import Store
from flask_irl.stores.state import ClientState
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import ClientsFlagged, Notify
from flask_irl.verdicts.campaign_watch import CampaignWatch
from flask_irl.verdicts.crowd_guard import CrowdGuard
from flask_irl.verdicts.edit import edit_profiles
from flask_irl.verdicts.flush import Flush, Judged
from flask_irl.verdicts.ladder import Ladder
from flask_irl.verdicts.rankings import clear_rankings
from flask_irl.verdicts.row_quota import RowQuota
from flask_irl.verdicts.rules import Rules
from flask_irl.verdicts.save_turns import SaveTurns
from flask_irl.verdicts.site_update import SiteUpdate
from flask_irl.verdicts.slices import (
    REST_SECONDS,
    SLICE,
    Size,
    rest_of,
    rest_seconds,
    slices,
    take_by_client,
)
from flask_irl.verdicts.step_log import StepLog
from flask_irl.verdicts.traps import Traps

WHOLE: Final = Size(sys.maxsize, sys.maxsize)
"""Bounds of what is merged at once where nobody waits."""
HOLD_SECONDS: Final = 0.0005
"""CPU time after which a flush rests, between two steps: a rest costs something, too."""
TURN_SECONDS: Final = 10.0
LAST_TURN_SECONDS: Final = 0.5
TURN_PAUSE: Final = 0.002
"""Longest wait for a flush that goes on, the same where the process is about to end, and the time
between two looks whether it still does."""


class Profiler:
    """Bring the profiles of clients and the verdicts on them up to date with their requests.

    Args:
        store: Holds them.
        ladder: The steps and the threshold.
        model: Gives the model in force.
        notify: Takes the events of scores.
        ttl_seconds: Time for which an idle client's state is kept.
        rows_capacity: The largest number of training rows in the store.
        rules: Rules that need no model.
        campaigns: Watches for attacks of many clients; by default nothing does.
        buffer: Holds observations until they are flushed; by default a new one.
        traps: Holds clients that hit a honeypot until then; by default new ones.
        guard: The crowd guard; by default a new one.
        pause: Waits between two steps of a gentle flush, for a number of seconds.
        cpu_clock: Seconds of CPU of this thread, by which a gentle flush rests.
        monotonic: Seconds of a clock that is never set, by which saves are spread.
        new_site: Begins what a flush gathers of the site, given that clock.
        errors: Counts the calls of the store that have failed in this process.

    Attributes:
        observe: Takes an answered request, as the fields of an
            :class:`~flask_irl.behaviour.observation.Observation`; costs less than a microsecond,
            does no I/O.
        observe_refused: Does the same with one that this process refused without the store.
        on_judged: Takes the clients judged together, for evaluations; does nothing by default.
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
        campaigns: CampaignWatch | None = None,
        buffer: Buffer | None = None,
        traps: Traps | None = None,
        guard: CrowdGuard | None = None,
        pause: Callable[[float], object] = time.sleep,
        cpu_clock: Callable[[], float] = time.thread_time,
        monotonic: Callable[[], float] = time.monotonic,
        new_site: Callable[[Callable[[], float]], SiteUpdate] = SiteUpdate.first,
        errors: Callable[[], int] = lambda: 0,
    ) -> None:
        self._store = store
        self._ladder = ladder
        self._model = model
        self._notify = notify
        self._ttl_seconds = ttl_seconds
        self._rows_capacity = rows_capacity
        self._rules = rules
        self._guard = guard or CrowdGuard()
        self._campaigns = campaigns or CampaignWatch(store, notify, enabled=False)
        self._pause = pause
        self._cpu_clock = cpu_clock
        self._monotonic = monotonic
        self._errors = errors
        self._new_site = new_site
        self._step_log = StepLog()
        self._row_quota = RowQuota()
        self._damaged = DamageLog("profile", "profile_damaged", notify)
        self.on_judged: Callable[[Judged], object] = _ignore
        # An empty one is false.
        self._buffer = Buffer() if buffer is None else buffer
        self._traps = Traps() if traps is None else traps
        self._begin()

    def after_fork(self) -> None:
        """Begin with an empty buffer: the parent process flushes its own observations."""
        self._buffer.after_fork()
        self._traps.after_fork()
        self._begin()

    def _begin(self) -> None:
        self.observe = self._buffer.add
        self.observe_refused = self._buffer.add_refused
        self._site = self._new_site(self._monotonic)
        self._turns = SaveTurns(self._monotonic)
        self._errors_told = self._errors()
        self._flushing = threading.Lock()
        self._leaves = False
        self._rest_seconds, self._rested_at = REST_SECONDS[0], 0.0

    @property
    def guarding(self) -> bool:
        """Tell whether the crowd guard lets nobody else be flagged at the moment."""
        return self._guard.active

    def __len__(self) -> int:
        return len(self._buffer)

    def use(self, ladder: Ladder) -> None:
        """Judge by another ladder from the next flush on."""
        self._ladder = ladder

    def waiting(self) -> dict[str, int]:
        """Count each client's observations in this process's buffer; most first."""
        return self._buffer.count_by_client()

    def waiting_total(self) -> int:
        """Count all observations in this process's buffer."""
        return self._buffer.count()

    def trap(self, client: str) -> None:
        """Send a client, whose request is observed too, to the last step with the next flush."""
        self._traps.add(client)

    def label(self, client: str, feedback: int) -> bool:
        """Write an operator's feedback into a client's profile; False if the client is unknown.

        Raises:
            StoreError: The store failed, or others save the profile all the time.
        """

        def note(state: ClientState, records: profile.Records) -> int:
            records["feedback"] = feedback
            return state.step

        return bool(edit_profiles(self._store, [client], note, self._ttl_seconds))

    def forget_all(self, ttl_seconds: int) -> int:
        """Forget all clients, in the store and in the buffer; returns how many the store knew.

        Args:
            ttl_seconds: Twice the longest window of any limit.

        Raises:
            StoreError: The store failed; some may be forgotten.
        """
        with self._flushing:
            self._buffer.clear()
            self._traps.clear()
            known = self._store.forget_all(ttl_seconds)
            self._site.forget()
            clear_rankings(self._store)
        self._store.advance_epoch()
        return known

    def leave(self) -> None:
        """Hurry from now on: this process is about to end."""
        self._leaves = True

    def flush(self, *, gently: bool = False) -> int:
        """Merge the observations in the buffer, judge their clients, save profiles and verdicts.

        Args:
            gently: With pauses for requests that want the interpreter, too; and not at all while
                another flush goes on.

        Returns:
            The number of observations merged.

        Raises:
            StoreError: The store failed; the observations about to be merged are missing in
                profiles, others wait. No trap is lost, and the site's counts and rows wait, too.
        """
        if not self._take_turn(gently):
            return 0
        try:
            merged = self._flush_buffer(gently)
            if not merged and self._guard.flagged:
                self._guard.forget(self._store.now())
            self._notify(ClientsFlagged(self._guard.flagged))
            return merged
        finally:
            self._flushing.release()

    def _take_turn(self, gently: bool) -> bool:
        """Take the turn to flush, after whoever has it; False where that takes too long."""
        ends = time.monotonic() + (LAST_TURN_SECONDS if self._leaves else TURN_SECONDS)
        # Not by waiting in the lock: under gevent that may be one of the system's, made before
        # gevent came, and its holder a greenlet of this very thread, which sleeping lets go on.
        while not self._flushing.acquire(blocking=False):
            if gently or time.monotonic() > ends:
                return False
            time.sleep(TURN_PAUSE)
        return True

    def _flush_buffer(self, gently: bool) -> int:
        rest = self._rest if gently else _ignore
        if gently:
            self._rested_at = self._cpu_clock()
        flush = Flush(
            store=self._store,
            model=self._model(),
            ladder=self._ladder,
            rules=self._rules,
            guard=self._guard,
            traps=self._traps,
            step_log=self._step_log,
            notify=self._notify,
            damaged=self._report_damage,
            on_judged=self.on_judged,
            ttl_seconds=self._ttl_seconds,
            rest=rest,
            campaigns=self._campaigns,
            site=self._site,
            row_quota=self._row_quota,
            turns=self._turns,
        )
        by_client, merged = take_by_client(self._buffer, rest)
        held = self._turns.hold(by_client, self._traps if gently else None)
        merged -= sum(map(len, held.values()))
        self._rest_seconds = rest_seconds(len(by_client), merged)
        failed: StoreError | None = None
        try:
            for part in slices(by_client, SLICE if gently else WHOLE):
                rest()
                failed = flush.add(part) or failed
                rest()
        finally:
            if left := {**by_client, **held}:
                self._buffer.put_back(rest_of(left))
        if self._site.due(gently=gently):
            self._save_site(gently)
        self._campaigns.look(guarding=self._guard.active)
        if failed is not None:
            raise failed
        return merged

    def _save_site(self, gently: bool) -> None:
        errors, maxima = self._errors(), (self._guard.flagged, self._model().version)
        failed, most = errors - self._errors_told, self._rows_capacity
        try:
            self._site.save(self._store, most, maxima, failed, gently=gently)
        finally:
            self._site.bound(most)
        self._errors_told, self._site = errors, self._site.next()

    def _report_damage(self, client: str) -> None:
        self._damaged.report(client=client, reason="not all of it is possible")

    def _rest(self) -> None:
        if self._leaves:
            return
        if self._cpu_clock() - self._rested_at >= HOLD_SECONDS:
            self._pause(self._rest_seconds)
            self._rested_at = self._cpu_clock()


def _ignore(*_: object) -> None:
    pass
