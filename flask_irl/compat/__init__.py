"""Stand in for ``flask_limiter`` 4.1: its names and defaults, over this package's limits.

``from flask_irl.compat import Limiter`` is all that changes in an app; each difference is in
``docs/from-flask-limiter.md``.
"""

from __future__ import annotations

from typing import Final

from flask_irl.compat.constants import ExemptionScope, HeaderNames
from flask_irl.compat.definitions import ApplicationLimit, Limit, MetaLimit, RouteLimit
from flask_irl.compat.errors import RateLimitExceeded
from flask_irl.compat.limiter import Limiter
from flask_irl.compat.request_limit import RequestLimit

STANDS_FOR: Final = "4.1"
"""The version of Flask-Limiter whose names these are."""

__all__ = [
    "ApplicationLimit",
    "ExemptionScope",
    "HeaderNames",
    "Limit",
    "Limiter",
    "MetaLimit",
    "RateLimitExceeded",
    "RequestLimit",
    "RouteLimit",
]
