"""Test the endpoints on networks that operators override."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from flask_irl.operations import Operations
from tests.admin.api import Caller, moment, problem_of
from tests.admin.site import KNOWN
from tests.conftest import Clock

NETWORK = "203.0.113.0/24"


@pytest.mark.parametrize("path", [quote(NETWORK, safe=""), NETWORK], ids=["escaped", "as it is"])
def test_a_network_is_overridden_shown_and_cleared(ask: Caller, clock: Clock, path: str) -> None:
    change = {"kind": "limit", "amount": 7, "seconds": 90, "reason": "Too keen."}
    expected = {
        **{"kind": "limit", "amount": 7, "until": moment(clock() + 90)},
        **{"reason": "Too keen.", "who": "oncall"},
    }
    response = ask("PUT", f"/admin/client/{path}/override", json=change)
    assert response.json == {"client": NETWORK, "known": True, **expected}
    assert ask("GET", f"/admin/client/{path}").json["override"] == expected
    covering = ask("GET", "/admin/client/203.0.113.99").json["covered_by"]
    assert covering == {"network": NETWORK, **expected}
    [entry] = ask("GET", "/admin/clients?order=overridden").json["clients"]
    assert (entry["client"], entry["override"]) == (NETWORK, "limit")
    assert {name: entry[name] for name in ("until", "reason", "who")} == {
        name: expected[name] for name in ("until", "reason", "who")
    }
    response = ask("DELETE", f"/admin/client/{path}/override")
    assert response.json == {"client": NETWORK, "removed": True}
    problem_of(ask("DELETE", f"/admin/client/{path}/override"), 404)
    detail = problem_of(ask("GET", f"/admin/client/{path}"), 404)["detail"]
    assert f"clients?q={NETWORK} lists the clients in it" in detail
    changes = ask("GET", "/admin/audit").json["changes"]
    assert [(x["action"], x["target"]) for x in changes] == [
        ("clear", NETWORK),
        ("override", NETWORK),
    ]


@pytest.mark.parametrize("wrong", ["203.0.113.0/33", "203.0.113.7/24", "2001:db8::1/48"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "client/{}/override", {"kind": "block"}),
        ("DELETE", "client/{}/override", None),
        ("GET", "client/{}", None),
        ("POST", "reset/{}", None),
        ("POST", "client/{}/feedback", {"verdict": "good"}),
    ],
)
def test_a_network_that_is_written_wrong_is_told_how_to_write_it(
    ask: Caller,
    operations: Operations,
    wrong: str,
    method: str,
    path: str,
    body: dict[str, str] | None,
) -> None:
    url = f"/admin/{path.format(quote(wrong, safe=''))}"
    found = problem_of(ask(method, url, json=body) if body else ask(method, url), 422)
    assert found["detail"].startswith(wrong)
    assert "give" in found["detail"]
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize(("client", "known"), [(KNOWN, True), ("nobody", False)])
def test_an_override_says_whether_the_client_is_known(
    ask: Caller, client: str, known: bool
) -> None:
    response = ask("PUT", f"/admin/client/{client}/override", json={"kind": "block"})
    assert (response.status_code, response.json["known"]) == (200, known)


def test_an_entry_of_any_list_tells_of_the_override(ask: Caller, clock: Clock) -> None:
    ask("PUT", f"/admin/client/{KNOWN}/override", json={"kind": "block", "reason": "x"})
    [entry] = ask("GET", "/admin/clients").json["clients"]
    assert [entry[name] for name in ("override", "until", "reason", "who")] == [
        *("block", moment(clock() + 3600)),
        *("x", "oncall"),
    ]
