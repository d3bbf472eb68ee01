"""Resolve the settings of a compat limiter: its arguments over the app's ``RATELIMIT_`` keys."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flask_irl.compat.constants import ConfigVars, HeaderNames
from flask_irl.compat.definitions import ApplicationLimit, Limit, MetaLimit, OnBreach
from flask_irl.compat.errors import ConfigurationError
from flask_irl.limits.limit import parse_limits

STRATEGIES: Final = ("fixed-window", "moving-window", "sliding-window-counter")
DEFAULT_PREFIX: Final = "limiter"
CONDITIONS: Final = ("per_method", "exempt_when", "deduct_when", "cost")


@dataclass(frozen=True)
class Arguments:
    """Hold the arguments of a limiter as given; see ``Limiter``."""

    key_func: Callable[[], str]
    default_limits: Sequence[Any] | None = None
    default_limits_per_method: bool | None = None
    default_limits_exempt_when: Callable[[], bool] | None = None
    default_limits_deduct_when: Callable[[Any], bool] | None = None
    default_limits_cost: int | Callable[[], int] | None = None
    application_limits: Sequence[Any] | None = None
    application_limits_per_method: bool | None = None
    application_limits_exempt_when: Callable[[], bool] | None = None
    application_limits_deduct_when: Callable[[Any], bool] | None = None
    application_limits_cost: int | Callable[[], int] | None = None
    headers_enabled: bool | None = None
    header_name_mapping: Mapping[HeaderNames, str] | None = None
    strategy: str | None = None
    storage_uri: str | None = None
    storage_options: Mapping[str, Any] | None = None
    swallow_errors: bool | None = None
    fail_on_first_breach: bool | None = None
    on_breach: OnBreach | None = None
    meta_limits: Sequence[Any] | None = None
    on_meta_breach: OnBreach | None = None
    in_memory_fallback: Sequence[Any] | None = None
    in_memory_fallback_enabled: bool | None = None
    retry_after: str | None = None
    key_prefix: str = ""
    request_identifier: Callable[..., str] | None = None
    enabled: bool = True


@dataclass(frozen=True)
class Settings:
    """Hold a limiter's settings for one app."""

    key_func: Callable[[], str]
    default: tuple[Limit, ...]
    application: tuple[Limit, ...]
    meta: tuple[Limit, ...]
    fallback: tuple[Limit, ...]
    headers_enabled: bool
    headers: Mapping[HeaderNames, str]
    http_dates: bool
    strategy: str
    storage_uri: str
    storage_options: Mapping[str, Any]
    swallow_errors: bool
    falls_back: bool
    fail_on_first_breach: bool
    on_breach: OnBreach | None
    on_meta_breach: OnBreach | None
    key_prefix: str
    identify: Callable[[], str] | None
    given: Arguments = field(repr=False)

    @property
    def options(self) -> dict[str, Any]:
        """Give the options of this package's limiter."""
        return {
            "base_limit": None,
            "strategy": self.strategy,
            "storage_uri": self.storage_uri,
            "storage_options": self.storage_options,
            "key_prefix": self.key_prefix or DEFAULT_PREFIX,
            "early_refusals": False,
            "headers_enabled": self.headers_enabled,
            "on_store_error": "allow" if self.swallow_errors and not self.falls_back else "memory",
        }


def settle(given: Arguments, config: Mapping[str, Any]) -> Settings:
    """Resolve the settings of a limiter for an app's config.

    Raises:
        ConfigurationError: One isn't allowed.
    """

    def either(value: Any, key: str, default: Any = None) -> Any:
        return value if value is not None else config.get(key, default)

    strategy = given.strategy or config.get(ConfigVars.STRATEGY) or "fixed-window"
    if strategy not in STRATEGIES:
        raise ConfigurationError(
            f"strategy is {strategy!r}, which is not allowed: give one of {', '.join(STRATEGIES)}"
        )
    uri = given.storage_uri or config.get(ConfigVars.STORAGE_URI)
    if not uri:
        warnings.warn(
            "Using the in-memory storage for tracking rate limits as no storage was explicitly "
            "specified: each process counts for itself. Give storage_uri, or 'memory://' if that "
            "is meant.",
            stacklevel=4,
        )
    options = {**(given.storage_options or {}), **config.get(ConfigVars.STORAGE_OPTIONS, {})}
    fallback = _limits(given.in_memory_fallback, config.get(ConfigVars.IN_MEMORY_FALLBACK), Limit)
    enabled = given.in_memory_fallback_enabled or config.get(ConfigVars.IN_MEMORY_FALLBACK_ENABLED)
    mapping = given.header_name_mapping or {}
    headers = {
        name: mapping.get(name) or config.get(getattr(ConfigVars, f"HEADER_{name.name}"))
        for name in HeaderNames
    }
    retry_after = given.retry_after or config.get(ConfigVars.HEADER_RETRY_AFTER_VALUE)
    identify = given.request_identifier or config.get(ConfigVars.REQUEST_IDENTIFIER)
    return Settings(
        key_func=given.key_func,
        default=_conditioned("default_limits", "DEFAULT_LIMITS", Limit, given, config),
        application=_conditioned(
            "application_limits", "APPLICATION_LIMITS", ApplicationLimit, given, config
        ),
        meta=_limits(given.meta_limits, config.get(ConfigVars.META_LIMITS), MetaLimit),
        fallback=fallback,
        headers_enabled=bool(either(given.headers_enabled, ConfigVars.HEADERS_ENABLED, False)),
        headers={name: text or name.value for name, text in headers.items()},
        http_dates=retry_after == "http-date",
        strategy=strategy,
        storage_uri=uri or "memory://",
        storage_options=options,
        swallow_errors=bool(either(given.swallow_errors, ConfigVars.SWALLOW_ERRORS, False)),
        falls_back=bool(enabled or fallback),
        fail_on_first_breach=bool(
            either(given.fail_on_first_breach, ConfigVars.FAIL_ON_FIRST_BREACH, True)
        ),
        on_breach=given.on_breach or config.get(ConfigVars.ON_BREACH),
        on_meta_breach=given.on_meta_breach or config.get(ConfigVars.ON_META_BREACH),
        key_prefix=given.key_prefix or config.get(ConfigVars.KEY_PREFIX) or "",
        identify=identify,
        given=given,
    )


def _conditioned(
    name: str, key: str, kind: type[Limit], given: Arguments, config: Mapping[str, Any]
) -> tuple[Limit, ...]:
    """Give the default or the application's limits, under the conditions for all of them."""
    conditions = {}
    for condition in CONDITIONS:
        value = getattr(given, f"{name}_{condition}")
        if value is None:
            value = config.get(getattr(ConfigVars, f"{key}_{condition.upper()}"))
        conditions[condition] = value
    conditions["per_method"] = bool(conditions["per_method"])
    found = _limits(getattr(given, name), config.get(getattr(ConfigVars, key)), kind, False)
    return tuple(
        limit if limit.finalized else dataclasses.replace(limit, finalized=True, **conditions)
        for limit in found
    )


def _limits(
    given: Sequence[Any] | None, configured: Any, kind: type[Limit], finalized: bool = True
) -> tuple[Limit, ...]:
    """Make definitions of what is given as an argument, or else in the config."""
    texts = given or ()
    if not texts and configured:
        texts = [configured]
    if isinstance(texts, str):
        texts = [texts]
    limits = []
    for text in texts:
        if isinstance(text, Limit):
            limits.append(text)
            continue
        if not callable(text):
            parse_limits(text)
        limits.append(kind(text, finalized=finalized))
    return tuple(limits)
