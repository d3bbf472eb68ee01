"""Describe the rows about the site below the first screen: its routes, and Flask's responses."""

from __future__ import annotations

from typing import Final

from monitoring.grafana.promql import (
    ANOMALOUS,
    ANSWERED,
    JOB,
    LIMITED,
    REFUSED,
    REQUESTS,
    RESPONSE,
    ROUTE,
    cells,
    increase,
    or_zero,
    rate,
    share,
)
from monitoring.grafana.spec import ORANGE, RED, Panel, Query, Row

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
        Panel(
            "Campaigns",
            "Attacks of many clients that run, by kind, and logins a second that are refused for "
            "one. Worry when one runs for long: `flask irl campaigns` says where and since when.",
            "short",
            (
                Query(f"max by (job, kind) (irl_campaigns{{{JOB}}})", "{{kind}}"),
                Query(rate("irl_campaign_refusals_total", JOB), "refused logins"),
            ),
            runbook="irlcampaign",
        ),
        Panel(
            "Webhooks",
            "Tries to deliver webhooks a second, by outcome. Worry about failed and dropped ones: "
            "somebody isn't told. The log's `webhook_failed` names the host.",
            "short",
            (Query(rate("irl_webhooks_total", JOB, "outcome"), "{{outcome}}"),),
            colors={"failed": RED, "dropped": RED, "retried": ORANGE},
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
