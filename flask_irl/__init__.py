"""Rate limits for Flask that fit each client's behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_irl.api_keys.record import ApiKey
from flask_irl.errors import ConfigurationError, IrlError, StoreError
from flask_irl.extension import IntelligentLimiter
from flask_irl.limits.current import CurrentLimit
from flask_irl.limits.decision import Decision
from flask_irl.web.key_functions import api_key, logged_in_user, remote_address
from flask_irl.web.responses import RateLimitExceeded
from flask_irl.web.tenant_selectors import tenant_by_header, tenant_by_host, tenant_by_path

if TYPE_CHECKING:
    from flask_irl.operations.results import (
        ClientEntry,
        ClientOverride,
        ClientResult,
        OverrideResult,
    )

__version__ = "0.1.0"
__all__ = [
    "ApiKey",
    "ClientEntry",
    "ClientOverride",
    "ClientResult",
    "ConfigurationError",
    "CurrentLimit",
    "Decision",
    "IntelligentLimiter",
    "IrlError",
    "OverrideResult",
    "RateLimitExceeded",
    "StoreError",
    "api_key",
    "logged_in_user",
    "remote_address",
    "tenant_by_header",
    "tenant_by_host",
    "tenant_by_path",
]


def __getattr__(name: str) -> Any:
    """Import what describes clients when it is asked for: a web worker needs it for people only."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from flask_irl.operations import results

    return getattr(results, name)
