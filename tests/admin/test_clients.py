"""Test the endpoints on clients, with ids of all kinds."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_irl.admin.schemas.clients import (
    AnswersSchema,
    ClientEntrySchema,
    ClientSchema,
    RecentRequestSchema,
    RouteShareSchema,
)
from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.limits.keys import canonical
from flask_irl.operations import Operations
from flask_irl.operations.moments import when
from flask_irl.operations.results import (
    Answers,
    ClientEntry,
    ClientResult,
    RecentRequestResult,
    RouteShare,
)
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.verdicts.rankings import RANKINGS
from tests.admin.api import Caller, make_app, moment, problem_of
from tests.admin.site import KNOWN
from tests.conftest import Clock
from tests.operations.worker import Worker

STRANGE = [
    "2001:db8::/64",
    "user:ada@example.com",
    "key:0123456789abcdef",
    "a/b",
    "/a",
    "a/",
    "//",
    "a//b",
    "a/override",
    "override",
    "a/override/override",
    "a/feedback",
    "%",
    "%2F",
    "100%",
    "%00",
    "a b",
    " ",
    "a?b=c",
    "a#b",
    "#" + "0" * 32,
    "žluťoučký 🐎",
    "\u202egnp.exe",
    "a\nb",
    "a\r\nSet-Cookie: x=1",
    "\x00\x1b[2J",
    "<script>alert(1)</script>",
    "'; DROP TABLE clients; --",
    "x" * 10_000,
    "é" * 10_000,
    "stats",
]


def test_a_client_is_told_with_why(ask: Caller) -> None:
    result = ask("GET", f"/admin/client/{KNOWN}").json
    assert (result["client"], result["step"], result["limit"]) == (KNOWN, 1, 30)
    assert tuple(result["features"]) == FEATURE_NAMES
    assert result["rules"][0].startswith("18 guesses at paths that don't exist")
    sentences = {reason["feature"]: reason["sentence"] for reason in result["why"]}
    assert sentences["requests_per_minute"] == "20 requests a minute; usual is 8"
    assert result["override"] is None


def test_a_client_is_forgotten_once(ask: Caller) -> None:
    assert ask("POST", f"/admin/reset/{KNOWN}").json == {"client": KNOWN, "reset": True}
    problem_of(ask("POST", f"/admin/reset/{KNOWN}"), 404)
    problem_of(ask("GET", f"/admin/client/{KNOWN}"), 404)


@pytest.mark.parametrize("id", STRANGE)
def test_an_id_reaches_the_operations_whole(ask: Caller, worker: Worker, id: str) -> None:
    key = canonical(id)
    worker.ask(key)
    path = quote(id, safe="")
    change = {"kind": "block", "seconds": 60}
    assert ask("PUT", f"/admin/client/{path}/override", json=change).json["client"] == key
    assert ask("GET", f"/admin/client/{path}").json["override"]["kind"] == "block"
    verdict = {"verdict": "abuse"}
    assert ask("POST", f"/admin/client/{path}/feedback", json=verdict).json["client"] == key
    assert ask("DELETE", f"/admin/client/{path}/override").json["removed"] is True
    assert ask("POST", f"/admin/reset/{path}").json["client"] == key
    assert worker.store.load([key, KNOWN])[0] is None
    assert {entry["target"] for entry in worker.audited()} == {key}


@pytest.mark.parametrize("id", STRANGE)
def test_a_strange_id_that_is_not_known_is_not_found(ask: Caller, id: str) -> None:
    path = quote(id, safe="")
    problem_of(ask("GET", f"/admin/client/{path}"), 404)
    problem_of(ask("POST", f"/admin/reset/{path}"), 404)
    problem_of(ask("DELETE", f"/admin/client/{path}/override"), 404)
    problem_of(ask("POST", f"/admin/client/{path}/feedback", json={"verdict": "good"}), 404)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
def test_any_text_is_an_id(ask: Caller, worker: Worker, id: str) -> None:
    worker.ask(canonical(id))
    response = ask("GET", f"/admin/client/{quote(id, safe='')}")
    assert (response.status_code, response.json["client"]) == (200, canonical(id))


@pytest.mark.parametrize("path", ["%ff%fe", "%c3", "%ed%a0%80"])
def test_bytes_that_are_no_text_are_not_found(ask: Caller, path: str) -> None:
    problem_of(ask("GET", f"/admin/client/{path}"), 404)


@pytest.mark.parametrize("path", ["/admin/client/", "/admin/reset/", "/admin/client"])
def test_no_id_is_not_found(ask: Caller, path: str) -> None:
    problem_of(ask("GET", path), 404)


def test_slashes_may_be_sent_as_they_are(ask: Caller, worker: Worker) -> None:
    worker.ask("2001:db8::/64")
    assert ask("GET", "/admin/client/2001:db8::/64").json["client"] == "2001:db8::/64"
    change = {"kind": "allow"}
    response = ask("PUT", "/admin/client/2001:db8::/64/override", json=change)
    assert response.json["client"] == "2001:db8::/64"


@pytest.mark.parametrize("address", ["2001:db8::1", "2001:DB8:0:0::ffff", "[2001:db8::1]:8080"])
def test_an_address_stands_for_its_network(ask: Caller, worker: Worker, address: str) -> None:
    network = "2001:db8::/64"
    worker.ask(network)
    path = f"/admin/client/{quote(address)}"
    assert ask("PUT", f"{path}/override", json={"kind": "block"}).json["client"] == network
    assert ask("GET", path).json["client"] == network
    response = ask("POST", f"{path}/feedback", json={"verdict": "good"})
    assert response.json["client"] == network
    assert ask("DELETE", f"{path}/override").json["client"] == network
    assert ask("POST", f"/admin/reset/{address}").json["client"] == network


def test_an_address_that_is_a_client_stands_for_itself(ask: Caller, worker: Worker) -> None:
    for client in ("2001:db8::1", "2001:db8::/64"):
        worker.ask(client)
    response = ask("PUT", "/admin/client/2001:db8::1/override", json={"kind": "block"})
    assert response.json["client"] == "2001:db8::1"
    assert ask("GET", "/admin/client/2001:db8::1").json["client"] == "2001:db8::1"


def test_an_override_is_set_shown_and_removed(ask: Caller, clock: Clock) -> None:
    change = {"kind": "limit", "amount": 7, "seconds": 90, "reason": "Too keen."}
    response = ask("PUT", f"/admin/client/{KNOWN}/override", json=change)
    expected = {
        **{"kind": "limit", "amount": 7, "until": moment(clock() + 90)},
        **{"reason": "Too keen.", "who": "oncall"},
    }
    assert response.json == {"client": KNOWN, "known": True, **expected}
    assert ask("GET", f"/admin/client/{KNOWN}").json["override"] == expected
    [entry] = ask("GET", "/admin/clients?order=overridden").json["clients"]
    assert (entry["client"], entry["override"]) == (KNOWN, "limit")
    assert ask("GET", "/admin/audit").json["changes"][0]["reason"] == "Too keen."
    response = ask("DELETE", f"/admin/client/{KNOWN}/override")
    assert response.json == {"client": KNOWN, "removed": True}
    problem_of(ask("DELETE", f"/admin/client/{KNOWN}/override"), 404)


def test_a_reason_may_be_in_any_language(ask: Caller) -> None:
    change = {"kind": "block", "reason": "Пишет «спам» 🐎 — ÿ"}
    assert (
        ask("PUT", f"/admin/client/{KNOWN}/override", json=change).json["reason"]
        == (change["reason"])
    )


def test_an_override_ends_after_an_hour_if_nothing_is_said(ask: Caller, clock: Clock) -> None:
    response = ask("PUT", f"/admin/client/{KNOWN}/override", json={"kind": "allow"})
    assert response.json["until"] == moment(clock() + 3600)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, "kind"),
        ({"kind": "ban"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["block"]}, "kind"),
        ({"kind": "limit"}, "amount"),
        ({"kind": "limit", "amount": 0}, "amount"),
        ({"kind": "limit", "amount": -5}, "amount"),
        ({"kind": "limit", "amount": 2**31}, "amount"),
        ({"kind": "limit", "amount": "7"}, "amount"),
        ({"kind": "limit", "amount": None}, "amount"),
        ({"kind": "block", "amount": 7}, "amount"),
        ({"kind": "block", "seconds": 0}, "seconds"),
        ({"kind": "block", "seconds": -1}, "seconds"),
        ({"kind": "block", "seconds": 10**9}, "seconds"),
        ({"kind": "block", "seconds": "60"}, "seconds"),
        ({"kind": "block", "seconds": True}, "seconds"),
        ({"kind": "block", "reason": "x" * 501}, "reason"),
        ({"kind": "block", "reason": "a\nb"}, "reason"),
        ({"kind": "block", "reason": "a\n"}, "reason"),
        ({"kind": "block", "reason": "\x1b[2J"}, "reason"),
        ({"kind": "block", "reason": "\u202egnp"}, "reason"),
        ({"kind": "block", "reason": "\ud800"}, "reason"),
        ({"kind": "block", "reason": 5}, "reason"),
        ({"kind": "block", "until": 5}, "until"),
        ({"kind": "block", "x" * 1000: 5}, "x" * 100),
    ],
)
def test_an_override_that_is_not_allowed_names_what_is_wrong(
    ask: Caller, operations: Operations, change: object, field: str
) -> None:
    found = problem_of(ask("PUT", f"/admin/client/{KNOWN}/override", json=change), 422)
    assert list(found["errors"]) == [field]
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize("verdict", ["bad", "", None, 1, ["good"]])
def test_a_verdict_that_is_not_known_is_refused(ask: Caller, verdict: object) -> None:
    response = ask("POST", f"/admin/client/{KNOWN}/feedback", json={"verdict": verdict})
    assert list(problem_of(response, 422)["errors"]) == ["verdict"]


def test_a_verdict_is_kept_with_the_client(ask: Caller) -> None:
    response = ask("POST", f"/admin/client/{KNOWN}/feedback", json={"verdict": "good"})
    assert response.json == {"client": KNOWN, "verdict": "good"}
    assert ask("GET", f"/admin/client/{KNOWN}").json["feedback"] == "good"


def test_a_clients_recent_requests_are_told_where_some_are_kept(ask: Caller, clock: Clock) -> None:
    assert ask("GET", f"/admin/client/{KNOWN}").json["recent_requests"] is None
    worker = Worker(MemoryStore(clock=clock), {"recent_requests": 2})
    worker.ask("ada", "/login", status=401, method="POST")
    worker.limiter.flush()
    caller = Caller(make_app(worker.operations).test_client())
    assert caller("GET", "/admin/client/ada").json["recent_requests"] == [
        {
            "at": when(clock()),
            "method": "POST",
            "route": "/login",
            "status": 401,
            "outcome": "allowed",
            "times": 1,
        }
    ]


def test_clients_come_in_pages(ask: Caller, worker: Worker) -> None:
    for number in range(10, 60):
        client = f"198.51.100.{number}"
        worker.ask(client)
        worker.flag(client)
        worker.store.rank(RANKINGS["refused"].stored, {client: 1e9 - number})
    response = ask("GET", "/admin/clients?page=2&page_size=20&order=refused&step=1")
    found = response.json
    assert [x["client"] for x in found["clients"]] == [f"198.51.100.{n}" for n in range(30, 50)]
    assert (found["total"], found["page"], found["page_size"]) == (50, 2, 20)
    assert json.loads(response.headers["X-Pagination"]) == {
        "total": 50,
        "total_pages": 3,
        "first_page": 1,
        "last_page": 3,
        "page": 2,
        "previous_page": 1,
        "next_page": 3,
    }


def test_clients_are_sorted_by_a_column(ask: Caller, worker: Worker) -> None:
    for name in ("ann", "bob"):
        worker.ask(name)
    worker.limiter.flush()

    def listed(query: str) -> list[str]:
        found = ask("GET", f"/admin/clients?{query}").json["clients"]
        return [entry["client"] for entry in found]

    assert listed("sort=client&ascending=true") == [KNOWN, "ann", "bob"]
    assert listed("sort=client") == ["bob", "ann", KNOWN]
    assert listed("sort=client&ascending=true&page=2&page_size=2") == ["bob"]
    assert listed("sort=score&ascending=true&q=2") == [KNOWN]
    for query in ("sort=", "sort=limit", "ascending=5", "plan=none", "plan="):
        problem_of(ask("GET", f"/admin/clients?{query}"), 422)


def test_clients_of_another_step_are_left_out(ask: Caller) -> None:
    assert ask("GET", "/admin/clients?step=0").json["clients"] == []


def test_a_page_after_the_last_is_empty(ask: Caller) -> None:
    response = ask("GET", "/admin/clients?page=9")
    assert response.json["clients"] == []
    assert "page" not in json.loads(response.headers["X-Pagination"])


def test_clients_are_searched_for(ask: Caller, worker: Worker) -> None:
    for client, route in (("203.0.113.8", "/login"), ("198.51.100.9", "/login"), ("user", "/")):
        for _ in range(3):
            worker.ask(client, route, method="POST")
    worker.limiter.flush()

    def found(query: str) -> list[str]:
        body = ask("GET", f"/admin/clients?{query}").json
        assert body["total"] == len(body["clients"])
        return [entry["client"] for entry in body["clients"]]

    assert found("q=203.0.113") == [KNOWN, "203.0.113.8"]
    assert found("q=203.0.113.0%2F24&step=1") == [KNOWN]
    assert found("route=POST%20%2Flogin") == ["203.0.113.8", "198.51.100.9"]
    assert found("q=203&route=%2Flogin") == ["203.0.113.8"]
    assert found("q=nobody") == []
    assert found("route=%2Fnowhere") == []


def test_a_search_for_a_network_that_is_none_is_refused(ask: Caller) -> None:
    found = problem_of(ask("GET", "/admin/clients?q=203.0.113.0%2F33"), 422)
    assert "203.0.113.0/33 is no network: give a prefix length from 0 to 32" in found["detail"]


def test_lists_and_commands_have_the_same_members() -> None:
    assert set(ClientEntrySchema().fields) == ClientEntry.__required_keys__
    assert set(ClientSchema().fields) == ClientResult.__required_keys__
    assert set(AnswersSchema().fields) == Answers.__required_keys__
    assert set(RouteShareSchema().fields) == RouteShare.__required_keys__
    assert set(RecentRequestSchema().fields) == RecentRequestResult.__required_keys__


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=" + "x" * 201, "q"),
        ("route=" + "x" * 201, "route"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=", "page"),
        ("page=1.5", "page"),
        ("page=" + "9" * 30, "page"),
        ("page=" + "9" * 5000, "page"),
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("order=best", "order"),
        ("order=", "order"),
        ("step=-1", "step"),
        ("step=101", "step"),
        ("step=null", "step"),
        ("pagesize=5", "pagesize"),
        ("%ff=%ff", "%FF"),
    ],
)
def test_a_query_that_is_not_allowed_names_what_is_wrong(
    ask: Caller, operations: Operations, query: str, field: str
) -> None:
    found = problem_of(ask("GET", f"/admin/clients?{query}"), 422)
    assert list(found["errors"]) == [field]
    assert operations.audit.entries() == ([], 0)


def test_an_id_puts_no_markup_into_an_answer(ask: Caller) -> None:
    for path in ("client/", "nothing/"):
        response = ask("GET", f"/admin/{path}%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        assert response.status_code == 404
        assert "<script" not in response.text
        assert response.mimetype == "application/problem+json"


def test_an_id_puts_no_lines_into_the_log(
    ask: Caller, ask_as_nobody: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = "/admin/client/a%0D%0AERROR%20forged%1B%5B2J"
    ask_as_nobody("GET", path)
    ask("PUT", f"{path}/override", json={"kind": "block"})
    ask("GET", path)
    for record in caplog.records:
        assert record.getMessage().isprintable()
    assert "forged" not in caplog.text


# The course of a client


def test_a_course_is_told_in_moments(ask: Caller, worker: Worker) -> None:
    worker.limiter.flush()
    found = ask("GET", f"/admin/course/{KNOWN}").json
    assert found["slots"] == [
        {
            "since": "2023-11-14T22:10:00Z",
            "requests": 21,
            "busiest_minute": 21,
            "refused": 0,
            "lowest_score": -1.0,
            "step": 1,
        }
    ]
    assert found["changes"] == [{"at": "2023-11-14T22:13:20Z", "change": "flagged"}]
    assert (found["kept"], found["slot_seconds"], found["client"]) == (True, 300, KNOWN)
    assert found["until"] == "2023-11-14T22:13:20Z"


def test_a_client_whose_course_is_not_kept_has_no_slots(ask: Caller, worker: Worker) -> None:
    worker.limiter.flush()
    worker.store.clear_courses()
    found = ask("GET", f"/admin/course/{KNOWN}").json
    assert (found["kept"], found["slots"]) == (False, [])
    problem_of(ask("GET", "/admin/course/nobody"), 404)
    problem_of(ask("GET", "/admin/course/203.0.113.0/99"), 422)
