"""Test the commands on networks, on API keys' clients, and on those that nobody has seen."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask

from flask_irl import IntelligentLimiter, api_key
from flask_irl.cli import irl
from flask_irl.cli.client_table import COLUMNS
from flask_irl.operations import Operations
from flask_irl.web.key_functions import key_of_api_key
from flask_irl.web.state import state_of
from tests.cli.shell import SOMEBODY, Site, cells, is_moment

NETWORK = "203.0.113.0/24"
SECRET = "geheim-ключ"
DOUBTED = ("block", "allow", "override")
WITH_KEY = ("client", "reset", "block", "allow", "override", "clear", "feedback")


def more(command: str) -> list[str]:
    """Give the arguments of a command beside its client."""
    return {"override": ["5"], "feedback": ["good"]}.get(command, [])


# Networks


@pytest.mark.parametrize(
    ("command", "told"),
    [("block", "is blocked until "), ("allow", "passes until "), ("override", "has a limit of 5 ")],
)
def test_a_network_is_overridden_shown_and_cleared(site: Site, command: str, told: str) -> None:
    shown = site.done(command, NETWORK, *more(command), "--reason", "scrapes")
    assert shown.startswith(f"network {NETWORK} {told}")
    override = site.json("client", NETWORK)["override"]
    assert override["kind"] == {"override": "limit"}.get(command, command)
    assert is_moment(override["until"])
    covering = site.json("client", "203.0.113.7")["covered_by"]
    assert covering == {"network": NETWORK, **override}
    shown = site.done("client", "203.0.113.7")
    words = {"block": "blocked", "allow": "allowed", "override": "own limit"}[command]
    by_whom = rf"{words} by shell:\S+ until \S+: scrapes$"
    covered = rf"^covered by +network {NETWORK}, {by_whom}"
    assert re.search(covered, shown, re.MULTILINE)
    limit = {"block": "blocked", "allow": "none", "override": "5"}[command]
    together = ", all its clients together" if command == "override" else ""
    assert re.search(rf"^limit +{limit} \(network {NETWORK}{together}\)$", shown, re.MULTILINE)
    shown = site.done("client", NETWORK)
    assert re.search(rf"^limit +{limit}$", shown, re.MULTILINE)
    assert re.search(rf"^override +{by_whom}", shown, re.MULTILINE)
    assert site.done("clear", NETWORK) == f"network {NETWORK} is left to the limiter again\n"
    assert "neither blocked nor let pass" in site.failed("clear", NETWORK)
    assert "is not known" in site.failed("client", "203.0.113.7")


@pytest.mark.parametrize("command", ["client", "reset", "feedback"])
def test_a_network_without_an_override_leads_to_its_clients(local: Site, command: str) -> None:
    local.ask("203.0.113.7")
    local.engine.flush()
    complaint = local.failed(command, NETWORK, *more(command))
    assert complaint.startswith(f"network {NETWORK} has no override")
    [following] = re.findall(r"irl (find \S+)", complaint)
    assert [x["client"] for x in local.json(*following.split())] == ["203.0.113.7"]
    assert local.failed(command, "2001:db8::1", *more(command)).startswith("client 2001:db8::/64 ")


def test_networks_are_listed_with_reason_and_operator(site: Site) -> None:
    site.done("block", NETWORK, "--reason", "scrapes")
    site.done("override", SOMEBODY, "5", "--seconds", "60", "--reason", "keen")
    listed = site.json("clients", "--order", "overridden")
    assert [(x["client"], x["override"], x["reason"]) for x in listed] == [
        (NETWORK, "block", "scrapes"),
        (SOMEBODY, "limit", "keen"),
    ]
    assert all(is_moment(x["until"]) and x["who"].startswith("shell:") for x in listed)
    shown = cells(site.done("clients", "--order", "overridden", "--wide"))
    assert [(line["client"], line["reason"]) for line in shown] == [
        (NETWORK, "scrapes"),
        (SOMEBODY, "keen"),
    ]
    _, *lines = site.done("clients", "--order", "overridden").splitlines()
    assert [line.split()[:2] for line in lines[::2]] == [[NETWORK, "blocked"], [SOMEBODY, "5"]]
    notes = r"  blocked by shell:\S+ until \S+: scrapes\n  own limit by shell:\S+ until \S+: keen"
    assert re.fullmatch(notes, "\n".join(lines[1::2]))
    assert max(map(len, lines)) <= COLUMNS


def test_a_network_is_found_with_the_clients_in_it(site: Site) -> None:
    site.ask("203.0.113.7")
    site.engine.flush()
    site.done("block", NETWORK, "--reason", "scrapes")
    for options in ((), ("--all",)):
        assert [x["client"] for x in site.json("find", NETWORK, *options)] == [
            "203.0.113.7",
            NETWORK,
        ]


@pytest.mark.parametrize("command", WITH_KEY)
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("203.0.113.0/33", "prefix length from 0 to 32"),
        ("203.0.113.7/24", "give 203.0.113.0/24 for the network, or 203.0.113.7 for the address"),
    ],
)
def test_a_network_that_is_written_wrong_is_wrong_usage(
    local: Site, command: str, wrong: str, told: str
) -> None:
    assert told in local.misused(command, wrong, *more(command))
    assert local.json("audit") == []


# Earlier names


@pytest.mark.parametrize(
    ("earlier", "name", "arguments"),
    [("limit", "override", [SOMEBODY, "5"]), ("unset", "clear", [SOMEBODY])],
)
def test_a_command_goes_by_its_earlier_name_too(
    local: Site, earlier: str, name: str, arguments: list[str]
) -> None:
    def run(command: str) -> str:
        local.done("block", SOMEBODY)
        return local.done(command, *arguments).rpartition(" until ")[0]

    assert run(earlier) == run(name)
    assert earlier not in irl.commands


# Clients that nobody has seen


@pytest.mark.parametrize("name", ["notanip", "user-3", "203.0.113", "203.0.113.7x"])
@pytest.mark.parametrize("command", DOUBTED)
def test_an_id_that_was_never_seen_is_doubted(site: Site, command: str, name: str) -> None:
    site.ask("key:0123abc", 3)
    site.engine.flush()
    complaint = site.failed(command, name, *more(command))
    assert complaint.startswith(f"no client {name} has been seen: ids here look like key:0123abc")
    assert "--yes" in complaint
    assert site.json("audit") == []
    assert f"client {name} " in site.done(command, name, *more(command), "--yes")


def test_on_a_new_site_the_doubt_says_what_an_id_is(local: Site) -> None:
    assert "an id is an address, or whatever the app's key_func gives" in local.failed("block", "x")


@pytest.mark.parametrize("known", ["seen", SOMEBODY, "2001:db8::1", NETWORK])
@pytest.mark.parametrize("command", DOUBTED)
def test_an_id_that_may_be_right_is_not_doubted(local: Site, command: str, known: str) -> None:
    local.ask("seen")
    local.done(command, known, *more(command))


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_on_a_terminal_the_doubt_is_a_question(
    local: Site, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr("flask_irl.cli.ids.on_terminal", lambda: True)
    runner = local.app.test_cli_runner()
    result = runner.invoke(args=["irl", "block", "nobody"], input=answer)
    assert result.exit_code == code
    assert "no client nobody has been seen" in result.stderr
    assert "Do it all the same? [y/N]" in result.stderr
    assert len(local.json("audit")) == (1 if code == 0 else 0)


# Clients by their API key


@pytest.fixture
def keyed() -> Callable[..., Result]:
    """Make an app whose clients are API keys, and run commands beside it."""
    app = Flask("keyed")
    IntelligentLimiter(
        app, background=False, base_limit=3, key_func=api_key(verify=lambda key: True)
    )
    app.cli.add_command(irl)
    app.add_url_rule("/", "index", lambda: "hello")
    header = SECRET.encode().decode("latin-1")
    app.test_client().get("/", headers={"X-API-Key": header})
    state_of(app).limiter.flush()

    def run(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["irl", *arguments])

    run.app = app  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize("command", WITH_KEY)
def test_an_api_key_names_its_client_and_is_neither_shown_nor_kept(
    keyed: Callable[..., Result], caplog: pytest.LogCaptureFixture, command: str
) -> None:
    caplog.set_level(logging.DEBUG)
    app = keyed.app  # type: ignore[attr-defined]
    operations = Operations(state_of(app).limiter)
    if command == "clear":
        keyed("block", "--api-key", SECRET)
    result = keyed(command, f"--api-key={SECRET}", *more(command))
    assert result.exit_code == 0, result.output
    assert key_of_api_key(SECRET) in result.output
    assert [entry["target"] for entry in operations.audit.entries()[0]] in (
        [],
        [key_of_api_key(SECRET)],
        [key_of_api_key(SECRET)] * 2,
    )
    for text in (result.output, caplog.text, str(operations.audit.entries())):
        assert SECRET not in text


def test_a_blocked_api_key_is_refused(keyed: Callable[..., Result]) -> None:
    app = keyed.app  # type: ignore[attr-defined]
    header = {"X-API-Key": SECRET.encode().decode("latin-1")}
    assert app.test_client().get("/", headers=header).status_code == 200
    assert keyed("block", "--api-key", SECRET).exit_code == 0
    assert app.test_client().get("/", headers=header).status_code == 429


def test_an_api_key_that_was_never_seen_is_doubted_by_its_hash(
    keyed: Callable[..., Result],
) -> None:
    result = keyed("block", "--api-key", "another")
    assert result.exit_code == 1
    assert f"no client {key_of_api_key('another')} has been seen" in result.stderr
    assert "another " not in result.stderr


@pytest.mark.parametrize(
    ("client", "noted"),
    [("203.0.113.7", True), ("127.0.0.1", False), (NETWORK, False), ("203.0.113.7/32", False)],
)
def test_an_address_where_clients_have_other_names_is_noted(
    keyed: Callable[..., Result], client: str, noted: bool
) -> None:
    app = keyed.app  # type: ignore[attr-defined]
    # Without a key.
    app.test_client().get("/")
    result = keyed("block", client)
    assert result.exit_code == 0
    assert (f"{client}/32 is a network: all requests from there" in result.stderr) is noted


def test_an_address_where_clients_are_addresses_needs_no_note() -> None:
    app = Flask("plain")
    limiter = IntelligentLimiter(app, background=False)
    app.cli.add_command(irl)
    result = app.test_cli_runner().invoke(args=["irl", "block", "203.0.113.7"])
    limiter.close()
    assert result.exit_code == 0
    assert "/32" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("block", SOMEBODY, "--api-key", SECRET),
        ("block", "--api-key", ""),
        ("block", "--api-key"),
        ("override", "--api-key", SECRET),
        ("override", SOMEBODY, "5", "--api-key", SECRET),
        ("reset", "--all", "--api-key", SECRET),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_a_client_is_named_once(keyed: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    result = keyed(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert SECRET not in result.stderr
