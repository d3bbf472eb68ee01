"""Build PromQL expressions.

Raw metrics only, no recording rules, so that the dashboard works with any Prometheus.
"""

from __future__ import annotations

from typing import Final

JOB: Final = 'job=~"$job"'
ROUTE: Final = f'{JOB}, route=~"$route"'
TENANT: Final = f'{JOB}, tenant=~"$tenant"'
LIMITED: Final = f'{ROUTE}, outcome!="exempt"'
"""Labels of requests that count: an exempt one can be neither refused nor anomalous."""
REFUSED: Final = f'{ROUTE}, outcome=~"limited|blocked"'
ANSWERED: Final = f'{ROUTE}, status!="429"'
"""Labels for the exporter's histogram: in an app whose limiter comes first, it doesn't see
refusals, or their durations are wrong."""

REQUESTS: Final = "irl_requests_total"
ANOMALOUS: Final = "irl_anomalous_requests_total"
RESPONSE: Final = "flask_http_request_duration_seconds"
HOUR: Final = "1h"
"""Window for events every few minutes, of which ``$__rate_interval`` would mostly see none."""


def rate(metric: str, labels: str, by: str = "") -> str:
    """Count events a second, summed up over the instances."""
    return f"{_sum(by)}(rate({metric}{{{labels}}}[$__rate_interval]))"


def increase(metric: str, labels: str, by: str = "", window: str = "$__range") -> str:
    """Count events in a window, summed up over the instances."""
    return f"{_sum(by)}(increase({metric}{{{labels}}}[{window}]))"


def or_zero(expression: str, label: str = "") -> str:
    """Give 0 while there is no such series: errors that never happened yet have none.

    Args:
        expression: A sum.
        label: Label that it is summed by; the zero has the value ``none`` of it.
    """
    zero = f'label_replace(vector(0), "{label}", "none", "", "")' if label else "vector(0)"
    return f"{expression} or on() {zero}"


def share(part: str, whole: str, by: str = "") -> str:
    """Divide a part by its whole: 0 without a part, no series without a whole."""
    if not by:
        return f"({part} or vector(0)) / ({whole} > 0)"
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(q: float, metric: str, labels: str, window: str = "$__rate_interval") -> str:
    """Estimate a quantile of a histogram, over all its series."""
    buckets = f"rate({metric}_bucket{{{labels}}}[{window}])"
    return f"histogram_quantile({q}, sum by (le) ({buckets}))"


def cells(metric: str, labels: str) -> str:
    """Count by bucket of a histogram over time, for a heatmap."""
    return f"sum by (le) (increase({metric}_bucket{{{labels}}}[$__rate_interval]))"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
