"""Run the commands beside an app that serves, as in a shell.

The commands run in an app of their own beside the one that serves, as a shell does; with the
embedded store, which can't be shared, in the same one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

from click.testing import Result
from flask import Flask, request

from flask_irl import IntelligentLimiter
from flask_irl.cli import campaigns, clients, incidents, irl, models, plans
from flask_irl.cli import report as report_command
from flask_irl.cli import site as site_commands
from flask_irl.cli import status as status_command
from flask_irl.limiter.limiter import Limiter
from flask_irl.model.model import Model, dump
from flask_irl.training.fit import fit_here
from flask_irl.web.state import state_of

LIMIT = 40
SOMEBODY = "192.0.2.1"
ODD = {
    "color": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "lines": "one\r\ntwo",
    "backspaces": "good\x08\x08\x08\x08evil",
    "c1": "\x9b31m",
    "turned": "abc\u202edef",
    "surrogate": "bad\udc80",
    "nul": "nul\x00",
    "markup": '{"<b>&\\',
}
"""Names that would do something to a terminal, or to what reads it."""
CLIENT_COMMANDS = ("client", "reset", "block", "allow", "clear")
"""What takes a client alone."""
COMMANDS: dict[str, list[str]] = {
    "status": [],
    "train": [],
    "clients": [],
    **{name: [SOMEBODY] for name in CLIENT_COMMANDS},
    "find": ["192"],
    "override": [SOMEBODY, "5"],
    "feedback": [SOMEBODY, "good"],
    "model": [],
    "models": [],
    "rollback": ["1"],
    "unpin": [],
    "mode": [],
    "mode shadow": [],
    "limits": [],
    "limits base_limit=50": [],
    "audit": [],
    "campaigns": [],
    "incidents": [],
    "report": [],
    "plans": [],
    "plan": [SOMEBODY, "free"],
}
"""Every command of an operator, with arguments that are right."""


def worded(name: str) -> list[str]:
    """Give a command line from :data:`COMMANDS`."""
    return [*name.split(), *COMMANDS[name]]


OPERATING = {
    module.__name__
    for module in (
        campaigns,
        clients,
        incidents,
        models,
        plans,
        report_command,
        site_commands,
        status_command,
    )
}


class Site:
    """Serve an app, and run the commands beside it."""

    def __init__(self, uri: str = "memory://", *, shell: Site | None = None) -> None:
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app,
            storage_uri=uri,
            background=False,
            base_limit=LIMIT,
            store_timeout=10.0,
            plans={"free": "60/minute"},
            key_func=lambda: request.headers["X-Client"],
        )
        self.engine: Limiter = state_of(self.app).limiter
        # A child process for each training would take a second; that it is one is tested elsewhere.
        self.engine.trainer._fit = fit_here
        self.app.add_url_rule("/", "index", lambda: "hello")
        self.app.cli.add_command(irl)
        self.shell = shell or self

    def run(self, *arguments: str) -> Result:
        """Run ``flask irl …`` on a terminal that takes colors; whatever happens, no traceback."""
        runner = self.shell.app.test_cli_runner()
        result = runner.invoke(args=["irl", *arguments], color=True)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        assert "Traceback" not in result.output
        assert re.search(r"[^\n -~\xa1-\ud7ff\uf900-\U0010ffff]", result.output) is None, repr(
            result.output
        )
        return result

    def done(self, *arguments: str) -> str:
        """Run a command that succeeds, and give its output."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command, and read its JSON strictly."""
        return strict(self.done(*arguments, "--json"))

    def failed(self, *arguments: str) -> str:
        """Run a command that fails, and give its complaint; it prints nothing else."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        [complaint] = re.findall(r"^Error: (.*)$", result.stderr, re.MULTILINE)
        assert result.stderr.endswith(f"Error: {complaint}\n")
        return str(complaint)

    def misused(self, *arguments: str) -> str:
        """Run a command with wrong arguments, and give its complaint."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert "Usage: " in result.stderr
        return result.stderr

    def ask(self, client: str = SOMEBODY, count: int = 1, path: str = "/") -> list[int]:
        http = self.app.test_client()
        headers = {"X-Client": client}
        return [http.get(path, headers=headers).status_code for _ in range(count)]

    def learn(self) -> None:
        """Send requests enough for a model."""
        for number in range(12):
            self.ask(f"learner-{number}", 8)
        self.engine.flush()

    def publish(self, model: Model, *versions: int) -> None:
        """Put models in force, one after the other."""
        store = self.engine.store
        for version in versions:
            blob = dump(replace(model, version=version))
            assert store.publish(store.model_version(), version, blob)
        self.engine.refresh()

    def close(self) -> None:
        self.engine.close()
        if self.shell is not self:
            self.shell.close()


def strict(text: str) -> Any:
    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def cells(table: str) -> list[dict[str, str]]:
    """Split a printed table into its rows, by column."""
    head, rule, *lines = table.splitlines()
    assert set(rule) == {"─"}
    names = re.split(r" {2,}", head)
    return [dict(zip(names, re.split(r" {2,}", line), strict=True)) for line in lines]


def is_moment(text: object) -> bool:
    return isinstance(text, str) and datetime.fromisoformat(text).utcoffset() is not None


Make = Callable[[str], Site]
