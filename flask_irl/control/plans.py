"""Assign clients rate plans from an app's own code."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flask_irl.control.base import (
    ClientName,
    Control,
    caller,
    checked,
    may_name_anything,
    name_of_client,
)

if TYPE_CHECKING:
    from flask_irl.operations.plan_results import AssignedPlan


class PlanControl(Control):
    """Give an extension's calls on the plans of single clients."""

    def assign_plan(
        self,
        client: ClientName,
        plan: str,
        *,
        seconds: float | None = None,
        until: datetime | str | None = None,
        reason: str = "",
        who: str | None = None,
    ) -> AssignedPlan:
        """Assign a client a rate plan for a time, whatever its key or ``plan_of`` says.

        Holds in this process at once, in all others within two seconds, and after restarts. At most
        10,000 clients can be assigned a plan at a time: name the plans of many by ``plan_of``.

        Args:
            client: Its name, as ``key_func`` gives it; it need not be known.
            plan: Name of one of the plans.
            seconds: For how long: above 0, up to 366 days; an hour without it and ``until``.
            until: The end instead: a ``datetime`` with a zone, or a text of ISO 8601.
            reason: Why, for the audit log: a line of at most 500 characters.
            who: Who does it, for the audit log: a line of at most 100 characters. By default
                ``app:`` and the function that calls this.

        Returns:
            The assignment: ``client``, ``plan``, ``until`` (seconds since the epoch), ``reason``
            and ``who``.

        Raises:
            ConfigurationError: An argument isn't allowed, or there is no such plan.
            StoreError: The store doesn't answer.
            RuntimeError: There is no app context.
        """
        from flask_irl.operations.audit import MAX_REASON
        from flask_irl.operations.texts import check_line

        who = checked(who or caller())
        operations = self._operations("assign_plan()")
        return operations.plans.assign(
            name_of_client(client),
            plan,
            seconds=operations.seconds(seconds, until),
            reason=check_line("reason", reason, MAX_REASON),
            who=who,
            named=may_name_anything(),
        )

    def unassign_plan(self, client: ClientName, *, who: str | None = None) -> bool:
        """Take a client's assigned plan back; tell whether there was one.

        Arguments and errors as of :meth:`assign_plan`.
        """
        who = checked(who or caller())
        operations = self._operations("unassign_plan()")
        return operations.plans.unassign(name_of_client(client), who, named=may_name_anything())
