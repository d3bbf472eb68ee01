"""Recognise the route of a request: its hash, its bin, its rarity, whether it is a login."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from flask_irl.behaviour.sums import ROUTE_BINS

DEFAULT_RARITY: Final = 4.0
"""Rarity of every route, in nats, until shares are learned."""
MAX_RARITY: Final = 10.0

_LOGIN: Final = re.compile(
    r"(?i)(?<![a-z])(log[-_]?[io]n|sign[-_]?in|auth(enticate|enticat?ion)?|sessions?|tokens?)\b[^/]*$"
)


def route_hash(route: str) -> int:
    """Compute the 32-bit hash of a route, the same in every process."""
    return zlib.crc32(route.encode(errors="surrogatepass"))


@lru_cache(maxsize=2048)
def route_bin(route: str) -> int:
    """Compute the bin of a route, 0 to ``ROUTE_BINS`` - 1, the same in every process."""
    return route_hash(route) % ROUTE_BINS


@lru_cache(maxsize=2048)
def is_login(route: str) -> bool:
    """Tell whether a route looks like a login, by the name of its last part."""
    return _LOGIN.search(route) is not None


def rarity_of(shares: Mapping[str, float], route: str) -> float:
    """Compute the rarity of a route on this site: -log of its learned share, 0 to 10 nats."""
    if not shares:
        return DEFAULT_RARITY
    share = shares.get(route, 0.0)
    return MAX_RARITY if share <= 0 else min(MAX_RARITY, max(0.0, -math.log(share)))
