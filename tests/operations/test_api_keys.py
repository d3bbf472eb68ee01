"""Test the operations on API keys: what they check, record and list."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from flask_irl.api_keys.text import id_in
from flask_irl.errors import ConfigurationError
from flask_irl.operations.api_keys import KEPT_SECONDS
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.events import ValueDamaged
from tests.conftest import Clock
from tests.operations.worker import ADA, Worker
from tests.recorder import Recorder

OPTIONS = {"api_keys": True, "api_key_secret": "a secret of the tests"}


@pytest.fixture
def worker(clock: Clock) -> Worker:
    """Make a worker with API keys and a plan."""
    plans = {"pro": "600/minute"}
    return Worker(MemoryStore(clock=clock), {**OPTIONS, "plans": plans}, listener=Recorder())


@pytest.fixture
def issue(worker: Worker) -> Callable[..., Any]:
    """Issue keys."""
    return lambda **more: worker.operations.api_keys.issue(
        **{"name": "export", "owner": "acme", "who": ADA, **more}
    )


def test_an_issued_key_is_described_with_its_text_once(
    worker: Worker, issue: Callable[..., Any], clock: Clock
) -> None:
    issued = issue(scopes=["b", "a", "b"], plan="pro", expires_at=clock() + 60, environment="test")
    assert id_in(issued["key"]) == issued["id"]
    found = worker.operations.api_keys.show(issued["id"])
    assert found == {name: value for name, value in issued.items() if name != "key"}
    assert found["prefix"] == f"irl_test_{found['id']}"
    assert (found["scopes"], found["plan"], found["state"]) == (["b", "a"], "pro", "valid")
    clock.advance(60)
    again = worker.operations.api_keys.show(issued["prefix"])
    assert again is not None
    assert again["state"] == "expired"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "name is empty"),
        ({"name": "a\nb"}, "name is"),
        ({"name": "x" * 101}, "name is too long"),
        ({"owner": 5}, "owner is 5"),
        ({"owner": "\udc80"}, "owner is"),
        ({"scopes": "export"}, "scopes is 'export'"),
        ({"scopes": ["a b"]}, "scopes is"),
        ({"scopes": [f"s{n}" for n in range(33)]}, "at most 32"),
        ({"plan": "gold"}, "there are: pro"),
        ({"expires_at": 5.0}, "expires_at is 1970-01-01T00:00:05Z"),
        ({"expires_at": float("nan")}, "expires_at is nan"),
        ({"expires_at": "2030"}, "expires_at is '2030'"),
        ({"environment": "prod"}, "one of live, test"),
        ({"reason": "x" * 501}, "reason is too long"),
    ],
)
def test_what_is_not_allowed_is_named_and_nothing_is_done(
    worker: Worker, issue: Callable[..., Any], change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        issue(**change)
    assert worker.operations.audit.entries()[1] == 0
    assert worker.operations.api_keys.page() == ([], 0)


def test_every_change_is_audited_without_any_text(
    worker: Worker, issue: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    keys = worker.operations.api_keys
    issued = issue(reason="contract")
    rotated = keys.rotate(issued["id"], who=ADA)
    keys.change(issued["client"], {"scopes": ["x"]}, who=ADA)
    keys.revoke(issued["prefix"], who=ADA, reason="published")
    entries = worker.operations.audit.entries()[0]
    assert [(entry["action"], entry["reason"]) for entry in entries] == [
        ("revoke_api_key", "published"),
        ("change_api_key", ""),
        ("rotate_api_key", ""),
        ("issue_api_key", "contract"),
    ]
    assert {entry["target"] for entry in entries} == {issued["client"]}
    assert entries[1]["before"] is not None
    assert entries[1]["after"] is not None
    assert (entries[1]["before"]["scopes"], entries[1]["after"]["scopes"]) == ([], ["x"])
    assert rotated is not None
    shown = repr(entries) + caplog.text
    for text in (issued["key"], rotated["key"]):
        assert text not in shown
        assert text[19:] not in shown


def test_a_revoked_key_stays_so(worker: Worker, issue: Callable[..., Any], clock: Clock) -> None:
    keys, issued = worker.operations.api_keys, issue()
    first = keys.revoke(issued["id"], who=ADA)
    clock.advance(60)
    again = keys.revoke(issued["id"], who=ADA)
    assert first is not None
    assert again is not None
    assert again["revoked_at"] == first["revoked_at"] == clock() - 60
    with pytest.raises(ConfigurationError, match="revoked for good"):
        keys.rotate(issued["id"], who=ADA)
    with pytest.raises(ConfigurationError, match="revoked for good"):
        keys.change(issued["id"], {"name": "x"}, who=ADA)


@pytest.mark.parametrize("grace", [-1.0, 91 * 86_400.0, float("inf"), True, "5"])
def test_a_grace_is_bounded(worker: Worker, issue: Callable[..., Any], grace: Any) -> None:
    with pytest.raises(ConfigurationError, match="grace_seconds"):
        worker.operations.api_keys.rotate(issue()["id"], who=ADA, grace_seconds=grace)


def test_no_change_of_a_key_that_there_is_not(worker: Worker) -> None:
    keys = worker.operations.api_keys
    for key in ("7f3aK9xQ2m", "", "irl_live_", "key:x", "../x", "*", "irl_live_7f3aK9xQ2m"):
        assert keys.show(key) is None
        assert keys.rotate(key, who=ADA) is None
        assert keys.revoke(key, who=ADA) is None
        assert keys.change(key, {"name": "x"}, who=ADA) is None
    assert worker.operations.audit.entries()[1] == 0


def test_only_some_things_can_be_changed(worker: Worker, issue: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="'created' can't be changed"):
        worker.operations.api_keys.change(issue()["id"], {"created": 5}, who=ADA)


def test_keys_are_paged_and_found_by_prefix_and_owner(
    worker: Worker, issue: Callable[..., Any]
) -> None:
    keys = worker.operations.api_keys
    issued = [issue(owner=f"acme-{number % 2}") for number in range(30)]
    found: list[str] = []
    for offset in range(0, 30, 7):
        page, total = keys.page(offset=offset, limit=7)
        assert total == 30
        found += [key["id"] for key in page]
    assert sorted(found) == sorted(key["id"] for key in issued)
    one = issued[0]
    for prefix in (one["prefix"], one["id"], one["client"], one["key"], one["prefix"][:-1]):
        assert one["id"] in [key["id"] for key in keys.page(prefix=prefix)[0]]
    assert keys.page(owner="acme")[1] == 30
    assert keys.page(owner="acme-1")[1] == 15
    assert keys.page(owner="acme-0", prefix=one["prefix"])[1] == 1
    assert keys.page(owner="acme-1", prefix=one["prefix"]) == ([], 0)
    assert keys.page(prefix="irl_test_") == ([], 0)


def test_an_owner_that_changed_is_found_by_the_new_one_alone(
    worker: Worker, issue: Callable[..., Any]
) -> None:
    keys, issued = worker.operations.api_keys, issue()
    keys.change(issued["id"], {"owner": "globex"}, who=ADA)
    assert (keys.page(owner="acme")[1], keys.page(owner="globex")[1]) == (0, 1)


def test_a_key_that_has_ended_leaves_the_list_in_time(
    worker: Worker, issue: Callable[..., Any], clock: Clock
) -> None:
    keys, issued = worker.operations.api_keys, issue()
    issue(expires_at=clock() + 60)
    keys.revoke(issued["id"], who=ADA)
    assert keys.page()[1] == 2
    clock.advance(KEPT_SECONDS)
    assert keys.page()[1] == 1
    clock.advance(60)
    assert keys.page() == ([], 0)


def test_a_damaged_record_is_counted_and_left_out(
    worker: Worker, issue: Callable[..., Any]
) -> None:
    issued = issue()
    worker.store._api_keys[issued["id"]] = (b"12345678{}", float("inf"))  # type: ignore[attr-defined]
    assert worker.operations.api_keys.show(issued["id"]) is None
    listener = worker.limiter.listener
    assert isinstance(listener, Recorder)
    assert listener.of(ValueDamaged) == [ValueDamaged("api_key", 1)]


def test_without_the_option_nothing_is_issued(clock: Clock) -> None:
    keys = Worker(MemoryStore(clock=clock), {}).operations.api_keys
    assert not keys.enabled
    with pytest.raises(ConfigurationError, match="IRL_API_KEYS"):
        keys.issue(name="n", owner="o", who=ADA)
    assert keys.page() == ([], 0)
