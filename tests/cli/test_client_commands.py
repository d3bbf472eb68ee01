"""Test the commands on clients: their changes and their output."""

from __future__ import annotations

import getpass
import re

import pytest

from flask_irl.behaviour.courses import SLOT_SECONDS, CoursePart, Slot, pack, slot_of
from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.cli.client_page import requests_of
from flask_irl.limits.override import MAX_SECONDS
from flask_irl.model.model import Model
from flask_irl.operations import ORDERS, Operations
from flask_irl.operations.results import ClientEntry, ClientResult
from flask_irl.stores.history import History
from tests.cli.shell import (
    LIMIT,
    SOMEBODY,
    Site,
    cells,
    is_moment,
)

# The course of a client


def test_a_client_is_shown_with_its_last_day(site: Site) -> None:
    for _ in range(2):
        site.ask("mallory", 30)
        site.engine.flush()
    text = site.done("client", "mallory")
    assert re.search(r"^last 24 hours +60 requests, 20 refused, lowest score \S+$", text, re.M)
    assert "flag and relief" not in text
    begins = slot_of(site.engine.store.now()) * SLOT_SECONDS
    slot = pack(Slot(begins // SLOT_SECONDS, flagged_at=begins + 20.0))
    history = History({}, {}, [CoursePart("mallory", 0.0, slot)])
    site.engine.store.add_counts({}, None, history)
    assert re.search(r"^flag and relief +flagged \S+Z$", site.done("client", "mallory"), re.M)
    site.engine.store.clear_courses()
    assert "last 24 hours" not in site.done("client", "mallory")


# clients


def test_clients_of_a_new_site_are_none(site: Site) -> None:
    assert site.done("clients") == "none\n"
    assert site.json("clients") == []


def test_clients_are_listed_with_the_most_active_first(site: Site) -> None:
    for client, count in (("calm", 3), ("busy", 30), ("middling", 9)):
        site.ask(client, count)
    site.engine.flush()
    found = site.json("clients")
    assert [entry["client"] for entry in found] == ["busy", "middling", "calm"]
    assert ClientEntry.__required_keys__ == found[0].keys()
    assert is_moment(found[0]["last_seen"])
    wide = cells(site.done("clients", "--wide"))
    assert [line["client"] for line in wide] == ["busy", "middling", "calm"]
    assert wide[0].keys() == found[0].keys()
    heading, *lines = site.done("clients").splitlines()
    assert heading.split() == ["client", "limit", "req/min", "refused", "score"]
    assert [line.split()[0] for line in lines] == ["busy", "middling", "calm"]
    assert lines[0].split()[1:] == ["40", "30", "0%", "0.00"]


def test_clients_are_sorted_by_a_column(site: Site) -> None:
    for name in ("bob", "ann"):
        site.ask(name)
    site.engine.flush()
    for command in (("clients",), ("find", "--all", "--route", "/")):
        found = site.json(*command, "--sort", "client", "--ascending")
        assert [entry["client"] for entry in found] == ["ann", "bob"]
        assert site.json(*command, "--sort", "client")[0]["client"] == "bob"
    assert "limit" in site.misused("clients", "--sort", "limit")
    assert "no plan" in site.misused("clients", "--plan", "gold")


def test_clients_stop_at_the_limit(site: Site) -> None:
    for client, count in (("calm", 3), ("busy", 30)):
        site.ask(client, count)
    site.engine.flush()
    assert [entry["client"] for entry in site.json("clients", "--limit", "1")] == ["busy"]


def test_clients_are_listed_with_the_limits_in_force(site: Site) -> None:
    site.ask()
    site.engine.flush()
    Operations(site.engine).site.set_limits({"base_limit": 7}, "the site")
    assert site.json("clients")[0]["limit"] == 7


def test_clients_in_order_of_refusals_leave_out_who_was_never_refused(site: Site) -> None:
    site.ask("calm", 3)
    site.ask("greedy", LIMIT + 5)
    site.engine.flush()
    found = site.json("clients", "--order", "refused")
    assert [entry["client"] for entry in found] == ["greedy"]


@pytest.mark.parametrize("order", ORDERS)
def test_clients_of_a_step_that_nobody_is_at_are_none(site: Site, order: str) -> None:
    site.ask(count=3)
    site.engine.flush()
    assert site.json("clients", "--order", order, "--step", "1") == []


# client, and why


def test_a_clients_json_has_its_verdict_its_features_and_why(site: Site, trained: Model) -> None:
    site.publish(trained, 1)
    for number in range(30):
        site.ask("prober", path=f"/nothing/{number}")
    site.engine.flush()
    found = site.json("client", "prober")
    assert ClientResult.__required_keys__ == found.keys()
    assert (found["client"], found["requests"], found["override"]) == ("prober", 30, None)
    assert is_moment(found["first_seen"])
    assert tuple(found["features"]) == FEATURE_NAMES
    assert found["features"]["missing_share"] == pytest.approx(1.0, abs=0.01)
    assert len(found["rules"]) == 1
    assert found["why"]
    for reason in found["why"]:
        assert {"feature", "value", "median", "high", "effect", "sentence"} <= reason.keys()
        assert reason["feature"] in FEATURE_NAMES


def test_recent_requests_are_a_line_each(site: Site) -> None:
    site.ask()
    site.engine.flush()
    found = site.json("client", SOMEBODY)
    assert found["recent_requests"] is None
    assert list(requests_of(found)) == []
    found["recent_requests"] = [
        {"at": 1_700_000_000.0, "method": "POST", "route": "/x\x1b[2J\n", "status": 429}
        | {"outcome": "limited", "times": 1200},
        {"at": 1_700_000_000.0, "method": "GET", "route": "/", "status": 200}
        | {"outcome": "allowed", "times": 1},
    ]
    first, second = requests_of(found)
    assert "\x1b" not in first and "\n" not in first
    assert first.startswith("request: 2023-11-14T22:13:20Z POST /x")
    assert first.endswith(" 429, limited (1,200 times)")
    assert second == "request: 2023-11-14T22:13:20Z GET / 200"


def test_why_is_told_to_people_in_the_same_sentences(site: Site, trained: Model) -> None:
    site.publish(trained, 1)
    for number in range(30):
        site.ask("prober", path=f"/nothing/{number}")
    site.engine.flush()
    shown = site.done("client", "prober").splitlines()
    sentences = [line.partition(": ")[2] for line in shown if line.startswith("why ")]
    assert sentences
    told = site.json("client", "prober")
    assert sentences == [reason["sentence"] for reason in told["why"]]
    rules = [line.partition(": ")[2] for line in shown if line.startswith("rule: ")]
    assert rules == told["rules"]


def test_a_client_without_a_model_has_no_why(site: Site) -> None:
    site.ask(count=9)
    site.engine.flush()
    assert site.json("client", SOMEBODY)["why"] == []
    assert "why" not in site.done("client", SOMEBODY)


def test_the_features_of_the_model_are_shown_to_who_asks_for_them(site: Site) -> None:
    site.ask(count=9)
    site.engine.flush()
    assert "interval entropy" not in site.done("client", SOMEBODY)
    assert "interval entropy" in site.done("client", SOMEBODY, "--wide")


def test_a_client_is_shown_with_its_routes_and_answers(site: Site) -> None:
    site.ask("prober", 30)
    site.ask("prober", 10, path="/nothing")
    site.ask("prober", 20)
    site.engine.flush()
    shown = site.done("client", "prober").splitlines()
    lines = dict(re.split(" {2,}", line, maxsplit=1) for line in shown if "  " in line)
    assert lines["answers"] == "50% fine, 33% refused (429), 17% 404"
    assert lines["routes"] == "83% /, 17% paths that no route matches"
    assert lines["limit"] == "40"
    found = site.json("client", "prober")
    assert found["answers"]["missing"] == pytest.approx(0.167, abs=0.01)
    assert [x["routes"] for x in found["routes"]] == [["/"], ["unmatched"]]
    assert found["routes"][0]["requests"] == pytest.approx(50, rel=0.1)


def test_of_who_is_held_it_is_shown_since_when_and_until_when_at_least(site: Site) -> None:
    for number in range(30):
        site.ask("prober", path=f"/nothing/{number}")
    site.engine.flush()
    shown = site.done("client", "prober")
    assert re.search(r"^limit +12 \(step 1, 30% of every limit\)$", shown, re.MULTILINE)
    held = re.search(r"^held +since (\S+), until (\S+) at least$", shown, re.MULTILINE)
    assert held is not None
    assert all(map(is_moment, held.groups()))
    found = site.json("client", "prober")
    assert is_moment(found["since"])
    assert is_moment(found["until"])
    site.done("allow", "prober")
    assert re.search(r"^held ", site.done("client", "prober"), re.MULTILINE) is None


@pytest.mark.parametrize("kind", ["block", "allow"])
def test_a_clients_override_is_shown(
    site: Site, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    site.done(kind, SOMEBODY, "--reason", "scrapes")
    found = site.json("client", SOMEBODY)["override"]
    assert is_moment(found["until"])
    assert found == {
        **{"kind": kind, "amount": 0, "until": found["until"]},
        **{"reason": "scrapes", "who": "shell:ann"},
    }
    assert re.search(
        rf"^override +{kind}e?d by shell:ann until {found['until']}: scrapes$",
        site.done("client", SOMEBODY),
        re.MULTILINE,
    )


def test_clients_with_an_override_are_listed(site: Site) -> None:
    site.ask("free")
    site.engine.flush()
    site.done("block", SOMEBODY)
    [entry] = site.json("clients", "--order", "overridden")
    assert (entry["client"], entry["override"]) == (SOMEBODY, "block")
    assert is_moment(entry["until"])
    assert " blocked " in site.done("clients", "--order", "overridden")


def test_a_client_with_a_limit_of_its_own_is_held_to_it(site: Site) -> None:
    shown = site.done("override", SOMEBODY, "2", "--seconds", "60")
    assert shown.startswith(f"client {SOMEBODY} has a limit of 2 until ")
    assert site.ask(count=3) == [200, 200, 429]
    site.done("clear", SOMEBODY)
    site.engine.refresh()
    assert site.ask() == [200]


def test_feedback_is_noted_with_a_client(site: Site) -> None:
    site.ask()
    site.engine.flush()
    assert site.done("feedback", SOMEBODY, "abuse") == f"client {SOMEBODY} is noted as abuse\n"
    assert site.json("client", SOMEBODY)["feedback"] == "abuse"
    assert "is not known" in site.failed("feedback", "nobody", "good")


def test_what_is_changed_is_told_in_json_too(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    site.ask()
    site.engine.flush()
    told = {
        name: site.json(*name.split())
        for name in (
            *(f"block {SOMEBODY}", f"clear {SOMEBODY}", f"override {SOMEBODY} 7"),
            *(f"allow {SOMEBODY}", f"feedback {SOMEBODY} good", f"reset {SOMEBODY}"),
            *("mode shadow", "mode", "rollback 1"),
        )
    }
    blocked = told[f"block {SOMEBODY}"]
    assert (blocked["client"], blocked["kind"]) == (SOMEBODY, "block")
    assert is_moment(blocked["until"])
    assert told[f"clear {SOMEBODY}"] == {"client": SOMEBODY, "removed": True}
    assert told[f"override {SOMEBODY} 7"]["amount"] == 7
    assert told[f"allow {SOMEBODY}"]["kind"] == "allow"
    assert told[f"feedback {SOMEBODY} good"] == {"client": SOMEBODY, "verdict": "good"}
    assert told[f"reset {SOMEBODY}"] == {"client": SOMEBODY, "reset": True}
    assert told["mode shadow"] == {"mode": "shadow", "before": "enforce"}
    assert told["mode"] == {"mode": "shadow"}
    assert (told["rollback 1"]["version"], told["rollback 1"]["in_force"]) == (1, True)


# reset, block, allow, clear


def test_a_client_that_is_reset_is_not_known_any_more(site: Site) -> None:
    site.ask(count=LIMIT)
    assert site.done("reset", SOMEBODY) == f"client {SOMEBODY} is forgotten\n"
    assert "not known" in site.failed("client", SOMEBODY)
    assert site.ask(count=LIMIT) == [200] * LIMIT


def test_all_clients_can_be_reset(site: Site) -> None:
    site.ask(count=LIMIT)
    site.engine.flush()
    assert site.done("reset", "--all") == "1 clients are forgotten\n"
    assert "not known" in site.failed("client", SOMEBODY)
    assert site.json("clients") == []
    assert site.json("audit")[0]["action"] == "reset"
    assert site.json("reset", "--all") == {"clients": 0, "reset": True}
    site.engine.refresh()
    assert site.ask(count=LIMIT) == [200] * LIMIT


@pytest.mark.parametrize("arguments", [(), (SOMEBODY, "--all")])
def test_a_reset_is_of_one_client_or_all(local: Site, arguments: tuple[str, ...]) -> None:
    result = local.run("reset", *arguments)
    assert result.exit_code == 2
    assert "give a client, or --all" in result.stderr


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
def test_clear_takes_an_override_back(site: Site, kind: str) -> None:
    site.done(kind, SOMEBODY)
    assert site.done("clear", SOMEBODY) == f"client {SOMEBODY} is left to the limiter again\n"
    assert site.ask(count=LIMIT + 1) == [*[200] * LIMIT, 429]


def test_clear_of_a_client_without_an_override_is_a_complaint(site: Site) -> None:
    site.ask()
    assert "neither blocked nor let pass" in site.failed("clear", SOMEBODY)


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
    complaint = local.misused(command, SOMEBODY, "--seconds", seconds)
    assert "give a number above 0, up to" in complaint
    assert local.json("audit") == []
    assert local.ask(count=LIMIT + 1) == [*[200] * LIMIT, 429]


@pytest.mark.parametrize("command", ["block", "allow"])
def test_seconds_that_are_no_number_are_wrong_usage(local: Site, command: str) -> None:
    assert "--seconds" in local.misused(command, SOMEBODY, "--seconds", "an hour")


def test_a_reason_that_is_too_long_changes_nothing(local: Site) -> None:
    assert "reason is too long" in local.misused("block", SOMEBODY, "--reason", "x" * 501)
    assert local.ask() == [200]


@pytest.mark.parametrize("command", ["block", "allow"])
def test_an_address_of_ipv6_stands_for_the_network_that_is_the_client(
    site: Site, command: str
) -> None:
    assert "client 2001:db8:0:7::/64 " in site.done(command, "2001:db8:0:7::1")
    assert site.json("client", "2001:db8:0:7::2")["override"]["kind"] == command
    assert "client 2001:db8:0:7::/64 " in site.done("clear", "2001:db8:0:7::3")


def test_an_address_of_ipv6_that_is_itself_a_client_stays_one(site: Site) -> None:
    # As a key function of the app's own may have it.
    site.ask("2001:db8::1")
    site.done("block", "2001:db8::1")
    assert site.ask("2001:db8::1") == [429]
    assert site.done("reset", "2001:db8::1") == "client 2001:db8::1 is forgotten\n"
