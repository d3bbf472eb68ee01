"""The operator's commands: what they change, what they print, and how they say no.

The commands run in an app of their own beside the one that serves, as a shell does; with the
embedded store, which can't be shared, in the same one.
"""

from __future__ import annotations

import getpass
import json
import logging
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result
from flask import Flask, request
from flask.cli import FlaskGroup

from flask_irl import IntelligentLimiter
from flask_irl.app_state import state_of
from flask_irl.cli import clients, irl, models
from flask_irl.cli import site as site_commands
from flask_irl.engine import open_limiter
from flask_irl.errors import TrainingRefused
from flask_irl.features import FEATURE_NAMES
from flask_irl.keys import canonical
from flask_irl.limiter import Limiter
from flask_irl.model import Model, dump
from flask_irl.operations import ORDERS
from flask_irl.options import resolve
from flask_irl.overrides import MAX_SECONDS
from flask_irl.stores.site import News
from flask_irl.trainer import fit_here
from tests.conftest import Clock
from tests.servers import HOST, RedisServer, free_port

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
CLIENT_COMMANDS = ("client", "reset", "block", "allow", "unset")
"""What takes a client alone."""
COMMANDS: dict[str, list[str]] = {
    "status": [],
    "train": [],
    "clients": [],
    **{name: [SOMEBODY] for name in CLIENT_COMMANDS},
    "limit": [SOMEBODY, "5"],
    "feedback": [SOMEBODY, "good"],
    "model": [],
    "models": [],
    "rollback": ["1"],
    "mode": [],
    "mode shadow": [],
    "limits": [],
    "limits base_limit=50": [],
    "audit": [],
}
"""Every command of an operator, with arguments that are right."""


def worded(name: str) -> list[str]:
    """A command line from :data:`COMMANDS`."""
    return [*name.split(), *COMMANDS[name]]


OPERATING = {module.__name__ for module in (clients, models, site_commands)}


class Site:
    """An app that serves, and the commands beside it."""

    def __init__(self, uri: str = "memory://", *, shell: Site | None = None) -> None:
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app,
            storage_uri=uri,
            background=False,
            base_limit=LIMIT,
            store_timeout=10.0,
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
        """What a command prints that does what it is told."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def told(self, *arguments: str) -> Any:
        """The JSON that a command prints, strictly."""
        return strict(self.done(*arguments, "--json"))

    def failed(self, *arguments: str) -> str:
        """What a command complains of that can't do what it is told; it prints nothing else."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        [complaint] = re.findall(r"^Error: (.*)$", result.stderr, re.MULTILINE)
        assert result.stderr.endswith(f"Error: {complaint}\n")
        return str(complaint)

    def misused(self, *arguments: str) -> str:
        """What a command complains of that was given what it doesn't take."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert "Usage: " in result.stderr
        return result.stderr

    def ask(self, client: str = SOMEBODY, count: int = 1, path: str = "/") -> list[int]:
        http = self.app.test_client()
        headers = {"X-Client": client}
        return [http.get(path, headers=headers).status_code for _ in range(count)]

    def learn(self) -> None:
        """Requests enough for a model."""
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
    """A printed table's lines, by column."""
    lines = [re.split(r" {2,}", line) for line in table.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def is_moment(text: object) -> bool:
    return isinstance(text, str) and datetime.fromisoformat(text).utcoffset() is not None


Make = Callable[[str], Site]


@pytest.fixture
def make() -> Iterator[Make]:
    sites: list[Site] = []

    def build(uri: str) -> Site:
        shell = Site(uri) if uri != "memory://" else None
        sites.append(Site(uri, shell=shell))
        return sites[-1]

    yield build
    for site in sites:
        site.close()


@pytest.fixture(params=["memory", "redis"])
def site(request: pytest.FixtureRequest, make: Make) -> Site:
    return make("memory://" if request.param == "memory" else request.getfixturevalue("redis_url"))


@pytest.fixture
def local(make: Make) -> Site:
    """A site whose shell is its own process, for what has nothing to do with the store."""
    return make("memory://")


@pytest.fixture(scope="module")
def trained() -> Model:
    """A model of forty people who read pages for some minutes, in virtual time."""
    clock, draw = Clock(), random.Random(7)
    engine = open_limiter(resolve({"background": False}, {}, {}), clock=clock, fit=fit_here)
    plan = engine.plan(())
    for second in range(300):
        for person in range(40):
            if draw.random() < 1 / (5 + person % 9):
                engine.observe(
                    engine.decide(plan, (f"person-{person}",)),
                    route="/page/<n>",
                    path=draw.randrange(12),
                    method="GET",
                    status=200,
                    size=draw.randint(2000, 9000),
                )
        clock.advance(1)
        if not second % 10:
            engine.flush()
    training = engine.train()
    assert training.result == "accepted", training
    engine.close()
    return engine.trainer.model


# clients


def test_clients_of_a_new_site_are_none(site: Site) -> None:
    assert site.done("clients") == "none\n"
    assert site.told("clients") == []


def test_clients_are_listed_with_the_most_active_first(site: Site) -> None:
    for client, count in (("calm", 3), ("busy", 30), ("middling", 9)):
        site.ask(client, count)
    site.engine.flush()
    found = site.told("clients")
    assert [entry["client"] for entry in found] == ["busy", "middling", "calm"]
    assert {
        *("client", "step", "factor", "limit", "score", "is_anomalous", "last_seen"),
        *("requests_per_minute", "refused_share", "override"),
    } == found[0].keys()
    assert is_moment(found[0]["last_seen"])
    shown = cells(site.done("clients"))
    assert [line["client"] for line in shown] == ["busy", "middling", "calm"]
    assert shown[0].keys() == found[0].keys()


def test_clients_stop_at_the_limit(site: Site) -> None:
    for client, count in (("calm", 3), ("busy", 30)):
        site.ask(client, count)
    site.engine.flush()
    assert [entry["client"] for entry in site.told("clients", "--limit", "1")] == ["busy"]


def test_clients_in_order_of_refusals_leave_out_who_was_never_refused(site: Site) -> None:
    site.ask("calm", 3)
    site.ask("greedy", LIMIT + 5)
    site.engine.flush()
    found = site.told("clients", "--order", "refused")
    assert [entry["client"] for entry in found] == ["greedy"]


@pytest.mark.parametrize("order", ORDERS)
def test_clients_of_a_step_that_nobody_is_at_are_none(site: Site, order: str) -> None:
    site.ask(count=3)
    site.engine.flush()
    assert site.told("clients", "--order", order, "--step", "1") == []


# client, and why


def test_a_clients_json_has_its_verdict_its_features_and_why(site: Site, trained: Model) -> None:
    site.publish(trained, 1)
    for number in range(30):
        site.ask("prober", path=f"/nothing/{number}")
    site.engine.flush()
    found = site.told("client", "prober")
    assert {
        *("client", "step", "factor", "limit", "score", "is_anomalous", "requests"),
        *("first_seen", "last_seen", "requests_per_minute", "refused_share"),
        *("override", "feedback", "listed", "features", "rules", "why"),
    } == found.keys()
    assert (found["client"], found["requests"], found["override"]) == ("prober", 30, None)
    assert is_moment(found["first_seen"])
    assert tuple(found["features"]) == FEATURE_NAMES
    assert found["features"]["missing_share"] == pytest.approx(1.0, abs=0.01)
    assert len(found["rules"]) == 1
    assert found["why"]
    for reason in found["why"]:
        assert {"feature", "value", "median", "high", "effect", "sentence"} <= reason.keys()
        assert reason["feature"] in FEATURE_NAMES


def test_why_is_told_to_people_in_the_same_sentences(site: Site, trained: Model) -> None:
    site.publish(trained, 1)
    site.ask("prober", 30, path="/nothing")
    site.engine.flush()
    shown = site.done("client", "prober").splitlines()
    sentences = [line.partition(": ")[2] for line in shown if line.startswith("why ")]
    assert sentences
    told = site.told("client", "prober")
    assert sentences == [reason["sentence"] for reason in told["why"]]
    rules = [line.partition(": ")[2] for line in shown if line.startswith("rule: ")]
    assert rules == told["rules"]


def test_a_client_without_a_model_has_no_why(site: Site) -> None:
    site.ask(count=9)
    site.engine.flush()
    assert site.told("client", SOMEBODY)["why"] == []
    assert "why" not in site.done("client", SOMEBODY)


@pytest.mark.parametrize("kind", ["block", "allow"])
def test_a_clients_override_is_shown(
    site: Site, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    site.done(kind, SOMEBODY, "--reason", "scrapes")
    found = site.told("client", SOMEBODY)["override"]
    assert is_moment(found["until"])
    assert found == {
        **{"kind": kind, "amount": 0, "until": found["until"]},
        **{"reason": "scrapes", "who": "shell:ann"},
    }
    assert re.search(
        rf"^override +kind={kind}, until=.*, reason=scrapes, who=shell:ann$",
        site.done("client", SOMEBODY),
        re.MULTILINE,
    )


def test_clients_with_an_override_are_listed(site: Site) -> None:
    site.ask("free")
    site.engine.flush()
    site.done("block", SOMEBODY)
    [entry] = site.told("clients", "--order", "overridden")
    assert (entry["client"], entry["override"]) == (SOMEBODY, "block")


def test_a_client_with_a_limit_of_its_own_is_held_to_it(site: Site) -> None:
    shown = site.done("limit", SOMEBODY, "2", "--seconds", "60")
    assert shown.startswith(f"client {SOMEBODY} has a limit of 2 until ")
    assert site.ask(count=3) == [200, 200, 429]
    site.done("unset", SOMEBODY)
    site.engine.refresh()
    assert site.ask() == [200]


def test_feedback_is_noted_with_a_client(site: Site) -> None:
    site.ask()
    site.engine.flush()
    assert site.done("feedback", SOMEBODY, "abuse") == f"client {SOMEBODY} is noted as abuse\n"
    assert site.told("client", SOMEBODY)["feedback"] == "abuse"
    assert "is not known" in site.failed("feedback", "nobody", "good")


def test_what_is_changed_is_told_in_json_too(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    site.ask()
    site.engine.flush()
    told = {
        name: site.told(*name.split())
        for name in (
            *(f"block {SOMEBODY}", f"unset {SOMEBODY}", f"limit {SOMEBODY} 7"),
            *(f"allow {SOMEBODY}", f"feedback {SOMEBODY} good", f"reset {SOMEBODY}"),
            *("mode shadow", "mode", "rollback 1"),
        )
    }
    blocked = told[f"block {SOMEBODY}"]
    assert (blocked["client"], blocked["kind"]) == (SOMEBODY, "block")
    assert is_moment(blocked["until"])
    assert told[f"unset {SOMEBODY}"] == {"client": SOMEBODY, "removed": True}
    assert told[f"limit {SOMEBODY} 7"]["amount"] == 7
    assert told[f"allow {SOMEBODY}"]["kind"] == "allow"
    assert told[f"feedback {SOMEBODY} good"] == {"client": SOMEBODY, "verdict": "good"}
    assert told[f"reset {SOMEBODY}"] == {"client": SOMEBODY, "reset": True}
    assert told["mode shadow"] == {"mode": "shadow", "before": "enforce"}
    assert told["mode"] == {"mode": "shadow"}
    assert (told["rollback 1"]["version"], told["rollback 1"]["in_force"]) == (1, True)


# limits


def test_limits_are_shown_and_changed_for_all(site: Site) -> None:
    found = site.told("limits")
    assert (found["base_limit"], found["further_factors"]) == (LIMIT, [0.1, 0.0])
    assert [step["limit"] for step in found["steps"]] == [40, 12, 4, 0]
    shown = site.done("limits", "base_limit=2", "anomalous_factor=0.5", "further_factors=0.1")
    assert re.search(r"^base limit +2$", shown, re.MULTILINE)
    assert re.search(r"^steps +2 \(100%\), 1 \(50%\), 1 \(10%\)$", shown, re.MULTILINE)
    site.engine.refresh()
    assert site.ask(count=3) == [200, 200, 429]
    assert site.told("limits", "base_limit=configured")["base_limit"] == LIMIT
    assert site.told("limits")["anomalous_factor"] == 0.5


@pytest.mark.parametrize(
    "change", ["base_limit=0", "base_limit=", "base_limit=many", "mode=off", "storage_uri=x", "=1"]
)
def test_limits_that_are_not_allowed_change_nothing(local: Site, change: str) -> None:
    assert change.partition("=")[0] in local.failed("limits", "window_seconds=5", change)
    assert local.told("limits")["window_seconds"] == 60


@pytest.mark.parametrize("command", ["client", "reset", "unset"])
def test_a_client_that_is_not_known_is_named_in_the_complaint(site: Site, command: str) -> None:
    assert f"client {SOMEBODY} is " in site.failed(command, SOMEBODY)


# reset, block, allow, unset


def test_a_client_that_is_reset_is_not_known_any_more(site: Site) -> None:
    site.ask(count=LIMIT)
    assert site.done("reset", SOMEBODY) == f"client {SOMEBODY} is forgotten\n"
    assert "not known" in site.failed("client", SOMEBODY)
    assert site.ask(count=LIMIT) == [200] * LIMIT


def test_a_blocked_client_is_refused_at_once_and_nobody_else(site: Site) -> None:
    assert site.ask() == [200]
    shown = site.done("block", SOMEBODY)
    assert shown.startswith(f"client {SOMEBODY} is blocked until ")
    assert is_moment(shown.split()[-1])
    assert site.ask(count=2) == [429, 429]
    assert site.ask("somebody else") == [200]


def test_an_allowed_client_passes_above_the_limit(site: Site) -> None:
    assert site.ask(count=LIMIT) == [200] * LIMIT
    shown = site.done("allow", SOMEBODY)
    assert shown.startswith(f"client {SOMEBODY} passes until ")
    assert is_moment(shown.split()[-1])
    assert site.ask(count=5) == [200] * 5


@pytest.mark.parametrize("kind", ["block", "allow"])
def test_unset_takes_an_override_back(site: Site, kind: str) -> None:
    site.done(kind, SOMEBODY)
    assert site.done("unset", SOMEBODY) == f"client {SOMEBODY} is left to the limiter again\n"
    assert site.ask(count=LIMIT + 1) == [*[200] * LIMIT, 429]


def test_unset_of_a_client_without_an_override_is_a_complaint(site: Site) -> None:
    site.ask()
    assert "neither blocked nor let pass" in site.failed("unset", SOMEBODY)


def test_an_override_ends_after_the_seconds_given(site: Site) -> None:
    begin = site.engine.store.now()
    site.done("block", SOMEBODY, "--seconds", "90.5")
    [state] = site.engine.store.load([SOMEBODY])
    assert state is not None
    assert state.override is not None
    assert begin + 90.5 <= state.override.until <= site.engine.store.now() + 90.5


@pytest.mark.parametrize("command", ["block", "allow"])
@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", str(MAX_SECONDS * 2)])
def test_seconds_that_are_not_allowed_change_nothing_and_say_what_is(
    local: Site, command: str, seconds: str
) -> None:
    complaint = local.failed(command, SOMEBODY, "--seconds", seconds)
    assert "give a number above 0, up to" in complaint
    assert local.told("audit") == []
    assert local.ask(count=LIMIT + 1) == [*[200] * LIMIT, 429]


@pytest.mark.parametrize("command", ["block", "allow"])
def test_seconds_that_are_no_number_are_wrong_usage(local: Site, command: str) -> None:
    assert "--seconds" in local.misused(command, SOMEBODY, "--seconds", "an hour")


def test_a_reason_that_is_too_long_changes_nothing(local: Site) -> None:
    assert "reason is too long" in local.failed("block", SOMEBODY, "--reason", "x" * 501)
    assert local.ask() == [200]


@pytest.mark.parametrize("command", ["block", "allow"])
def test_an_address_of_ipv6_stands_for_the_network_that_is_the_client(
    site: Site, command: str
) -> None:
    assert "client 2001:db8:0:7::/64 " in site.done(command, "2001:db8:0:7::1")
    assert site.told("client", "2001:db8:0:7::2")["override"]["kind"] == command
    assert "client 2001:db8:0:7::/64 " in site.done("unset", "2001:db8:0:7::3")


def test_an_address_of_ipv6_that_is_itself_a_client_stays_one(site: Site) -> None:
    # As a key function of the app's own may have it.
    site.ask("2001:db8::1")
    site.done("block", "2001:db8::1")
    assert site.ask("2001:db8::1") == [429]
    assert site.done("reset", "2001:db8::1") == "client 2001:db8::1 is forgotten\n"


# model, models, rollback


def test_without_a_model_models_are_none_and_model_is_a_complaint(site: Site) -> None:
    assert (site.done("models"), site.told("models")) == ("none\n", [])
    assert "no model is in force yet" in site.failed("model")


def test_model_tells_of_the_one_in_force(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    found = site.told("model")
    assert {
        *("version", "detector", "trained_at", "rows", "clients", "requests", "advisory"),
        *("threshold", "schema", "features", "gate", "versions"),
    } == found.keys()
    assert (found["version"], found["versions"], found["clients"]) == (2, [2, 1], 40)
    assert is_moment(found["trained_at"])
    assert re.search(r"^version +2$", site.done("model"), re.MULTILINE)


def test_models_are_listed_newest_first_with_the_one_in_force_marked(
    site: Site, trained: Model
) -> None:
    site.publish(trained, 1, 2)
    found = site.told("models")
    assert [(entry["version"], entry["in_force"]) for entry in found] == [(2, True), (1, False)]
    assert {
        *("version", "trained_at", "rows", "clients", "requests", "advisory"),
        *("readable", "in_force"),
    } == found[0].keys()
    assert is_moment(found[0]["trained_at"])
    shown = cells(site.done("models"))
    assert [(line["version"], line["in_force"]) for line in shown] == [
        ("2", "True"),
        ("1", "False"),
    ]


def test_a_newest_model_that_can_not_be_read_hides_nothing_of_the_others(
    site: Site, trained: Model
) -> None:
    site.publish(trained, 1)
    assert site.engine.store.publish(1, 2, b"nonsense")
    damaged, sound = cells(site.done("models"))
    assert (damaged["version"], damaged["readable"], damaged["rows"]) == ("2", "False", "-")
    assert (sound["version"], sound["readable"], sound["rows"]) == ("1", "True", str(trained.rows))
    assert [entry["readable"] for entry in site.told("models")] == [False, True]


def test_rollback_puts_an_earlier_model_in_force(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    assert site.done("rollback", "1").startswith("model 1 is in force")
    assert site.told("model")["version"] == 1
    site.engine.refresh()
    assert site.engine.trainer.model.version == 1


@pytest.mark.parametrize("version", ["3", "999999999", "9" * 40])
def test_rollback_to_a_version_that_is_not_kept_changes_nothing(
    site: Site, trained: Model, version: str
) -> None:
    site.publish(trained, 1, 2)
    assert f"there is no model {version}" in site.failed("rollback", version)
    assert site.told("model")["version"] == 2


def test_rollback_to_a_model_that_can_not_be_read_changes_nothing(
    site: Site, trained: Model
) -> None:
    store = site.engine.store
    assert store.publish(0, 1, b"nonsense")
    site.publish(trained, 2)
    assert "model 1 can't be read" in site.failed("rollback", "1")
    assert store.model_version() == 2


@pytest.mark.parametrize("version", ["0", "-1", "1.5", "one", ""])
def test_a_version_that_is_none_is_wrong_usage(local: Site, version: str) -> None:
    assert "VERSION" in local.misused("rollback", "--", version)


# mode


def test_the_mode_is_shown_and_changed_for_all(site: Site) -> None:
    assert site.done("mode") == "enforce\n"
    assert site.done("mode", "shadow") == "mode is shadow, was enforce\n"
    assert site.done("mode") == "shadow\n"
    assert site.told("status")["mode"] == "shadow"
    site.engine.refresh()
    assert site.engine.mode == "shadow"


@pytest.mark.parametrize("mode", ["", "on", "ENFORCE", "enforce,off"])
def test_a_mode_that_is_none_is_wrong_usage_and_changes_nothing(local: Site, mode: str) -> None:
    assert "'enforce', 'shadow', 'off'" in local.misused("mode", mode)
    assert local.done("mode") == "enforce\n"


# audit


def test_the_audit_log_of_a_new_site_is_empty(site: Site) -> None:
    assert (site.done("audit"), site.told("audit")) == ("none\n", [])


def test_the_audit_log_has_every_change_with_the_latest_first(
    site: Site, trained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    site.publish(trained, 1, 2)
    site.ask()
    site.done("block", SOMEBODY, "--reason", "scrapes")
    site.done("unset", SOMEBODY)
    site.done("reset", SOMEBODY)
    site.done("rollback", "1")
    site.done("mode", "off")
    found = site.told("audit")
    assert [(entry["action"], entry["target"]) for entry in found] == [
        ("mode", ""),
        ("activate_model", "1"),
        ("reset", SOMEBODY),
        ("clear_override", SOMEBODY),
        ("override", SOMEBODY),
    ]
    assert {"at", "who", "action", "target", "before", "after", "reason"} == found[0].keys()
    assert {entry["who"] for entry in found} == {"shell:ann"}
    assert all(is_moment(entry["at"]) for entry in found)
    assert (found[0]["before"], found[0]["after"]) == ({"mode": "enforce"}, {"mode": "off"})
    assert found[-1]["reason"] == "scrapes"


def test_the_audit_log_is_a_table_for_people_that_stops_at_the_limit(site: Site) -> None:
    for mode in ("off", "shadow"):
        site.done("mode", mode)
    shown = site.done("audit", "--limit", "1").splitlines()
    assert len(shown) == 2
    assert shown[0].split() == ["at", "who", "action", "target", "before", "after", "reason"]
    assert "mode=off" in shown[1]
    assert "mode=shadow" in shown[1]
    assert "{" not in shown[1]


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_who_has_no_name_is_audited_as_a_shell(
    local: Site, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def nobody() -> NoReturn:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    local.done("mode", "off")
    assert local.told("audit")[0]["who"] == "shell"


# train, status


def test_train_tells_what_came_of_it(site: Site) -> None:
    site.learn()
    found = site.told("train")
    members = {"result", "reason", "version", "rows", "clients", "requests", "seconds"}
    assert found.keys() == members
    assert (found["result"], found["reason"], found["version"]) == ("accepted", None, 1)
    assert [entry["action"] for entry in site.told("audit")] == ["train"]


@pytest.mark.parametrize(
    ("error", "result"),
    [(TrainingRefused("too few of them"), "refused"), (ValueError("too few of them"), "failed")],
    ids=["refused", "failed"],
)
def test_a_training_that_no_model_comes_of_is_exit_1_with_the_reason(
    site: Site, error: Exception, result: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    site.shell.engine.trainer._fit = fail
    site.learn()
    shown = site.run("train", "--json")
    assert shown.exit_code == 1
    told = strict(shown.stdout)
    assert told["result"] == result
    assert "too few of them" in told["reason"]
    assert re.search(rf"^result +{result}$", site.run("train").stdout, re.MULTILINE)


def test_status_has_all_figures(site: Site, trained: Model) -> None:
    site.publish(trained, 1)
    site.ask(count=LIMIT + 2)
    site.engine.flush()
    found = site.told("status")
    assert {
        *("mode", "strategy", "base_limit", "total_requests", "refused", "hit_rate"),
        *("training_rows", "model_version", "model_trained_at", "model_advisory"),
    } == found.keys()
    assert (found["total_requests"], found["refused"], found["model_version"]) == (LIMIT + 2, 2, 1)
    assert is_moment(found["model_trained_at"])
    shown = site.done("status").splitlines()
    assert [re.split(" {2,}", line)[0].replace(" ", "_") for line in shown] == list(found)


# What a terminal must not be sent


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
@pytest.mark.parametrize("command", CLIENT_COMMANDS)
def test_an_odd_id_is_answered_with_a_line_that_does_nothing_to_the_terminal(
    local: Site, command: str, name: str
) -> None:
    # ``run`` looks at what is sent.
    result = local.run(command, name)
    assert result.exit_code == (0 if command in ("block", "allow") else 1)
    assert re.search(r"client #[0-9a-f]{32} ", result.output)


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_an_odd_id_that_is_known_is_found_and_listed_by_its_stored_key(
    local: Site, name: str
) -> None:
    local.engine.decide(local.engine.plan(()), (canonical(name),))
    local.done("block", name)
    key = local.told("client", name)["client"]
    assert local.told("client", key)["override"]["kind"] == "block"
    assert key in local.done("audit")


@pytest.mark.parametrize("reason", ODD.values(), ids=ODD)
def test_an_odd_reason_is_shown_as_harmless_text_and_kept_as_it_was(
    local: Site, reason: str
) -> None:
    local.done("block", SOMEBODY, "--reason", reason)
    assert len(local.done("audit").splitlines()) == 2
    assert local.told("audit")[0]["reason"] == reason


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


@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_that_refuses_is_one_line_without_secrets(make: Make, command: str) -> None:
    site = make(f"redis://:geheim@{HOST}:{free_port()}/0")
    complaint = site.failed(*worded(command))
    assert complaint.startswith("the store does not answer")
    assert "geheim" not in complaint


@pytest.mark.parametrize("command", ["status", "block", "train"])
def test_a_wrong_password_is_one_line_without_secrets(make: Make, command: str) -> None:
    with RedisServer(config={"requirepass": "right"}) as server:
        site = make(f"redis://:geheim@{HOST}:{server.port}/0")
        complaint = site.failed(*worded(command))
    assert complaint.startswith("the store does not answer")
    assert "geheim" not in complaint


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
    site.done("block", SOMEBODY)
    site.shell.engine._news = News(0, 0, 0)
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
        ["limit", SOMEBODY],
        ["limit", SOMEBODY, "0"],
        ["limit", SOMEBODY, "many"],
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
    assert {name.split()[0] for name in COMMANDS} == found
