"""Record changes in the audit log; have every operation say when the store is out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from flask_irl.errors import StoreError
from flask_irl.limits.limit import Limit
from flask_irl.limits.route_scope import RouteScope
from flask_irl.operations import Operations
from flask_irl.operations.results import AuditEntry
from flask_irl.stores.memory.store import MemoryStore
from tests.conftest import Clock
from tests.operations.worker import ADA, Site, Worker, break_store, override

# Audit log


def test_changes_are_told_newest_first_and_in_pages(site: Site, here: Worker) -> None:
    for mode in ("shadow", "off", "enforce"):
        here.operations.site.set_mode(mode, ADA)
        site.clock.advance(1)
    entries, _ = here.operations.audit.entries(offset=0, limit=2)
    assert [entry["after"] for entry in entries] == [{"mode": "enforce"}, {"mode": "off"}]
    assert [site.clock() - entry["at"] for entry in entries] == [1.0, 2.0]
    entries, total = here.operations.audit.entries(offset=2, limit=2)
    assert ([entry["after"] for entry in entries], total) == ([{"mode": "shadow"}], 3)


def test_asking_is_not_audited(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    for ask in (
        here.operations.site.stats,
        here.operations.site.limits,
        here.operations.site.mode,
        here.operations.clients.ranked,
        here.operations.models.versions,
        here.operations.models.describe,
        lambda: here.operations.clients.describe("c"),
    ):
        ask()
    assert here.audited() == []


def test_a_change_is_logged_as_it_is_audited(
    here: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask_irl")
    here.operations.site.set_limits({"base_limit": 5}, ADA)
    override(here, "block", "c", reason="Too keen.\nIs it?")
    lines = [r for r in caplog.records if getattr(r, "irl_event", "") == "admin_change"]
    logged = [vars(record)["irl_fields"] for record in lines]
    audited = [
        {k: v for k, v in entry.items() if k not in ("at", "tenant")} for entry in here.audited()
    ]
    assert logged == audited[::-1]
    assert lines[0].getMessage() == (
        'admin_change who=ada action=limits target="" before="{\'base_limit\': 10}" '
        'after="{\'base_limit\': 5}" reason=""'
    )
    assert "\n" not in lines[1].getMessage()


def test_a_change_is_logged_even_if_it_can_not_be_audited(
    here: Worker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "flask_irl")

    def fail(_: bytes) -> None:
        raise StoreError("out", kind="timeout")

    monkeypatch.setattr(here.store, "add_audit", fail)
    with pytest.raises(StoreError):
        here.operations.site.set_mode("shadow", ADA)
    assert "admin_change who=ada action=mode" in caplog.text


# Damaged entries

ENTRY: dict[str, Any] = {
    **{"at": 1_700_000_000.5, "who": "bob", "action": "override", "target": "c"},
    **{"before": None, "after": {"kind": "block", "until": 1.5, "amount": 0}, "reason": "Why."},
}


OTHER_TYPES: list[dict[str, Any]] = [
    {"at": None},
    {"at": "1700000000"},
    {"at": True},
    {"at": -1},
    {"at": 1e12},
    {"at": 10**400},
    {"at": float("nan")},
    {"who": None},
    {"action": 5},
    {"target": ["c"]},
    {"reason": {}},
    {"before": "block"},
    {"after": ["block"]},
    {"after": {"kind": {"block": {}}}},
    {"after": {"kind": [["block"]]}},
    {"after": {"until": float("inf")}},
]


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\xff",
        b"{",
        b'"c"',
        b"[" * 100_000 + b'"c"',
        b'{"target": "c"}',
        json.dumps([ENTRY]).encode(),
        *(json.dumps({**ENTRY, **change}).encode() for change in OTHER_TYPES),
        json.dumps({**ENTRY, "at": 0}).encode().replace(b"0", b"1e999", 1),
        *(
            json.dumps({n: v for n, v in ENTRY.items() if n != name}).encode()
            for name in ENTRY
            if name != "target"
        ),
    ],
)
def test_a_damaged_entry_is_left_out_and_logged(
    here: Worker, caplog: pytest.LogCaptureFixture, blob: bytes
) -> None:
    override(here, "block", reason="Scrapes.")
    here.store.add_audit(blob)
    entries, total = here.operations.audit.entries()
    assert ([entry["reason"] for entry in entries], total) == (["Scrapes."], 2)
    result = here.operations.clients.describe("c")
    assert result is not None
    assert result["override"] is not None
    assert (result["override"]["reason"], result["override"]["who"]) == ("Scrapes.", ADA)
    assert "audit_entry_damaged" in caplog.text


def test_an_entry_of_a_later_version_is_read_as_far_as_it_is_known(here: Worker) -> None:
    here.store.add_audit(json.dumps({**ENTRY, "more": {"nested": [{}]}}).encode())
    assert here.audited() == [{**ENTRY, "tenant": ""}]


@pytest.mark.parametrize(("written", "read"), [("a", "a"), (5, ""), (None, "")])
def test_an_entry_names_its_tenant(here: Worker, written: object, read: str) -> None:
    here.store.add_audit(json.dumps({**ENTRY, "tenant": written}).encode())
    assert here.audited() == [{**ENTRY, "tenant": read}]


# Without the store

KEY_ID = "0" * 10
END: AuditEntry = {
    "at": 1.0,
    "who": ADA,
    "action": "end_campaign",
    "target": "4189c322",
    "before": {
        **{"kind": "login", "target": "/login", "sort": "direct", "since": 1.0, "clients": 5.0},
        **{"requests": 9.0, "per_minute": 0.5, "slow": False},
    },
    "after": {"until": 9e9},
    "reason": "",
    "tenant": "",
}
ALL: dict[str, Callable[[Operations], object]] = {
    "site.stats": lambda o: o.site.stats(),
    "site.limits": lambda o: o.site.limits(),
    "site.set_limits": lambda o: o.site.set_limits({"base_limit": 5}, ADA),
    "site.mode": lambda o: o.site.mode(),
    "site.set_mode": lambda o: o.site.set_mode("off", ADA),
    "clients.describe": lambda o: o.clients.describe("c"),
    "clients.key_of": lambda o: o.clients.key_of("2001:db8::1"),
    "clients.key_of_name": lambda o: o.clients.key_of_name("2001:db8::1"),
    "clients.count_held": lambda o: o.clients.count_held(),
    "clients.is_known": lambda o: o.clients.is_known("c"),
    "clients.examples": lambda o: o.clients.examples(),
    "clients.ranked": lambda o: o.clients.ranked(),
    "clients.ranked at a step": lambda o: o.clients.ranked(step=1),
    "clients.find": lambda o: o.clients.find("a"),
    "clients.find among all": lambda o: o.clients.find("a", everybody=True),
    "clients.same_group": lambda o: o.clients.same_group("/"),
    "clients.reset": lambda o: o.clients.reset("c", ADA),
    "clients.restore": lambda o: o.clients.restore({**END, "action": "reset"}, ADA),
    "clients.reset_all": lambda o: o.clients.reset_all(ADA),
    "clients.feedback": lambda o: o.clients.feedback("c", "good", ADA),
    "overrides.set": lambda o: o.overrides.set(
        "c", "block", amount=0, seconds=60, reason="", who=ADA
    ),
    "overrides.clear": lambda o: o.overrides.clear("c", ADA),
    "overrides.restore": lambda o: o.overrides.restore("c", None, "", ADA),
    "overrides.in_force": lambda o: o.overrides.in_force("c"),
    "campaigns.running": lambda o: o.campaigns.running(),
    "campaigns.end": lambda o: o.campaigns.end("4189c322", ADA),
    "campaigns.held": lambda o: o.campaigns.held("4189c322"),
    "campaigns.muted": lambda o: o.campaigns.muted(),
    "campaigns.muted_until": lambda o: o.campaigns.muted_until(END),
    "campaigns.resume": lambda o: o.campaigns.resume(END, ADA),
    "models.train": lambda o: o.models.train(ADA),
    "models.start_training": lambda o: o.models.start_training(ADA),
    "models.describe": lambda o: o.models.describe(),
    "models.realised": lambda o: o.models.realised(),
    "models.versions": lambda o: o.models.versions(),
    "models.rollback": lambda o: o.models.rollback(1, ADA),
    "models.unpin": lambda o: o.models.unpin(ADA),
    "models.pinned": lambda o: o.models.pinned(),
    "models.in_force": lambda o: o.models.in_force(),
    "audit.entries": lambda o: o.audit.entries(),
    "audit.latest_of": lambda o: o.audit.latest_of("override", ["c"]),
    "audit.record": lambda o: o.audit.record(ADA, "mode", ""),
    "audit.of_target": lambda o: o.audit.of_target("c"),
    "plans.read": lambda o: o.plans.read(),
    "plans.change": lambda o: o.plans.change({"plans": {"free": "5/minute"}}, ADA),
    "plans.assigned": lambda o: o.plans.assigned(),
    "plans.assign": lambda o: o.plans.assign("c", "pro", seconds=60, reason="", who=ADA),
    "plans.in_force": lambda o: o.plans.in_force(["pro"]),
    "plans.restore": lambda o: o.plans.restore({"pro": ["5 per 60 seconds"]}, ADA),
    "plans.assignment": lambda o: o.plans.assignment("c"),
    "plans.restore_assignment": lambda o: o.plans.restore_assignment("c", None, "", ADA),
    "plans.of_client": lambda o: o.plans.of_client("c"),
    "plans.unassign": lambda o: o.plans.unassign("c", ADA),
    "api_keys.issue": lambda o: o.api_keys.issue(name="a", owner="b", who=ADA),
    "api_keys.rotate": lambda o: o.api_keys.rotate(KEY_ID, who=ADA),
    "api_keys.revoke": lambda o: o.api_keys.revoke(KEY_ID, who=ADA),
    "api_keys.change": lambda o: o.api_keys.change(KEY_ID, {"name": "c"}, who=ADA),
    "api_keys.page": lambda o: o.api_keys.page(),
    "api_keys.show": lambda o: o.api_keys.show(KEY_ID),
    "quota.left": lambda o: o.quota.left("c"),
    "undo.latest": lambda o: o.undo.latest("ada", "c"),
    "undo.find": lambda o: o.undo.find(1.0, "c"),
    "undo.undo": lambda o: o.undo.undo(1.0, "c", ADA),
    "what_if.threshold": lambda o: o.what_if.threshold(-0.5),
    "what_if.base_limit": lambda o: o.what_if.base_limit(5, 60),
    "what_if.plan": lambda o: o.what_if.plan("pro", "5/minute"),
    "what_if.route": lambda o: o.what_if.route(RouteScope("a", (("GET", "/"),)), "5/minute"),
    "what_if.assignment": lambda o: o.what_if.assignment("c", "pro"),
    "course": lambda o: o.course("c"),
    "history": lambda o: o.history(),
    "report": lambda o: o.report(),
    "incidents": lambda o: o.incidents(),
    "incident": lambda o: o.incident("4189c322"),
    "analytics.read": lambda o: o.analytics.read(),
    "analytics.today": lambda o: o.analytics.today(),
    "analytics.named": lambda o: o.analytics.named(["c"]),
}
NOT_ASKING = {
    *("top", "seconds", "undo.can_undo", "api_keys.enabled", "clients.knows_countries"),
    *("site.configured", "site.settings", "models.features_in_use"),
}
"""Operations that tell of a store that is out, as the parts of ``status`` do, or need none."""
NO_OPERATIONS = {"status", "store"}


@pytest.fixture
def without_store(clock: Clock) -> Operations:
    """Make operations on a limiter whose store doesn't answer."""
    options = {
        "plans": {"pro": (Limit(600, 60),)},
        "api_keys": True,
        "api_key_secret": ("a secret of the tests",),
    }
    worker = Worker(MemoryStore(clock=clock), options)
    break_store(worker.store, StoreError("out", kind="timeout"))
    return worker.operations


@pytest.mark.parametrize("name", ALL)
def test_without_the_store_every_operation_says_so(without_store: Operations, name: str) -> None:
    with pytest.raises(StoreError, match="out") as caught:
        ALL[name](without_store)
    assert caught.value.kind == "timeout"


def test_every_operation_is_tried_without_the_store(without_store: Operations) -> None:
    public = {
        f"{part}.{name}"
        for part, operations in vars(without_store).items()
        if part not in NO_OPERATIONS and not part.startswith("_")
        for name in dir(operations)
        if not name.startswith("_")
    }
    public |= {name for name in vars(Operations) if not name.startswith("_")}
    assert public - NOT_ASKING == {name.partition(" ")[0] for name in ALL}
