"""Name what Flask-Limiter 4 has, for a look into an app's source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PACKAGE: Final = "flask_limiter"
TARGET: Final = "flask_irl.compat"
MODULES: Final = ("", ".util", ".constants", ".errors", ".commands")
REFUSED_STORAGES: Final = frozenset({"memcached", "mongodb", "mongodb+srv", "etcd"})

_LIMIT: Final = (
    *("limit_value", "key_func", "per_method", "methods", "error_message", "exempt_when"),
    *("override_defaults", "deduct_when", "on_breach", "cost", "scope", "meta_limits"),
)
ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Limiter": (
        *("key_func", "app", "default_limits", "default_limits_per_method"),
        *("default_limits_exempt_when", "default_limits_deduct_when", "default_limits_cost"),
        *("application_limits", "application_limits_per_method"),
        *("application_limits_exempt_when", "application_limits_deduct_when"),
        *("application_limits_cost", "headers_enabled", "header_name_mapping", "strategy"),
        *("storage_uri", "storage_options", "swallow_errors", "fail_on_first_breach", "on_breach"),
        *("meta_limits", "on_meta_breach", "in_memory_fallback", "in_memory_fallback_enabled"),
        *("retry_after", "key_prefix", "request_identifier", "enabled"),
    ),
    "limit": _LIMIT,
    "shared_limit": _LIMIT,
    "exempt": ("obj", "flags"),
    "request_filter": ("fn",),
    "init_app": ("app",),
}
"""Arguments of a limiter and of its methods."""

DIFFERENT_ARGUMENTS: Final[Mapping[tuple[str, str], str]] = {
    ("Limiter", "swallow_errors"): "while Redis is out all requests pass; without, they are "
    "counted in each process, where Flask-Limiter answers 500",
    ("Limiter", "in_memory_fallback_enabled"): "needless, for that is the default",
    ("Limiter", "fail_on_first_breach"): "where several limits refuse, on_breach is told of that "
    "with the longest wait alone",
    ("Limiter", "key_prefix"): "keys in Redis have other names, so that counts begin anew",
    ("limit", "key_func"): "not on Redis Cluster",
    ("shared_limit", "key_func"): "not on Redis Cluster",
}
MISSING_ATTRIBUTES: Final[Mapping[str, str]] = {
    "context": "take current_limit and current_limits",
    "limit_manager": "flask limiter limits lists the limits",
    "_storage": "take limiter.storage",
    "_limiter": "take limiter.limiter",
    "_check_request_limit": "limits are checked with the request",
}
CONFIG: Final = frozenset(
    f"RATELIMIT_{name}"
    for name in (
        *("ENABLED", "KEY_FUNC", "KEY_PREFIX", "FAIL_ON_FIRST_BREACH", "ON_BREACH_CALLBACK"),
        *("SWALLOW_ERRORS", "APPLICATION", "APPLICATION_PER_METHOD", "APPLICATION_EXEMPT_WHEN"),
        *("APPLICATION_DEDUCT_WHEN", "APPLICATION_COST", "DEFAULT", "DEFAULTS_PER_METHOD"),
        *("DEFAULTS_EXEMPT_WHEN", "DEFAULTS_DEDUCT_WHEN", "DEFAULTS_COST", "REQUEST_IDENTIFIER"),
        *("STRATEGY", "STORAGE_URI", "STORAGE_OPTIONS", "HEADERS_ENABLED", "HEADER_LIMIT"),
        *("HEADER_REMAINING", "HEADER_RESET", "HEADER_RETRY_AFTER", "HEADER_RETRY_AFTER_VALUE"),
        *("IN_MEMORY_FALLBACK", "IN_MEMORY_FALLBACK_ENABLED", "META", "ON_META_BREACH_CALLBACK"),
    )
)
"""Keys of an app's config."""
