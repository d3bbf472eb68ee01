"""Keep the rate plans that are in force, and the clients that operators have assigned one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from flask_irl.config.options import Options, check_default_plan
from flask_irl.limiter.decode_changed import decode_changed
from flask_irl.limits.plan_assignment import PlanAssignment, decode
from flask_irl.limits.rate_plan import RatePlan
from flask_irl.stores.site import Revisions, SiteStore
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify, ignore
from flask_irl.telemetry.log import event

MAX_ASSIGNED: Final = 10_000
"""Clients that can be assigned a plan at a time: every worker knows them all."""


class RatePlans:
    """Keep the rate plans in force in this process; looked at without a call of the store.

    Args:
        options: Its ``plans`` and ``default_plan``.
        store: Keeps the assignments.
        now: Tells the store's time in seconds since the epoch, without a call of it.
        notify: Takes an event for each assignment that can't be read.

    Attributes:
        any: Whether there are plans: while there are none, requests pay nothing for them.
        by_request: Whether requests tell their client's plan: the app's function, or their key.
        table: The plans by name.
        default: The plan of clients that have no other; None for the base limit.
        assigned: Operators' assignments by client; may have ended.

    Raises:
        ConfigurationError: The default plan is no plan.
    """

    def __init__(
        self,
        options: Options,
        store: SiteStore,
        now: Callable[[], float],
        notify: Notify = ignore,
    ) -> None:
        check_default_plan(options)
        self._store = store
        self._now = now
        self._damaged = DamageLog("assigned", "plan_assignment_damaged", notify)
        self._read: Mapping[str, bytes] = {}
        self.any = self.by_request = False
        self.table: Mapping[str, RatePlan] = {}
        self.default: RatePlan | None = None
        self.assigned: Mapping[str, PlanAssignment] = {}
        self.use(options)

    def use(self, options: Options) -> None:
        """Use other definitions from now on; a plan that stays the same stays itself."""
        known = self.table
        table = {}
        for name, limits in options.plans.items():
            plan = known.get(name)
            table[name] = plan if plan and plan.limits == limits else RatePlan(name, limits)
        default = options.default_plan
        self.table = table
        self.default = None if default is None else table.get(default)
        self.any = bool(table)

    def assigned_to(self, client: str) -> RatePlan | None:
        """Give the plan that an operator has assigned a client; None where there is none."""
        assignment = self.assignment_of(client)
        return None if assignment is None else self.table.get(assignment.plan)

    def assignment_of(self, client: str) -> PlanAssignment | None:
        """Give the assignment of a client that is in force."""
        assignment = self.assigned.get(client)
        return None if assignment is None or assignment.until <= self._now() else assignment

    def refresh(self, before: Revisions, news: Revisions) -> None:
        """Take up changed assignments; those that have ended leave the store.

        A store that has lost its data gets those back that this process knows.

        Args:
            before: The revisions that were taken up last.
            news: Those of now.

        Raises:
            StoreError: The store failed; all that is known stays.
        """
        if news.assigned < before.assigned:
            self._restore()
        if news.assigned == before.assigned and not self.assigned:
            return
        if news.assigned != before.assigned:
            self._take_up(self._store.assigned())
        now = self._now()
        ended = [client for client, each in self.assigned.items() if each.until <= now]
        if ended and self._store.drop_assigned(ended, news.assigned):
            self.assigned = {c: each for c, each in self.assigned.items() if c not in ended}

    def _take_up(self, stored: Mapping[str, bytes]) -> None:
        before, self._read = self._read, stored
        self.assigned = decode_changed(
            stored,
            before,
            self.assigned,
            decode,
            lambda client, error: self._damaged.report(client=client, reason=error),
        )

    def _restore(self) -> None:
        """Write assignments that the store has lost."""
        stored, now = self._store.assigned(), self._now()
        lost = {c: x for c, x in self.assigned.items() if c not in stored and x.until > now}
        for client, assignment in lost.items():
            self._store.put_assigned(client, assignment.encode(), MAX_ASSIGNED)
        if lost:
            event(logging.WARNING, "plans_restored", clients=len(lost))
