"""Recognise a route of a request: its hash, its bin, its rarity, whether it logs in."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from flask_irl.behaviour.sums import ROUTE_BINS


def route_hash(route: str) -> int:
    """32 bits that stand for a route, the same in every process."""
    return zlib.crc32(route.encode(errors="surrogatepass"))


DEFAULT_RARITY: Final = 4.0
MOST_RARITY: Final = 10.0


@lru_cache(maxsize=2048)
def route_bin(route: str) -> int:
    """A route's bin, the same in every process."""
    return route_hash(route) % ROUTE_BINS


_LOGIN: Final = re.compile(
    r"(?i)(?<![a-z])(log[-_]?[io]n|sign[-_]?in|auth(enticate|enticat?ion)?|sessions?|tokens?)\b[^/]*$"
)


@lru_cache(maxsize=2048)
def is_login(route: str) -> bool:
    """Whether a route looks like one that people log in by: what its last part is called."""
    return _LOGIN.search(route) is not None


def rarity_of(shares: Mapping[str, float], route: str) -> float:
    """How rare a route is on this site: -log of its learned share, 0 to 10."""
    if not shares:
        return DEFAULT_RARITY
    share = shares.get(route, 0.0)
    return MOST_RARITY if share <= 0 else min(MOST_RARITY, max(0.0, -float(np.log(share))))
