"""Test the move from Flask-Limiter: what is told, what is written, and what is left alone."""

from __future__ import annotations

import dataclasses
import inspect
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask_limiter import Limiter as FlaskLimiter
from flask_limiter.constants import ConfigVars

from flask_irl.cli import irl
from flask_irl.cli.migration_names import ARGUMENTS, CONFIG
from flask_irl.compat.settings import Arguments

APP = """\
from flask import Flask  # the app
from flask_limiter import Limiter, RateLimitExceeded
from flask_limiter.util import get_remote_address
import flask_limiter.constants as constants

app = Flask(__name__)
limiter = Limiter(get_remote_address, app=app,
                  default_limits = ["3/hour"])


@app.get("/")
@limiter.limit("2/hour", cost=2)
def index():
    return "shop"
"""


def migrate(*arguments: object) -> Result:
    return CliRunner().invoke(irl, ["migrate", *map(str, arguments)])


def test_nothing_is_written_unless_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(APP)
    result = migrate(tmp_path)
    assert result.exit_code == 0, result.output
    assert result.output == "app.py: would change\nnothing is written yet: --write does that\n"
    assert path.read_text() == APP


def test_the_imports_alone_are_changed(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(APP)
    path.chmod(0o750)
    assert migrate(tmp_path, "--write").output == "app.py: changed\n"
    assert path.read_text() == APP.replace("flask_limiter", "flask_irl.compat")
    assert path.stat().st_mode & 0o777 == 0o750
    assert os.listdir(tmp_path) == ["app.py"]


def test_a_moved_app_works(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(APP.replace("app=app,", "app=app, storage_uri='memory://',"))
    migrate(path, "--write")
    names: dict[str, object] = {"__name__": "app"}
    exec(compile(path.read_text(), "app.py", "exec"), names)  # noqa: S102 - made here
    client = names["app"].test_client()  # type: ignore[attr-defined]
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]
    names["limiter"].close()  # type: ignore[attr-defined]


def test_whole_modules_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("import flask_limiter\nimport os, flask_limiter.util\n")
    migrate(path, "--write")
    assert path.read_text() == (
        "import flask_irl.compat as flask_limiter\nimport os, flask_irl.compat as flask_limiter\n"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("limiter = Limiter(key, auto_check=True)", "Limiter has no argument 'auto_check'"),
        ("limiter.limit('1/day', default='2/day')(f)", "limit has no argument 'default'"),
        ("Limiter(key, storage_uri='memcached://x')", "memcached:// is refused at start"),
        ("config['RATELIMIT_STORAGE_URI'] = 'mongodb://x'", "mongodb:// is refused at start"),
        ("from flask_limiter._limits import RuntimeLimit", "module flask_limiter._limits has no"),
        ("from flask_limiter.contrib import util", "flask_limiter.contrib has no counterpart"),
        ("def broken(:", "syntax error"),
    ],
)
def test_what_can_t_be_moved_is_named_and_nothing_is_written(
    line: str, told: str, tmp_path: Path
) -> None:
    good = tmp_path / "good.py"
    good.write_text(APP)
    bad = tmp_path / "package" / "bad.py"
    bad.parent.mkdir()
    bad.write_text(f"from flask_limiter import Limiter\n\n{line}\n")
    result = migrate(tmp_path, "--write")
    assert result.exit_code == 1
    assert "package/bad.py:3: error: " in result.output
    assert told in result.output
    assert "nothing is written" in result.output
    assert good.read_text() == APP


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("limiter = Limiter(key, swallow_errors=True)", "while Redis is out all requests pass"),
        ("limiter.limit('1/day', key_func=key)(f)", "not on Redis Cluster"),
        ("print(limiter.limit_manager)", "limiter.limit_manager is not there"),
        ("config['RATELIMIT_STORAGE_URL'] = 'redis://x'", "RATELIMIT_STORAGE_URL is not read"),
        ("class Config:\n    RATELIMIT_GLOBAL = '1/day'", "RATELIMIT_GLOBAL is not read"),
    ],
)
def test_what_will_differ_is_told_by_file_and_line(line: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(f"from flask_limiter import Limiter\n{line}\n")
    result = migrate(path)
    assert result.exit_code == 0
    place, kind, text = result.output.splitlines()[0].split(": ", 2)
    assert (place.split(":")[0], kind) == ("app.py", "differs")
    assert int(place.split(":")[1]) >= 2
    assert told in text


def test_other_people_s_files_are_left_alone(tmp_path: Path) -> None:
    for folder in (".git", "env", "node_modules"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "app.py").write_text(APP)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "other.py").write_text("this is no Python\n")
    assert migrate(tmp_path, "--write").output == "no imports of flask_limiter in 1 Python files\n"


def test_a_path_that_isn_t_there_is_a_usage_error(tmp_path: Path) -> None:
    assert migrate(tmp_path / "none").exit_code == 2


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(APP)
    (tmp_path / "app.py").symlink_to(tmp_path / "real")
    migrate(tmp_path, "--write")
    assert (tmp_path / "app.py").is_symlink()
    assert "flask_irl.compat" in (tmp_path / "real").read_text()


def test_the_arguments_are_those_of_flask_limiter_and_of_its_stand_in() -> None:
    theirs = list(inspect.signature(FlaskLimiter.__init__).parameters)[1:]
    assert sorted(ARGUMENTS["Limiter"]) == sorted(theirs)
    ours = {field.name for field in dataclasses.fields(Arguments)}
    assert ours | {"app"} == set(theirs)
    for method in ("limit", "shared_limit"):
        names = list(inspect.signature(getattr(FlaskLimiter, method)).parameters)[1:]
        assert sorted(ARGUMENTS[method]) == sorted(names)


def test_the_keys_are_those_of_flask_limiter() -> None:
    assert {getattr(ConfigVars, x) for x in vars(ConfigVars) if x.isupper()} == CONFIG
