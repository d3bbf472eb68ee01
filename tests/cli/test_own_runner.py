"""Run the commands as an app's own tests, its own groups and Flask's command do."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup, with_appcontext

from flask_irl import IntelligentLimiter
from flask_irl.cli import irl

STATUS = ["irl", "status", "--json"]
APP = """
    from flask import Flask
    from flask_irl import IntelligentLimiter

    limiter = IntelligentLimiter()

    def create_app(limit=7):
        app = Flask(__name__)
        limiter.init_app(app)
        return app
"""


def make_app(**options: Any) -> Flask:
    app = Flask("site")
    IntelligentLimiter(app, background=False, **{"base_limit": 7, **options})
    return app


def limit_told(result: click.testing.Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return str(json.loads(result.stdout)["base_limit"])


def test_an_apps_test_runner_finds_the_commands_again_and_again() -> None:
    runner = make_app().test_cli_runner()
    told = [limit_told(runner.invoke(args=STATUS)) for _ in range(2)]
    assert told == ["7 per 60 seconds"] * 2


def test_an_apps_test_runner_finds_the_commands_of_a_limiter_that_is_switched_off() -> None:
    assert limit_told(make_app(enabled=False).test_cli_runner().invoke(args=STATUS))


def test_an_apps_test_runner_finds_the_commands_in_an_app_context() -> None:
    app = make_app()
    with app.app_context():
        assert limit_told(app.test_cli_runner().invoke(args=STATUS)) == "7 per 60 seconds"


def test_each_apps_test_runner_asks_its_own_limiter() -> None:
    apps = [make_app(base_limit=limit) for limit in (3, 4)]
    told = [limit_told(app.test_cli_runner().invoke(args=STATUS)) for app in apps]
    assert told == ["3 per 60 seconds", "4 per 60 seconds"]


def test_an_apps_test_runner_lists_and_explains_the_commands() -> None:
    runner = make_app().test_cli_runner()
    assert "irl" in runner.invoke(args=["--help"]).output
    for arguments in (["irl", "--help"], ["irl", "status", "--help"]):
        result = runner.invoke(args=arguments)
        assert (result.exit_code, "--help" in result.output) == (0, True)
    assert runner.invoke(args=["irl", "nothing"]).exit_code == 2


def test_a_command_of_the_apps_own_of_that_name_stays() -> None:
    app = Flask("site")
    app.cli.command("irl")(lambda: click.echo("mine"))
    IntelligentLimiter(app, background=False)
    assert app.test_cli_runner().invoke(args=["irl"]).output == "mine\n"


def test_a_group_of_the_hosts_own_runs_the_commands_of_its_factorys_app() -> None:
    group = FlaskGroup(create_app=make_app, add_default_commands=False)
    assert limit_told(CliRunner().invoke(group, STATUS)) == "7 per 60 seconds"


def test_a_plain_group_runs_the_commands_in_an_app_context() -> None:
    group = click.Group("host")
    group.add_command(irl)
    with make_app().app_context():
        assert limit_told(CliRunner().invoke(group, STATUS)) == "7 per 60 seconds"


def test_a_command_of_the_hosts_own_may_call_one() -> None:
    app = make_app()

    @app.cli.command("overview")
    @with_appcontext
    @click.pass_context
    def overview(context: click.Context) -> None:
        context.invoke(irl.commands["status"], json_=True)

    assert limit_told(app.test_cli_runner().invoke(args=["overview"])) == "7 per 60 seconds"


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("factory", ["webshop:create_app()", "webshop:create_app(5)", "webshop"])
def test_flasks_command_runs_the_commands_of_a_factorys_app(tmp_path: Path, factory: str) -> None:
    (tmp_path / "webshop.py").write_text(textwrap.dedent(APP))
    result = subprocess.run(
        [sys.executable, "-m", "flask", "--app", factory, *STATUS],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["base_limit"] == "100 per 60 seconds"


def test_an_app_does_not_import_the_commands_before_they_are_called() -> None:
    lines = (
        "import sys; from flask import Flask; from flask_irl import IntelligentLimiter",
        "IntelligentLimiter(Flask('site'), background=False)",
        "print([name for name in sys.modules if name.startswith('flask_irl.cli')])",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("[]\n", "")
