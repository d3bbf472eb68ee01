"""Set the number of users, second by second; only for locust's process."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any, Final

from locust import LoadTestShape

from loadtests.load.scenario import Stage
from loadtests.load.session import SESSION, TOKEN
from loadtests.load.users import ATTACKING, PEACEFUL

TRAINING_PATIENCE: Final = 60.0
TITLES: Final[dict[Stage, str]] = {
    "learning": "Learning: only normal clients come; at the end the model is trained.",
    "before": "Measuring: normal clients alone.",
    "attack": "Attack: scrapers, credential stuffers and floods ramp in, and out again.",
    "after": "Afterwards: normal clients alone.",
}


class Ramp(LoadTestShape):
    """Keep normal clients from the beginning; ramp attackers in and out of the measured time."""

    _stage: Stage | None = None

    def tick(self) -> tuple[int, float, list[Any]] | None:
        """Give the number of users wanted now, of arrivals a second, and the kinds of users."""
        scenario = SESSION.scenario
        if SESSION.second() < 0:
            if self.get_run_time() < scenario.learning:  # type: ignore[no-untyped-call]
                self._announce("learning")
                return scenario.peaceful, scenario.arrival, PEACEFUL
            self._begin()
        second = SESSION.second()
        attackers = scenario.attackers_at(second)
        if attackers is None:
            return None
        self._announce(scenario.stage(second))
        if not attackers and second < scenario.seconds / 2:
            return scenario.peaceful, scenario.arrival, PEACEFUL
        # Users that came last go first, so the ramp out takes none but attackers.
        return scenario.peaceful + attackers, float(scenario.attackers), ATTACKING

    def _begin(self) -> None:
        if self.runner is not None:
            if token := os.environ.get(TOKEN):
                SESSION.training = train(self.runner.environment.host or "", token)
                # Meanwhile all workers take up the new model.
                time.sleep(2.5)
            self.runner.stats.reset_all()
        SESSION.measure()

    def _announce(self, stage: Stage) -> None:
        if stage != self._stage:
            self._stage = stage
            print(TITLES[stage], flush=True)


def train(host: str, token: str) -> dict[str, Any]:
    """Have the site train its model, and wait for the end; give what the site says of it."""
    try:
        started = _ask(host, token, "POST", "/admin/train")
        end = time.monotonic() + TRAINING_PATIENCE
        while time.monotonic() < end:
            # Any worker may answer: all know of a new model, and one of a training without.
            info = _ask(host, token, "GET", started["see"])
            last: dict[str, Any] = info["last_training"] or {"at": 0.0}
            if info["version"] > started["version"]:
                return {"result": "accepted", "version": info["version"]}
            if last["at"] >= started["at"]:
                return last
            time.sleep(0.5)
    except urllib.error.HTTPError as error:
        return {"result": "refused", "reason": error.read().decode(errors="replace")}
    except (OSError, ValueError, KeyError) as error:
        return {"result": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {"result": "failed", "reason": f"no end of it within {TRAINING_PATIENCE:g} seconds"}


def _ask(host: str, token: str, method: str, path: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  # the tested site's own address
        f"{host.rstrip('/')}{path}",
        data=b"" if method == "POST" else None,
        method=method,
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=TRAINING_PATIENCE) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer
