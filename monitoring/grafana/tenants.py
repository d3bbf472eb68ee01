"""Describe the row about an app's tenants, those that the dashboard's variable chooses."""

from __future__ import annotations

from typing import Final

from monitoring.grafana.promql import HOUR, JOB, TENANT, increase, or_zero, rate, share
from monitoring.grafana.spec import RED, YELLOW, Panel, Query, Row

REQUESTS: Final = "irl_tenant_requests_total"
REFUSED: Final = f'{TENANT}, outcome=~"limited|blocked"'

TENANTS: Final = Row(
    "Tenants (empty where the app has none)",
    (
        Panel(
            "Requests by tenant",
            "Requests to limited routes a second of each tenant; those of no tenant aren't among "
            "them. Worry about a tenant that is much larger than usual: look at it by "
            "`flask irl --tenant NAME status`.",
            "reqps",
            (Query(or_zero(rate(REQUESTS, TENANT, "tenant"), "tenant"), "{{tenant}}"),),
            kind="stacked",
        ),
        Panel(
            "Hit rate by tenant",
            "Share of each tenant's requests that were refused. Worry when one stands out without "
            "an attack on it: its limits are too low.",
            "percentunit",
            (
                Query(
                    or_zero(
                        share(
                            rate(REQUESTS, REFUSED, "tenant"),
                            rate(REQUESTS, TENANT, "tenant"),
                            "tenant",
                        ),
                        "tenant",
                    ),
                    "{{tenant}}",
                ),
            ),
            thresholds=((0.2, YELLOW),),
            runbook="irlhitratehigh",
        ),
        Panel(
            "Flagged clients by tenant",
            "Clients of the last minutes whose limit is tightened, of the instance that sees the "
            "most of them. Worry as about those of the whole site.",
            "short",
            (
                Query(
                    or_zero(f"max by (tenant) (irl_tenant_flagged_clients{{{TENANT}}})", "tenant"),
                    "{{tenant}}",
                ),
            ),
            kind="steps",
            decimals=0,
            runbook="irlmanyflagged",
        ),
        Panel(
            "Models by tenant",
            "Version of each tenant's own model, 0 while it uses the shared one. Worry when a "
            "large tenant stays at 0.",
            "none",
            (
                Query(
                    or_zero(f"max by (tenant) (irl_tenant_model_version{{{TENANT}}})", "tenant"),
                    "{{tenant}}",
                ),
            ),
            kind="steps",
            decimals=0,
            runbook="irlnomodel",
        ),
        Panel(
            "Trainings by tenant",
            "Trainings in the hour before, and those of them that failed. Worry when one tenant's "
            "fail and others' don't.",
            "short",
            (
                Query(
                    or_zero(
                        increase("irl_tenant_model_trainings_total", TENANT, "tenant", HOUR),
                        "tenant",
                    ),
                    "{{tenant}}",
                ),
                Query(
                    or_zero(
                        increase(
                            "irl_tenant_model_trainings_total",
                            f'{TENANT}, result="failed"',
                            "tenant",
                            HOUR,
                        ),
                        "tenant",
                    ),
                    "{{tenant}} failed",
                ),
            ),
            decimals=1,
            runbook="irltrainingfailing",
        ),
        Panel(
            "Requests of unusable tenants",
            "Requests a second that counted under another tenant than the app named, by reason, "
            "whatever tenants are chosen. Worry about any that go on: the app names tenants that "
            "aren't declared, or a stranger invents them.",
            "reqps",
            (
                Query(
                    or_zero(rate("irl_tenants_unusable_total", JOB, "reason"), "reason"),
                    "{{reason}}",
                ),
            ),
            colors={"full": RED},
        ),
    ),
)
