"""What a feature's value means, in words: each has a sentence of its own here. Pure.

Nobody thinks in nats: what the detector sees as a logarithm or an entropy is told as what it stands
for, a time, a share or a number of different things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np

from flask_irl.behaviour.features import Feature

MOST_LOGARITHM: Final = 40.0
"""No feature comes near it; a damaged profile must not overflow."""


class Saying(NamedTuple):
    """How a feature is told.

    Attributes:
        text: What the client does, with ``{}`` for its value.
        shown: A value in words.
        falls: Whether what is shown gets less as the feature's value gets more.
    """

    text: str
    shown: Callable[[float], str]
    falls: bool = False


def sentence(feature: Feature, value: float, median: float, high: float) -> str:
    """What a client does, and what is usual on the site.

    Args:
        feature: One of ``FEATURES``.
        value: The client's.
        median: The site's.
        high: What 95 % of the site's rows don't exceed.

    Returns:
        Such as ``asks for 41 new paths a minute; usual is 0.5, for 95 % at most 3``.
    """
    text, shown, falls = SAYINGS.get(feature.name) or Saying(f"{feature.text}: {{}}", _plain)
    usual = f"{text.format(shown(value))}; usual is {shown(median)}"
    # Where it is odd to have so little of it, what few have more than is beside the point.
    if value < median:
        return usual
    return f"{usual}, for 95 % at {'least' if falls else 'most'} {shown(high)}"


def _plain(value: float) -> str:
    value += 0.0  # nobody wants to read -0
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{_plain(100 * share)} %" if abs(share) >= 0.1 else f"{100 * share + 0.0:.2g} %"


def _share(value: float) -> str:
    # Of new paths it is an estimate, which may go beyond all of them.
    return _percent(round(min(value, 1.0), 2) if value >= 0.1 else value)


def _seconds(value: float) -> str:
    return f"{_plain(float(np.expm1(min(value, MOST_LOGARITHM))))} s"


def _bytes(value: float) -> str:
    return f"{_plain(float(np.expm1(min(value, MOST_LOGARITHM))))} bytes"


def _times(value: float) -> str:
    """What the logarithm of a ratio, or an entropy, stands for."""
    return _plain(float(np.exp(min(value, MOST_LOGARITHM))))


def _rarity(value: float) -> str:
    return _percent(float(np.exp(-max(value, 0.0))))


SAYINGS: Final[Mapping[str, Saying]] = {
    "hour_rarity": Saying("comes at an hour {} times quieter than the average one", _times),
    "weekday_rarity": Saying("comes on a weekday {} times quieter than the average one", _times),
    "requests_per_minute": Saying("sends {} requests a minute", _plain),
    "sustained_rate": Saying("sends {} requests a minute, over ten minutes", _plain),
    "rate_ratio": Saying("sends {} times as much in this minute as in the last ten", _plain),
    "endpoint_rarity": Saying("asks for routes that get {} of the site's requests", _rarity, True),
    "interval_mean": Saying("sends a request every {}", _seconds),
    "interval_deviation": Saying("varies the time between its requests by {}", _seconds),
    "interval_variation": Saying("varies the time between its requests by {} of it", _percent),
    "interval_entropy": Saying("spaces its requests in {} different ways (a clock has 1)", _times),
    "denied_share": Saying("gets 401 or 403 for {} of its requests", _share),
    "missing_share": Saying("gets 404 for {} of its requests", _share),
    "bad_share": Saying("gets another 4xx than 401, 403 or 404 for {} of its requests", _share),
    "failed_share": Saying("gets 5xx for {} of its requests", _share),
    "write_share": Saying("wants to change something (POST and such) in {} of requests", _share),
    "probe_share": Saying("uses HEAD, OPTIONS or odd methods in {} of its requests", _share),
    "refused_share": Saying("goes on while it is refused, with {} of its requests", _share),
    "route_entropy": Saying("spreads its requests over {} routes", _times),
    "top_route_share": Saying("sends {} of its requests to one and the same route", _share),
    "new_path_share": Saying("asks for a path that is new to it in {} of its requests", _share),
    "new_paths_per_minute": Saying("asks for {} new paths a minute", _plain),
    "sustained_new_paths": Saying("asks for {} new paths a minute, over ten minutes", _plain),
    "hourly_rate": Saying("sends {} requests a minute, over an hour", _plain),
    "hourly_new_paths": Saying("asks for {} new paths a minute, over an hour", _plain),
    "failures_per_minute": Saying("gets {} answers 4xx a minute, over ten minutes", _plain),
    "failed_write_share": Saying("fails to log in or change something in {} of requests", _share),
    "unknown_path_share": Saying(
        "asks for ever other paths that don't exist in {} of requests", _share
    ),
    "hourly_unknown_share": Saying(
        "asks for ever other paths that don't exist in {} of requests, over an hour", _share
    ),
    "size_mean": Saying("gets answers of {}", _bytes),
    "size_deviation": Saying("gets answers that differ in size by a factor of {}", _times),
}
