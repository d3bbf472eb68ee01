"""Describe the results of operations on plans, as results.py does."""

from __future__ import annotations

from typing import TypedDict


class PlanEntry(TypedDict):
    """Describe a rate plan; ``configured`` are its limits by the configuration, None for none.

    ``assigned`` counts the clients that operators have assigned it.
    """

    plan: str
    limits: list[str]
    configured: list[str] | None
    assigned: int


class PlanList(TypedDict):
    """Describe the rate plans in force."""

    plans: list[PlanEntry]
    default_plan: str | None


class AssignedPlan(TypedDict):
    """Describe the rate plan that an operator has assigned a client; its end as in overrides."""

    client: str
    plan: str
    until: float
    reason: str
    who: str


class ClientPlan(TypedDict):
    """Describe the rate plan of a client.

    Members:
        plan: Its name; None where only the app or an API key tells it, with each request.
        source: ``operator``, ``app`` or ``default``.
        until, reason, who: Of an operator's assignment; else None.
        counted: The plans under which its requests count in the present windows.
    """

    plan: str | None
    source: str
    until: float | None
    reason: str | None
    who: str | None
    counted: list[str]
