"""Test the commands on the whole site: their changes and their output."""

from __future__ import annotations

import getpass
import json
import re
from typing import NoReturn

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.cli.client_table import COLUMNS
from flask_irl.model.model import Model
from tests.cli.shell import (
    LIMIT,
    SOMEBODY,
    Site,
    is_moment,
)

# limits


def test_limits_are_shown_and_changed_for_all(site: Site) -> None:
    found = site.json("limits")
    assert (found["base_limit"], found["further_factors"]) == (LIMIT, [0.1, 0.0])
    assert [step["limit"] for step in found["steps"]] == [40, 12, 4, 0]
    shown = site.done("limits", "base_limit=2", "anomalous_factor=0.5", "further_factors=0.1")
    assert re.search(r"^base limit +2$", shown, re.MULTILINE)
    assert re.search(r"^steps +2 \(100%\), 1 \(50%\), 1 \(10%\)$", shown, re.MULTILINE)
    site.engine.refresh()
    assert site.ask(count=3) == [200, 200, 429]
    assert site.json("limits", "base_limit=configured")["base_limit"] == LIMIT
    assert site.json("limits")["anomalous_factor"] == 0.5


@pytest.mark.parametrize(
    "change", ["base_limit=0", "base_limit=", "base_limit=many", "mode=off", "storage_uri=x", "=1"]
)
def test_limits_that_are_not_allowed_change_nothing(local: Site, change: str) -> None:
    assert change.partition("=")[0] in local.misused("limits", "window_seconds=5", change)
    assert local.json("limits")["window_seconds"] == 60


@pytest.mark.parametrize("command", ["client", "reset", "clear"])
def test_a_client_that_is_not_known_is_named_in_the_complaint(site: Site, command: str) -> None:
    assert f"client {SOMEBODY} is " in site.failed(command, SOMEBODY)


def test_limits_tell_those_of_each_route(local: Site) -> None:
    app, limiter = local.app, local.limiter
    app.add_url_rule("/export", "export", limiter.limit("5/hour")(lambda: "x"), methods=["POST"])
    plan = limiter.limit(lambda: "9/minute", override_base=True)
    app.add_url_rule("/search", "search", plan(lambda: "x"))
    app.add_url_rule("/health", "health", limiter.exempt(lambda: "x"))
    found = {route["route"]: route for route in local.json("limits")["routes"]}
    assert found["/export"] == {
        "route": "/export",
        "methods": ["POST"],
        "limits": ["5 per 3600 seconds"],
        "exempt": False,
    }
    assert found["/health"]["exempt"] is True
    shown = local.done("limits")
    assert re.search(r"^/export +POST +5 per 3600 seconds$", shown, re.MULTILINE)
    assert re.search(
        r"^/search +GET +by a function \(instead of base_limit\)$", shown, re.MULTILINE
    )
    assert re.search(r"^/health +GET +exempt$", shown, re.MULTILINE)
    assert shown.endswith("1 other route has no limit besides the base limit\n")


def test_limits_leave_out_the_admin_apis_routes() -> None:
    app = Flask("guarded", static_folder=None)
    token = "a-long-random-token-of-ours"
    limiter = IntelligentLimiter(app, admin_token=token, background=False)
    app.add_url_rule("/", "index", lambda: "hello")
    result = app.test_cli_runner().invoke(args=["irl", "limits", "--json"])
    limiter.close()
    assert [route["route"] for route in json.loads(result.stdout)["routes"]] == ["/"]


# mode


def test_the_mode_is_shown_and_changed_for_all(site: Site) -> None:
    assert site.done("mode") == "enforce\n"
    assert site.done("mode", "shadow") == "mode is shadow, was enforce\n"
    assert site.done("mode") == "shadow\n"
    assert site.json("status")["mode"] == "shadow"
    site.engine.refresh()
    assert site.engine.mode == "shadow"


@pytest.mark.parametrize("mode", ["", "on", "ENFORCE", "enforce,off"])
def test_a_mode_that_is_none_is_wrong_usage_and_changes_nothing(local: Site, mode: str) -> None:
    assert "'enforce', 'shadow', 'off'" in local.misused("mode", mode)
    assert local.done("mode") == "enforce\n"


# audit


def test_the_audit_log_of_a_new_site_is_empty(site: Site) -> None:
    assert (site.done("audit"), site.json("audit")) == ("none\n", [])


def test_the_audit_log_has_every_change_with_the_latest_first(
    site: Site, trained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    site.publish(trained, 1, 2)
    site.ask()
    site.done("block", SOMEBODY, "--reason", "scrapes")
    site.done("clear", SOMEBODY)
    site.done("reset", SOMEBODY)
    site.done("rollback", "1")
    site.done("mode", "off")
    found = site.json("audit")
    assert [(entry["action"], entry["target"]) for entry in found] == [
        ("mode", ""),
        ("rollback", "1"),
        ("reset", SOMEBODY),
        ("clear", SOMEBODY),
        ("override", SOMEBODY),
    ]
    members = {"at", "who", "action", "target", "before", "after", "reason", "tenant"}
    assert members == found[0].keys()
    assert {entry["who"] for entry in found} == {"shell:ann"}
    assert all(is_moment(entry["at"]) for entry in found)
    assert (found[0]["before"], found[0]["after"]) == ({"mode": "enforce"}, {"mode": "off"})
    assert found[-1]["reason"] == "scrapes"


def test_the_audit_log_has_two_short_lines_for_each_change(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    site.done("block", "203.0.113.0/24", "--reason", "scrapes")
    for mode in ("off", "shadow"):
        site.done("mode", mode)
    end = re.escape(site.json("client", "203.0.113.0/24")["override"]["until"])
    assert re.fullmatch(
        r"\S+Z  shell:ann  mode\n"
        r"  was mode=off; is mode=shadow\n"
        r"\S+Z  shell:ann  mode\n"
        r"  was mode=enforce; is mode=off\n",
        site.done("audit", "--limit", "2"),
    )
    lines = site.done("audit").splitlines()
    assert re.fullmatch(r"\S+Z  shell:ann  override  203\.0\.113\.0/24", lines[-2])
    change = rf"  is kind=block, until={end}, amount=0; reason: scrapes"
    assert re.fullmatch(change, lines[-1])
    assert max(map(len, lines)) <= COLUMNS


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_who_has_no_name_is_audited_as_a_shell(
    local: Site, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def nobody() -> NoReturn:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    local.done("mode", "off")
    assert local.json("audit")[0]["who"] == "shell"
