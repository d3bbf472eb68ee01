"""Test that the rights that the documents give a user of Redis are enough."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import redis

from flask_irl.limits.limit import Limit
from flask_irl.limits.quota_lease import EndedLease, LeaseCall
from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from flask_irl.stores.server import ServerInfo
from tests.operations.worker import ADA, Worker, override
from tests.servers import HOST, RedisServer
from tests.stores.conftest import plan_of

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"


def documented_rights() -> list[str]:
    """Read the command that makes the user, with a password of its own."""
    [line] = re.findall(r"^ACL SETUSER irl .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return shlex.split(line.replace(">long-random-password", ">geheim"))


def test_a_user_with_the_documented_rights_serves_learns_and_tells_the_status() -> None:
    with RedisServer() as server:
        with redis.Redis(HOST, server.port) as client:
            client.execute_command(*documented_rights())
        store = RedisStore(locate(f"redis://irl:geheim@{HOST}:{server.port}"), timeout=5)
        secret = "a secret of the tests"
        options = {"recent_requests": 5, "plans": {"pro": (Limit(600, 60),)}}
        worker = Worker(store, {"api_keys": True, "api_key_secret": secret, **options})
        for number in range(60):
            worker.ask(f"c{number % 6}")
        leased = store.lease(plan_of(base=Limit(1000, 60)), ("c0",), LeaseCall(5), None)
        store.give_back([EndedLease(plan_of(base=Limit(1000, 60)), ("c0",), leased.hit.now, 5)])
        worker.limiter.flush()
        worker.limiter.worker.jobs.tell()
        assert worker.operations.models.train(ADA).result == "accepted"
        override(worker, "block", "c1")
        override(worker, "block", "203.0.113.0/24")
        assert worker.operations.quota.left("c2")
        assert store.admit_tenant("a", 5)
        assert store.tenants() == ["a"]
        assert worker.operations.clients.describe("c2")["recent_requests"]  # type: ignore[index]
        worker.operations.clients.reset("c2", ADA)
        worker.operations.undo.undo(worker.audited()[0]["at"], "c2", ADA)
        assert worker.operations.clients.ranked(plan="pro")[0] == []
        worker.operations.clients.reset_all(ADA)
        for number in range(6):
            worker.ask(f"c{number}")
        store.put_session("s", b"content", 2.0**33, 1)
        assert store.end_session("s") == b"content"
        found = worker.operations.status.read()
        keys = worker.operations.api_keys
        issued = keys.issue(name="n", owner="o", who=ADA)
        assert worker.limiter.keys is not None
        presented = worker.limiter.keys.present(issued["key"], "c0")
        assert worker.limiter.keys.look(presented)
        assert worker.limiter.decide(worker.limiter.plan(()), (presented,)).admitted
        worker.limiter.flush()
        assert keys.rotate(issued["id"], who=ADA) is not None
        assert keys.revoke(issued["id"], who=ADA) is not None
        assert [key["requests"] for key in keys.page()[0]] == [1]
        worker.limiter.close()
    assert leased.units == 5
    assert (found["store"]["answers"], found["total_requests"]) == (True, 60)
    assert found["now"] is not None
    assert found["now"]["requests_per_second"] > 0
    assert found["last_training"] is not None
    assert found["workers"] is not None
    assert (found["last_training"]["result"], found["workers"]["seen"]) == ("accepted", 1)
    assert found["store"]["version"] is not None


def test_without_the_right_to_ask_for_info_the_rest_of_the_status_is_told() -> None:
    with RedisServer() as server:
        with redis.Redis(HOST, server.port) as client:
            client.execute_command(*(word for word in documented_rights() if word != "+info"))
        store = RedisStore(locate(f"redis://irl:geheim@{HOST}:{server.port}"), timeout=5)
        assert store.server() == ServerInfo()
        worker = Worker(store, {})
        assert worker.operations.status.read()["store"]["answers"]
        worker.limiter.close()
