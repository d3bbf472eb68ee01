"""Declare the options of a limiter: default, converter and sources of each, once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

from flask_irl.behaviour.recent import MOST_KEPT
from flask_irl.config import signing, values
from flask_irl.config.plan_values import plan_limits, time_zone
from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import MAX_AMOUNT, Limit
from flask_irl.limits.plan import Mode, Scope, StrategyName

ResetFormat = Literal["seconds", "epoch"]
OnStoreError = Literal["memory", "allow", "deny"]
DetectorName = Literal["isolation_forest", "random_forest", "blend"]
UndeclaredTenants = Literal["shared", "own"]

MAX_INTEGER: Final = 2**31 - 1
MINUTES_OF_WEEK: Final = 7 * 24 * 60.0
SECONDS_OF_DAY: Final = 86_400


class Spec(NamedTuple):
    """Describe an option: its names elsewhere, and how its value is treated.

    Attributes:
        convert: Converts the values of all sources.
        config_key: Its key in the app's config, and the name of its environment variable.
        variable: A second environment variable, for which the first wins; None if it has none.
        secret: Whether messages must not quote its value.
        may_be_off: Whether None, given as an argument, switches it off; else that is as if the
            option weren't given.
    """

    convert: values.Convert
    config_key: str
    variable: str | None
    secret: bool
    may_be_off: bool

    @property
    def variables(self) -> tuple[str, ...]:
        """List its environment variables; the first that is set wins."""
        return (self.config_key,) if self.variable is None else (self.config_key, self.variable)


def _option(
    default: object,
    convert: values.Convert,
    *,
    variable: str | None = None,
    config_key: str | None = None,
    secret: bool = False,
    may_be_off: bool = False,
) -> Any:
    """Declare an option.

    Args:
        default: Its value if no source gives one; ``dict`` for an empty mapping.
        convert: Converts the values of all sources.
        variable: A second environment variable, beside that of the config key's name.
        config_key: Its key in the app's config, ``IRL_`` and its name in capitals by default.
        secret: Whether its value must not be shown.
        may_be_off: Whether it can be switched off.
    """
    given = {"default_factory": dict} if default is dict else {"default": default}
    return dataclasses.field(
        **given,
        repr=not secret,
        metadata={
            "convert": values.or_off(convert) if may_be_off else convert,
            "variable": variable,
            "config_key": config_key,
            "may_be_off": may_be_off,
        },
    )


@dataclasses.dataclass(frozen=True)
class Options:
    """Hold the options of a limiter; ``docs/options.md`` says what each means.

    Raises:
        ValueError: A value is not allowed; :func:`check_option` and
            :func:`~flask_irl.config.sources.resolve` name the option, too.
    """

    storage_uri: str = _option("memory://", values.text, variable="REDIS_URL", secret=True)
    storage_options: Mapping[str, Any] = _option(dict, values.mapping, secret=True)
    key_prefix: str = _option("irl", values.key_prefix)
    leases: bool = _option(True, values.boolean)
    strategy: StrategyName = _option("sliding-window-counter", values.strategy)
    base_limit: int | None = _option(
        100, values.integer(1, MAX_INTEGER), variable="BASE_LIMIT", may_be_off=True
    )
    window_seconds: int = _option(
        60, values.integer(1, 366 * SECONDS_OF_DAY), variable="WINDOW_SECONDS"
    )
    burst: int | None = _option(None, values.optional(values.integer(1, MAX_INTEGER)))
    default_limits: tuple[Limit, ...] = _option((), values.limits)
    application_limits: tuple[Limit, ...] = _option((), values.limits)
    meta_limits: tuple[Limit, ...] = _option((), values.limits)
    exempt: tuple[str, ...] = _option((), values.patterns)
    limits: Mapping[str, tuple[Limit, ...]] = _option(dict, values.pattern_limits)
    plans: Mapping[str, tuple[Limit, ...]] = _option(dict, plan_limits)
    default_plan: str | None = _option(None, values.optional(values.text))
    time_zone: str = _option("UTC", time_zone)
    enabled: bool = _option(True, values.boolean)
    mode: Mode = _option("enforce", values.choice(*get_args(Mode)))
    headers_enabled: bool = _option(True, values.boolean)
    ietf_headers: bool = _option(False, values.boolean)
    reset_format: ResetFormat = _option("seconds", values.choice(*get_args(ResetFormat)))
    early_refusals: bool = _option(True, values.boolean)
    anomaly_threshold: float = _option(-0.5, values.number(-1.0, 0.0), variable="ANOMALY_THRESHOLD")
    anomalous_factor: float = _option(0.3, values.number(0.0, 1.0, above=True))
    further_factors: tuple[float, ...] = _option((0.1, 0.0), values.factors)
    detector: DetectorName = _option("blend", values.choice(*get_args(DetectorName)))
    learning_minutes: float = _option(120.0, values.number(0.0, MINUTES_OF_WEEK))
    login_failures: int = _option(12, values.integer(0, MAX_INTEGER))
    login_routes: tuple[str, ...] = _option((), values.login_patterns)
    unknown_paths: int = _option(15, values.integer(0, MAX_INTEGER))
    campaigns: bool = _option(True, values.boolean)
    honeypots: tuple[str, ...] = _option((), values.path_beginnings)
    allow: tuple[str, ...] = _option((), values.clients)
    deny: tuple[str, ...] = _option((), values.clients)
    false_flag_rate: float = _option(0.0005, values.number(0.0, 0.2, above=True))
    training_interval_minutes: float = _option(
        5.0,
        values.number(0.0, MINUTES_OF_WEEK, above=True),
        variable="TRAINING_INTERVAL",
        config_key="IRL_TRAINING_INTERVAL",
    )
    train: bool = _option(True, values.boolean)
    min_clients: int = _option(25, values.integer(1, MAX_INTEGER))
    rows_capacity: int = _option(20_000, values.integer(50, 1_000_000))
    profile_ttl_seconds: int = _option(3600, values.integer(60, 30 * SECONDS_OF_DAY))
    recent_requests: int = _option(0, values.integer(0, MOST_KEPT))
    on_store_error: OnStoreError = _option("memory", values.choice(*get_args(OnStoreError)))
    store_timeout: float = _option(0.05, values.number(0.0, 60.0, above=True))
    webhooks: tuple[str, ...] = _option((), signing.web_addresses, secret=True)
    webhook_secret: str | None = _option(None, values.optional(signing.secret), secret=True)
    admin_token: str | None = _option(None, values.optional(values.text), secret=True)
    api_key_header: str = _option("X-API-Key", values.text)
    api_keys: bool = _option(False, values.boolean)
    api_key_secret: tuple[str, ...] = _option((), signing.secrets, secret=True)
    admin_tokens: Mapping[str, Any] = _option(dict, values.mapping, secret=True)
    admin: bool = _option(True, values.boolean)
    admin_docs: bool = _option(True, values.boolean)
    admin_page: bool = _option(True, values.boolean)
    country_file: str | None = _option(None, values.optional(values.path))
    asn_file: str | None = _option(None, values.optional(values.path))
    url_prefix: str = _option("/admin", values.text, config_key="IRL_ADMIN_URL_PREFIX")
    background: bool = _option(True, values.boolean)
    tenants: Mapping[str, Any] = _option(dict, values.mapping, secret=True)
    undeclared_tenants: UndeclaredTenants = _option(
        "shared", values.choice(*get_args(UndeclaredTenants))
    )
    max_tenants: int = _option(100, values.integer(1, 10_000))
    tenant_rows: int = _option(500, values.integer(1, MAX_INTEGER))
    shared_model: bool = _option(True, values.boolean)

    def __post_init__(self) -> None:
        for name, spec in OPTIONS.items():
            object.__setattr__(self, name, spec.convert(getattr(self, name)))

    @property
    def factors(self) -> tuple[float, ...]:
        """Give the share of every limit that is left at each step below the full one, falling."""
        first = self.anomalous_factor
        return (first, *(factor for factor in self.further_factors if factor < first))

    @property
    def base(self) -> Limit | None:
        """Give the limit on all requests of a client; None where it is switched off."""
        return None if self.base_limit is None else self._limit(self.base_limit)

    def base_at(self, factor: float) -> int | None:
        """Give the base limit at a step's factor (0 to 1); None where it is switched off."""
        base = self.base
        return None if base is None else base.at(factor)

    @property
    def own_scope(self) -> Scope:
        """Give the scope of all requests of a client: on standby where the limit is off."""
        base = self.base
        return Scope("", (base or self._limit(MAX_AMOUNT),), standby=base is None)

    def _limit(self, amount: int) -> Limit:
        burst = None if self.burst is None else min(self.burst, amount)
        return Limit(amount, self.window_seconds, burst)


def _spec(field: dataclasses.Field[Any]) -> Spec:
    config_key = field.metadata["config_key"] or f"IRL_{field.name.upper()}"
    return Spec(
        field.metadata["convert"],
        config_key,
        field.metadata["variable"],
        secret=not field.repr,
        may_be_off=field.metadata["may_be_off"],
    )


OPTIONS: Final[Mapping[str, Spec]] = {
    field.name: _spec(field) for field in dataclasses.fields(Options)
}
"""Options by name, in the order of declaration."""


def check_option(name: str, value: object, source: str | None = None) -> Any:
    """Convert an option's value.

    Args:
        name: An option's name, one of ``OPTIONS``.
        value: Of any type.
        source: Name of the value's source for messages, the option's name by default.

    Raises:
        ConfigurationError: The value is not allowed; the message names the source, the value and
            which ones are.
    """
    source = source or name
    try:
        return OPTIONS[name].convert(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from None
    except ValueError as error:
        quoted = "(not shown)" if OPTIONS[name].secret else repr(value)
        raise ConfigurationError(
            f"{source} is {quoted}, which is not allowed: give {error}"
        ) from None


def check_default_plan(options: Options) -> None:
    """Check that the default plan is one of the plans.

    Raises:
        ConfigurationError: It isn't; the message names those that there are.
    """
    if options.default_plan is not None and options.default_plan not in options.plans:
        there_are = ", ".join(options.plans) or "none; give them as plans"
        raise ConfigurationError(
            f"default_plan is {options.default_plan!r}, which is no plan; there are: {there_are}"
        )
