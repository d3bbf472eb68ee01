"""Hold the figures of an evaluation to their bars: mean, worst log, and what wasn't taught.

A bar is for detectors as they are taught in service. Beside each stands the figure of the replays
in which the group of the family's own kind was left out of what is taught, see
:mod:`loadtests.evaluation.left_out`: what to expect of an attack that is like nothing taught.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from loadtests.evaluation import figures
from loadtests.evaluation.figures import Log, over_static
from loadtests.evaluation.left_out import group_of
from loadtests.targets import Outcome

SITES: Final = ("ordinary", "small_site", "large_site")
CALM: Final = ("ordinary", "clean", "small_site", "large_site")
SHIFTED: Final = ("flash_crowd_deploy", "holiday", "morning")
JITTERED: Final = tuple(f"scraper_{rate}_jittered" for rate in (20, 60, 95))

Bars = tuple[float | None, float | None]
NO_BARS: Final = (None, None)
Barred = tuple[str, Sequence[str], Bars]
_FROM_ONE: Final[Sequence[Barred]] = (
    ("stuffing from one address", ("stuffing",), (98, None)),
    ("scan for files", ("scan",), (96, None)),
    ("slow enumeration", ("enumeration",), (87, None)),
)
_CREEPING: Final[Sequence[Barred]] = (
    ("drift", ("drift",), (60, None)),
    ("address rotation", ("rotation",), (60, None)),
    ("spread stuffing", ("stuffing_spread",), (60, None)),
)
ATTACKS: Final[Sequence[Barred]] = (
    ("scraper at 95 a minute", ("scraper_95",), (96, 85)),
    ("scraper at 60 a minute", ("scraper_60",), (97, 90)),
    ("scraper at 20 a minute", ("scraper_20",), (88, 70)),
    ("jittered scrapers", JITTERED, (94, 80)),
    *_FROM_ONE,
    *_CREEPING,
    ("flood", ("flood",), NO_BARS),
)
"""Attacks on made-up sites: families, and bars for the mean and for the worst log, in percent."""
INJECTED: Final[Sequence[Barred]] = (
    ("walk of known paths, 20 a minute", ("walk_20",), (60, None)),
    ("walk of known paths, 60 a minute", ("walk_60",), (80, None)),
    ("walk of known paths, 95 a minute", ("walk_95",), (85, None)),
    *_FROM_ONE,
    ("a person's visits, replayed", ("replayed_visits",), (25, None)),
    *_CREEPING,
)
"""Attacks injected into a log."""
REPORTED: Final = frozenset(("a person's visits, replayed",))
"""Figures whose bar is for information: the evaluation doesn't fail by them."""
COLD: Final = 50.0
LOST: Final = "lost by normal clients over static"
LOST_BARS: Final = {"ordinary": 0.02, "shifted": 0.1, "worst": 2.0, "people": 0.02}


@dataclass(frozen=True)
class Row:
    """Hold one figure of the evaluation, in percent of requests.

    Attributes:
        part: Logs that it is of.
        name: Figure in words.
        values: Figure of each log (of each family in it, for attacks) as taught in service.
        unseen: The same, of the replays without the family's group.
        static: The same under the limit alone; empty where ``values`` are beyond it.
        bars: Bars for the mean and for the worst value.
        least: Whether a value must reach its bar, rather than stay below it.
    """

    part: str
    name: str
    values: Sequence[float]
    unseen: Sequence[float] = ()
    static: Sequence[float] = ()
    bars: Bars = NO_BARS
    least: bool = True

    @property
    def digits(self) -> int:
        """Give the digits to show."""
        return 1 if self.least else 3

    def worst(self, values: Sequence[float]) -> float:
        """Select the worst of some values."""
        return min(values) if self.least else max(values)

    def outcomes(self) -> list[Outcome]:
        """Hold mean and worst to their bars."""
        note = "for information" if self.name in REPORTED else ""
        values = (fmean(self.values), self.worst(self.values))
        named = zip(("mean", "worst log"), values, self.bars, strict=True)
        return [
            Outcome(
                *(f"{self.part}: {self.name}, {word}", value, bar, "%", self.digits, self.least),
                unjudged=note,
            )
            for word, value, bar in named
            if bar is not None
        ]


def rows(logs: Sequence[Log], windows: Sequence[Log]) -> list[Row]:
    """List the figures of made-up logs, and of windows of real ones."""
    return [row for row in _rows(logs, windows) if row.values]


def _rows(logs: Sequence[Log], windows: Sequence[Log]) -> Iterator[Row]:
    sites = figures.of(logs, SITES)
    for name, families, bars in ATTACKS:
        yield _attack("made-up sites", name, sites, families, bars)
    cold = figures.of(logs, ("cold_start",))
    every = [label[7:] for label in figures.labels(cold) if label.startswith("attack:")]
    yield _attack("cold start", "attacks of the first ten minutes", cold, every, (COLD, None))
    calm, shifted = figures.of(logs, CALM), figures.of(logs, SHIFTED)
    yield _loss("ordinary days", LOST, calm, (LOST_BARS["ordinary"], None))
    yield _loss("changed days", LOST, shifted, (LOST_BARS["shifted"], None))
    yield _worst("ordinary days", calm, None)
    yield _worst("changed days", shifted, LOST_BARS["worst"])
    yield from _injected("mobile API", figures.of(logs, ("mobile_api",)), [])
    for log in sorted({window["log"] for window in windows}):
        own = [window for window in windows if window["log"] == log]
        warm = [window for window in own if window["scenario"] == "injected"]
        yield from _injected(log, warm, [w for w in own if w["scenario"] == "cold_start"])


def _injected(part: str, logs: Sequence[Log], cold: Sequence[Log]) -> Iterator[Row]:
    bars = (LOST_BARS["people"], LOST_BARS["people"])
    yield _loss(part, "lost by people over static", logs, bars)
    for name, families, attack_bars in INJECTED:
        yield _attack(part, name, logs, families, attack_bars)
    every = [label[7:] for label in figures.labels(cold) if label.startswith("attack:")]
    yield _attack(part, "cold start", cold, every, (COLD, None))
    yield _loss(part, "lost by people at the cold start", cold, NO_BARS)


def taught(logs: Sequence[Log]) -> list[Log]:
    """Select the replays as in service."""
    return [log for log in logs if not log.get("left_out")]


def unseen(logs: Sequence[Log], label: str) -> list[Log]:
    """Select the replays without the group of a family of attacks."""
    return [log for log in logs if log.get("left_out") == group_of(label)]


def _attack(part: str, name: str, logs: Sequence[Log], some: Sequence[str], bars: Bars) -> Row:
    labels = [f"attack:{family}" for family in some]
    return Row(
        part,
        name,
        [share for label in labels for share in figures.shares(taught(logs), label)],
        [share for label in labels for share in figures.shares(unseen(logs, label), label)],
        [share for label in labels for share in figures.shares(taught(logs), label, "static")],
        bars,
    )


def _loss(part: str, name: str, logs: Sequence[Log], bars: Bars) -> Row:
    losses = [over_static(log["families"]) for log in taught(logs)]
    others = [over_static(log["families"]) for log in logs if log.get("left_out")]
    return Row(part, name, losses, others, bars=bars, least=False)


def _worst(part: str, logs: Sequence[Log], bar: float | None) -> Row:
    """Make the figure of the family that loses most in each log."""
    losses = [max(_losses(log), default=(0.0, "")) for log in taught(logs)]
    loss, family = max(losses, default=(0.0, ""))
    name = "lost by one family in one log"
    if loss > 0:
        name += f", most by {family.replace('_', ' ')}"
    return Row(part, name, [loss for loss, _ in losses], bars=(None, bar), least=False)


def _losses(log: Mapping[str, Any]) -> list[tuple[float, str]]:
    return [
        (over_static({label: family}), label[6:])
        for label, family in log["families"].items()
        if label.startswith("legit:")
    ]
