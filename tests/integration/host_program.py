"""Serve apps on one host of a site, without a network: a program of its own.

It imports nothing of the tests, and of flask_irl only what builds before this one have, too. Its
argument holds the options of each app, by name; the environment variable CLOCK may name a file with
the seconds by which the host's clock is ahead, which is read whenever a program looks at the clock.
A question comes on each line: an app, a method, a
path, a body, and the addresses that ask, one after the other. Its answer goes out on a line: the
status for each of them, and the latest one's body.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def set_clock(file: Path, system: Callable[[], float] = time.time) -> None:
    """Have all that is imported from now on see a clock that is set by a file."""

    class Datetime(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

    time.time = lambda: system() + float(file.read_text())
    datetime.datetime = Datetime  # type: ignore[misc]


if "CLOCK" in os.environ:
    set_clock(Path(os.environ["CLOCK"]))

from flask import Flask  # noqa: E402

import flask_irl  # noqa: E402

TOKEN = "a long enough token of the tests"


def make_app(options: dict[str, Any]) -> Flask:
    """Make an app under a limiter; the admin API tells of it."""
    app = Flask("host")
    flask_irl.IntelligentLimiter(app, admin_token=TOKEN, **options)
    app.add_url_rule("/", "index", lambda: "hello")
    return app


def main() -> None:
    """Answer each line until there are no more."""
    apps = {name: make_app(options) for name, options in json.loads(sys.argv[1]).items()}
    clients = {name: app.test_client() for name, app in apps.items()}
    print(json.dumps([time.time(), flask_irl.__file__]), flush=True)
    for line in sys.stdin:
        name, method, path, body, addresses = json.loads(line)
        statuses, answer = [], None
        for address in addresses:
            answer = clients[name].open(
                path,
                method=method,
                json=body,
                headers={"Authorization": f"Bearer {TOKEN}"},
                environ_base={"REMOTE_ADDR": address},
            )
            statuses.append(answer.status_code)
        found = None if answer is None else answer.get_json(silent=True)
        print(json.dumps([statuses, found]), flush=True)


if __name__ == "__main__":
    main()
