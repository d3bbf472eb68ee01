"""The options: where each comes from, what it may be, and one frozen object with them all."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Final, Literal, get_args

from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import Limit, parse_limits
from flask_irl.limits.plan import Mode, StrategyName

OnStoreError = Literal["memory", "allow", "deny"]
MAX_STEPS: Final = 8
MAX_INTEGER: Final = 2**31 - 1
STRATEGY_ALIASES: Final = {"moving-window": "sliding-window-counter"}


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that can be set; what each means is in the README's table of options."""

    storage_uri: str = field(default="memory://", repr=False)
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    key_prefix: str = "irl"
    strategy: StrategyName = "sliding-window-counter"
    base_limit: int = 100
    window_seconds: int = 60
    burst: int | None = None
    default_limits: tuple[Limit, ...] = ()
    enabled: bool = True
    mode: Mode = "enforce"
    headers_enabled: bool = True
    ietf_headers: bool = False
    early_refusals: bool = True
    anomaly_threshold: float = -0.5
    anomalous_factor: float = 0.3
    further_factors: tuple[float, ...] = (0.1, 0.0)
    detector: str = "blend"
    learning_minutes: float = 120.0
    login_failures: int = 12
    unknown_paths: int = 15
    honeypots: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    false_flag_rate: float = 0.0005
    training_interval_minutes: float = 5.0
    train: bool = True
    min_clients: int = 25
    rows_capacity: int = 20_000
    profile_ttl_seconds: int = 3600
    on_store_error: OnStoreError = "memory"
    store_timeout: float = 0.05
    admin_token: str | None = field(default=None, repr=False)
    api_key_header: str = "X-API-Key"
    admin_tokens: Mapping[str, Any] = field(default_factory=dict, repr=False)
    admin: bool = True
    admin_docs: bool = True
    url_prefix: str = "/admin"
    background: bool = True

    @property
    def factors(self) -> tuple[float, ...]:
        """Share of every limit that is left at each step below the full limit, falling."""
        first = self.anomalous_factor
        return (first, *(factor for factor in self.further_factors if factor < first))

    @property
    def base(self) -> Limit:
        """The limit on everything that a client asks for."""
        burst = None if self.burst is None else min(self.burst, self.base_limit)
        return Limit(self.base_limit, self.window_seconds, burst)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return value


def _prefix(value: object) -> str:
    # Braces would move a client's keys to different slots of a cluster.
    if not isinstance(value, str) or not re.fullmatch(r"[!-z|~]+", value):
        raise ValueError("ASCII text without spaces and braces")
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    raise ValueError("true or false")


_WORDS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def _integer(low: int, high: int) -> Callable[[object], int]:
    def convert(value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return convert


def _number(low: float, high: float, *, above: bool = False) -> Callable[[object], float]:
    def convert(value: object) -> float:
        try:
            number = float(value) if isinstance(value, (str, int, float)) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        inside = low < number <= high if above else low <= number <= high
        if isinstance(value, bool) or not inside:
            raise ValueError(f"a number {'above' if above else 'from'} {low:g} up to {high:g}")
        return number

    return convert


def _texts(value: object) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value
    if isinstance(given, Sequence) and not isinstance(given, bytes):
        texts = [part.strip() for part in given if isinstance(part, str)]
        if len(texts) == len(given):
            return tuple(text for text in texts if text)
    raise ValueError("a list of texts, or one text with commas between them")


def _factors(value: object) -> tuple[float, ...]:
    given = value.split(",") if isinstance(value, str) else value
    if isinstance(given, Sequence) and not isinstance(given, bytes):
        try:
            factors = tuple(_number(0.0, 1.0)(part) for part in given if part != "")
        except ValueError:
            factors = (math.nan, math.nan)
        if len(factors) <= MAX_STEPS and all(a > b for a, b in pairwise(factors)):
            return factors
    raise ValueError(f"up to {MAX_STEPS} falling numbers from 0 to 1, such as 0.1,0")


def _choice(*allowed: str) -> Callable[[object], str]:
    def convert(value: object) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return str(value)

    return convert


def _strategy(value: object) -> str:
    name = STRATEGY_ALIASES.get(value, value) if isinstance(value, str) else value
    return _choice(*get_args(StrategyName))(name)


def _optional(convert: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None or value == "" else convert(value)


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("a mapping with text keys")
    return dict(value)


def _limits(value: object) -> tuple[Limit, ...]:
    if isinstance(value, str):
        return parse_limits(value) if value.strip() else ()
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        # At once, so that as many as count together are counted.
        return parse_limits(";".join(value)) if value else ()
    raise ValueError("limit strings, or one with limits joined by ';'")


@dataclass(frozen=True, slots=True)
class _Setting:
    convert: Callable[[object], Any]
    environment: str | None = None
    config: str | None = None


_SETTINGS: Final[dict[str, _Setting]] = {
    "storage_uri": _Setting(_text, "REDIS_URL"),
    "storage_options": _Setting(_mapping),
    "key_prefix": _Setting(_prefix),
    "strategy": _Setting(_strategy),
    "base_limit": _Setting(_integer(1, MAX_INTEGER), "BASE_LIMIT"),
    "window_seconds": _Setting(_integer(1, 366 * 86400), "WINDOW_SECONDS"),
    "burst": _Setting(_optional(_integer(1, MAX_INTEGER))),
    "default_limits": _Setting(_limits),
    "enabled": _Setting(_boolean),
    "mode": _Setting(_choice(*get_args(Mode))),
    "headers_enabled": _Setting(_boolean),
    "ietf_headers": _Setting(_boolean),
    "early_refusals": _Setting(_boolean),
    "anomaly_threshold": _Setting(_number(-1.0, 0.0), "ANOMALY_THRESHOLD"),
    "anomalous_factor": _Setting(_number(0.0, 1.0, above=True)),
    "further_factors": _Setting(_factors),
    "detector": _Setting(_choice("isolation_forest", "random_forest", "blend")),
    "learning_minutes": _Setting(_number(0.0, 7 * 1440.0)),
    "login_failures": _Setting(_integer(0, MAX_INTEGER)),
    "unknown_paths": _Setting(_integer(0, MAX_INTEGER)),
    "honeypots": _Setting(_texts),
    "allow": _Setting(_texts),
    "deny": _Setting(_texts),
    "false_flag_rate": _Setting(_number(0.0, 0.2, above=True)),
    "training_interval_minutes": _Setting(
        _number(0.0, 7 * 24 * 60.0, above=True), "TRAINING_INTERVAL", "IRL_TRAINING_INTERVAL"
    ),
    "train": _Setting(_boolean, "IRL_TRAIN"),
    "min_clients": _Setting(_integer(1, MAX_INTEGER)),
    "rows_capacity": _Setting(_integer(50, 1_000_000)),
    "profile_ttl_seconds": _Setting(_integer(60, 30 * 86400)),
    "on_store_error": _Setting(_choice(*get_args(OnStoreError))),
    "store_timeout": _Setting(_number(0.0, 60.0, above=True)),
    "admin_token": _Setting(_optional(_text), "IRL_ADMIN_TOKEN"),
    "api_key_header": _Setting(_text),
    "admin_tokens": _Setting(_mapping),
    "admin": _Setting(_boolean),
    "admin_docs": _Setting(_boolean),
    "url_prefix": _Setting(_text, config="IRL_ADMIN_URL_PREFIX"),
    "background": _Setting(_boolean),
}
SECRET: Final = {"admin_token", "admin_tokens", "storage_uri", "storage_options"}


def resolve(
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
) -> Options:
    """Put the options together: argument, then app config, then environment, then default.

    Args:
        arguments: Options given to ``IntelligentLimiter``; None counts as not given.
        config: The app's config; keys are ``IRL_`` and the option's name in capitals.
        environment: ``os.environ`` by default.

    Raises:
        ConfigurationError: A value is not allowed, or an option is not known; the message names
            the key, the value and what is allowed.
    """
    environment = os.environ if environment is None else environment
    unknown = sorted(set(arguments) - set(_SETTINGS))
    if unknown:
        raise ConfigurationError(
            f"option {unknown[0]!r} is not known; there are: {', '.join(_SETTINGS)}"
        )
    _refuse_unknown_config(config)
    values: dict[str, Any] = {}
    for option in fields(Options):
        setting = _SETTINGS[option.name]
        config_key = setting.config or f"IRL_{option.name.upper()}"
        if arguments.get(option.name) is not None:
            source, value = option.name, arguments[option.name]
        elif config.get(config_key) is not None:
            source, value = config_key, config[config_key]
        elif setting.environment is not None and environment.get(setting.environment):
            source, value = setting.environment, environment[setting.environment]
        else:
            continue
        try:
            values[option.name] = setting.convert(value)
        except ConfigurationError as error:
            raise ConfigurationError(f"{source}: {error}") from None
        except ValueError as error:
            shown = "(not shown)" if option.name in SECRET else repr(value)
            raise ConfigurationError(
                f"{source} is {shown}, which is not allowed: give {error}"
            ) from None
    return Options(**values)


def check_option(name: str, value: object) -> Any:
    """One option's value, validated.

    Raises:
        ConfigurationError: It is not allowed; names the option, the value and what is.
    """
    try:
        return _SETTINGS[name].convert(value)
    except ValueError as error:
        raise ConfigurationError(
            f"{name} is {value!r}, which is not allowed: give {error}"
        ) from None


def _refuse_unknown_config(config: Mapping[str, Any]) -> None:
    known = {s.config or f"IRL_{name.upper()}" for name, s in _SETTINGS.items()}
    for key in config:
        if key.startswith("IRL_") and key not in known:
            raise ConfigurationError(
                f"config key {key!r} is not known; there are: {', '.join(sorted(known))}"
            )
