"""Share one run of the load test between all its users."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

from flask_irl.limits.limit import Limit
from loadtests import stored
from loadtests.load.checks import Rules
from loadtests.load.scenario import HEALTH, HEAVY, Scenario, from_environment
from loadtests.load.tally import Tally, exit_code

COUNTS_FILE: Final = "LOAD_COUNTS"
"""Environment variable that names the file for the counts."""
TOKEN: Final = "LOAD_ADMIN_TOKEN"  # noqa: S105  # the variable's name
"""Environment variable with a token that may train the model."""


class Session:
    """Hold one run of a scenario, with the result of the training before the measured time."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        # The heavy route's own limit is set in demo_app.views.
        base, routes = Limit(scenario.limit, scenario.window), {HEAVY: Limit(20, 60)}
        self.rules = Rules(base, routes, frozenset({HEALTH}))
        self.tally = Tally()
        self.training: dict[str, Any] | None = None
        self._measured_from: float | None = None

    def measure(self) -> None:
        """Begin the measured time."""
        self._measured_from = time.monotonic()

    def second(self) -> float:
        """Give the current second of the measured time; negative before it."""
        return -1.0 if self._measured_from is None else time.monotonic() - self._measured_from

    def finish(self) -> int:
        """Write the counts to the file that the environment names, and return the exit code."""
        counts = self.tally.to_json() | {"training": self.training}
        if name := os.environ.get(COUNTS_FILE):
            stored.write(Path(name), counts)
        return exit_code(counts)


SESSION: Final = Session(from_environment())
