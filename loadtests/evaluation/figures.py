"""Figures of many logs: shares by family, and the bars that they are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final, NamedTuple

Log = Mapping[str, Any]
ORDINARY: Final = ("ordinary", "clean")
SHIFTED: Final = ("flash_crowd_deploy", "holiday")
JITTERED: Final = tuple(f"attack:scraper_{rate}_jittered" for rate in (20, 60, 95))
ENUMERATION: Final = "attack:enumeration"
FLAGGED_SOON: Final = (
    *(f"attack:scraper_{rate}" for rate in (20, 60, 95)),
    *JITTERED,
    "attack:scan",
    ENUMERATION,
)
"""Those of whom the first flag is held against the bar; stuffing has its own."""


def over_static(families: Mapping[str, Mapping[str, Any]], refused: str = "refused") -> float:
    """Legitimate requests refused beyond what the static limit refuses, in points.

    Args:
        families: Of one log, by label.
        refused: Whose refusals: ``refused`` or ``plain_refused``.
    """
    some = [f for label, f in families.items() if label.startswith("legit:")]
    requests: int = sum(f["requests"] for f in some)
    lost: int = sum((f[refused] or 0) - f["static"] for f in some)
    return 100.0 * lost / max(1, requests)


def of(logs: Sequence[Log], scenarios: Sequence[str]) -> list[Log]:
    """The logs of some scenarios."""
    return [log for log in logs if log["scenario"] in scenarios]


def labels(logs: Sequence[Log]) -> list[str]:
    """All families of some logs."""
    return sorted({label for log in logs for label in log["families"]})


def family(logs: Sequence[Log], label: str) -> list[Mapping[str, Any]]:
    """A family, in each of the logs that have it."""
    return [log["families"][label] for log in logs if label in log["families"]]


def shares(logs: Sequence[Log], label: str, what: str = "refused") -> list[float]:
    """What share of a family's requests was refused in each log, in percent."""
    return [
        100.0 * found[what] / max(1, found["requests"])
        for found in family(logs, label)
        if found.get(what) is not None
    ]


def false_flags(logs: Sequence[Log]) -> float:
    """Legitimate requests of flagged clients after the hours of learning, as a share."""
    found = [f for log in logs for label, f in log["families"].items() if label[:6] == "legit:"]
    requests: int = sum(f["late_requests"] for f in found)
    flagged: int = sum(f["late_flagged"] for f in found)
    return flagged / max(1, requests)


def realised_rate(logs: Sequence[Log]) -> float:
    """Of unseen legitimate requests the share that the calibrated score alone would flag.

    Not counted are regulars, whom nothing was calibrated for.
    """
    found = [log["realised"] for log in logs]
    requests: int = sum(f["requests"] for f in found)
    flagged: int = sum(f["flagged"] for f in found)
    return flagged / max(1, requests)


def worst_family(logs: Sequence[Log]) -> tuple[float, str]:
    """The legitimate family that loses most over static, mean over logs in points, and its name."""
    losses = {
        label: fmean(
            over_static({label: log["families"][label]}) for log in logs if label in log["families"]
        )
        for label in labels(logs)
        if label.startswith("legit:")
    }
    if not losses:
        return 0.0, "legit:none"
    worst = max(losses, key=lambda label: losses[label])
    return losses[worst], worst


class Bar(NamedTuple):
    """A figure and what it is held against.

    Attributes:
        text: What it is.
        figure: Mean over the logs.
        bar: The most that is allowed, or the least.
        most: Whether the bar is the most.
        unit: Of both.
    """

    text: str
    figure: float
    bar: float
    most: bool
    unit: str

    @property
    def met(self) -> bool:
        """Whether it is good enough."""
        return self.figure <= self.bar if self.most else self.figure >= self.bar


def bars(logs: Sequence[Log]) -> list[Bar]:
    """Every bar that these logs have something to say on."""
    found: list[Bar] = []
    for name, scenarios, most in (
        ("ordinary days", ORDINARY, 0.1),
        ("flash crowd with deploy", SHIFTED[:1], 0.5),
        ("holiday", SHIFTED[1:], 0.5),
    ):
        if some := of(logs, scenarios):
            loss = fmean(over_static(log["families"]) for log in some)
            found.append(Bar(f"legitimate over static, {name}", loss, most, True, "points"))
    for name, scenarios, most in (("ordinary", ORDINARY, 1.0), ("shifted", SHIFTED, 3.0)):
        if some := of(logs, scenarios):
            loss, label = worst_family(some)
            text = f"worst legitimate family, {name} ({label[6:]})"
            found.append(Bar(text, loss, most, True, "points"))
    ordinary = of(logs, ("ordinary",))
    if ordinary:
        found += _attack_bars(ordinary)
    return found


def _attack_bars(logs: Sequence[Log]) -> list[Bar]:
    groups: Sequence[tuple[str, tuple[str, ...], float]] = (
        ("scraper at 95 a minute", ("attack:scraper_95",), 90.0),
        ("scraper at 60 a minute", ("attack:scraper_60",), 85.0),
        ("scraper at 20 a minute", ("attack:scraper_20",), 70.0),
        ("jittered scrapers", JITTERED, 85.0),
        ("concentrated stuffing", ("attack:stuffing",), 94.0),
        ("404 scan", ("attack:scan",), 90.0),
        ("slow enumeration", (ENUMERATION,), 70.0),
    )
    found = [
        Bar(f"{text}: refused", mean_share(logs, some), least, False, "%")
        for text, some, least in groups
        if any(family(logs, label) for label in some)
    ]
    for text, some, most in (
        ("requests to the first flag, slowest family", FLAGGED_SOON, 50.0),
        ("requests to the first flag, stuffing", ("attack:stuffing",), 20.0),
    ):
        firsts = [first for label in some if (first := first_request(logs, label)) is not None]
        if firsts:
            found.append(Bar(text, max(firsts), most, True, ""))
    return found


def mean_share(logs: Sequence[Log], some: Sequence[str], what: str = "refused") -> float:
    """The mean over families and logs of the share refused, in percent."""
    found = [share for label in some for share in shares(logs, label, what)]
    return fmean(found) if found else 0.0


def first_request(logs: Sequence[Log], label: str, what: str = "first_request") -> float | None:
    """The median over logs of the number of the request at the first flag; None if never."""
    return _median([found[what] for found in family(logs, label)], float)


def _median(values: Sequence[Any], to: Callable[[Any], float]) -> float | None:
    known = [to(value) for value in values if value is not None]
    return median(known) if known else None
