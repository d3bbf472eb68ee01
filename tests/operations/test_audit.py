"""Who changed what; and that every operation says when the store is out."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from flask_irl.config.options import Options
from flask_irl.errors import StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations import Operations
from flask_irl.stores.memory.store import MemoryStore
from tests.conftest import Clock
from tests.operations.worker import ADA, Site, Worker, override

# Audit log


def test_changes_are_told_newest_first_and_in_pages(site: Site, here: Worker) -> None:
    for mode in ("shadow", "off", "enforce"):
        here.operations.set_mode(mode, ADA)
        site.clock.advance(1)
    entries, _ = here.operations.audit(offset=0, limit=2)
    assert [entry["after"]["mode"] for entry in entries] == ["enforce", "off"]
    assert [site.clock() - entry["at"] for entry in entries] == [1.0, 2.0]
    entries, total = here.operations.audit(offset=2, limit=2)
    assert ([entry["after"]["mode"] for entry in entries], total) == (["shadow"], 3)


def test_asking_is_not_audited(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    for ask in (
        here.operations.stats,
        here.operations.limits,
        here.operations.mode,
        here.operations.clients,
        here.operations.models,
        here.operations.model_info,
        lambda: here.operations.client("c"),
    ):
        ask()
    assert here.audited() == []


def test_a_change_is_logged_as_it_is_audited(
    here: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask_irl")
    here.operations.set_limits({"base_limit": 5}, ADA)
    override(here, "block", "c", reason="Too keen.\nIs it?")
    lines = [r for r in caplog.records if getattr(r, "irl_event", "") == "admin_change"]
    logged = [vars(record)["irl_fields"] for record in lines]
    audited = [{k: v for k, v in entry.items() if k != "at"} for entry in here.audited()]
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
        here.operations.set_mode("shadow", ADA)
    assert "admin_change who=ada action=mode" in caplog.text


# Without the store

ALL: dict[str, Callable[[Operations], object]] = {
    "stats": lambda o: o.stats(),
    "limits": lambda o: o.limits(),
    "client": lambda o: o.client("c"),
    "key_of": lambda o: o.key_of("2001:db8::1"),
    "clients": lambda o: o.clients(),
    "clients at a step": lambda o: o.clients(step=1),
    "reset": lambda o: o.reset("c", ADA),
    "train": lambda o: o.train(ADA),
    "start_training": lambda o: o.start_training(ADA),
    "model_info": lambda o: o.model_info(),
    "models": lambda o: o.models(),
    "activate": lambda o: o.activate(1, ADA),
    "set_override": lambda o: o.set_override(
        "c", "block", amount=0, seconds=60, reason="", who=ADA
    ),
    "clear_override": lambda o: o.clear_override("c", ADA),
    "feedback": lambda o: o.feedback("c", "good", ADA),
    "mode": lambda o: o.mode(),
    "set_mode": lambda o: o.set_mode("off", ADA),
    "set_limits": lambda o: o.set_limits({"base_limit": 5}, ADA),
    "audit": lambda o: o.audit(),
}


@pytest.fixture
def without_store(clock: Clock) -> Operations:
    """The operator's side of a limiter whose store doesn't answer."""
    store = MemoryStore(clock=clock)

    def fail(*_: object, **__: object) -> object:
        raise StoreError("out", kind="timeout")

    limiter = Limiter(Options(background=False), store)
    for name in dir(store):
        if not name.startswith("_") and name not in ("local", "close"):
            setattr(store, name, fail)
    return Operations(limiter)


@pytest.mark.parametrize("name", ALL)
def test_without_the_store_every_operation_says_so(without_store: Operations, name: str) -> None:
    with pytest.raises(StoreError, match="out") as caught:
        ALL[name](without_store)
    assert caught.value.kind == "timeout"


def test_every_operation_is_tried_without_the_store() -> None:
    public = {name for name in dir(Operations) if not name.startswith("_")}
    assert public == {name.partition(" ")[0] for name in ALL}
