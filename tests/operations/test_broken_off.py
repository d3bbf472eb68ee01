"""Changes that the store breaks off in the middle: sent again, they are whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from flask_irl.errors import StoreError
from flask_irl.model.model import Model
from flask_irl.operations import Operations
from flask_irl.stores.base import Store
from tests.operations.worker import ADA, Site, Worker, override

MOST_CALLS = 30
Change = Callable[[Operations], object]


def fails_at(store: Store, number: int) -> Callable[[], None]:
    """Let a store fail from a certain call on; returns what mends it."""
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


def broken_off(here: Worker, number: int, change: Change) -> bool:
    """Whether the store broke a change off at a certain call; then it was sent again."""
    mend = fails_at(here.store, number)
    try:
        change(here.operations)
    except StoreError:
        mend()
        change(here.operations)
        return True
    mend()
    return False


def break_off_everywhere(
    here: Worker,
    prepare: Callable[[str], None],
    change: Callable[[Operations, str], object],
    check: Callable[[str], None],
) -> None:
    """Change one client after the other, each time broken off one call later."""
    for number in range(MOST_CALLS):
        client = f"client-{number}"
        prepare(client)
        again = broken_off(here, number, lambda o, c=client: change(o, c))  # type: ignore[misc]
        check(client)
        if not again:
            assert number > 2
            return
    raise AssertionError("it takes ever more calls")


def audited(worker: Worker, client: str) -> dict[str, dict[str, Any]]:
    """The changes of a client, by action; of each the first."""
    return {entry["action"]: entry for entry in worker.audited() if entry["target"] == client}


def overridden(worker: Worker) -> set[str]:
    return {entry["client"] for entry in worker.operations.clients(order="overridden")[0]}


def test_an_override(site: Site, here: Worker) -> None:
    other = site.worker()

    def prepare(client: str) -> None:
        assert other.admitted(12, client) == 10

    def check(client: str) -> None:
        other.limiter.refresh()
        assert other.admitted(1, client) == 1
        assert client in overridden(here)
        assert audited(here, client)["override"]["after"]["kind"] == "allow"

    break_off_everywhere(here, prepare, lambda o, client: override(here, "allow", client), check)


def test_an_override_that_is_cleared(site: Site, here: Worker) -> None:
    other = site.worker()

    def prepare(client: str) -> None:
        override(here, "block", client)
        other.limiter.refresh()
        assert other.admitted(1, client) == 0

    def check(client: str) -> None:
        other.limiter.refresh()
        assert other.admitted(1, client) == 1
        assert client not in overridden(here)
        assert audited(here, client)["clear_override"]["before"]["kind"] == "block"

    break_off_everywhere(here, prepare, lambda o, client: o.clear_override(client, ADA), check)


def test_a_reset(site: Site, here: Worker) -> None:
    other = site.worker()

    def prepare(client: str) -> None:
        assert other.admitted(12, client) == 10
        other.limiter.flush()

    def check(client: str) -> None:
        assert here.operations.clients(order="active") == ([], 0)
        other.limiter.refresh()
        assert other.admitted(1, client) == 1
        assert audited(here, client)["reset"]["before"]["requests"] == 12
        here.operations.reset(client, ADA)

    break_off_everywhere(here, prepare, lambda o, client: o.reset(client, ADA), check)


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o.set_mode("shadow", ADA),
        lambda o: o.set_limits({"base_limit": 5}, ADA),
        lambda o: o.activate(1, ADA),
    ],
    ids=["mode", "limits", "model"],
)
def test_what_holds_for_all(site: Site, here: Worker, trained: Model, change: Change) -> None:
    other = site.worker()
    for number in range(MOST_CALLS):
        for version in (1, 2):
            if version not in here.store.model_versions():
                here.publish(trained, version)
        here.operations.set_mode("enforce", ADA)
        here.operations.set_limits({"base_limit": None}, ADA)
        here.operations.activate(2, ADA)
        entries = here.operations.audit()[1]
        again = broken_off(here, number, change)
        other.limiter.refresh()
        assert (other.limiter.mode, other.limiter.options.base_limit) != ("enforce", 10) or (
            other.limiter.trainer.model.version == 1
        )
        assert here.operations.audit()[1] > entries
        if not again:
            return
    raise AssertionError("it takes ever more calls")
