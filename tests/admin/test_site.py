"""Test the endpoints on the whole site: counters, limits, mode, models, audit log."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.operations import Operations
from flask_irl.operations.moments import when
from tests.admin.api import ROUTES, Caller, make_app, problem_of
from tests.admin.site import CAMPAIGN, DAMAGED_MODEL, KNOWN, MODEL, OLDER_MODEL, model
from tests.conftest import Clock
from tests.operations.worker import Worker, break_store


def test_stats_have_all_members(ask: Caller) -> None:
    response = ask("GET", "/admin/stats")
    assert response.status_code == 200
    assert {
        "total_requests",
        "unique_clients",
        "endpoints",
        "model_trained",
        "buffer_size",
        "refused",
        "anomalous",
        "hit_rate",
    } <= response.json.keys()
    assert response.json["endpoints"] == {"unmatched": 20}
    assert response.json["buffer_size"] == {KNOWN: 1}


def test_limits_tell_steps_and_routes(ask: Caller) -> None:
    found = ask("GET", "/admin/limits").json
    assert found["base_limit"] == 100
    assert found["steps"][:2] == [
        {"step": 0, "factor": 1.0, "limit": 100},
        {"step": 1, "factor": 0.3, "limit": 30},
    ]
    assert found["routes"] == ROUTES


def test_limited_routes_come_before_those_that_are_not(operations: Operations) -> None:
    exempt = dict.fromkeys(("/a", "/b", "/c"), True) | {"/b": False}
    routes = [{**ROUTES[0], "route": route, "exempt": free} for route, free in exempt.items()]
    ask = Caller(make_app(operations, routes=lambda: routes).test_client())
    told = ask("GET", "/admin/limits").json["routes"]
    assert [entry["route"] for entry in told] == ["/b", "/a", "/c"]


def test_limits_are_changed_and_told(ask: Caller) -> None:
    response = ask("PUT", "/admin/limits", json={"base_limit": 50, "anomaly_threshold": None})
    assert response.status_code == 200
    assert response.json["base_limit"] == 50
    assert response.json["routes"] == ROUTES


def test_further_steps_are_sorted_and_each_is_one(ask: Caller) -> None:
    response = ask("PUT", "/admin/limits", json={"further_factors": [0, 0.2, 0.1, 0.2]})
    assert response.json["further_factors"] == [0.2, 0.1, 0.0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base_limit": 0}, "base_limit"),
        ({"base_limit": -1}, "base_limit"),
        ({"base_limit": 2**31}, "base_limit"),
        ({"base_limit": "5"}, "base_limit"),
        ({"base_limit": 1.5}, "base_limit"),
        ({"base_limit": True}, "base_limit"),
        ({"window_seconds": 0}, "window_seconds"),
        ({"window_seconds": [60]}, "window_seconds"),
        ({"anomalous_factor": 0}, "anomalous_factor"),
        ({"anomalous_factor": 1.1}, "anomalous_factor"),
        ({"anomalous_factor": "0.5"}, "anomalous_factor"),
        ({"further_factors": 0.1}, "further_factors"),
        ({"further_factors": [0.1, -0.1]}, "further_factors"),
        ({"further_factors": ["0"]}, "further_factors"),
        ({"further_factors": [n / 10 for n in range(9)]}, "further_factors"),
        ({"anomaly_threshold": 0.1}, "anomaly_threshold"),
        ({"anomaly_threshold": -1.1}, "anomaly_threshold"),
        ({"anomaly_threshold": 10**400}, "anomaly_threshold"),
        ({"mode": "off"}, "mode"),
        ({"base_limit": 5, "": 1}, ""),
        ({}, "body"),
        ([], "body"),
        ("base_limit", "body"),
        (None, "body"),
    ],
)
def test_limits_that_are_not_allowed_change_nothing(
    ask: Caller, operations: Operations, change: object, field: str
) -> None:
    response = ask("PUT", "/admin/limits", data=json.dumps(change), content_type="application/json")
    assert field in problem_of(response, 422)["errors"]
    assert operations.audit.entries() == ([], 0)


def test_what_only_the_limiter_can_tell_is_wrong_is_named_too(
    ask: Caller, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_limits(*_: object) -> NoReturn:
        raise ConfigurationError("base_limit is 666, which is not allowed: give another")

    monkeypatch.setattr(operations.site, "set_limits", set_limits)
    found = problem_of(ask("PUT", "/admin/limits", json={"base_limit": 666}), 422)
    assert "base_limit is 666" in found["detail"]
    assert list(found["errors"]) == ["base_limit"]


def test_the_mode_is_told_and_changed(ask: Caller) -> None:
    assert ask("GET", "/admin/mode").json == {"mode": "enforce"}
    response = ask("PUT", "/admin/mode", json={"mode": "shadow"})
    assert response.json == {"mode": "shadow", "before": "enforce"}
    assert ask("GET", "/admin/mode").json == {"mode": "shadow"}


@pytest.mark.parametrize("mode", ["on", "", None, 1, ["off"], "OFF"])
def test_a_mode_that_is_not_known_is_refused(ask: Caller, mode: object) -> None:
    found = problem_of(ask("PUT", "/admin/mode", json={"mode": mode}), 422)
    assert list(found["errors"]) == ["mode"]
    assert ask("GET", "/admin/mode").json == {"mode": "enforce"}


def test_the_model_in_force_is_told_with_those_before_it(ask: Caller) -> None:
    found = ask("GET", "/admin/model-info").json
    assert (found["version"], found["clients"]) == (MODEL, 12)
    assert tuple(feature["name"] for feature in found["features"]) == FEATURE_NAMES
    assert found["gate"].keys() >= {"flagged_share", "allowed_share"}
    assert found["schema"] == model().schema
    assert [entry["version"] for entry in found["history"]] == [MODEL, OLDER_MODEL, DAMAGED_MODEL]


def test_models_are_listed_also_those_that_cannot_be_read(ask: Caller) -> None:
    found = ask("GET", "/admin/models").json["models"]
    assert [(entry["version"], entry["readable"]) for entry in found] == [
        (MODEL, True),
        (OLDER_MODEL, True),
        (DAMAGED_MODEL, False),
    ]
    assert found[2]["rows"] is None


def test_an_older_model_is_put_in_force(ask: Caller) -> None:
    assert ask("POST", f"/admin/models/{OLDER_MODEL}/rollback").json["in_force"] is True
    assert ask("GET", "/admin/stats").json["model_version"] == OLDER_MODEL


@pytest.mark.parametrize("version", ["8", "0", "-1", "007", "x", "6.0", "٦", "9" * 10, "9" * 5000])
def test_a_model_that_is_not_kept_is_not_found(ask: Caller, version: str) -> None:
    problem_of(ask("POST", f"/admin/models/{version}/rollback"), 404)


def test_a_damaged_model_is_not_put_in_force(ask: Caller) -> None:
    found = problem_of(ask("POST", f"/admin/models/{DAMAGED_MODEL}/rollback"), 409)
    assert "damaged" in found["detail"]


# Pins


def test_a_rollback_without_a_body_is_pinned_until_it_is_taken_back(ask: Caller) -> None:
    found = ask("POST", f"/admin/models/{OLDER_MODEL}/rollback").json
    assert (found["version"], found["pinned"], found["until"]) == (OLDER_MODEL, True, None)
    pin = ask("GET", "/admin/model-info").json["pinned"]
    assert (pin["version"], pin["until"], pin["who"]) == (OLDER_MODEL, None, "oncall")
    assert ask("GET", "/admin/stats").json["model_pinned"] == OLDER_MODEL
    assert ask("POST", "/admin/models/unpin").json == {"version": OLDER_MODEL, "unpinned": True}
    assert ask("GET", "/admin/model-info").json["pinned"] is None
    assert ask("GET", "/admin/stats").json["model_version"] == OLDER_MODEL


def test_a_rollback_may_end_and_have_a_reason(ask: Caller) -> None:
    body = {"seconds": 3600, "reason": "flags our partners"}
    found = ask("POST", f"/admin/models/{OLDER_MODEL}/rollback", json=body).json
    assert found["until"] is not None
    assert found["reason"] == "flags our partners"
    assert ask("GET", "/admin/model-info").json["pinned"]["reason"] == "flags our partners"
    assert ask("GET", "/admin/stats").json["model_pinned_until"] == found["until"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"seconds": 0}, "seconds"),
        ({"seconds": "60"}, "seconds"),
        ({"seconds": 1e9}, "seconds"),
        ({"hours": 1}, "hours"),
        ({"reason": "a\nb"}, "reason"),
        ({"reason": "x" * 501}, "reason"),
    ],
    ids=str,
)
def test_a_rollback_that_is_not_allowed_changes_nothing(
    ask: Caller, body: dict[str, object], field: str
) -> None:
    response = ask("POST", f"/admin/models/{OLDER_MODEL}/rollback", json=body)
    assert field in problem_of(response, 422)["errors"]
    assert ask("GET", "/admin/stats").json["model_version"] == MODEL


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "application/json", 200),
        (b"", "application/json", 200),
        (b"", None, 200),
    ],
)
def test_a_body_that_is_sent_must_be_json(
    ask: Caller, data: bytes, kind: str | None, status: int
) -> None:
    path = f"/admin/models/{OLDER_MODEL}/rollback"
    assert ask("POST", path, data=data, content_type=kind).status_code == status


def test_the_old_name_of_a_rollback_pins_too(ask: Caller) -> None:
    assert ask("POST", f"/admin/models/{OLDER_MODEL}/activate").json["pinned"] is True
    assert ask("GET", "/admin/stats").json["model_pinned"] == OLDER_MODEL
    document = ask("GET", "/admin/openapi.json").json
    paths = document["paths"]
    assert paths["/admin/models/{version}/activate"]["post"]["deprecated"] is True
    assert "deprecated" not in paths["/admin/models/{version}/rollback"]["post"]


def test_without_a_pin_there_is_none_to_take_back(ask: Caller) -> None:
    assert problem_of(ask("POST", "/admin/models/unpin"), 404)["detail"] == "No model is pinned."


def test_changes_are_audited_the_latest_first(ask: Caller) -> None:
    ask("PUT", "/admin/mode", json={"mode": "off"})
    ask("POST", f"/admin/reset/{KNOWN}")
    found = ask("GET", "/admin/audit").json
    assert [change["action"] for change in found["changes"]] == ["reset", "mode"]
    assert found["changes"][1]["before"] == {"mode": "enforce"}
    assert found["changes"][1]["after"] == {"mode": "off"}
    assert found["total"] == 2


def test_the_audit_log_comes_in_pages(ask: Caller) -> None:
    ask("POST", f"/admin/reset/{KNOWN}")
    for mode in ("off", "shadow", "enforce"):
        ask("PUT", "/admin/mode", json={"mode": mode})
    response = ask("GET", "/admin/audit?page=2&page_size=3")
    assert [change["action"] for change in response.json["changes"]] == ["reset"]
    assert json.loads(response.headers["X-Pagination"]) == {
        "total": 4,
        "total_pages": 2,
        "first_page": 1,
        "last_page": 2,
        "page": 2,
        "previous_page": 1,
    }


def test_an_empty_list_has_no_pages(ask: Caller) -> None:
    response = ask("GET", "/admin/audit")
    assert response.json["changes"] == []
    assert json.loads(response.headers["X-Pagination"]) == {"total": 0, "total_pages": 0}


@pytest.mark.parametrize(
    "call",
    [
        ("GET", "/admin/stats"),
        ("GET", "/admin/client/203.0.113.7"),
        ("POST", "/admin/reset/203.0.113.7"),
        ("POST", "/admin/train"),
        ("GET", "/admin/audit"),
    ],
)
def test_without_the_store_the_answer_is_503(
    ask: Caller, worker: Worker, call: tuple[str, str]
) -> None:
    break_store(worker.store, StoreError("no answer within 0.05 s", kind="timeout"))
    response = ask(*call)
    assert "no answer within 0.05 s" in problem_of(response, 503)["detail"]
    assert response.headers["Retry-After"] == "1"


def test_answers_are_kept_by_no_cache(ask: Caller, ask_as_nobody: Caller) -> None:
    for response in (ask("GET", "/admin/stats"), ask_as_nobody("GET", "/admin/stats")):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_no_other_site_may_read_answers(ask: Caller) -> None:
    headers = {"Origin": "https://other.example", "Access-Control-Request-Method": "PUT"}
    for method in ("GET", "OPTIONS"):
        response = ask(method, "/admin/stats", headers=headers)
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_answers_can_be_read_on_a_terminal(ask: Caller) -> None:
    shown = ask("GET", "/admin/mode").text
    assert shown == '{\n  "mode": "enforce"\n}\n'
    wrong = ask("PUT", "/admin/mode", json={}).text
    assert wrong.endswith("}\n")
    assert '\n  "detail": "mode: ' in wrong


def test_what_matters_most_comes_first(ask: Caller) -> None:
    found = json.loads(ask("GET", f"/admin/client/{KNOWN}").data)
    assert list(found)[:7] == [
        *("client", "label", "step", "factor", "limit", "score", "is_anomalous"),
    ]
    assert list(found)[-4:] == ["rules", "why", "listed", "features"]
    assert next(iter(json.loads(ask("GET", "/admin/stats").data))) == "total_requests"


def test_a_value_in_a_list_that_is_not_allowed_is_named_by_its_place(ask: Caller) -> None:
    found = problem_of(ask("PUT", "/admin/limits", json={"further_factors": [0.1, 2, "x"]}), 422)
    assert found["errors"] == {
        "further_factors": [
            "Item 2: Must be greater than or equal to 0 and less than or equal to 1.",
            "Item 3: Not a valid number.",
        ]
    }


def test_of_a_long_list_no_more_is_told_than_can_be_read(ask: Caller) -> None:
    found = problem_of(ask("PUT", "/admin/limits", json={"further_factors": [2] * 10_000}), 422)
    assert len(found["errors"]["further_factors"]) == 20


@pytest.mark.parametrize(("method", "told"), [("GET", False), ("PUT", True)])
def test_without_the_store_a_change_may_be_sent_again(
    ask: Caller, worker: Worker, method: str, told: bool
) -> None:
    break_store(worker.store, StoreError("no answer"))
    found = problem_of(ask(method, "/admin/mode", json={"mode": "off"}), 503)
    assert ("send it again" in found["detail"]) is told


@pytest.mark.parametrize("entry", [b"", b"[]", b'{"at": 1}', b'{"at": NaN}'])
def test_a_foreign_entry_in_the_audit_log_is_left_out(
    ask: Caller, worker: Worker, entry: bytes
) -> None:
    worker.store.add_audit(entry)
    response = ask("GET", "/admin/audit")
    assert (response.status_code, response.json["changes"]) == (200, [])


# campaigns


def test_campaigns_are_listed_and_ended(ask: Caller) -> None:
    [found] = ask("GET", "/admin/campaigns").json["campaigns"]
    assert (found["id"], found["target"], found["clients"]) == (CAMPAIGN.id, "/login", 213)
    assert found["since"] == "2023-11-14T22:13:20Z"
    ended = ask("POST", f"/admin/campaigns/{CAMPAIGN.id}/end", json={"reason": "ours"}).json
    assert (ended["id"], ended["kind"]) == (CAMPAIGN.id, "login")
    assert ask("GET", "/admin/campaigns").json == {"campaigns": []}
    [entry] = ask("GET", "/admin/audit").json["changes"]
    assert (entry["action"], entry["target"], entry["reason"]) == (
        "end_campaign",
        CAMPAIGN.id,
        "ours",
    )
    problem_of(ask("POST", f"/admin/campaigns/{CAMPAIGN.id}/end"), 404)


def test_a_campaign_is_ended_for_a_time(ask: Caller, clock: Clock) -> None:
    path = f"/admin/campaigns/{CAMPAIGN.id}/end"
    problem_of(ask("POST", path, json={"seconds": 0}), 422)
    problem_of(ask("POST", path, json={"seconds": 5, "until": "2099-01-01T00:00:00Z"}), 422)
    ended = ask("POST", path, json={"seconds": 86_400}).json
    assert ended["until"] == when(clock() + 86_400)
    assert ended["released"] == 0
