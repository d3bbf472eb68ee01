"""Below the first screen: where to look when something there is odd."""

from __future__ import annotations

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
from monitoring.grafana.spec import BLUE, ORANGE, PURPLE, RED, YELLOW, Panel, Query, Row

SCORES: Final = "irl_anomaly_score"
TRAINING: Final = "irl_model_training_seconds"
HTTP: Final = "flask_http_request_total"
EXCEPTIONS: Final = "flask_http_request_exceptions_total"

_REQUESTS: Final = increase(REQUESTS, LIMITED, "route")
_REFUSED: Final = increase(REQUESTS, REFUSED, "route")
_ANOMALOUS: Final = increase(ANOMALOUS, ROUTE, "route")

ROUTES: Final = Row(
    "Routes",
    (
        Panel(
            "Request rate by route",
            "Requests to limited routes; `unmatched` is every URL that no route knows. Worry when "
            "one route's share changes quickly: a scraper on its pages, a scan of the unmatched.",
            "reqps",
            (Query(rate(REQUESTS, LIMITED, "route"), "{{route}}"),),
            kind="stacked",
        ),
        Panel(
            "Hit rate by route",
            "Share of each route's requests that were refused. Worry when one route stands out "
            "without an attack on it: its own limit is too low.",
            "percentunit",
            (
                Query(
                    share(
                        rate(REQUESTS, REFUSED, "route"), rate(REQUESTS, LIMITED, "route"), "route"
                    ),
                    "{{route}}",
                ),
            ),
            runbook="irlhitratehigh",
        ),
        Panel(
            "Anomaly rate by route",
            "Share of each route's requests that came from flagged clients: what attackers are "
            "after. Worry when it is the login, or what costs you most.",
            "percentunit",
            (
                Query(
                    share(
                        rate(ANOMALOUS, ROUTE, "route"), rate(REQUESTS, LIMITED, "route"), "route"
                    ),
                    "{{route}}",
                ),
            ),
            runbook="irlanomalyratejump",
        ),
        Panel(
            "Response time by route",
            "95 of 100 requests that weren't refused took at most so long. Worry about routes that "
            "got slower, and give the slowest a limit of their own.",
            "s",
            (
                Query(
                    "histogram_quantile(0.95, sum by (le, route) "
                    f"(rate({RESPONSE}_bucket{{{ANSWERED}}}[$__rate_interval])))",
                    "{{route}}",
                ),
            ),
        ),
        Panel(
            "Routes in this time range",
            "Sums over the time range shown. Look for a route that is refused or asked for by "
            "flagged clients far more than others.",
            "short",
            (
                Query(_REQUESTS, "Requests"),
                Query(f"{_REFUSED} or 0 * {_REQUESTS}", "Refused"),
                Query(f"{_ANOMALOUS} or 0 * {_REQUESTS}", "Of flagged clients"),
                Query(share(_REFUSED, _REQUESTS, "route"), "Hit rate", unit="percentunit"),
            ),
            kind="table",
            width=16,
            decimals=1,
        ),
    ),
)

LEARNING: Final = Row(
    "Learning",
    (
        Panel(
            "Model version",
            "The version in force. It rises with each accepted training, and falls after a "
            "rollback. Worry when jobs on the same store differ for more than a few seconds.",
            "none",
            (Query(f"max by (job) (irl_model_version{{{JOB}}})", "{{job}}"),),
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
            "Worry about any: a bug, or a key function or listener of yours fails; the log has "
            "the traceback (`limiter_error`).",
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

SITE: Final = Row(
    "The app (prometheus-flask-exporter)",
    (
        Panel(
            "Responses by status",
            "What Flask answered, exempt routes among it. Most refusals (429) are not: a client "
            "that is known to be over its limit is refused in front of Flask, see Request rate "
            "by outcome. Worry about 5xx, and about 503 while the store is lost: that is "
            "`on_store_error=deny`.",
            "reqps",
            (Query(rate(HTTP, JOB, "status"), "{{status}}"),),
            kind="stacked",
            colors={"429": ORANGE, "500": RED, "503": RED},
        ),
        Panel(
            "Requests by method",
            "Of what Flask answered. Invented methods are counted as `other`. Worry when POST "
            "grows alone: forms and logins being tried.",
            "reqps",
            (Query(rate(HTTP, JOB, "method"), "{{method}}"),),
        ),
        Panel(
            "Server errors",
            "Share of the responses that were 5xx, and exceptions that the app raised, a second "
            "(right). Worry about any that go on.",
            "percentunit",
            (
                Query(share(rate(HTTP, f'{JOB}, status=~"5.."'), rate(HTTP, JOB)), "5xx"),
                Query(or_zero(rate(EXCEPTIONS, JOB)), "exceptions"),
            ),
            colors={"5xx": RED},
            right={"/^exceptions/": "cps"},
            thresholds=((0.01, RED),),
        ),
        Panel(
            "Spread of the response time",
            "Requests that weren't refused, by how long they took. Worry about a band that moves "
            "up: one kind of page got slower.",
            "s",
            (Query(cells(RESPONSE, ANSWERED), "{{le}}"),),
            kind="heatmap",
            width=12,
        ),
        Panel(
            "Mean response time by status",
            "Of requests that weren't refused. Worry about errors that take long: time-outs of "
            "something behind the app.",
            "s",
            (
                Query(
                    f"{rate(RESPONSE + '_sum', ANSWERED, 'status')} / "
                    f"({rate(RESPONSE + '_count', ANSWERED, 'status')} > 0)",
                    "{{status}}",
                ),
            ),
            width=12,
        ),
    ),
)

DETAILS: Final = (ROUTES, LEARNING, LIMITER, SITE)
