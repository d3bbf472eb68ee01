"""Commands on the tenant that ``--tenant`` names, and on no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_irl import IntelligentLimiter, tenant_by_host
from flask_irl.cli import irl
from tests.cli.shell import COMMANDS, ODD, worded

THEIRS = "198.51.100.77"
"""A client of tenant b's."""


class Site:
    """Hold an app with two tenants; b has a client that is blocked, and another base limit."""

    def __init__(self, uri: str) -> None:
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app,
            storage_uri=uri,
            background=False,
            store_timeout=10.0,
            tenant_of=tenant_by_host({"a.example": "a", "b.example": "b"}),
            tenants={"a": {}, "b": {"base_limit": 55}},
        )
        self.app.add_url_rule("/", "index", lambda: "ok")
        for _ in range(6):
            self.app.test_client().get(
                "/", base_url="http://b.example", environ_base={"REMOTE_ADDR": THEIRS}
            )
        with self.app.app_context():
            self.limiter.flush()
            self.limiter.tenant("b").block(THEIRS, reason="b's own business")

    def run(self, *arguments: str) -> Result:
        return self.app.test_cli_runner().invoke(irl, arguments)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def site(uri: str) -> Iterator[Site]:
    made = Site(uri)
    yield made
    made.limiter.close()


def test_a_command_is_about_the_tenant_that_is_named(site: Site) -> None:
    named = [(), ("--tenant", "default"), ("--tenant", "a"), ("--tenant", "b")]
    limits = [site.json(*options, "limits")["base_limit"] for options in named]
    assert limits == [100, 100, 100, 55]
    assert site.json("--tenant", "b", "client", THEIRS)["override"]["kind"] == "block"
    assert site.run("--tenant", "a", "client", THEIRS).exit_code == 1
    assert "tenant" in site.run("--tenant", "b", "status").output


@pytest.mark.parametrize("name", [name for name in COMMANDS if not name.startswith("train")])
def test_no_command_on_one_tenant_shows_or_changes_another(site: Site, name: str) -> None:
    before = site.json("--tenant", "b", "client", THEIRS)["override"]
    result = site.run("--tenant", "a", *worded(name))
    assert THEIRS not in result.output
    assert "own business" not in result.output
    assert site.json("--tenant", "b", "client", THEIRS)["override"] == before
    assert site.json("--tenant", "b", "limits")["base_limit"] == 55
    assert site.json("--tenant", "b", "mode") == {"mode": "enforce"}


def test_a_tenant_that_there_is_not_is_told(site: Site) -> None:
    result = site.run("--tenant", "x", "status")
    assert result.exit_code == 2
    assert "there is no tenant 'x'; there are: default, a, b" in result.output
    assert json.loads(site.run("--tenant", "x", "status", "--json").stderr)["exit_code"] == 2


@pytest.mark.parametrize("name", ODD.values())
def test_a_forged_name_does_nothing_to_a_terminal(site: Site, name: str) -> None:
    result = site.run("--tenant", name, "status")
    assert result.exit_code == 2
    assert all(line.isprintable() for line in result.output.splitlines())


def test_the_tenants_are_listed(site: Site) -> None:
    assert site.json("tenants") == [{"tenant": name} for name in ("default", "a", "b")]


def test_an_app_without_tenants_says_so() -> None:
    app = Flask("site")
    limiter = IntelligentLimiter(app, background=False)
    runner = app.test_cli_runner()
    assert runner.invoke(irl, ["tenants"]).exit_code == 1
    result = runner.invoke(irl, ["--tenant", "a", "status"])
    assert result.exit_code == 2
    assert "the app has no tenants" in result.output
    limiter.close()
