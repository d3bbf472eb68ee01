"""Write a feature's value as a sentence for people; each feature has a template here. Pure.

Nobody thinks in nats: a logarithm or an entropy is written as a time, a share, or a number of
different things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np

from flask_irl.behaviour.features import Feature

MAX_LOGARITHM: Final = 40.0
"""Features stay far below it; those of a damaged model must not overflow."""


class Template(NamedTuple):
    """Describe the sentence on a feature.

    Attributes:
        text: The client's behaviour, with ``{}`` for the value.
        write: Writes a value.
        is_falling: Whether the written number falls as the feature's value rises.
    """

    text: str
    write: Callable[[float], str]
    is_falling: bool = False


def sentence(feature: Feature, value: float, median: float, high: float) -> str:
    """Write a sentence on a client's value of a feature, and the usual values on the site.

    Args:
        feature: One of ``FEATURES``.
        value: The client's value.
        median: The site's median.
        high: The value that 95 % of the site's rows don't exceed.

    Returns:
        Such as ``asks for 41 new paths a minute; usual is 0.5, for 95 % at most 3``.
    """
    template = TEMPLATES.get(feature.name) or Template(f"{feature.text}: {{}}", _plain)
    text, write, is_falling = template
    usual = f"{text.format(write(value))}; usual is {write(median)}"
    # A low value isn't odd because of the high ones.
    if value < median:
        return usual
    return f"{usual}, for 95 % at {'least' if is_falling else 'most'} {write(high)}"


def _plain(value: float) -> str:
    value += 0.0  # turns -0 into 0
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{_plain(100 * share)} %" if abs(share) >= 0.1 else f"{100 * share + 0.0:.2g} %"


def _share(value: float) -> str:
    # The share of new paths is an estimate, which may exceed 1.
    return _percent(round(min(value, 1.0), 2) if value >= 0.1 else value)


def _seconds(value: float) -> str:
    return f"{_plain(float(np.expm1(min(value, MAX_LOGARITHM))))} s"


def _bytes(value: float) -> str:
    return f"{_plain(float(np.expm1(min(value, MAX_LOGARITHM))))} bytes"


def _times(value: float) -> str:
    """Write the ratio of a logarithm, or the number of different things of an entropy."""
    return _plain(float(np.exp(min(value, MAX_LOGARITHM))))


def _rarity(value: float) -> str:
    return _percent(float(np.exp(-max(value, 0.0))))


TEMPLATES: Final[Mapping[str, Template]] = {
    "hour_rarity": Template("comes at an hour {} times quieter than the average one", _times),
    "weekday_rarity": Template("comes on a weekday {} times quieter than the average one", _times),
    "requests_per_minute": Template("sends {} requests a minute", _plain),
    "sustained_rate": Template("sends {} requests a minute, over ten minutes", _plain),
    "rate_ratio": Template("sends {} times as much in this minute as in the last ten", _plain),
    "endpoint_rarity": Template(
        "asks for routes that get {} of the site's requests", _rarity, True
    ),
    "interval_mean": Template("sends a request every {}", _seconds),
    "interval_deviation": Template("varies the time between its requests by {}", _seconds),
    "interval_variation": Template("varies the time between its requests by {} of it", _percent),
    "interval_entropy": Template(
        "spaces its requests in {} different ways (a clock has 1)", _times
    ),
    "denied_share": Template("gets 401 or 403, or fails to log in, for {} of its requests", _share),
    "missing_share": Template("gets 404 for {} of its requests", _share),
    "bad_share": Template("gets another 4xx than 401, 403 or 404 for {} of its requests", _share),
    "failed_share": Template("gets 5xx for {} of its requests", _share),
    "write_share": Template("wants to change something (POST and such) in {} of requests", _share),
    "probe_share": Template("uses HEAD, OPTIONS or odd methods in {} of its requests", _share),
    "refused_share": Template("goes on while it is refused, with {} of its requests", _share),
    "route_entropy": Template("spreads its requests over {} routes", _times),
    "top_route_share": Template("sends {} of its requests to one and the same route", _share),
    "new_path_share": Template("asks for a path that is new to it in {} of its requests", _share),
    "new_paths_per_minute": Template("asks for {} new paths a minute", _plain),
    "sustained_new_paths": Template("asks for {} new paths a minute, over ten minutes", _plain),
    "hourly_rate": Template("sends {} requests a minute, over an hour", _plain),
    "hourly_new_paths": Template("asks for {} new paths a minute, over an hour", _plain),
    "failures_per_minute": Template(
        "is denied, or asks for what is missing, {} times a minute, over ten minutes", _plain
    ),
    "failed_write_share": Template("fails to log in or change something in {} of requests", _share),
    "unknown_path_share": Template(
        "asks for ever other paths that don't exist in {} of requests", _share
    ),
    "hourly_unknown_share": Template(
        "asks for ever other paths that don't exist in {} of requests, over an hour", _share
    ),
    "size_mean": Template("gets answers of {}", _bytes),
    "size_deviation": Template("gets answers that differ in size by a factor of {}", _times),
}
