"""Background calls of a process that is about to end: short, and none to a server that hangs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import pytest

from flask_irl.config.options import Options
from flask_irl.errors import StoreError
from flask_irl.stores.open import open_store
from tests.stores.fake_server import Connection, FakeServer


def test_a_server_that_hangs_is_asked_once_more_and_no_further() -> None:
    asked: list[bytes] = []

    def say_nothing(connection: Connection, command: Sequence[bytes]) -> None:
        asked.append(command[0])

    with (
        FakeServer(say_nothing) as server,
        closing(open_store(Options(storage_uri=f"redis://127.0.0.1:{server.port}"))) as store,
    ):
        store.leave()
        for _ in range(3):
            with pytest.raises(StoreError) as caught:
                store.load(["192.0.2.1"])
            assert caught.value.kind == "timeout"
    assert len(asked) == 1


def test_a_server_that_answers_is_asked_on_and_on(redis_url: str) -> None:
    with closing(open_store(Options(storage_uri=redis_url))) as store:
        store.leave()
        assert [store.counts() for _ in range(3)] == [{}] * 3


def test_a_store_that_was_closed_may_be_used_again(redis_url: str) -> None:
    store = open_store(Options(storage_uri=redis_url))
    store.leave()
    store.close()
    assert store.counts() == {}
    store.close()
