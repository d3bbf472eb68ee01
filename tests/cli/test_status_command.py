"""Test the command that shows the site on one screen."""

from __future__ import annotations

import json
import re

import pytest

from flask_irl.behaviour.site_counts import MinuteCounts
from flask_irl.cli.status import ago
from flask_irl.model.model import Model
from flask_irl.operations.status import Status
from tests.cli.shell import LIMIT, SOMEBODY, Make, Site, is_moment, strict
from tests.servers import HOST, RedisServer, free_port

SCREEN = (80, 24)
"""Columns and lines of a terminal."""


def lines_of(shown: str) -> dict[str, str]:
    """Split what is shown into its lines, by the name at their beginning."""
    return dict(re.split(" {2,}", line, maxsplit=1) for line in shown.splitlines())


def test_json_has_all_members_with_moments_in_iso(site: Site, trained: Model) -> None:
    site.publish(trained, 1)
    site.ask(count=LIMIT + 2)
    site.engine.flush()
    found = site.json("status")
    assert found.keys() == Status.__annotations__.keys()
    assert (found["total_requests"], found["refused"], found["model_version"]) == (LIMIT + 2, 2, 1)
    assert is_moment(found["model_trained_at"])
    assert found["now"]["requests_per_second"] > 0


def test_it_fits_a_screen_and_tells_what_is_out_of_the_ordinary(
    make: Make, redis_url: str, trained: Model
) -> None:
    site = make(redis_url)
    site.publish(trained, 1, 2)
    site.ask(count=LIMIT + 2)
    site.engine.flush()
    store = site.engine.store
    hour_ago = int(store.now() // 60) - 60
    store.add_counts({}, {m: MinuteCounts(600, 60) for m in (hour_ago - 1, hour_ago, hour_ago + 1)})
    store.tell_worker("web-1:7", b'{"crowd_guard": true}')
    site.done("block", SOMEBODY)
    site.done("limits", "base_limit=30")
    site.done("rollback", "1")
    shown = site.done("status")
    assert max(map(len, shown.splitlines())) <= SCREEN[0], shown
    assert len(shown.splitlines()) < SCREEN[1]
    found = lines_of(shown)
    answers = rf"redis://{HOST}:\d+/0 answers in [\d.]+ ms, \w+ [\d.]+"
    assert re.fullmatch(answers, found["store"])
    assert re.fullmatch(r"[\d.]+ MiB, no limit, noeviction", found["memory"])
    assert re.fullmatch(r"[\d.]+ a second; an hour ago 10\.0", found["requests"])
    refused = r"[\d.]+ a second \([\d.]+%\); an hour ago 1\.0 \(10\.0%\)"
    assert re.fullmatch(refused, found["refused"])
    assert (found["clients"], found["overrides"]) == ("0 flagged, 1 blocked", "1 block")
    assert found["changed"] == f"base_limit is 30, configured {LIMIT}"
    assert found["rollback"] == "version 1 is pinned; the newest is 2"
    assert found["crowd guard"].startswith("ON")
    assert (found["workers"], found["mode"]) == ("1 seen", "enforce")


def test_the_latest_training_is_told(site: Site) -> None:
    site.run("train")
    assert re.fullmatch(
        r"refused at \S+Z: 0 requests observed, at least 50 are needed.*",
        lines_of(site.done("status"))["last training"],
    )


def test_a_store_that_does_not_answer_is_the_first_line_before_what_is_known(make: Make) -> None:
    port = free_port()
    site = make(f"redis://:geheim@{HOST}:{port}/0")
    result = site.run("status")
    assert (result.exit_code, result.stderr) == (1, "")
    first, *others = result.stdout.splitlines()
    assert re.match(
        rf"store +DOES NOT ANSWER: redis://{HOST}:{port}/0: .* refuses connections", first
    )
    assert lines_of("\n".join(others))["base limit"].startswith(f"{LIMIT} per 60 seconds")
    assert "geheim" not in result.output


def test_a_store_that_refuses_to_count_is_the_first_line_before_all_the_rest(make: Make) -> None:
    with RedisServer() as server:
        site = make(server.url)
        site.ask()
        with server.client() as client:
            client.config_set("maxmemory", 1)
        result = site.run("status")
    first, *others = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (1, "")
    assert re.match(r"store +REFUSES TO COUNT: redis://.*: the server is full", first)
    assert "clients" in lines_of("\n".join(others))


def test_a_store_that_does_not_answer_is_told_in_json(make: Make) -> None:
    result = make(f"redis://:geheim@{HOST}:{free_port()}/0").run("status", "--json")
    found = strict(result.stdout)
    assert (result.exit_code, found["store"]["answers"], found["now"]) == (1, False, None)
    assert "refuses connections" in found["store"]["error"]
    assert "geheim" not in result.output


def test_a_frozen_server_keeps_nobody_waiting_for_ever(make: Make) -> None:
    with RedisServer() as server:
        site = make(server.url)
        server.freeze()
        result = site.run("status")
    assert (result.exit_code, "DOES NOT ANSWER" in result.stdout) == (1, True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 seconds"),
        (1.9, "1 second"),
        (59.0, "59 seconds"),
        (60.0, "1 minute"),
        (3599.0, "59 minutes"),
        (7200.0, "2 hours"),
        (86_400.0, "1 day"),
        (8e6, "92 days"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    assert ago(seconds) == words


# What is wrong, for programs


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["client", SOMEBODY], 1, f"client {SOMEBODY} is not known"),
        (["model"], 1, "no model is in force yet"),
        (["mode", "on"], 2, "'on' is not one of"),
        (["block"], 2, "Missing argument"),
        (["block", SOMEBODY, "--seconds", "0"], 2, "seconds is 0.0"),
        (["clients", "--order", "\x1b[31m"], 2, "is not one of"),
        (["status", "--nothing"], 2, "No such option"),
        (["nothing"], 2, "No such command"),
        (["limits", "base_limit"], 2, "give NAME=VALUE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_with_json_a_complaint_is_json_on_stderr_with_the_same_exit_code(
    make: Make, redis_url: str, arguments: list[str], code: int, told: str
) -> None:
    site = make(redis_url)
    plain = site.run(*arguments)
    result = site.run(*arguments, "--json")
    assert (plain.exit_code, result.exit_code, result.stdout) == (code, code, "")
    complaint = strict(result.stderr)
    assert complaint.keys() == {"error", "exit_code"}
    assert told in complaint["error"]
    assert complaint["exit_code"] == code


def test_with_json_a_store_that_does_not_answer_is_a_complaint_in_json(make: Make) -> None:
    result = make(f"redis://:geheim@{HOST}:{free_port()}/0").run("mode", "--json")
    assert strict(result.stderr)["error"].startswith("the store does not answer")


def test_with_json_the_remark_on_the_embedded_store_is_json_too(local: Site) -> None:
    result = local.run("client", SOMEBODY, "--json")
    note, complaint = map(json.loads, result.stderr.splitlines())
    assert note["note"].startswith("the store is memory://")
    assert "is not known" in complaint["error"]


def test_an_argument_that_is_called_json_asks_for_none(make: Make, redis_url: str) -> None:
    result = make(redis_url).run("client", "--", "--json")
    assert result.stderr.startswith("Error: client --json is not known")
