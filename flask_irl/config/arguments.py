"""Type the options as arguments, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypedDict

from flask_irl.config.options import DetectorName, OnStoreError, ResetFormat, UndeclaredTenants
from flask_irl.limits.plan import Mode, StrategyName

Texts = str | Sequence[str]
"""Several texts, or one with commas between them."""
LimitTexts = str | Sequence[str]
"""Limits such as ``"5/minute"``, or one text with ``;`` between them."""


class OptionArguments(TypedDict, total=False):
    """Type the options as arguments of ``IntelligentLimiter``.

    None counts as not given, but switches ``base_limit`` off. At run time texts of numbers and
    truth values are taken, too, as from the environment.
    """

    storage_uri: str | None
    storage_options: Mapping[str, Any] | None
    key_prefix: str | None
    leases: bool | None
    strategy: StrategyName | Literal["moving-window"] | None
    base_limit: int | None
    window_seconds: int | None
    burst: int | None
    default_limits: LimitTexts | None
    application_limits: LimitTexts | None
    meta_limits: LimitTexts | None
    exempt: Texts | None
    limits: Mapping[str, LimitTexts] | None
    plans: Mapping[str, LimitTexts] | None
    default_plan: str | None
    time_zone: str | None
    enabled: bool | None
    mode: Mode | None
    headers_enabled: bool | None
    ietf_headers: bool | None
    reset_format: ResetFormat | None
    early_refusals: bool | None
    anomaly_threshold: float | None
    anomalous_factor: float | None
    further_factors: Sequence[float] | None
    detector: DetectorName | None
    learning_minutes: float | None
    login_failures: int | None
    login_routes: Texts | None
    unknown_paths: int | None
    campaigns: bool | None
    honeypots: Texts | None
    allow: Texts | None
    deny: Texts | None
    false_flag_rate: float | None
    training_interval_minutes: float | None
    train: bool | None
    min_clients: int | None
    rows_capacity: int | None
    profile_ttl_seconds: int | None
    recent_requests: int | None
    on_store_error: OnStoreError | None
    store_timeout: float | None
    webhooks: Texts | None
    webhook_secret: str | None
    admin_token: str | None
    api_key_header: str | None
    api_keys: bool | None
    api_key_secret: Texts | None
    admin_tokens: Mapping[str, Any] | None
    admin: bool | None
    admin_docs: bool | None
    admin_page: bool | None
    country_file: str | PathLike[str] | None
    asn_file: str | PathLike[str] | None
    url_prefix: str | None
    background: bool | None
    tenants: Mapping[str, Any] | None
    undeclared_tenants: UndeclaredTenants | None
    max_tenants: int | None
    tenant_rows: int | None
    shared_model: bool | None
