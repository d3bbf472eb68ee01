"""Break changes off in the middle: none is in force without a trace, and sent again it is whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from flask_irl.errors import StoreError
from flask_irl.model.model import Model
from flask_irl.operations import Operations
from flask_irl.stores.base import Store
from tests.operations.worker import ADA, Site, Worker, override

MOST_CALLS = 30


def fails_at(store: Store, number: int) -> Callable[[], None]:
    """Let a store fail from a certain call on; return a function that mends it."""
    calls = itertools.count()

    def failing(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls) >= number:
                raise StoreError("gone", kind="connection")
            return method(*args, **kwargs)

        return call

    names = [n for n in dir(Store) if not n.startswith("_") and callable(getattr(Store, n, None))]
    for name in names:
        setattr(store, name, failing(getattr(store, name)))

    def mend() -> None:
        for name in names:
            delattr(store, name)

    return mend


def break_off_everywhere(
    here: Worker,
    *,
    change: Callable[[Operations, str], object],
    in_force: Callable[[str], bool],
    action: str,
    prepare: Callable[[str], object],
    target: Callable[[str], str] = lambda client: client,
) -> None:
    """Make a change again and again, each time broken off one call later, then send it again.

    Args:
        here: The worker that makes the change.
        change: Makes the change, of a client of its own each time.
        in_force: Tells whether the change holds in another worker.
        action: The action's name in the audit log.
        prepare: Called with the client before each change.
        target: The target's name in the audit log.
    """
    for number in range(MOST_CALLS):
        client = f"client-{number}"
        prepare(client)
        assert not in_force(client)
        entries = count(here, action, target(client))
        mend = fails_at(here.store, number)
        try:
            change(here.operations, client)
        except StoreError:
            mend()
            if in_force(client):
                assert count(here, action, target(client)) > entries
            change(here.operations, client)
            assert in_force(client)
            assert count(here, action, target(client)) > entries
        else:
            mend()
            assert in_force(client)
            assert number > 2
            return
    raise AssertionError("it takes ever more calls")


def count(worker: Worker, action: str, target: str) -> int:
    """Count the entries of an action on a target in the audit log."""
    return [(e["action"], e["target"]) for e in worker.audited(1000)].count((action, target))


def overridden(worker: Worker) -> set[str]:
    return {entry["client"] for entry in worker.operations.clients.ranked(order="overridden")[0]}


def test_an_override(site: Site, here: Worker) -> None:
    other = site.worker()

    def passes(client: str) -> bool:
        other.limiter.refresh()
        return other.ask(client).admitted

    break_off_everywhere(
        here,
        change=lambda o, client: override(here, "allow", client),
        in_force=passes,
        action="override",
        prepare=lambda client: other.admitted(12, client),
    )
    assert overridden(here) == {entry["target"] for entry in here.audited(1000)}
    assert {entry["after"] and entry["after"]["kind"] for entry in here.audited(1000)} == {"allow"}


def test_an_override_that_is_cleared(site: Site, here: Worker) -> None:
    other = site.worker()

    def passes(client: str) -> bool:
        other.limiter.refresh()
        return other.ask(client).admitted

    break_off_everywhere(
        here,
        change=lambda o, client: o.overrides.clear(client, ADA),
        in_force=passes,
        action="clear",
        prepare=lambda client: override(here, "block", client),
    )
    assert overridden(here) == set()
    cleared = [entry for entry in here.audited(1000) if entry["action"] == "clear"]
    assert {entry["before"] and entry["before"]["kind"] for entry in cleared} == {"block"}


def network_of(client: str) -> str:
    """Name a network of a client's own."""
    return f"10.{client.removeprefix('client-')}.0.0/16"


def is_passed(worker: Worker, client: str) -> bool:
    """Tell whether a worker knows that a client's network is allowed."""
    worker.limiter.refresh()
    rule = worker.limiter.access.rule
    address = network_of(client).removesuffix("/16")
    return rule is not None and rule(address, address).key == ""


def test_an_override_of_a_network(site: Site, here: Worker) -> None:
    other = site.worker()
    break_off_everywhere(
        here,
        change=lambda o, client: override(here, "allow", network_of(client)),
        in_force=lambda client: is_passed(other, client),
        action="override",
        prepare=lambda client: None,
        target=network_of,
    )
    assert overridden(here) == {entry["target"] for entry in here.audited(1000)}


def test_an_override_of_a_network_that_is_cleared(site: Site, here: Worker) -> None:
    other = site.worker()
    break_off_everywhere(
        here,
        change=lambda o, client: o.overrides.clear(network_of(client), ADA),
        in_force=lambda client: not is_passed(other, client),
        action="clear",
        prepare=lambda client: override(here, "allow", network_of(client)),
        target=network_of,
    )
    assert overridden(here) == set()
    assert here.store.networks() == {}


def test_a_reset(site: Site, here: Worker) -> None:
    other = site.worker()

    def prepare(client: str) -> None:
        assert other.admitted(12, client) == 10
        other.limiter.flush()

    def forgotten(client: str) -> bool:
        other.limiter.refresh()
        return here.store.load([client]) == [None]

    break_off_everywhere(
        here,
        change=lambda o, client: o.clients.reset(client, ADA),
        in_force=forgotten,
        action="reset",
        prepare=prepare,
    )
    assert here.operations.clients.ranked(order="active") == ([], 0)
    assert other.ask("client-0").admitted
    first = next(e for e in here.audited(1000)[::-1] if e["target"] == "client-0")
    assert first["before"] is not None
    assert first["before"]["requests"] == 12


def test_feedback(site: Site, here: Worker) -> None:
    def is_good(client: str) -> bool:
        result = here.operations.clients.describe(client)
        assert result is not None
        return result["feedback"] == "good"

    break_off_everywhere(
        here,
        change=lambda o, client: o.clients.feedback(client, "good", ADA),
        in_force=is_good,
        action="feedback",
        prepare=here.ask,
    )


def test_a_mode(site: Site, here: Worker) -> None:
    other = site.worker()

    def is_shadow(_: str) -> bool:
        other.limiter.refresh()
        return other.limiter.mode == "shadow"

    break_off_everywhere(
        here,
        change=lambda o, _: o.site.set_mode("shadow", ADA),
        in_force=is_shadow,
        action="mode",
        prepare=lambda _: here.operations.site.set_mode("enforce", ADA),
        target=lambda _: "",
    )


def test_limits(site: Site, here: Worker) -> None:
    other = site.worker()

    def is_lowered(_: str) -> bool:
        other.limiter.refresh()
        return other.limiter.options.base_limit == 5

    break_off_everywhere(
        here,
        change=lambda o, _: o.site.set_limits({"base_limit": 5}, ADA),
        in_force=is_lowered,
        action="limits",
        prepare=lambda _: here.operations.site.set_limits({"base_limit": None}, ADA),
        target=lambda _: "",
    )


def test_a_model(site: Site, here: Worker, trained: Model) -> None:
    other = site.worker()
    for version in (1, 2):
        here.publish(trained, version)

    def is_first(_: str) -> bool:
        other.limiter.refresh()
        return other.limiter.trainer.model.version == 1

    break_off_everywhere(
        here,
        change=lambda o, _: o.models.rollback(1, ADA),
        in_force=is_first,
        action="rollback",
        prepare=lambda _: here.operations.models.rollback(2, ADA),
        target=lambda _: "1",
    )


def test_a_training_of_which_only_the_result_is_not_recorded(
    here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        here.admitted(9, f"c{number}")
    whole = here.store.add_audit
    entries: list[bytes] = []

    def add_audit(entry: bytes) -> None:
        if entries:
            raise StoreError("gone", kind="connection")
        entries.append(entry)
        whole(entry)

    monkeypatch.setattr(here.store, "add_audit", add_audit)
    with pytest.raises(StoreError):
        here.operations.models.train(ADA)
    assert here.limiter.trainer.model.version == 1
    assert [entry["action"] for entry in here.audited()] == ["train"]


def test_no_training_starts_whose_start_is_not_recorded(
    here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_audit(_: bytes) -> NoReturn:
        raise StoreError("gone", kind="connection")

    starts: list[int] = []
    monkeypatch.setattr(here.limiter, "start_training", lambda: starts.append(1))
    monkeypatch.setattr(here.store, "add_audit", add_audit)
    with pytest.raises(StoreError):
        here.operations.models.start_training(ADA)
    assert starts == []
