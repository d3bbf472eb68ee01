"""Hold the words: what an operator does is called alike in all places where it can be done."""

from __future__ import annotations

import ast
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from flask_irl.cli import irl
from flask_irl.operations import Operations
from flask_irl.stores.memory.store import MemoryStore
from tests.admin.api import Caller, make_app
from tests.operations.worker import Worker

OPERATIONS: Final = Path(__file__).parents[1] / "flask_irl" / "operations"
CLIENT: Final = "/admin/client/{id}"


class Word(NamedTuple):
    """Name what an operator does, in each place.

    Attributes:
        command: The command.
        endpoints: Operation ids of the admin API, by method and path.
        action: The action in the audit log; empty for what changes nothing.
        python: The method of the operations.
        other: Names above that are others than the word, each with its reason.
    """

    command: str
    endpoints: dict[str, str] = {}  # noqa: RUF012 - never changed
    action: str = ""
    python: str = ""
    other: dict[str, str] = {}  # noqa: RUF012 - never changed


PUT_OVERRIDE: Final = {f"PUT {CLIENT}/override": "override"}
KIND: Final = {"override": "its kind is the word"}
INFO: Final = {"model_info": "the contract's path is /model-info"}
OF_KEYS: Final = "keys has a command for each: irl keys issue"
WORDS: Final = (
    Word("status", {"GET /admin/status": "status"}, python="status.read"),
    Word("find", python="clients.find"),
    Word("clients", {"GET /admin/clients": "clients"}, python="clients.ranked"),
    Word("client", {f"GET {CLIENT}": "client"}, python="clients.describe"),
    Word("block", PUT_OVERRIDE, "override", "overrides.set", KIND),
    Word("allow", PUT_OVERRIDE, "override", "overrides.set", KIND),
    Word("override", PUT_OVERRIDE, "override", "overrides.set"),
    Word("clear", {f"DELETE {CLIENT}/override": "clear"}, "clear", "overrides.clear"),
    Word("feedback", {f"POST {CLIENT}/feedback": "feedback"}, "feedback", "clients.feedback"),
    Word("reset", {"POST /admin/reset/{id}": "reset"}, "reset", "clients.reset"),
    Word("train", {"POST /admin/train": "train"}, "train", "models.train"),
    Word("model", {"GET /admin/model-info": "model_info"}, python="models.describe", other=INFO),
    Word("models", {"GET /admin/models": "models"}, python="models.versions"),
    Word(
        "rollback",
        {
            "POST /admin/models/{version}/rollback": "rollback",
            "POST /admin/models/{version}/activate": "activate_model",
        },
        "rollback",
        "models.rollback",
        {"activate_model": "its old name, deprecated"},
    ),
    Word("unpin", {"POST /admin/models/unpin": "unpin"}, "unpin", "models.unpin"),
    Word(
        "limits",
        {"GET /admin/limits": "limits", "PUT /admin/limits": "change_limits"},
        "limits",
        "site.set_limits",
        {"change_limits": "the change of what the word shows"},
    ),
    Word(
        "mode",
        {"GET /admin/mode": "mode", "PUT /admin/mode": "change_mode"},
        "mode",
        "site.set_mode",
        {"change_mode": "the change of what the word shows"},
    ),
    Word(
        "campaigns",
        {
            "GET /admin/campaigns": "campaigns",
            "POST /admin/campaigns/{campaign}/end": "end_campaign",
        },
        "end_campaign",
        "campaigns.running",
        {"end_campaign": "the change of what the word shows"},
    ),
    Word("incidents", {"GET /admin/incidents": "incidents"}, python="incidents"),
    Word("report", {"GET /admin/report": "report"}, python="report"),
    Word(
        "plans",
        {
            "GET /admin/plans": "plans",
            "PUT /admin/plans": "change_plans",
            "GET /admin/plans/clients": "assigned_plans",
        },
        "plans",
        "plans.change",
        {
            "change_plans": "the change of what the word shows",
            "assigned_plans": "the command has it as an option",
        },
    ),
    Word(
        "plan",
        {f"PUT {CLIENT}/plan": "assign_plan", f"DELETE {CLIENT}/plan": "unassign_plan"},
        "plan",
        "plans.assign",
        {"assign_plan": "the method of the path's plan", "unassign_plan": "the command's --clear"},
    ),
    *(
        Word("keys", {place: name}, action, f"api_keys.{method}", {name: OF_KEYS})
        for place, name, action, method in (
            ("GET /admin/api-keys", "api_keys", "", "page"),
            ("GET /admin/api-keys/{key}", "api_key", "", "show"),
            *(
                (place, f"{verb}_api_key", f"{verb}_api_key", verb)
                for place, verb in (
                    ("POST /admin/api-keys", "issue"),
                    ("PATCH /admin/api-keys/{key}", "change"),
                    ("POST /admin/api-keys/{key}/rotate", "rotate"),
                    ("POST /admin/api-keys/{key}/revoke", "revoke"),
                )
            ),
        )
    ),
    Word("audit", {"GET /admin/audit": "audit"}, python="audit.entries"),
)
RECORDING: Final = ("record", "_audited", "_change_audited")
"""Methods that record a change, given the operator and the action."""
ONLY_COMMANDS: Final = {"replay", "trainer", "migrate", "tenants", "top"}
"""Commands that run for long or write source, for which the API has no place, and those that need
no operations."""
ONLY_UNDONE: Final = {"restore", "resume_campaign"}
"""Actions of those who take a change back."""
ONLY_ENDPOINTS: Final = {
    "GET /admin/stats": "stats",
    "GET /admin/history": "history",
    "GET /admin/course/{id}": "course",
    "GET /admin/tenants": "tenants",
}
"""The contract's counters, which the command status shows; columns for charts; a course, which the
command client sums up; and those that need no operations."""


@pytest.fixture(scope="module")
def operations() -> Operations:
    return Worker(MemoryStore(), {}).operations


def audited_actions() -> set[str]:
    """Find the actions that operations record, as a text or by a constant of their module."""
    actions = set()
    for path in OPERATIONS.glob("*.py"):
        module = import_module(f"flask_irl.operations.{path.stem}")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in RECORDING:
                match call.args[1]:
                    case ast.Constant(value=str(action)):
                        actions.add(action)
                    case ast.Name(id=name) if hasattr(module, name):
                        actions.add(getattr(module, name))
    return actions


def test_every_command_has_its_word() -> None:
    assert {word.command for word in WORDS} | ONLY_COMMANDS == set(irl.commands)


def test_every_endpoint_has_its_word(operations: Operations) -> None:
    document: dict[str, Any] = Caller(make_app(operations).test_client())(
        "GET", "/admin/openapi.json"
    ).json
    found = {
        f"{method.upper()} {path}": operation["operationId"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    }
    told = {place: name for word in WORDS for place, name in word.endpoints.items()}
    assert {**told, **ONLY_ENDPOINTS} == found


def test_every_audited_action_has_its_word() -> None:
    told = {word.action for word in WORDS} - {""}
    assert told | ONLY_UNDONE == audited_actions()


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.command)
def test_a_word_is_the_same_in_all_places(word: Word, operations: Operations) -> None:
    names = {*word.endpoints.values(), word.action} - {"", word.command}
    assert names == word.other.keys()
    assert callable(attrgetter(word.python)(operations))
