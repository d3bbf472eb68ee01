"""Describe the first screen: the state of the site, of refusals, of learning."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from monitoring.grafana.promql import (
    ANOMALOUS,
    ANSWERED,
    HOUR,
    JOB,
    LIMITED,
    REFUSED,
    REQUESTS,
    RESPONSE,
    ROUTE,
    cells,
    increase,
    or_zero,
    quantile,
    rate,
    share,
)
from monitoring.grafana.spec import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    YELLOW,
    Panel,
    Query,
    Row,
)

OUTCOMES: Final = {
    "allowed": GREEN,
    "limited": ORANGE,
    "blocked": RED,
    "shadow_limited": PURPLE,
    "exempt": GRAY,
}
HIT_RATE: Final = share(rate(REQUESTS, REFUSED), rate(REQUESTS, LIMITED))
ANOMALY_RATE: Final = share(rate(ANOMALOUS, ROUTE), rate(REQUESTS, LIMITED))
FLAGGED: Final = f"max by (job) (irl_flagged_clients{{{JOB}}})"
FALLBACK: Final = f"max by (job) (irl_store_fallback{{{JOB}}})"
# Gauges are 0 before the first model: no age then, rather than one of fifty years.
MODEL_AGE: Final = f"time() - max by (job) (irl_model_trained_timestamp_seconds{{{JOB}}} > 0)"
DECISION: Final = "irl_decision_seconds"

HIT_THRESHOLDS: Final = ((0.05, YELLOW), (0.2, RED))
ANOMALY_THRESHOLDS: Final = ((0.05, YELLOW), (0.3, RED))
FLAGGED_THRESHOLDS: Final = ((50, YELLOW),)
DECISION_THRESHOLDS: Final = ((0.01, YELLOW), (0.05, RED))
"""Seconds; red from the usual ``store_timeout`` on."""
AGE_THRESHOLDS: Final = ((3600, YELLOW), (7200, RED))
"""Seconds. A quiet site's model may be old: the next training waits for a tenth of new rows."""


def _quantiles(metric: str, labels: str) -> tuple[Query, ...]:
    return tuple(
        Query(quantile(q, metric, labels), name)
        for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )


_STATS: Final = (
    Panel(
        "Requests",
        "Requests to limited routes, a second. Worry when it falls to nothing, or to a multiple of "
        "what is usual at this hour.",
        "reqps",
        (Query(rate(REQUESTS, LIMITED), "requests"),),
        no_value="no traffic",
    ),
    Panel(
        "Hit rate",
        "Share of the requests to limited routes that were refused (limited or blocked). A few "
        "percent is ordinary; worry when it rises while the anomaly rate doesn't: then the limits "
        "may be too low for ordinary clients.",
        "percentunit",
        (Query(HIT_RATE, "hit rate"),),
        thresholds=HIT_THRESHOLDS,
        decimals=1,
        no_value="no traffic",
        runbook="irlhitratehigh",
    ),
    Panel(
        "Anomaly rate",
        "Share of the requests that came from clients flagged as anomalous, refused or not. "
        "Worry when it jumps: an attack, or ordinary traffic that the model has never seen.",
        "percentunit",
        (Query(ANOMALY_RATE, "anomaly rate"),),
        thresholds=ANOMALY_THRESHOLDS,
        decimals=1,
        no_value="no traffic",
        runbook="irlanomalyratejump",
    ),
    Panel(
        "Flagged clients",
        "Clients of the last minutes whose limit is tightened, of the instance that sees the most "
        "of them. Worry when it is a large part of all clients: see who they are with "
        "`flask irl clients --order flagged`.",
        "short",
        (Query(FLAGGED, "{{job}}"),),
        thresholds=FLAGGED_THRESHOLDS,
        no_value="none",
        runbook="irlmanyflagged",
    ),
    Panel(
        "Limiter p99",
        "What the limiter costs the slowest hundredth of the requests. Worry near the store's "
        "time-out (`store_timeout`, usually 50 ms): the store is slow or far away.",
        "s",
        (Query(quantile(0.99, DECISION, JOB), "p99"),),
        thresholds=DECISION_THRESHOLDS,
        no_value="no traffic",
        runbook="irldecisionslow",
    ),
    Panel(
        "Model age",
        "Time since the model in force was trained. A quiet site keeps its model until a tenth of "
        "what it has learned from is new. Worry at hours with traffic: trainings fail, are "
        "rejected, or nobody trains.",
        "s",
        (Query(MODEL_AGE, "{{job}}"),),
        thresholds=AGE_THRESHOLDS,
        decimals=0,
        no_value="no model",
        runbook="irlmodelstale",
    ),
    Panel(
        "Store errors",
        "Failed calls of the store in the time range shown. Worry about any that go on; a single "
        "one can be a restart of the store.",
        "short",
        (Query(or_zero(increase("irl_store_errors_total", JOB)), "errors", instant=True),),
        thresholds=((1, YELLOW), (100, RED)),
        decimals=0,
        runbook="irlstoreerrors",
    ),
    Panel(
        "Store lost",
        "On while a worker has lost the store and `on_store_error` decides (local counting, "
        "admitting, or 503). Worry at once: limits don't hold across workers.",
        "bool_on_off",
        (Query(FALLBACK, "{{job}}"),),
        thresholds=((1, RED),),
        runbook="irlstorefallback",
    ),
)
STATS: Final = tuple(replace(panel, kind="stat", width=3, height=4) for panel in _STATS)

CHARTS: Final = (
    Panel(
        "Request rate by outcome",
        "What was decided: allowed, limited (over the limit), blocked (by an operator's override), "
        "shadow_limited (admitted, but would be refused if the model's word held), exempt (not "
        "limited). Worry when limited grows at the cost of allowed, not on top of it.",
        "reqps",
        (Query(rate(REQUESTS, ROUTE, "outcome"), "{{outcome}}"),),
        kind="stacked",
        colors=OUTCOMES,
    ),
    Panel(
        "Hit rate and anomaly rate",
        "Shares of the requests to limited routes: refused, and from flagged clients. They rise "
        "together in an attack; the anomaly rate alone in shadow mode or while flagged clients "
        "stay within their tighter limit. Worry when the hit rate rises alone: limits are too low.",
        "percentunit",
        (Query(HIT_RATE, "hit rate"), Query(ANOMALY_RATE, "anomaly rate")),
        colors={"hit rate": ORANGE, "anomaly rate": PURPLE},
        runbook="irlhitratehigh",
    ),
    Panel(
        "Anomaly scores",
        "How the scores of the evaluated clients are spread: 0 is as normal as can be, -1 as "
        "anomalous; those below the threshold (usually -0.5) are tightened. Worry when the bulk "
        "moves down: the traffic has changed, and the model hasn't followed.",
        "short",
        (Query(cells("irl_anomaly_score", JOB), "{{le}}"),),
        kind="heatmap",
        minimum=None,
        decimals=2,
        runbook="irlanomalyratejump",
    ),
    Panel(
        "Limiter latency",
        "Time that requests waited for their decision. Refusals of clients known to be over their "
        "limit are among them and take microseconds. Worry when p99 nears the store's time-out.",
        "s",
        _quantiles(DECISION, JOB),
        thresholds=DECISION_THRESHOLDS,
        runbook="irldecisionslow",
    ),
    Panel(
        "Response time",
        "Time that the app took for requests that weren't refused. Worry when it rises without the "
        "limiter's latency: the app itself is slow, and limits may have to be lower.",
        "s",
        _quantiles(RESPONSE, ANSWERED),
    ),
    Panel(
        "Flagged clients over time",
        "Clients of the last minutes whose limit is tightened, by job the instance that sees the "
        "most. A slow change is ordinary; worry when it jumps without an attack, after a deploy "
        "or a new model for example.",
        "short",
        (Query(FLAGGED, "{{job}}"),),
        kind="steps",
        thresholds=FLAGGED_THRESHOLDS,
        decimals=0,
        runbook="irlmanyflagged",
    ),
    Panel(
        "Trainings by result",
        "Trainings in the hour before, as counted by those who ran them: accepted (in force), "
        "kept_aside (another version is pinned), rejected (by the gate), refused (not enough to "
        "learn from), failed. At five minutes' interval it is twelve in all. Worry when accepted "
        "falls to none.",
        "short",
        (
            Query(
                or_zero(increase("irl_model_trainings_total", JOB, "result", HOUR), "result"),
                "{{result}}",
            ),
        ),
        kind="steps",
        height=6,
        colors={
            "accepted": GREEN,
            "kept_aside": BLUE,
            "rejected": ORANGE,
            "refused": BLUE,
            "failed": RED,
        },
        decimals=1,
        runbook="irltrainingfailing",
    ),
    Panel(
        "Model age over time",
        "A saw that falls to nothing at each new model. Worry when a tooth grows far beyond the "
        "others while there is traffic.",
        "s",
        (Query(MODEL_AGE, "{{job}}"),),
        height=6,
        thresholds=AGE_THRESHOLDS,
        runbook="irlmodelstale",
    ),
    Panel(
        "Store errors and fallback",
        "Failed calls of the store by kind, a second (left), and whether it counts as lost "
        "(right). Worry when it is on, however few the errors: a worker that has lost the store "
        "asks it only now and then.",
        "cps",
        (
            Query(or_zero(rate("irl_store_errors_total", JOB, "kind"), "kind"), "errors: {{kind}}"),
            Query(FALLBACK, "fallback: {{job}}"),
        ),
        height=6,
        right={"/^fallback/": "bool_on_off"},
        runbook="irlstorefallback",
    ),
)

OVERVIEW: Final = Row("Overview", (*STATS, *CHARTS))
