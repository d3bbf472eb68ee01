"""Test the commands of an app whose limit on all of a client's requests is off."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.cli import irl

CLIENT = "127.0.0.1"
Run = Callable[..., Result]


@pytest.fixture
def app() -> Iterator[Flask]:
    """Make an app that a client has visited."""
    app = Flask("site", static_folder=None)
    limiter = IntelligentLimiter(
        app, storage_uri="memory://", background=False, base_limit=None, default_limits="3/minute"
    )
    app.add_url_rule("/", "index", lambda: "hello")
    app.add_url_rule("/free", "free", limiter.limit(lambda: None)(lambda: "free"))
    assert app.test_client().get("/").status_code == 200
    with app.app_context():
        limiter.flush()
    yield app
    limiter.close()


@pytest.fixture
def run(app: Flask) -> Run:
    """Run a command, and give its result, which is no traceback."""

    def ran(*arguments: str) -> Result:
        result = app.test_cli_runner().invoke(irl, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    return ran


def test_limits_and_status_say_that_it_is_off(run: Run) -> None:
    shown = run("limits").stdout
    assert re.search(r"^base limit +none$", shown, re.MULTILINE)
    assert re.search(r"^steps +100%, 30%, 10%, 0%$", shown, re.MULTILINE)
    assert re.search(
        r"^base limit +none, sliding-window-counter$", run("status").stdout, re.MULTILINE
    )
    found = json.loads(run("limits", "--json").stdout)
    assert (found["base_limit"], {step["limit"] for step in found["steps"]}) == (None, {None})


def test_clients_have_no_limit_of_their_own(run: Run) -> None:
    [entry] = json.loads(run("clients", "--json").stdout)
    assert (entry["client"], entry["limit"]) == (CLIENT, None)
    assert json.loads(run("client", CLIENT, "--json").stdout)["limit"] is None
    assert run("client", CLIENT).exit_code == 0


def test_a_number_is_set_while_the_app_runs_and_taken_back(run: Run, app: Flask) -> None:
    assert run("limits", "base_limit=2").exit_code == 0
    client = app.test_client()
    assert [client.get("/free").status_code for _ in range(3)] == [200, 200, 429]
    assert run("limits", "base_limit=configured").exit_code == 0
    assert [client.get("/free").status_code for _ in range(3)] == [200] * 3


def test_it_is_not_switched_off_while_the_app_runs(run: Run) -> None:
    result = run("limits", "window_seconds=5", "base_limit=none")
    assert result.exit_code == 2
    assert "base_limit is 'none', which is not allowed at run time: give a number" in result.stderr
    assert json.loads(run("limits", "--json").stdout)["window_seconds"] == 60


def test_a_replay_counts_the_limits_there_are(run: Run, tmp_path: Path) -> None:
    log, report = tmp_path / "access.log", tmp_path / "report.json"
    line = '203.0.113.7 - - [27/Nov/2026:12:00:{:02} +0000] "GET {} HTTP/1.1" 200 5\n'
    paths = ["/"] * 5 + ["/free"] * 5
    log.write_text("".join(line.format(n, path) for n, path in enumerate(paths)))
    result = run("replay", str(log), "--report", str(report))
    assert result.exit_code == 0, result.output
    found: Any = json.loads(report.read_text())
    assert (found["requests"], found["refused"], found["static_refused"]) == (10, 2, 2)
