"""Compose the operations on a limiter."""

from __future__ import annotations

from typing import Final

from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.api_keys import ApiKeyOperations
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.campaigns import CampaignOperations
from flask_irl.operations.clients import ClientOperations
from flask_irl.operations.models import ModelOperations
from flask_irl.operations.moments import seconds_until
from flask_irl.operations.overrides import OverrideOperations
from flask_irl.operations.plans import PlanOperations
from flask_irl.operations.site import SiteOperations
from flask_irl.operations.status import StatusOperations

HOUR: Final = 3600.0


class Operations:
    """Look into a limiter and change it; every change is audited before it is made.

    Args:
        limiter: The limiter.

    Attributes:
        audit: The changes that operators made.
        api_keys: API keys of the app's clients.
        campaigns: Attacks of many clients.
        clients: Single clients: rankings, profiles, resets, feedback.
        overrides: Operators' overrides of single clients.
        plans: Rate plans, and the clients that are assigned one.
        models: Trainings and the models that are kept.
        site: The site as a whole: counters, limits, mode.
        status: All that is out of the ordinary, on one screen; tells of a store that fails.

    Raises:
        StoreError: By every method of all others, when the store doesn't answer.
    """

    def __init__(self, limiter: Limiter) -> None:
        self.audit = AuditLog(limiter.store, limiter.notify)
        self.api_keys = ApiKeyOperations(limiter, self.audit)
        self.overrides = OverrideOperations(limiter, self.audit)
        self.clients = ClientOperations(limiter, self.audit)
        self.campaigns = CampaignOperations(limiter, self.audit)
        self.plans = PlanOperations(limiter, self.audit)
        self.models = ModelOperations(limiter, self.audit)
        self.site = SiteOperations(limiter, self.audit)
        self._store = limiter.store
        self.status = StatusOperations(limiter, self.clients)

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
        return seconds_until(until, self._store.now())
