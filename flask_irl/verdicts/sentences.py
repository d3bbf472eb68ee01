"""Write a feature's value as a sentence for people; each that tells a theme has one here.

Nobody thinks in nats: a logarithm or an entropy is written as a time, a share, or a number of
different things. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np

MAX_LOGARITHM: Final = 40.0
"""Features stay far below it; those of a damaged model must not overflow."""
EVEN: Final = 0.5
"""Share of the usual value below which a client's pauses are remarkably even."""


class Template(NamedTuple):
    """Describe the sentence on a feature.

    Attributes:
        text: The client's behaviour, with ``{}`` for the value.
        write: Writes a value.
        is_low: Whether low values are remarkable, instead of high ones.
    """

    text: str
    write: Callable[[float], str]
    is_low: bool = False


def is_remarkable(feature: str, value: float, median: float, high: float) -> bool:
    """Tell whether a client's value of a feature is one that somebody may be flagged for.

    One that reads like the usual value isn't.

    Args:
        feature: The name of one of ``TEMPLATES``.
        value: The client's value.
        median: The site's median.
        high: The value that 95 % of the site's rows don't exceed.
    """
    _, write, is_low = TEMPLATES[feature]
    is_beyond = value < EVEN * median if is_low else value > max(median, high)
    return is_beyond and write(value) != write(median)


def sentence(feature: str, value: float, median: float) -> str:
    """Write a sentence on a client's value of a feature, and the usual one on the site.

    Args:
        feature: The name of one of ``TEMPLATES``.
        value: The client's value.
        median: The site's median.

    Returns:
        Such as ``580 requests a minute; usual is 6``.
    """
    text, write, _ = TEMPLATES[feature]
    return f"{text.format(write(value))}; usual is {write(median)}"


def percent(share: float) -> str:
    """Write a share for people: whole percents, or the first figure of less than one."""
    # Estimated shares may exceed 1.
    share = min(max(share, 0.0), 1.0)
    if share >= 0.0095:
        return f"{100 * share:.0f}%"
    return f"{max(100 * share, 0.01):.1g}%" if share > 0.0 else "0%"


def plain(value: float) -> str:
    """Write a number for people: two figures, or all before the point."""
    value += 0.0  # turns -0 into 0
    if abs(value) >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) >= 0.005 else "0"


def _seconds(value: float) -> str:
    return f"{plain(float(np.expm1(min(value, MAX_LOGARITHM))))} s"


def _bytes(value: float) -> str:
    size = float(np.expm1(min(value, MAX_LOGARITHM)))
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{plain(size)} {unit}"
        size /= 1000
    return f"{plain(size)} GB"


def _things(value: float) -> str:
    """Write the number of different things of an entropy."""
    return plain(float(np.exp(min(value, MAX_LOGARITHM))))


def _variation(value: float) -> str:
    # May exceed 100%.
    return f"{100 * max(value, 0.0):.0f}%"


def _rarity(value: float) -> str:
    return percent(float(np.exp(-max(value, 0.0))))


TEMPLATES: Final[Mapping[str, Template]] = {
    "requests_per_minute": Template("{} requests a minute", plain),
    "sustained_rate": Template("{} requests a minute over ten minutes", plain),
    "hourly_rate": Template("{} requests a minute over an hour", plain),
    "denied_share": Template(
        "{} of the answers to it are denials (401, 403, a failed login)", percent
    ),
    "failed_write_share": Template(
        "{} of the answers to it are failed logins or denied changes (401, 403)", percent
    ),
    "failures_per_minute": Template(
        "{} failures a minute over ten minutes (401, 403, 404, failed logins)", plain
    ),
    "missing_share": Template("{} of the answers to it are 404", percent),
    "unknown_path_share": Template(
        "{} of the answers to it are 404 for paths that it guesses", percent
    ),
    "hourly_unknown_share": Template(
        "{} of the answers to it over an hour are 404 for paths that it guesses", percent
    ),
    "bad_share": Template("{} of the answers to it are another 4xx (not 401, 403, 404)", percent),
    "failed_share": Template("{} of the answers to it are server errors (5xx)", percent),
    "refused_share": Template("{} of its requests were sent while it was over its limit", percent),
    "write_share": Template("{} of its requests change something (POST, PUT, DELETE)", percent),
    "probe_share": Template("{} of its requests use HEAD, OPTIONS or odd methods", percent),
    "new_paths_per_minute": Template("{} paths a minute that are new to it", plain),
    "sustained_new_paths": Template(
        "{} paths a minute that are new to it, over ten minutes", plain
    ),
    "hourly_new_paths": Template("{} paths a minute that are new to it, over an hour", plain),
    "paths_in_use": Template("{} different paths in ten minutes", plain),
    "new_path_share": Template("{} of its requests are for paths that are new to it", percent),
    "interval_variation": Template(
        "pauses as even as a machine's: they vary by {}", _variation, is_low=True
    ),
    "size_mean": Template("{} an answer", _bytes),
    "top_route_share": Template("{} of its requests go to one route", percent),
    "route_entropy": Template("requests spread evenly over {} routes", _things),
    "endpoint_rarity": Template("asks for routes that get {} of the site's requests", _rarity),
    "hour_rarity": Template("comes at an hour that has {} of an average hour's requests", _rarity),
}
