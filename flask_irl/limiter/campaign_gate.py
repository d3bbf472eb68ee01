"""Hold back newcomers' logins at a route under a campaign: a few a minute are let through.

While no campaign runs on a login, :attr:`CampaignGate.check` is None, and a request costs nothing
here. Else each login at that route is looked up in the store once more: clients with a history, and
those that have logged in well, pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from flask_irl.behaviour import profile
from flask_irl.behaviour.events import READING
from flask_irl.behaviour.routes import is_login
from flask_irl.campaigns.newcomers import LOGGED_IN, has_history, login_sorts, logins_done
from flask_irl.errors import StoreError
from flask_irl.limiter.failures import Failures
from flask_irl.limits.decision import Decision
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import CampaignRefused, Notify
from flask_irl.verdicts.campaign_watch import CampaignWatch

WAIT_SECONDS: Final = 60.0
"""Time after which a newcomer that is held back is asked to try again."""
LEAST_FAILED: Final = 0.5
"""Count of failures that one leaves for some minutes."""
MOST_CAME: Final = 4096
"""Newcomers that are remembered whose first request was a login."""
FIRST_TRIES: Final = 4.0
"""Multiple of what is left to newcomers that those who haven't failed yet may try: where people log
in in the attacked way, most of them need one try."""
AGAIN: Final = 0.25
"""Multiple that newcomers may try beside them who have failed."""
HASTE: Final = 1.0
"""Seconds after its latest request within which a newcomer that no flush has seen can't have read a
page and typed a password."""

Check = Callable[[Decision, str, str], Decision]


class Allowance:
    """Let so many pass a minute, and as many at once.

    Args:
        per_minute: The number, above 0.
    """

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._most = max(per_minute, 1.0)
        self._left = self._most
        self._at = 0.0

    def take(self, at: float) -> bool:
        """Take one, at a time in seconds since the epoch; False where none is left."""
        since = max(at - self._at, 0.0) if self._at else 0.0
        self._left = min(self._left + since * self._per_minute / 60.0, self._most)
        self._at = at
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Allowances(NamedTuple):
    """Hold what newcomers of a sort may try.

    Attributes:
        per_minute: Logins a minute in this worker, above 0.
        first: Those that haven't failed yet.
        again: Those that have.
    """

    per_minute: float
    first: Allowance
    again: Allowance


def allowances_of(per_minute: float) -> Allowances:
    """Make full allowances for newcomers of a sort at a login."""
    first, again = Allowance(per_minute * FIRST_TRIES), Allowance(per_minute * AGAIN)
    return Allowances(per_minute, first, again)


class CampaignGate:
    """Hold back newcomers' logins.

    Args:
        watch: Knows the campaigns.
        store: Has the clients.
        failures: Takes its failures; then nobody is held back.
        notify: Takes an event for each login that is refused.

    Attributes:
        check: Takes the decision on a request, its route and its method, and gives the decision to
            go by; None while no login is under a campaign.
    """

    def __init__(
        self, watch: CampaignWatch, store: Store, failures: Failures, notify: Notify
    ) -> None:
        self._watch = watch
        self._store = store
        self._failures = failures
        self._notify = notify
        self._came: set[str] = set()
        self._routes: Mapping[str, Mapping[str, Allowances]] = {}
        self.check: Check | None = None

    def refresh(self, revision: int, *, enforced: bool) -> None:
        """Take up the campaigns that run.

        Args:
            revision: The present revision of their table.
            enforced: Whether anything may be refused for them.

        Raises:
            StoreError: The store failed; those that are known go on.
        """
        self._watch.refresh(revision)
        table = self._watch.table
        routes: dict[str, dict[str, Allowances]] = {}
        for (kind, route, sort), campaign in table.campaigns.items() if enforced else ():
            if kind == "login" and campaign.per_minute > 0.0:
                own = campaign.per_minute / table.workers
                kept = self._routes.get(route, {}).get(sort)
                if kept is None or kept.per_minute != own:
                    kept = allowances_of(own)
                routes.setdefault(route, {})[sort] = kept
        self._routes = routes
        self.check = self._check if routes else None

    def _check(self, decision: Decision, route: str, method: str) -> Decision:
        allowances = self._routes.get(route)
        if (
            allowances is None
            or method in READING
            or decision.outcome != "allowed"
            or decision.source != "store"
        ):
            return decision
        try:
            passes = self._passes(decision, allowances, named=is_login(route))
        except StoreError as error:
            self._failures.store_failed(error)
            return decision
        except Exception as error:
            # On a request's way: an error in here is no reason to fail the host's request.
            self._failures.swallow("campaign", error)
            return decision
        if passes:
            return decision
        self._notify(CampaignRefused("login"))
        return decision._replace(
            outcome="limited", remaining=0, reset_after=WAIT_SECONDS, retry_after=WAIT_SECONDS
        )

    def _passes(
        self, decision: Decision, allowances: Mapping[str, Allowances], *, named: bool
    ) -> bool:
        [state] = self._store.load([decision.key])
        if state is None:
            return True
        if state.override is not None and state.override.until > decision.at:
            return True
        failed_before = False
        if state.profile:
            record = profile.decode([state.profile])
            view = profile.view(record, 0.0, 0.0)
            if has_history(record)[0] or logins_done(view, named=named)[0] >= LOGGED_IN:
                return True
            sort = str(login_sorts(view)[0])
            failed_before = bool(view["failed_writes"][0] >= LEAST_FAILED)
        else:
            # No flush has seen it yet: it has asked for nothing before, or a moment ago.
            came = self._came
            if decision.gap < 0:
                if len(came) >= MOST_CAME:
                    came.clear()
                came.add(decision.key)
            # Another worker may have had the first of them.
            sort = "direct" if decision.key in came or decision.gap < HASTE else "page"
        own = allowances.get(sort)
        if own is None:
            return True
        return (own.again if failed_before else own.first).take(decision.at)
