"""Describe the results of operations; their members are those of the HTTP API and of JSON."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from flask_irl.operations.plan_results import ClientPlan


class AuditEntry(TypedDict):
    """Describe a change that an operator made or tried to make."""

    at: float
    who: str
    action: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str
    tenant: str


class OverrideState(TypedDict):
    """Describe an override: its kind, its end in seconds since the epoch, its amount."""

    kind: str
    until: float
    amount: int


class OverrideResult(OverrideState):
    """Describe an override with the operator that set it, if the audit log still has that."""

    reason: str
    who: str | None


class ClientOverride(OverrideResult):
    """Describe an override that was set for a client or a network.

    ``known`` is False for a client that the store knows nothing of: perhaps no client is called so.
    """

    client: str
    known: bool


class ClientCounts(TypedDict):
    """Count clients: flagged ones, those whose every request is refused, overrides by kind."""

    flagged: int
    blocked: int
    overridden: dict[str, int]


class CoveringOverride(OverrideResult):
    """Describe an override of a network that holds a client."""

    network: str


class ClientEntry(TypedDict):
    """Describe a client in a list, or a network that is overridden; moments in seconds since the
    epoch.

    Members:
        label: The name that the app gives it.
        country: The code of the country of its address; None where none is known.
        limit: Base limit at its step; None where the base limit is off.
        override: The kind of an operator's override; ``amount`` is its limit.
        since, until: Beginning and end of the override (the beginning while the audit log has it);
            or of the step, which ends then at the earliest. None at the full limit.
        reason: The operator's reason; or the first reason for the step.
        who: The operator that set the override; of a client's, while the audit log has it.
    """

    client: str
    label: str | None
    country: str | None
    step: int
    factor: float
    limit: int | None
    score: float
    is_anomalous: bool
    override: str | None
    amount: int
    since: float | None
    until: float | None
    reason: str
    who: str | None
    last_seen: float
    requests_per_minute: float
    refused_share: float


class RouteShare(TypedDict):
    """Describe routes that a client asks for, counted together: share and number of requests."""

    routes: list[str]
    share: float
    requests: float


class Answers(TypedDict):
    """Describe the answers to a client as shares of its requests: 429 by the limiter; 401, 403 or
    a failed login; 404; another 4xx; 5xx; any other."""

    refused: float
    denied: float
    missing: float
    other_4xx: float
    failed: float
    fine: float


class RecentRequestResult(TypedDict):
    """Describe a request of a client: its time in seconds since the epoch, method and route, the
    response's status, the decision's outcome, and the number of such requests that it stands for.
    """

    at: float
    method: str
    route: str
    status: int
    outcome: str
    times: int


class ClientResult(TypedDict):
    """Describe a client: state, profile, and the reasons for its score.

    Members that :class:`ClientEntry` has mean the same here. ``covered_by`` is the override of the
    longest network that holds its address, which decides unless there is one of the client's own.
    ``plan`` is None where the base limit holds, ``tenant`` is empty for the app's own clients,
    ``recent_requests`` are the latest first, None where the site keeps none, ``country_name`` is
    the English name that the file of countries has, None without one.
    """

    client: str
    label: str | None
    country: str | None
    country_name: str | None
    step: int
    factor: float
    limit: int | None
    score: float
    is_anomalous: bool
    plan: ClientPlan | None
    tenant: str
    override: OverrideResult | None
    covered_by: CoveringOverride | None
    since: float | None
    until: float | None
    last_seen: float
    requests_per_minute: float
    refused_share: float
    requests: int
    first_seen: float
    feedback: str | None
    listed: str | None
    answers: Answers | None
    routes: list[RouteShare]
    recent_requests: list[RecentRequestResult] | None
    features: dict[str, float]
    rules: list[str]
    why: list[dict[str, Any]]


class PinOfSite(TypedDict):
    """Describe the pin in force in short: its version, and its end as in :class:`PinState`."""

    model_pinned: int | None
    model_pinned_until: float | None


class Stats(PinOfSite):
    """Describe the site's traffic and the state of learning."""

    total_requests: int
    unique_clients: int
    endpoints: dict[str, int]
    model_trained: bool
    model_version: int
    learning: str
    buffer_size: dict[str, int]
    waiting: int
    refused: int
    anomalous: int
    refused_share: float
    hit_rate: float
    anomaly_rate: float
    flagged_clients: int
    mode: str
    store: str
    store_ok: bool


class StepLimit(TypedDict):
    """Describe a step of the ladder: the share of limits that is left, and the base limit."""

    step: int
    factor: float
    limit: int | None


class Limits(TypedDict):
    """Describe the limits in force."""

    mode: str
    strategy: str
    base_limit: int | None
    window_seconds: int
    anomaly_threshold: float
    anomalous_factor: float
    further_factors: list[float]
    steps: list[StepLimit]
    default_limits: list[str]
    application_limits: list[str]
    meta_limits: list[str]
    exempt: list[str]
    limits: dict[str, list[str]]


class ModeChange(TypedDict):
    """Describe a change of the mode."""

    mode: str
    before: str


class TrainingStart(TypedDict):
    """Describe a training that was started: the version in force at that moment."""

    result: str
    version: int
    at: float


class ModelEntry(TypedDict):
    """Describe a model that is kept; of one that can't be read, only the version is known.

    The age is in seconds, the flagged share that of legitimate clients at the gate, 0 to 1.
    """

    version: int
    trained_at: NotRequired[float | None]
    age_seconds: NotRequired[float]
    kind: NotRequired[str]
    rows: NotRequired[int]
    clients: NotRequired[int]
    requests: NotRequired[int]
    flagged_share: NotRequired[float | None]
    advisory: NotRequired[bool]
    readable: bool
    in_force: bool
    pinned: bool


class FeatureUse(TypedDict):
    """Describe a feature of the model: its share of all the questions that its trees ask."""

    name: str
    text: str
    unit: str
    share: float


class PinState(TypedDict):
    """Describe the pin of a model: its end in seconds since the epoch, None until it is taken back.

    Operator and reason are those of the audit log, None and empty if it has them no more.
    """

    version: int
    until: float | None
    who: str | None
    reason: str


class RollbackResult(ModelEntry):
    """Describe a model that was put in force and pinned; the end as in :class:`PinState`."""

    until: float | None
    reason: str


class UnpinResult(TypedDict):
    """Describe a pin that was taken back, by its version."""

    version: int
    unpinned: bool
