"""Test the commands on API keys: a key's life, in text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.api_keys.text import id_in
from flask_irl.cli import irl
from flask_irl.web.state import state_of


class Shell:
    """Run commands on an app with API keys."""

    def __init__(self) -> None:
        self.app = Flask("site")
        IntelligentLimiter(
            self.app,
            storage_uri="memory://",
            background=False,
            api_keys=True,
            api_key_secret="a secret of the tests",
            plans={"pro": "600/minute"},
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command, check its exit code, and give its output."""
        result = self.app.test_cli_runner().invoke(irl, ["keys", *arguments])
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    state_of(shell.app).limiter.close()


def test_a_key_lives_from_issue_to_revocation(shell: Shell) -> None:
    text = shell.run("issue", "nightly", "--owner", "acme", "--scope", "a", "--plan", "pro").strip()
    key_id = id_in(text)
    [listed] = json.loads(shell.run("list", "--json"))
    assert (listed["id"], listed["scopes"], listed["plan"]) == (key_id, ["a"], "pro")
    assert "nightly" in shell.run("list", "--owner", "ac")
    assert shell.run("list", "--prefix", "irl_test_") == "none\n"
    changed = json.loads(
        shell.run("change", key_id, "--no-scopes", "--expires", "2999-01-01T00:00:00Z", "--json")
    )
    assert (changed["scopes"], changed["expires_at"]) == ([], "2999-01-01T00:00:00Z")
    assert json.loads(shell.run("change", key_id, "--no-end", "--json"))["expires_at"] is None
    rotated = json.loads(shell.run("rotate", listed["prefix"], "--grace", "60", "--json"))
    assert id_in(rotated["key"]) == key_id
    assert rotated["key"] != text
    assert rotated["old_until"] is not None
    assert "is revoked" in shell.run("revoke", key_id, "--reason", "published")
    assert "revoked" in shell.run("show", key_id)


def test_a_client_is_named_by_the_text_of_its_key(shell: Shell) -> None:
    text = shell.run("issue", "nightly", "--owner", "acme").strip()
    runner = shell.app.test_cli_runner()
    blocked = runner.invoke(irl, ["block", "--api-key", text, "--yes", "--json"])
    assert blocked.exit_code == 0, blocked.output
    assert json.loads(blocked.stdout)["client"] == f"key:{id_in(text)}"
    assert text not in blocked.output


@pytest.mark.parametrize("command", ["show", "rotate", "revoke"])
def test_a_key_that_there_is_not_is_named(shell: Shell, command: str) -> None:
    assert "no such API key" in shell.run(command, "7f3aK9xQ2m", code=1)


def test_a_change_without_any_is_misuse(shell: Shell) -> None:
    assert "Nothing to change" in shell.run("change", "7f3aK9xQ2m", code=2)


def test_what_is_not_allowed_is_said_in_a_line(shell: Shell) -> None:
    said = shell.run("issue", "n", "--owner", "o", "--plan", "gold", code=2)
    assert "there are: pro" in said
    said = shell.run("issue", "n", "--owner", "o", "--plan", "gold", "--json", code=2)
    assert json.loads(said.splitlines()[-1])["exit_code"] == 2
