"""Show and change rate plans, and assign them to clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from flask_irl.config.options import Options
from flask_irl.config.runtime import apply_settings, check_settings, read_settings
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.rate_plans import MAX_ASSIGNED
from flask_irl.limits.limit import Limit
from flask_irl.limits.override import check_seconds
from flask_irl.limits.plan_assignment import PlanAssignment
from flask_irl.operations import ids
from flask_irl.operations.audit import AuditLog, check_reason
from flask_irl.operations.client_plans import plan_of_client
from flask_irl.operations.plan_results import AssignedPlan, ClientPlan, PlanList
from flask_irl.operations.settings import Settings, change_settings

MAX_EXAMPLES: Final = 3
DEFAULT: Final = "default plan"
"""Stands in the audit log for the default plan: no plan can be called so."""


class PlanOperations:
    """Show and change rate plans, and assign them to clients.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._audit = audit

    def read(self) -> PlanList:
        """List the plans in force with their limits, and count the clients assigned to each."""
        self._limiter.refresh()
        options, configured = self._limiter.options, self._limiter.configured
        counts = self._counts()
        return {
            "plans": [
                {
                    "plan": name,
                    "limits": [str(limit) for limit in limits],
                    "configured": _texts(configured.plans.get(name)),
                    "assigned": counts[name],
                }
                for name, limits in options.plans.items()
            ],
            "default_plan": options.default_plan,
        }

    def change(self, changes: Mapping[str, Any], who: str) -> PlanList:
        """Change plans, in this worker at once and in all others within two seconds.

        Requests that were counted under a plan stay counted while its windows are as long as
        before.

        Args:
            changes: ``plans``: limits by name; None goes back to the configured limits, and removes
                a plan that isn't configured. ``default_plan``: its name; None for the configured
                one. Plans that aren't named stay.
            who: The operator.

        Raises:
            ConfigurationError: A change isn't allowed; or a plan that clients are assigned to, or
                that is the default, would be gone.
        """
        plans: Mapping[str, Any] = changes.get("plans") or {}
        new = check_settings({"plans": {n: x for n, x in plans.items() if x is not None}})["plans"]
        back = [name for name, limits in plans.items() if limits is None]
        named = "default_plan" in changes
        default = changes.get("default_plan")
        if default is not None:
            check_settings({"default_plan": default})

        def change(settings: Settings) -> Settings:
            overlay = {**settings.get("plans", {}), **new}
            after = {**settings, "plans": {n: x for n, x in overlay.items() if n not in back}}
            if not after["plans"]:
                del after["plans"]
            if named:
                after.pop("default_plan", None)
                if default is not None:
                    after["default_plan"] = default
            return after

        self._limiter.refresh()
        before = self._limiter.options
        after = apply_settings(
            self._limiter.configured, change(read_settings(self._store.settings()[1]))
        )
        self._check(before, after, back)
        names = [*new, *back]
        self._audit.record(who, "plans", "", _state(before, names), _state(after, names))
        change_settings(self._limiter, change)
        return self.read()

    def in_force(self, names: Iterable[str]) -> dict[str, Any]:
        """Describe some plans and the default plan in force, as the audit log has them."""
        self._limiter.refresh()
        return _state(self._limiter.options, [name for name in names if name != DEFAULT])

    def restore(self, before: Mapping[str, Any], who: str) -> None:
        """Change plans back to a state of the audit log.

        Args:
            before: The state.
            who: The operator.

        Raises:
            ConfigurationError: A plan that somebody needs would be gone.
        """
        configured = _state(self._limiter.configured, [name for name in before if name != DEFAULT])
        back = {n: None if configured[n] == value else value for n, value in before.items()}
        changes: dict[str, Any] = {
            "plans": {n: x and ";".join(x) for n, x in back.items() if n != DEFAULT}
        }
        if self.in_force(())[DEFAULT] != before.get(DEFAULT):
            changes["default_plan"] = back.get(DEFAULT)
        self.change(changes, who)

    def assignment(self, client: str) -> dict[str, Any] | None:
        """Describe the assignment of a client in force, by its key, as the audit log has it."""
        self._limiter.refresh()
        return _state_of(self._limiter.rate_plans.assignment_of(client))

    def of_client(self, client: str) -> ClientPlan | None:
        """Tell the plan of a client, known to the store or not; None where the base limit holds.

        Args:
            client: The client's id or key.

        Raises:
            ConfigurationError: A network is given.
        """
        key = self._key_of(client, named=False)
        self._limiter.refresh()
        return plan_of_client(self._limiter, key, self._store.now())

    def restore_assignment(
        self, client: str, before: Mapping[str, Any] | None, reason: str, who: str
    ) -> None:
        """Assign a client what it was assigned before, until the same end; or nothing.

        Args:
            client: The client's key.
            before: The assignment, as the audit log has it; None for none.
            reason: The operator's reason for it then.
            who: The operator.

        Raises:
            ConfigurationError: There is no such plan any more.
        """
        seconds = 0.0 if before is None else before["until"] - self._store.now()
        if before is None or seconds <= 0:
            self.unassign(client, who, named=True)
        else:
            plan = before["plan"]
            self.assign(client, plan, seconds=seconds, reason=reason, who=who, named=True)

    def assigned(self, *, offset: int = 0, limit: int = 50) -> tuple[list[AssignedPlan], int]:
        """List the clients that are assigned a plan, the longest first, and count them."""
        self._limiter.refresh()
        found = sorted(self._live(), key=lambda item: (-item[1].until, item[0]))
        page = found[offset : offset + limit]
        return [_described(client, assignment) for client, assignment in page], len(found)

    def assign(
        self,
        client: str,
        plan: str,
        *,
        seconds: float,
        reason: str,
        who: str,
        named: bool = False,
    ) -> AssignedPlan:
        """Assign a client a plan for a time, whatever its key or the app says.

        Holds in this worker at once, in all others within two seconds, and after restarts. An
        override of the client goes before its plan.

        Args:
            client: The client's id or key, known to the store or not.
            plan: Name of the plan.
            seconds: The time until that ends, up to a year.
            reason: The operator's reason, for the audit log.
            who: The operator.
            named: Takes a client that is called like a network for that client.

        Raises:
            ConfigurationError: A value isn't allowed, a network is given, or too many clients are
                assigned a plan.
        """
        check_seconds(seconds)
        check_reason(reason)
        key = self._key_of(client, named)
        self._limiter.refresh()
        known = self._limiter.rate_plans.table
        if plan not in known:
            raise ConfigurationError(
                f"plan is {plan!r:.60}, which is no plan; there are: {', '.join(known) or 'none'}"
            )
        before = self._limiter.rate_plans.assignment_of(key)
        assignment = PlanAssignment(plan, self._store.now() + seconds, reason, who)
        self._audit.record(who, "plan", key, _state_of(before), _state_of(assignment), reason)
        if not self._store.put_assigned(key, assignment.encode(), MAX_ASSIGNED):
            raise ConfigurationError(
                f"{MAX_ASSIGNED} clients are assigned a plan, and no more can be: take some back, "
                "or name the plans of many by plan_of"
            )
        self._limiter.refresh()
        return _described(key, assignment)

    def unassign(self, client: str, who: str, *, named: bool = False) -> bool:
        """Take a client's assigned plan back; tell if there was one.

        Raises:
            ConfigurationError: A network is given.
        """
        key = self._key_of(client, named)
        self._limiter.refresh()
        before = self._limiter.rate_plans.assignment_of(key)
        if before is not None:
            self._audit.record(who, "plan", key, before=_state_of(before))
            self._store.drop_assigned([key])
            self._limiter.refresh()
        return before is not None

    def _key_of(self, client: str, named: bool) -> str:
        key = (ids.client_key_of if named else ids.key_of)(self._store, client)
        if not named and ids.is_no_client(key):
            raise ConfigurationError(
                f"{key} is a network: plans are those of clients; a network can have an override"
            )
        return key

    def _counts(self) -> Counter[str]:
        return Counter(assignment.plan for _, assignment in self._live())

    def _live(self) -> list[tuple[str, PlanAssignment]]:
        """List the assignments in force, by client."""
        plans = self._limiter.rate_plans
        found = ((client, plans.assignment_of(client)) for client in plans.assigned)
        return [(client, each) for client, each in found if each is not None]

    def _check(self, before: Options, after: Options, back: Sequence[str]) -> None:
        """Check that no plan is gone that somebody needs.

        Raises:
            ConfigurationError: One would be.
        """
        for name in back:
            if name not in before.plans:
                raise ConfigurationError(
                    f"plan is {name!r:.60}, which is no plan; there are: {', '.join(before.plans)}"
                )
        if after.default_plan is not None and after.default_plan not in after.plans:
            raise ConfigurationError(
                f"default_plan is {after.default_plan!r}, which is no plan then; there are: "
                f"{', '.join(after.plans) or 'none'}"
            )
        gone = before.plans.keys() - after.plans.keys()
        found = self._live()
        clients = [client for client, assignment in found if assignment.plan in gone]
        if clients:
            shown = ", ".join(clients[:MAX_EXAMPLES])
            raise ConfigurationError(
                f"{len(clients)} clients are assigned a plan that would be gone, such as {shown}: "
                "assign them another before"
            )


def _texts(limits: Sequence[Limit] | None) -> list[str] | None:
    return None if limits is None else [str(limit) for limit in limits]


def _state(options: Options, names: Sequence[str]) -> dict[str, Any]:
    """Describe some plans for the audit log."""
    plans = {name: _texts(options.plans.get(name)) for name in names}
    return {**plans, DEFAULT: options.default_plan}


def _state_of(assignment: PlanAssignment | None) -> dict[str, Any] | None:
    return None if assignment is None else {"plan": assignment.plan, "until": assignment.until}


def _described(client: str, assignment: PlanAssignment) -> AssignedPlan:
    plan, until, reason, who = assignment
    return {"client": client, "plan": plan, "until": until, "reason": reason, "who": who}
