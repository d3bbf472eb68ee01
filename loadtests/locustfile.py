"""Define the load test for locust: ``make load`` runs it against a site of its own.

By hand, from the project's folder, against a site that runs: ``locust -f loadtests/locustfile.py
--headless --stop-timeout 15 --host http://127.0.0.1:8000``. The environment variables that scale it
are in ``loadtests/load/scenario.py``. Give it the site's ``BASE_LIMIT`` and ``WINDOW_SECONDS``, and
in ``LOAD_ADMIN_TOKEN`` a token if it should train the site's model after the learning time, and the
site and locust the same ``DEMO_KEYS_SECRET``: without it all clients are one address.
"""

from __future__ import annotations

from typing import Any

from locust import events
from locust.env import Environment

from loadtests.load.session import SESSION
from loadtests.load.shape import Ramp
from loadtests.load.users import ATTACKING, PEACEFUL

__all__ = ["Ramp"]

# Locust takes the users from the names of this module.
globals().update({user.__name__: user for user in (*PEACEFUL, *ATTACKING)})


def finish(environment: Environment, **_: Any) -> None:
    """Write the counts, and end with their verdict."""
    environment.process_exit_code = SESSION.finish()


events.quitting.add_listener(finish)  # type: ignore[no-untyped-call]
