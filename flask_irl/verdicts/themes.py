"""Group features by the behaviour that they show: a client is explained by one sentence on each.

Figures of one behaviour rise together (requests in a minute, in ten, in an hour), so that each by
itself explains little, and all of them in turn explain the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from flask_irl.behaviour.harm import HARMFUL_RATE


class Theme(NamedTuple):
    """Describe a kind of behaviour.

    Attributes:
        harm: The harm that it may do, 0 to 1: the more, the earlier it is told.
        told: Features that it is told by, the plainest first.
        shown: Further features that show it, and would be no plain reason.
        implied_by: Features that say the same in more detail: beside one of them it isn't told.
        least: The value of the told feature below which it does half the harm.
    """

    harm: float
    told: tuple[str, ...]
    shown: tuple[str, ...] = ()
    implied_by: tuple[str, ...] = ()
    least: float = 0.0


DENIED: Final = ("failed_write_share", "denied_share")
MISSING: Final = ("missing_share", "unknown_path_share", "hourly_unknown_share")
TAKING: Final = (
    "new_paths_per_minute",
    "sustained_new_paths",
    "hourly_new_paths",
    "paths_in_use",
)
THEMES: Final = (
    Theme(1.0, DENIED),
    Theme(
        1.0,
        ("requests_per_minute", "sustained_rate", "hourly_rate"),
        ("interval_mean", "rate_ratio"),
        least=HARMFUL_RATE,
    ),
    Theme(1.0, MISSING),
    Theme(0.8, ("failures_per_minute",), implied_by=(*DENIED, *MISSING)),
    # Less than paths that aren't there, which are new, too.
    Theme(0.3, TAKING),
    Theme(0.6, ("refused_share",)),
    Theme(0.5, ("failed_share",)),
    Theme(0.4, ("bad_share",)),
    Theme(0.4, ("write_share",), implied_by=("failed_write_share",)),
    Theme(0.3, ("probe_share",)),
    Theme(0.3, ("interval_variation",), ("interval_entropy", "interval_deviation")),
    Theme(0.2, ("size_mean",), ("size_deviation",)),
    Theme(0.2, ("top_route_share", "route_entropy")),
    Theme(0.2, ("endpoint_rarity",)),
    Theme(0.1, ("new_path_share",), implied_by=TAKING),
    Theme(0.1, ("hour_rarity",), ("weekday_rarity",)),
)
"""Each feature is of one theme."""
