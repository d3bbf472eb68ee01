"""Test the endpoint that shows the site on one screen, and times and old names of all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from flask_irl.errors import StoreError
from flask_irl.operations import Operations
from flask_irl.operations.moments import MOMENT_NAME, with_moments
from tests.admin.api import Caller, moment
from tests.admin.site import KNOWN, MODEL, OLDER_MODEL
from tests.conftest import Clock
from tests.operations.worker import Worker, break_store

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def members(document: Any) -> Iterator[tuple[str, Any]]:
    """Walk through the members of answers."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield name, value
            yield from members(value)
    elif isinstance(document, list):
        for value in document:
            yield from members(value)


@pytest.fixture
def document(ask_as_nobody: Caller) -> dict[str, Any]:
    """Give the OpenAPI document."""
    found: dict[str, Any] = ask_as_nobody("GET", "/admin/openapi.json").json
    return found


def test_the_status_is_that_of_the_command_for_whoever_may_read(
    ask_reading: Caller, operations: Operations, clock: Clock
) -> None:
    found = ask_reading("GET", "/admin/status").json
    expected = with_moments(operations.status.read())
    assert found["store"].pop("milliseconds") >= 0
    expected["store"].pop("milliseconds")
    assert found == expected
    assert (found["clients"]["flagged"], found["model_version"]) == (1, MODEL)


def test_the_status_tells_of_a_store_that_does_not_answer(ask: Caller, worker: Worker) -> None:
    break_store(worker.store, StoreError("no answer within 50 ms", kind="timeout"))
    response = ask("GET", "/admin/status")
    assert response.status_code == 200
    assert response.json["store"]["answers"] is False
    assert response.json["store"]["error"] == "no answer within 50 ms"
    assert (response.json["now"], response.json["mode"]) == (None, "enforce")


def test_the_status_tells_of_a_rollback(ask: Caller) -> None:
    ask("POST", f"/admin/models/{OLDER_MODEL}/activate")
    found = ask("GET", "/admin/status").json
    assert found["rollback"] == {
        **{"version": OLDER_MODEL, "newest": MODEL},
        "until": None,
    }


# Times


def test_every_member_that_is_a_moment_is_documented_as_one(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    properties = [pair for schema in schemas.values() for pair in schema["properties"].items()]
    moments = {name for name, schema in properties if schema.get("format") == "date-time"}
    assert {name for name, _ in properties if MOMENT_NAME.search(name)} == moments
    assert {"first_seen", "last_seen", "until", "at", "trained_at"} <= moments


def test_every_moment_that_is_answered_is_in_iso(ask: Caller, clock: Clock) -> None:
    change = {"kind": "block", "seconds": 90}
    ask("PUT", f"/admin/client/{KNOWN}/override", json=change)
    ask("POST", "/admin/train")
    paths = ("status", f"client/{KNOWN}", "clients", "audit", "model-info", "models", "stats")
    answers = [ask("GET", f"/admin/{path}").json for path in paths]
    found = [value for name, value in members(answers) if MOMENT_NAME.search(name)]
    assert len(found) > 9
    assert [value for value in found if value is not None and not ISO.fullmatch(value)] == []
    assert answers[1]["override"]["until"] == moment(clock() + 90)
    assert answers[3]["changes"][1]["after"]["until"] == moment(clock() + 90)


def test_a_client_that_never_came_was_never_seen(ask: Caller) -> None:
    ask("PUT", "/admin/client/192.0.2.99/override", json={"kind": "block"})
    found = ask("GET", "/admin/client/192.0.2.99").json
    assert (found["first_seen"], found["last_seen"]) == (None, None)


# Old names


def test_an_old_name_has_the_value_of_the_new_one_and_is_marked(
    ask: Caller, document: dict[str, Any]
) -> None:
    for path, schema in (("stats", "Stats"), ("status", "Status")):
        found = ask("GET", f"/admin/{path}").json
        assert found["hit_rate"] == found["refused_share"]
        properties = document["components"]["schemas"][schema]["properties"]
        assert properties["hit_rate"]["deprecated"] is True
        assert "deprecated" not in properties["refused_share"]


def test_what_waits_to_be_learned_from_is_one_number_beside_the_mapping(ask: Caller) -> None:
    found = ask("GET", "/admin/stats").json
    assert (found["waiting"], found["buffer_size"]) == (1, {KNOWN: 1})
