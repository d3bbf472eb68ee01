"""Compute figures of many logs: shares by family, and those that are held to a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final

from loadtests.targets import Outcome

Log = Mapping[str, Any]
JITTERED: Final = tuple(f"attack:scraper_{rate}_jittered" for rate in (20, 60, 95))
ENUMERATION: Final = "attack:enumeration"
FIRST: Final = "requests until the first flag"
FLAGGED_SOON: Final = (
    *(f"attack:scraper_{rate}" for rate in (20, 60, 95)),
    *JITTERED,
    "attack:scan",
    ENUMERATION,
)
"""Families with one target for the first flag; stuffing has its own."""


def over_static(families: Mapping[str, Mapping[str, Any]], refused: str = "refused") -> float:
    """Give the loss of one log's normal clients: the share of their requests that was refused
    beyond those that the limit alone refuses, in percent.

    ``refused`` is the member to read: ``refused`` or ``plain_refused``.
    """
    some = [f for label, f in families.items() if label.startswith("legit:")]
    requests: int = sum(f["requests"] for f in some)
    lost: int = sum(f[refused] - f["static"] for f in some)
    return 100.0 * lost / max(1, requests)


def of(logs: Sequence[Log], scenarios: Sequence[str]) -> list[Log]:
    """Select the logs of some scenarios."""
    return [log for log in logs if log["scenario"] in scenarios]


def labels(logs: Sequence[Log]) -> list[str]:
    """List the families of some logs."""
    return sorted({label for log in logs for label in log["families"]})


def family(logs: Sequence[Log], label: str) -> list[Mapping[str, Any]]:
    """Select a family, in each of the logs that have it."""
    return [log["families"][label] for log in logs if label in log["families"]]


def shares(logs: Sequence[Log], label: str, member: str = "refused") -> list[float]:
    """Give the share of a family's requests that was refused in each log, in percent."""
    return [100.0 * e[member] / max(1, e["requests"]) for e in family(logs, label)]


def false_flags(logs: Sequence[Log]) -> float:
    """Give the share of legitimate requests, after learning, of flagged clients."""
    some = [f for log in logs for label, f in log["families"].items() if label[:6] == "legit:"]
    return _share(some, "late_flagged", "late_requests")


def realised_rate(logs: Sequence[Log]) -> float:
    """Give the share of unseen legitimate requests that the calibrated score alone would flag.

    Requests of regulars don't count: the calibration is not for them.
    """
    return _share([log["realised"] for log in logs], "flagged", "requests")


def _share(some: Sequence[Mapping[str, int]], part: str, whole: str) -> float:
    return sum(entry[part] for entry in some) / max(1, sum(entry[whole] for entry in some))


def first_flags(logs: Sequence[Log]) -> list[Outcome]:
    """Hold the requests until the first flag to their targets."""
    results = []
    for name, some, most in (
        ("slowest family", FLAGGED_SOON, 50.0),
        ("stuffing", ("attack:stuffing",), 20.0),
    ):
        firsts = [first for label in some if (first := first_request(logs, label)) is not None]
        if firsts:
            results.append(Outcome(f"{FIRST}: {name}", max(firsts), most, "", 1))
    return results


def mean_share(logs: Sequence[Log], some: Sequence[str], member: str = "refused") -> float:
    """Give the mean over families and logs of the share refused, in percent."""
    every = [share for label in some for share in shares(logs, label, member)]
    return fmean(every) if every else 0.0


def first_request(logs: Sequence[Log], label: str, member: str = "first_request") -> float | None:
    """Give the median over logs of the request's number at the first flag; None if never."""
    numbers = [f[member] for f in family(logs, label) if f[member] is not None]
    return float(median(numbers)) if numbers else None
