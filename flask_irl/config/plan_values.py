"""Convert rate plans from what an app, its config or its environment gives."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Final

from flask_irl.config.values import some_limits, text
from flask_irl.limits.calendar import check_zone
from flask_irl.limits.limit import Limit

PLAN_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
"""Names of rate plans: they are labels of metrics, and part of paths."""
MAX_PLANS: Final = 100
"""Most rate plans: each is a label of metrics."""
PLANS: Final = (
    'a mapping such as {"free": "60/minute", "pro": "600/minute;20000/day"}, in text as JSON or as '
    "free=60/minute,pro=600/minute;20000/day"
)


def plan_limits(value: object) -> dict[str, tuple[Limit, ...]]:
    """Convert rate plans: a mapping of names to limits, one as JSON, or ``name=limits,…``.

    Raises:
        ConfigurationError: A limit string isn't readable; the message names the plan, too.
        ValueError: The value is no such mapping, a name isn't allowed, or there are too many.
    """
    if isinstance(value, str):
        value = _plans_in(value.strip())
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(PLANS)
    if len(value) > MAX_PLANS:
        raise ValueError(f"at most {MAX_PLANS} plans")
    for name in value:
        if not PLAN_NAME.fullmatch(name):
            raise ValueError(
                "names of 1 to 32 ASCII letters, digits, dots, dashes and underscores; "
                f"{name[:40]!r} is none"
            )
    return {name: some_limits(name, item) for name, item in value.items()}


def _plans_in(given: str) -> object:
    """Read plans in a text: a mapping; None for a text that is none."""
    if given.startswith("{"):
        with contextlib.suppress(ValueError):
            return json.loads(given)
        return None
    pairs = [part.partition("=") for part in given.split(",") if part.strip()]
    names = [name.strip() for name, _, _ in pairs]
    if not all(equals for _, equals, _ in pairs) or len(set(names)) < len(names):
        return None
    return {name: limits for name, (_, _, limits) in zip(names, pairs, strict=True)}


def time_zone(value: object) -> str:
    """Accept the name of a time zone that is known here.

    Raises:
        ConfigurationError: It isn't known.
        ValueError: It is no text.
    """
    name = text(value)
    check_zone(name)
    return name
