"""Whether a load test went as it should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FINE: Final = 0
FAILED: Final = 1
NOTHING_TESTED: Final = 3
LEAST_SERVED: Final = 0.99
"""Share of normal clients' requests that must be served, whatever the attack."""


def exit_code(counts: Mapping[str, Any]) -> int:
    """What the load generator ends with.

    Args:
        counts: As :meth:`~loadtests.load.tally.Tally.to_json` tells them.

    Returns:
        0 when every answer was right; 1 when one was not; 3 when a persona got no answer at all,
        so that nothing can be said.
    """
    if counts["complaints"]:
        return FAILED
    lines = counts["personas"].values()
    if not lines or any(line["sent"] == 0 for line in lines):
        return NOTHING_TESTED
    return FINE


def complaints(counts: Mapping[str, Any], *, model_version: int) -> list[str]:
    """What the limiter should have done and didn't, one sentence each.

    Args:
        counts: As :meth:`~loadtests.load.tally.Tally.to_json` tells them.
        model_version: Of the model in force; 0 for none.
    """
    if not model_version:
        return ["no model was in force: the attack was only met by the full limit"]
    found = []
    served = share_served(counts)
    if served is not None and served < LEAST_SERVED:
        found.append(f"only {served:.2%} of the normal clients' requests were served")
    for name, line in counts["personas"].items():
        if line["side"] == "attack" and not line["tightened"]:
            found.append(f"{name}: was never held to less than the full limit")
    return found


def share_served(counts: Mapping[str, Any]) -> float | None:
    """The share of normal clients' requests that were served; None if they sent none."""
    sent = sum(moment["normal_sent"] for moment in counts["seconds"])
    served = sum(moment["normal_served"] for moment in counts["seconds"])
    return served / sent if sent else None
