"""Describe the rows about the limiter below the first screen: its learning, and its own work."""

from __future__ import annotations

from typing import Final

from monitoring.grafana.promql import (
    HOUR,
    JOB,
    REQUESTS,
    ROUTE,
    cells,
    or_zero,
    quantile,
    rate,
    share,
)
from monitoring.grafana.spec import BLUE, ORANGE, PURPLE, RED, YELLOW, Panel, Query, Row

SCORES: Final = "irl_anomaly_score"
TRAINING: Final = "irl_model_training_seconds"

LEARNING: Final = Row(
    "Learning",
    (
        Panel(
            "Model version",
            "The version in force, and the one that an operator has pinned, 0 for none. It rises "
            "with each accepted training, and falls after a rollback. Worry when jobs on the same "
            "store differ for more than a few seconds.",
            "none",
            (
                Query(f"max by (job) (irl_model_version{{{JOB}}})", "{{job}}"),
                Query(f"max by (job) (irl_model_pinned{{{JOB}}})", "{{job}} pinned"),
            ),
            kind="steps",
            decimals=0,
            runbook="irlmodelstale",
        ),
        Panel(
            "Duration of trainings",
            "Median and 95th percentile of the hour before. Trainings run in a process of their "
            "own, so that requests don't wait; worry when one takes as long as the interval "
            "between them.",
            "s",
            (
                Query(quantile(0.5, TRAINING, JOB, HOUR), "p50"),
                Query(quantile(0.95, TRAINING, JOB, HOUR), "p95"),
            ),
            thresholds=((60, YELLOW), (300, RED)),
            runbook="irltrainingfailing",
        ),
        Panel(
            "Evaluations",
            "Clients scored a second. Each active client is scored about once a second at most. "
            "Worry when there is traffic and this is 0: the background thread is dead.",
            "cps",
            (Query(rate(f"{SCORES}_count", JOB), "evaluations"),),
        ),
        Panel(
            "Quantiles of scores",
            "The most anomalous hundredth and twentieth of the evaluations, and the median. "
            "Worry when the median moves towards the threshold (usually -0.5).",
            "none",
            (
                Query(quantile(0.01, SCORES, JOB), "p1"),
                Query(quantile(0.05, SCORES, JOB), "p5"),
                Query(quantile(0.5, SCORES, JOB), "median"),
            ),
            minimum=-1,
            maximum=0,
            decimals=2,
            runbook="irlanomalyratejump",
        ),
        Panel(
            "Scores below -0.5",
            "Share of the evaluations below -0.5, the usual threshold. On traffic like that of the "
            "training it is small: calibration sees to it. Worry when it stays high after several "
            "new models.",
            "percentunit",
            (
                Query(
                    share(
                        rate(f"{SCORES}_bucket", f'{JOB}, le="-0.5"'), rate(f"{SCORES}_count", JOB)
                    ),
                    "below -0.5",
                ),
            ),
            thresholds=((0.1, YELLOW), (0.3, RED)),
            colors={"below -0.5": PURPLE},
            runbook="irlmanyflagged",
        ),
        Panel(
            "Requests that shadow mode let pass",
            "Requests a second that were admitted, but would have been refused if the model's word "
            "held. Before enforcing, look here whether that would be right.",
            "reqps",
            (
                Query(
                    or_zero(rate(REQUESTS, f'{ROUTE}, outcome="shadow_limited"')), "shadow_limited"
                ),
            ),
            colors={"shadow_limited": PURPLE},
        ),
    ),
)

LIMITER: Final = Row(
    "The limiter itself",
    (
        Panel(
            "Spread of the limiter's latency",
            "Every decision by how long it took. Two bands are ordinary: those that asked the "
            "store, and local refusals. Worry about a third one at the store's time-out.",
            "s",
            (Query(cells("irl_decision_seconds", JOB), "{{le}}"),),
            kind="heatmap",
            runbook="irldecisionslow",
        ),
        Panel(
            "Local refusals",
            "Refusals a second that cost no call of the store, since the worker knew the client to "
            "be over its limit; beside all refusals. In a flood the two are nearly one; worry in a "
            "flood when this stays far below.",
            "reqps",
            (
                Query(rate("irl_local_refusals_total", JOB), "local"),
                Query(or_zero(rate(REQUESTS, f'{JOB}, outcome=~"limited|blocked"')), "all"),
            ),
            colors={"local": BLUE, "all": ORANGE},
        ),
        Panel(
            "Internal errors",
            "Errors of the limiter that were kept from the app, a second, by where they happened. "
            "Worry about any: a bug, or a listener of yours fails; the log has the traceback "
            "(`limiter_error`).",
            "cps",
            (
                Query(
                    or_zero(rate("irl_internal_errors_total", JOB, "where"), "where"), "{{where}}"
                ),
            ),
            thresholds=((0.001, RED),),
            runbook="irlinternalerrors",
        ),
        Panel(
            "Functions of yours that failed",
            "Calls a second of functions that the limiter was given, by option, that raised or "
            "gave nothing of use. Some are strangers' rubbish tokens; worry when it is as much as "
            "all requests, since then addresses count instead of keys. The log says where "
            "(`callback_error`).",
            "cps",
            (
                Query(
                    or_zero(rate("irl_callback_errors_total", JOB, "where"), "where"), "{{where}}"
                ),
            ),
        ),
        Panel(
            "Background jobs left out",
            "Jobs a second that were due while they still ran. Worry when it goes on: verdicts "
            "come late then, since the worker is busy or the store slow.",
            "cps",
            (Query(or_zero(rate("irl_jobs_skipped_total", JOB, "job"), "job"), "{{job}}"),),
        ),
        Panel(
            "Values that can't be read",
            "Values of the store a second that count as absent, by kind. Worry unless you have "
            "just upgraded: somebody else writes to this Redis. The log has the keys "
            "(`state_damaged` and its like).",
            "cps",
            (Query(or_zero(rate("irl_damaged_values_total", JOB, "kind"), "kind"), "{{kind}}"),),
        ),
        Panel(
            "Refusals of the admin API",
            "Requests a second without a token, or with a wrong one. Worry when they go on: "
            "somebody is guessing. The log has their addresses (`admin_refused`).",
            "reqps",
            (
                Query(
                    or_zero(rate("irl_admin_refusals_total", JOB, "reason"), "reason"), "{{reason}}"
                ),
            ),
            runbook="irladminrefusals",
        ),
        Panel(
            "Requests refused for their API keys",
            "Requests a second whose API key isn't valid, or not for this, by reason. Worry when "
            "`unknown` goes on: somebody is guessing; `unverified`: the store is out, and a worker "
            "doesn't know the key. The log has their addresses (`api_key_rejected`).",
            "reqps",
            (
                Query(
                    or_zero(rate("irl_api_key_rejections_total", JOB, "reason"), "reason"),
                    "{{reason}}",
                ),
            ),
            runbook="irlapikeyrejections",
        ),
        Panel(
            "Exempt requests by route",
            "Requests a second to routes that aren't limited. Worry when one of them becomes "
            "popular: nothing protects it.",
            "reqps",
            (
                Query(
                    or_zero(rate(REQUESTS, f'{ROUTE}, outcome="exempt"', "route"), "route"),
                    "{{route}}",
                ),
            ),
            kind="stacked",
        ),
        Panel(
            "Scraped instances",
            "Targets that Prometheus could scrape at last. Worry when one is missing: what it "
            "counts is missing everywhere on this page.",
            "short",
            (Query(f"sum by (job) (up{{{JOB}}})", "{{job}}"),),
            kind="steps",
            decimals=0,
            runbook="irltargetdown",
        ),
    ),
)
