"""List the blocks of the documents that no test runs as they stand, each with the reason."""

from __future__ import annotations

from typing import Final

from tests.docs.blocks import Block

NOT_RUN: Final = {
    ("README.md", "make demo "): "minutes long; tests/demo and the other tests are what they run",
    ("admin.md", "A="): "tests/integration/test_admin_walk.py runs it line by line",
    ("admin.md", "store  "): "a screen of some site; tests/cli holds its lines",
    ("admin.md", "$ flask --app yourapp irl clients"): "output; tests/cli holds its form",
    (
        "admin.md",
        "$ flask --app yourapp irl client 2",
    ): "output; tests/verdicts holds its sentences",
    ("admin.md", "2026-11-27T15:40:00Z  mode"): "a screen; tests/cli/test_top.py holds its lines",
    ("admin.md", "0 7 * * 1"): "a line of a crontab; tests/cli runs its command",
    ("cost.md", "make bench "): "a quarter of an hour a line; tests/loadtests runs short ones",
    ("detection.md", "make evaluate "): "up to an hour a line; tests/loadtests runs short ones",
    ("from-flask-limiter.md", "$ flask irl migrate"): "output; tests/cli/test_migrate.py holds it",
    ("from-flask-limiter.md", "$ flask irl report"): (
        "output; tests/cli/test_report_command.py holds it"
    ),
    ("admin.md", "$ flask --app yourapp irl incidents"): (
        "output; tests/cli/test_incident_command.py holds it"
    ),
    ("logs.md", "request_refused client="): "a line of a log; tests/telemetry holds its form",
    ("metrics.md", "cp .env.example "): "needs Docker; tests/monitoring checks the compose file",
    ("operating.md", "flask --app yourapp irl trainer"): "runs until SIGTERM; tests/cli starts it",
    ("operating.md", "export DEMO_KEYS_SECRET"): "a measurement of ten seconds, which needs wrk",
    ("replay.md", "guessed: Combined"): "output; tests/replay holds its form",
    ("start.md", "HTTP/1.1 429"): "an answer, which test_shell.py compares with a real one",
    ("start.md", "Attack. Normal"): "two minutes of output; test_pages.py holds its words",
    ("tracing.md", "import os\n\nimport sentry_sdk"): "sentry-sdk isn't among the tests' libraries",
}
"""Reasons by a block's page and its first words."""


def reason(block: Block) -> str | None:
    """Give the reason why a block isn't run, None for one that is."""
    for (page, beginning), why in NOT_RUN.items():
        if block.page == page and block.text.startswith(beginning):
            return why
    return None
