"""Compose the operations on a limiter."""

from __future__ import annotations

from typing import Final

from flask_irl.campaigns.incident import KEPT
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.analytics import AnalyticsOperations
from flask_irl.operations.api_keys import ApiKeyOperations
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.campaigns import CampaignOperations
from flask_irl.operations.clients import ClientOperations
from flask_irl.operations.courses import ClientCourse, read_course
from flask_irl.operations.history import SiteHistory, read_history
from flask_irl.operations.incidents import IncidentState, read_incidents
from flask_irl.operations.models import ModelOperations
from flask_irl.operations.moments import seconds_until
from flask_irl.operations.overrides import OverrideOperations
from flask_irl.operations.plans import PlanOperations
from flask_irl.operations.quota import QuotaOperations
from flask_irl.operations.report import LISTED, Report, Reports
from flask_irl.operations.site import SiteOperations
from flask_irl.operations.status import StatusOperations
from flask_irl.operations.top import Top, read_top
from flask_irl.operations.undo import UndoOperations
from flask_irl.operations.what_if import WhatIf

HOUR: Final = 3600.0


class Operations:
    """Look into a limiter and change it; every change is audited before it is made.

    Args:
        limiter: The limiter.

    Attributes:
        analytics: Rankings of routes, clients, networks, countries and plans over days.
        audit: The changes that operators made.
        api_keys: API keys of the app's clients.
        campaigns: Attacks of many clients.
        clients: Single clients: rankings, profiles, resets, feedback.
        overrides: Operators' overrides of single clients.
        plans: Rate plans, and the clients that are assigned one.
        models: Trainings and the models that are kept.
        quota: What is left of single clients' limits.
        site: The site as a whole: counters, limits, mode.
        status: All that is out of the ordinary, on one screen; tells of a store that fails.
        undo: Changes that can be taken back, by their entries of the audit log.
        what_if: Consequences of another threshold, limit or plan, from the courses of the last day.
        store: Keeps the sessions of those who look.

    Raises:
        StoreError: By every method of all others, when the store doesn't answer.
    """

    def __init__(self, limiter: Limiter) -> None:
        self.audit = AuditLog(limiter.store, limiter.notify, limiter.tenant)
        self.api_keys = ApiKeyOperations(limiter, self.audit)
        self.overrides = OverrideOperations(limiter, self.audit)
        self.clients = ClientOperations(limiter, self.audit)
        self.campaigns = CampaignOperations(limiter, self.audit)
        self.plans = PlanOperations(limiter, self.audit)
        self.analytics = AnalyticsOperations(limiter, self.audit, self.plans)
        self.models = ModelOperations(limiter, self.audit)
        self.quota = QuotaOperations(limiter)
        self.site = SiteOperations(limiter, self.audit)
        self.status = StatusOperations(limiter, self.clients)
        self.undo = UndoOperations(
            self.audit,
            self.overrides,
            self.clients,
            self.models,
            self.site,
            self.plans,
            self.campaigns,
        )
        self.what_if = WhatIf(limiter)
        self.store = limiter.store
        self._limiter = limiter
        self._reports = Reports(limiter, self.audit)

    def history(self, span: str = "1h") -> SiteHistory:
        """Show the site's traffic over a span up to now.

        Args:
            span: ``5m``, ``1h``, ``24h``, ``7d`` or ``35d``.

        Raises:
            ConfigurationError: There is no such span.
        """
        return read_history(self.store, span)

    def course(self, client: str) -> ClientCourse:
        """Show the course of a client over the last day, by its key."""
        return read_course(self._limiter, client)

    def report(self, days: int = 7, listed: int = LISTED) -> Report:
        """Report on the last days: traffic, and whom the app and this limiter refused.

        Args:
            days: Days, today included, 1 to 8.
            listed: Clients, routes and networks that are listed at most.

        Raises:
            ConfigurationError: The days are too many or none.
        """
        return self._reports.make(days, listed)

    def incidents(self, offset: int = 0, limit: int = KEPT) -> tuple[list[IncidentState], int]:
        """List attacks as incidents, the latest first, and count them.

        Args:
            offset: The number of incidents to skip.
            limit: The number of incidents to return at most.
        """
        return read_incidents(self.store, offset, limit)

    def incident(self, id: str) -> IncidentState | None:
        """Find an incident by its id; None for one that is kept no more."""
        return next((one for one in self.incidents()[0] if one["id"] == id), None)

    def seconds(self, seconds: float | None, until: object, default: float = HOUR) -> float:
        """Give the seconds for which a change is to hold.

        Args:
            seconds: That number, if it is given.
            until: The end instead, as of :func:`~flask_irl.operations.moments.seconds_until`.
            default: The seconds where neither is given.

        Raises:
            ConfigurationError: Both are given, or the end isn't allowed.
        """
        if until is None:
            return default if seconds is None else seconds
        if seconds is not None:
            raise ConfigurationError("seconds and until are both given: give one of them")
        return seconds_until(until, self.store.now())

    def top(self, order: str = "active", limit: int = 20) -> Top:
        """Show the site live: its traffic, attacks, and the first clients of a ranking.

        Args:
            order: The ranking, as of ``irl clients``.
            limit: Clients that are listed at most.

        Raises:
            ConfigurationError: There is no such ranking.
        """
        return read_top(self._limiter, self.status, self.clients, order, limit)
