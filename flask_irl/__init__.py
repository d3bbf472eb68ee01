"""Rate limits for Flask that fit each client's behaviour."""

from flask_irl.errors import ConfigurationError, IrlError, StoreError
from flask_irl.extension import IntelligentLimiter
from flask_irl.limits.current import CurrentLimit
from flask_irl.limits.decision import Decision
from flask_irl.operations.results import ClientEntry, ClientOverride, ClientResult, OverrideResult
from flask_irl.web.key_functions import api_key, logged_in_user, remote_address
from flask_irl.web.responses import RateLimitExceeded

__version__ = "0.1.0"
__all__ = [
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
]
