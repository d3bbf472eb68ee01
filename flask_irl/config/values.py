"""Convert values of options: from an argument, a config file or an environment variable.

A converter returns a value of the option's type, or raises ``ValueError`` with a phrase that says
which values are allowed. A value of that type is returned unchanged if it is allowed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, get_args

from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import Limit, parse_limits
from flask_irl.limits.networks import parse_network
from flask_irl.limits.plan import StrategyName

Convert = Callable[[object], Any]
"""Convert a value, or raise ``ValueError``."""

MAX_STEPS: Final = 8
"""Most steps below the full limit that a list of factors may give, beside the first."""

OFF: Final = "none"
"""Switches an option off in a config file and in the environment, as None does as an argument."""

NOT: Final = "!"
"""Begins a pattern of routes that are not meant."""

STRATEGY_ALIASES: Final = {"moving-window": "sliding-window-counter"}
"""Strategies of Flask-Limiter under names of this package."""

ENDPOINT: Final = "endpoint:"
"""Begins a pattern of endpoints; any other is one of paths."""

LIKE_NETWORK: Final = re.compile(r"(?=.*[.:])(?=.*[/*])[0-9a-f:.*\[\]]+(/[0-9]*)?", re.IGNORECASE)
"""Matches a text that is meant as a network, and no name of a client."""

BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def text(value: object) -> str:
    """Accept text that isn't blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return value


def path(value: object) -> str:
    """Accept the path of a file, as text or a path object."""
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(found, str) or not found.strip() or "\0" in found:
        raise ValueError("the path of a file")
    return found


def key_prefix(value: object) -> str:
    """Accept a prefix of Redis keys."""
    # Braces would move a client's keys to different slots of a cluster.
    if not isinstance(value, str) or not re.fullmatch(r"[!-z|~]+", value):
        raise ValueError("ASCII text without spaces and braces")
    return value


def boolean(value: object) -> bool:
    """Convert a truth value, or a word for one such as ``yes`` or ``0``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in BOOLEANS:
        return BOOLEANS[value.strip().lower()]
    raise ValueError("true or false")


def integer(low: int, high: int) -> Callable[[object], int]:
    """Make a converter of whole numbers from ``low`` to ``high``."""

    def convert(value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return convert


def number(low: float, high: float, *, above: bool = False) -> Callable[[object], float]:
    """Make a converter of numbers from ``low`` to ``high``; with ``above``, without ``low``."""

    def convert(value: object) -> float:
        try:
            result = float(value) if isinstance(value, (str, int, float)) else math.nan
        except (ValueError, OverflowError):
            result = math.nan
        inside = low < result <= high if above else low <= result <= high
        if isinstance(value, bool) or not inside:
            raise ValueError(f"a number {'above' if above else 'from'} {low:g} up to {high:g}")
        return result

    return convert


def texts(value: object) -> tuple[str, ...]:
    """Convert a sequence of texts, or one text with commas between them; blank ones are dropped."""
    parts = _split(value)
    if parts is not None and all(isinstance(part, str) for part in parts):
        return tuple(part.strip() for part in parts if part.strip())
    raise ValueError("a list of texts, or one text with commas between them")


def path_beginnings(value: object) -> tuple[str, ...]:
    """Convert beginnings of paths, as :func:`texts` does; ``/`` alone would be every path's."""
    found = texts(value)
    if all(text.startswith("/") and text.strip("/") for text in found):
        return found
    raise ValueError("beginnings of paths such as /wp-admin, each with / first and more after it")


def clients(value: object) -> tuple[str, ...]:
    """Convert names of clients, addresses and networks, as :func:`texts` does.

    Raises:
        ConfigurationError: A network has a prefix length that isn't allowed, or bits beyond it; or
            a text looks like a network, and isn't one.
        ValueError: The value is no list of texts.
    """
    found = texts(value)
    for text in found:
        if parse_network(text) is None and LIKE_NETWORK.fullmatch(text):
            raise ConfigurationError(
                f"{text:.60} is neither an address nor a network: give such as 10.0.0.0/8, "
                "2001:db8::/32 or 192.0.2.7"
            )
    return found


def factors(value: object) -> tuple[float, ...]:
    """Convert falling shares of a limit, or one text with commas between them."""
    parts = _split(value)
    if parts is not None:
        share = number(0.0, 1.0)
        try:
            shares = tuple(share(part) for part in parts if part != "")
        except ValueError:
            shares = (math.nan, math.nan)
        if len(shares) <= MAX_STEPS and all(a > b for a, b in pairwise(shares)):
            return shares
    raise ValueError(f"up to {MAX_STEPS} falling numbers from 0 to 1, such as 0.1,0")


def choice(*allowed: str) -> Callable[[object], Any]:
    """Make a converter that accepts these words only."""

    def convert(value: object) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return str(value)

    return convert


def strategy(value: object) -> StrategyName:
    """Convert the name of a strategy, also as Flask-Limiter calls it."""
    name = STRATEGY_ALIASES.get(value, value) if isinstance(value, str) else value
    result: StrategyName = choice(*get_args(StrategyName))(name)
    return result


def or_off(convert: Convert) -> Convert:
    """Make a converter that takes None, and the word ``none``, for switched off: None."""

    def convert_or_off(value: object) -> Any:
        if value is None or (isinstance(value, str) and value.strip().lower() == OFF):
            return None
        try:
            return convert(value)
        except ValueError as error:
            raise ValueError(f"{error}, or {OFF}") from None

    return convert_or_off


def optional(convert: Convert) -> Convert:
    """Make a converter that takes None and empty text for None, too."""
    return lambda value: None if value is None or value == "" else convert(value)


def mapping(value: object) -> dict[str, Any]:
    """Copy a mapping with text keys, or read one from JSON."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("a mapping with text keys, in text as JSON")
    return dict(value)


def limits(value: object) -> tuple[Limit, ...]:
    """Convert limits, limit strings, or one string with limits joined by ``;``.

    Raises:
        ConfigurationError: A limit string isn't readable, or there are too many limits.
        ValueError: The value is neither.
    """
    if isinstance(value, str):
        return parse_limits(value) if value.strip() else ()
    if isinstance(value, tuple) and all(isinstance(item, Limit) for item in value):
        return value
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        # At once, so that as many as count together are counted.
        return parse_limits(";".join(value)) if value else ()
    raise ValueError("limit strings, or one with limits joined by ';'")


def patterns(value: object) -> tuple[str, ...]:
    """Convert patterns of routes: a sequence, one as JSON, or a text with commas between them."""
    if isinstance(value, str) and value.startswith("["):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    return tuple(map(_pattern, texts(value)))


def pattern_limits(value: object) -> dict[str, tuple[Limit, ...]]:
    """Convert limits by pattern of routes: a mapping, or one as JSON.

    Raises:
        ConfigurationError: A limit string isn't readable; the message names the pattern, too.
        ValueError: The value is no such mapping, or a pattern has no limit.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError:
            value = None
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError('a mapping such as {"/api/export/*": "5/minute"}, in text as JSON')
    return {_pattern(key.strip()): some_limits(key, item) for key, item in value.items()}


def login_patterns(value: object) -> tuple[str, ...]:
    """Convert patterns of routes, each perhaps with ``!`` before it."""
    found = texts(value)
    for text in found:
        _pattern(text.removeprefix(NOT))
    return found


def _pattern(text: str) -> str:
    if not text.startswith("/") and not (text.startswith(ENDPOINT) and text != ENDPOINT):
        raise ValueError(
            f"paths that begin with a slash, or endpoints as {ENDPOINT}NAME, "
            f"both with * for anything; {text!r} is neither"
        )
    return text


def some_limits(pattern: str, value: object) -> tuple[Limit, ...]:
    """Convert the limits of one entry of a mapping, at least one.

    Raises:
        ConfigurationError: A limit string isn't readable; the message names the entry, too.
        ValueError: There is none, or the value is no list of limits.
    """
    try:
        found = limits(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{pattern}: {error}") from None
    if not found:
        raise ValueError(f"at least one limit for {pattern!r}, such as '5/minute'")
    return found


def _split(value: object) -> Sequence[Any] | None:
    """Split text at its commas, return a sequence unchanged, and None for any other value."""
    if isinstance(value, str):
        return value.split(",")
    return value if isinstance(value, Sequence) and not isinstance(value, bytes) else None
