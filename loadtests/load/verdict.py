"""Judge a load test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FINE: Final = 0
FAILED: Final = 1
NOTHING_TESTED: Final = 3
LEAST_SERVED: Final = 0.99
"""Share of normal clients' requests that must be served under any attack."""


def exit_code(counts: Mapping[str, Any]) -> int:
    """Give the exit code of the load generator.

    It is 0 when every answer was right, 1 when one was not, 3 when a persona got no answer at all,
    so that nothing can be said.

    Args:
        counts: Counts of a run, see :meth:`~loadtests.load.tally.Tally.to_json`.
    """
    if counts["complaints"]:
        return FAILED
    lines = counts["personas"].values()
    if not lines or any(line["sent"] == 0 for line in lines):
        return NOTHING_TESTED
    return FINE


def complaints(counts: Mapping[str, Any], *, model_version: int) -> list[str]:
    """List the duties that the limiter missed; version 0 means that no model is in force."""
    if not model_version:
        return ["no model was in force: the attack was only met by the full limit"]
    missed = []
    share = share_served(counts)
    if share is not None and share < LEAST_SERVED:
        missed.append(f"only {share:.2%} of the normal clients' requests were served")
    for name, line in counts["personas"].items():
        if line["side"] == "attack" and not line["tightened"]:
            missed.append(f"{name}: was never held to less than the full limit")
    return missed


def share_served(counts: Mapping[str, Any]) -> float | None:
    """Give the share of normal clients' requests that were served; None if they sent none."""
    sent = sum(moment["normal_sent"] for moment in counts["seconds"])
    served = sum(moment["normal_served"] for moment in counts["seconds"])
    return served / sent if sent else None
