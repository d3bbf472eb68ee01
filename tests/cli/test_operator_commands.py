"""Test all commands: their errors, and the output that a terminal must never get."""

from __future__ import annotations

import getpass
import logging
import re
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup

from flask_irl import IntelligentLimiter
from flask_irl.cli import irl
from flask_irl.limits.keys import canonical
from flask_irl.model.model import Model
from flask_irl.stores.site import Revisions
from tests.cli.shell import (
    CLIENT_COMMANDS,
    COMMANDS,
    ODD,
    OPERATING,
    SOMEBODY,
    Make,
    Site,
    worded,
)
from tests.servers import HOST, RedisServer, free_port

# What a terminal must not be sent


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
@pytest.mark.parametrize("command", CLIENT_COMMANDS)
def test_an_odd_id_is_answered_with_a_line_that_does_nothing_to_the_terminal(
    local: Site, command: str, name: str
) -> None:
    # ``run`` looks at what is sent.
    result = local.run(command, name)
    assert result.exit_code == 1
    assert re.search(r"client #[0-9a-f]{32} ", result.output)
    if command in ("block", "allow"):
        assert re.search(r"client #[0-9a-f]{32} ", local.done(command, name, "--yes"))


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_an_odd_id_that_is_known_is_found_and_listed_by_its_stored_key(
    local: Site, name: str
) -> None:
    local.engine.decide(local.engine.plan(()), (canonical(name),))
    local.done("block", name)
    key = local.json("client", name)["client"]
    assert local.json("client", key)["override"]["kind"] == "block"
    assert key in local.done("audit")


@pytest.mark.parametrize("reason", ODD.values(), ids=ODD)
def test_an_odd_reason_is_shown_as_harmless_text_and_kept_as_it_was(
    local: Site, reason: str
) -> None:
    local.done("block", SOMEBODY, "--reason", reason)
    assert len(local.done("audit").splitlines()) == 2
    assert local.json("audit")[0]["reason"] == reason


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_an_odd_user_is_shown_as_harmless_text(
    local: Site, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: name)
    local.done("mode", "off")
    assert len(local.done("audit").splitlines()) == 2


@pytest.mark.parametrize(
    "word", [ODD["color"], ODD["title"], ODD["c1"]], ids=["color", "title", "c1"]
)
@pytest.mark.parametrize(
    "command",
    [
        ["mode"],
        ["rollback"],
        ["clients", "--order"],
        ["clients", "--step"],
        ["audit", "--limit"],
        [],
    ],
    ids=lambda command: " ".join(command) or "irl",
)
def test_an_odd_argument_is_wrong_usage_that_does_nothing_to_the_terminal(
    local: Site, command: list[str], word: str
) -> None:
    local.misused(*command, word)


# What the store says


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"status"}))
def test_a_store_that_refuses_is_one_line_without_secrets(make: Make, command: str) -> None:
    site = make(f"redis://:geheim@{HOST}:{free_port()}/0")
    complaint = site.failed(*worded(command))
    assert complaint.startswith("the store does not answer")
    assert "geheim" not in complaint


@pytest.mark.parametrize("command", ["mode", "block", "train"])
def test_a_wrong_password_is_one_line_without_secrets(make: Make, command: str) -> None:
    with RedisServer(config={"requirepass": "right"}) as server:
        site = make(f"redis://:geheim@{HOST}:{server.port}/0")
        complaint = site.failed(*worded(command))
    assert complaint == "the store can't be used: wrong user name or password"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_embedded_store_is_pointed_out_on_stderr_alone(
    local: Site, trained: Model, command: str
) -> None:
    local.publish(trained, 1)
    local.ask()
    result = local.run(*worded(command))
    assert result.stderr.startswith("note: the store is memory://")
    assert "memory://" not in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_shared_store_needs_no_remark(
    make: Make, redis_url: str, trained: Model, command: str
) -> None:
    site = make(redis_url)
    site.learn()
    site.publish(trained, 1)
    site.ask()
    site.engine.store.pin(1)
    site.done("block", SOMEBODY)
    result = site.run(*worded(command))
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_events_are_shown_where_the_app_shows_none(
    make: Make, redis_url: str, trained: Model, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a handler, Python prints warnings: as in a shell, where pytest has none.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    site = make(redis_url)
    site.done("limits", "base_limit=30")
    site.learn()
    site.publish(trained, 1)
    site.ask()
    site.engine.store.pin(1)
    site.done("block", SOMEBODY)
    site.shell.engine._news = Revisions(0, 0, 0)
    result = site.run(*worded(command))
    assert (result.exit_code, result.stderr) == (0, "")
    assert logging.getLogger("flask_irl").handlers == []


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"IRL_BASE_LIMIT": "many"}, "IRL_BASE_LIMIT is 'many', which is not allowed: give a"),
        (
            {"IRL_STORAGE_URI": "http://:geheim@host"},
            "storage_uri 'http://:***@host' can't be read",
        ),
        ({"IRL_ADMIN_TOKENS": {"ann": "geheim"}}, "the admin API's tokens (not shown) are not"),
    ],
    ids=["option", "uri", "token"],
)
@pytest.mark.parametrize("command", ["status", "replay nothing.log", "trainer"])
def test_an_app_that_is_configured_wrong_is_one_line_without_secrets(
    command: str, config: dict[str, Any], complaint: str
) -> None:
    def create_app() -> Flask:
        app = Flask("site")
        app.config.update(config)
        IntelligentLimiter(app)
        return app

    result = CliRunner().invoke(
        FlaskGroup(create_app=create_app, add_default_commands=False), ["irl", *command.split()]
    )
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {complaint}")
    assert result.stderr.count("\n") == 1
    assert "geheim" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *([name] for name in CLIENT_COMMANDS),
        *([name, SOMEBODY, "another"] for name in CLIENT_COMMANDS),
        ["rollback"],
        ["clients", "--order", "newest"],
        ["clients", "--step", "-1"],
        ["clients", "--limit", "0"],
        ["audit", "--limit", "1001"],
        ["override", SOMEBODY],
        ["override", SOMEBODY, "0"],
        ["override", SOMEBODY, "many"],
        ["feedback", SOMEBODY, "bad"],
        ["limits", "base_limit"],
        ["status", "now"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2_with_the_usage(local: Site, arguments: list[str]) -> None:
    local.misused(*arguments)


def test_every_command_of_an_operator_is_tried_here() -> None:
    found = {
        name for name, command in irl.commands.items() if command.callback.__module__ in OPERATING
    }
    # That one asks for what is configured, and no operations.
    assert {name.split()[0] for name in COMMANDS} == found - {"tenants"}
