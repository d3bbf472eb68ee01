"""Compute the site's rates of requests and refusals from its counts by minute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict

from flask_irl.behaviour.site_counts import MinuteCounts
from flask_irl.stores.base import Store

MINUTE: Final = 60
HOUR_MINUTES: Final = 60
NOTHING: Final = MinuteCounts(0, 0)


class Rates(TypedDict):
    """Describe the traffic of sixty seconds.

    Its members are requests a second, refused ones a second, and the share of refused ones, 0 to 1.
    """

    requests_per_second: float
    refused_per_second: float
    refused_share: float


def read_rates(store: Store) -> tuple[Rates, Rates | None]:
    """Read the rates of the last sixty seconds, and those of an hour before.

    The sixty seconds are this minute so far and a share of the last one, as if its requests had
    come evenly: an attack shows at once, and at its full rate after a minute.

    Returns:
        None for an hour ago, if nothing was counted then.

    Raises:
        StoreError: The store failed.
    """
    now = store.now()
    this, past = divmod(now, MINUTE)
    minute = int(this)
    hour_ago = minute - HOUR_MINUTES
    counts = store.minutes([minute, minute - 1, hour_ago, hour_ago - 1])
    left = 1 - past / MINUTE
    recent = _rates(_at(counts, minute), 1.0, _at(counts, minute - 1), left)
    if not counts.keys() & {hour_ago, hour_ago - 1}:
        return recent, None
    return recent, _rates(_at(counts, hour_ago), 1 - left, _at(counts, hour_ago - 1), left)


def _at(counts: Mapping[int, MinuteCounts], minute: int) -> MinuteCounts:
    return counts.get(minute, NOTHING)


def _rates(last: MinuteCounts, last_share: float, first: MinuteCounts, share: float) -> Rates:
    requests = last.requests * last_share + first.requests * share
    refused = last.refused * last_share + first.refused * share
    return {
        "requests_per_second": round(requests / MINUTE, 3),
        "refused_per_second": round(refused / MINUTE, 3),
        "refused_share": round(refused / requests, 4) if requests else 0.0,
    }
