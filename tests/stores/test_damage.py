"""Test that a damaged value in Redis counts as absent, and troubles no other client."""

from __future__ import annotations

import logging
import math
import struct

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flask_irl.behaviour.site_counts import MinuteCounts
from flask_irl.limits.decision import Hit
from flask_irl.limits.limit import Limit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.quota_lease import LeaseCall
from flask_irl.stores.base import Store
from flask_irl.stores.state import Update
from flask_irl.telemetry.events import Event, ValueDamaged
from tests.conftest import Clock
from tests.stores.conftest import Backend, plan_of

TTL = 7200
NOW = 1_700_000_000.0
KEY = "irl1:{c}"
SITE = "irl1.{site}."
PLAN = plan_of()
ROUTE = plan_of(Scope("view", (Limit(3, 60),)))
PLANS = [
    plan_of(strategy="sliding-window-counter"),
    plan_of(strategy="fixed-window"),
    plan_of(strategy="gcra"),
    plan_of(Scope("view", (Limit(3, 60), Limit(9, 3600))), strategy="gcra"),
    plan_of(base=Limit(1, 3600), factors=(1.0, 0.5, 0.0), enforce=False),
]
NUMBERS = [0.0, -1.0, 1.0, NOW * 1e6, 2.0**53, 1e300, math.inf, -math.inf, math.nan]


def head(
    step: int = 0,
    cells: int = 0,
    signature: int = 0,
    last: float = NOW * 1e6,
    score: float = 0.0,
) -> bytes:
    """Pack the head of a client's state, of revision 1."""
    return struct.pack("<BBHHIdf", step, cells, signature, 0, 1, last, score)


def override(kind: int, amount: int = 0, until: float = (NOW + 60) * 1e6) -> bytes:
    """Pack an override, as it follows a head with 128 added to its step."""
    return struct.pack("<BId", kind, amount, until)


DAMAGED = {
    "nothing": b"",
    "a word": b"hello",
    "half a head": head()[:21],
    "no override where the head has one": head(128),
    "half an override": head(128) + override(1)[:12],
    "an override of no kind": head(128) + override(0),
    "an override of an unknown kind": head(128) + override(77),
    "a limit of nothing": head(128) + override(3, 0),
    "a limit beyond all limits": head(128) + override(3, 2**31),
    "an amount that is no limit": head(128) + override(2, 7),
    "an override without end": head(128) + override(2, 0, math.inf),
    "an override until no time": head(128) + override(2, 0, math.nan),
    "fewer cells than the head says": head(0, 2) + bytes(31),
    "fewer cells behind an override": head(128, 1) + override(1) + bytes(15),
    "a time that is none": head(last=math.nan),
    "an endless time": head(last=math.inf),
    "a negative time": head(last=-1.0),
    "a score that is none": head(score=math.nan),
    "an endless score": head(score=-math.inf),
}
TYPES = ("list", "hash", "set", "zset", "stream")


@pytest.fixture
def store(one_server: Backend, clock: Clock) -> Store:
    """Open a store on one empty server."""
    return one_server.open(clock)


@pytest.fixture
def raw(one_server: Backend) -> redis.Redis:
    """Connect to the server, past the store."""
    return one_server.client()


def put_other_type(raw: redis.Redis, kind: str, key: str | bytes) -> None:
    """Put a value of another type than a string under a key."""
    raw.delete(key)
    command = {
        "list": ("RPUSH", key, "x"),
        "hash": ("HSET", key, "x", "y"),
        "set": ("SADD", key, "x"),
        "zset": ("ZADD", key, "1", "x"),
        "stream": ("XADD", key, "*", "x", "y"),
    }[kind]
    raw.execute_command(*command)


def put(raw: redis.Redis, name: str) -> None:
    """Put a damaged value, or one of another type, under a client's key."""
    if name in TYPES:
        put_other_type(raw, name, KEY)
    else:
        raw.set(KEY, DAMAGED[name])


every_damage = pytest.mark.parametrize("damage", [*DAMAGED, *TYPES])


@every_damage
def test_a_damaged_client_is_loaded_as_absent_beside_others(
    store: Store, raw: redis.Redis, damage: str
) -> None:
    store.hit(PLAN, ("other",), 1)
    put(raw, damage)
    before, [damaged, other] = store.load(["other"]), store.load(["c", "other"])
    assert damaged is None
    assert [other] == before


@every_damage
@pytest.mark.parametrize("plan", [PLAN, ROUTE], ids=["one scope", "two scopes"])
def test_a_damaged_client_is_counted_as_a_new_one(
    store: Store, raw: redis.Redis, damage: str, plan: Plan
) -> None:
    put(raw, damage)
    keys = ("c",) * len(plan.scopes)
    hits = [store.hit(plan, keys, 1) for _ in range(3)]
    assert [hit.remaining for hit in hits] == [plan.limits[-1][1].amount - n for n in (1, 2, 3)]
    assert (hits[0].gap, hits[0].step, hits[0].score, hits[0].override) == (-1, 0, 0.0, 0)
    assert store.load(["c"]) != [None]


@every_damage
def test_a_damaged_client_is_gone_for_a_save_beside_others(
    store: Store, raw: redis.Redis, damage: str
) -> None:
    store.hit(PLAN, ("other",), 1)
    [other] = store.load(["other"])
    assert other is not None
    put(raw, damage)
    updates = [Update("c", 1, 1, -1.0, b""), Update("other", other.revision, 1, -0.5, b"")]
    assert store.save(updates, TTL) == ["gone", "saved"]


@every_damage
def test_a_damaged_client_is_forgotten_as_an_unknown_one(
    store: Store, raw: redis.Redis, damage: str
) -> None:
    put(raw, damage)
    assert not store.forget("c", TTL)
    assert store.load(["c"]) == [None]
    assert store.hit(PLAN, ("c",), 1).remaining == 4


@every_damage
def test_a_damaged_client_gets_an_override_as_an_unknown_one(
    store: Store, raw: redis.Redis, clock: Clock, damage: str
) -> None:
    put(raw, damage)
    word = Override("block", clock() + 60)
    store.set_override("c", word, TTL)
    [state] = store.load(["c"])
    assert state is not None
    assert (state.override, state.last_seen) == (word, 0.0)
    assert not store.hit(PLAN, ("c",), 1).admitted


@pytest.mark.parametrize("damage", ["nothing", *TYPES])
def test_a_damaged_scope_is_counted_anew(store: Store, raw: redis.Redis, damage: str) -> None:
    store.hit(ROUTE, ("c", "c"), 1)
    [key] = raw.keys(f"{KEY}:*")
    if damage in TYPES:
        put_other_type(raw, damage, key)
    else:
        raw.set(key, b"")
    assert [store.hit(ROUTE, ("c", "c"), 1).remaining for _ in range(2)] == [2, 1]


# Forged values


@st.composite
def forged_states(draw: st.DrawFn) -> bytes:
    """Draw bytes that look like a client's state."""
    numbers = st.one_of(st.sampled_from(NUMBERS), st.floats())
    step, cells = draw(st.sampled_from([0, 1, 3, 127, 128, 129, 255])), draw(st.integers(0, 3))
    signature = draw(st.sampled_from([0, *(plan.signatures[0] for plan in PLANS)]))
    score = draw(st.floats(width=32))
    value = head(step, cells, signature, draw(numbers), score)
    if step >= 128 and draw(st.booleans()):
        value += override(draw(st.integers(0, 255)), draw(st.integers(0, 2**32 - 1)), draw(numbers))
    for _ in range(cells):
        current, previous = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 2**32 - 1))
        value += struct.pack("<dII", draw(numbers), current, previous)
    value += draw(st.binary(max_size=20))
    return value[: draw(st.integers(0, len(value)))] if draw(st.booleans()) else value


def assert_sane(hit: Hit, plan: Plan) -> None:
    """Check that an answer can be shown to a client."""
    assert 0 <= hit.binding < len(plan.limits)
    assert 0 <= hit.step < 128
    assert 0 <= hit.override <= 3
    assert math.isfinite(hit.score)
    assert 0 <= hit.remaining <= hit.limit < 2**31
    assert 0 <= hit.reset_after <= 2.0**53
    assert 0 <= hit.retry_after <= 2.0**53
    assert math.isfinite(hit.gap)
    assert hit.admitted == (hit.retry_after == 0)


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    value=st.one_of(forged_states(), st.binary(max_size=120)),
    plan=st.sampled_from(PLANS),
    cost=st.integers(0, 3),
)
@example(head(0, 1, PLAN.signatures[0]) + struct.pack("<dII", math.nan, 1, 0), PLAN, 1)
@example(head(0, 1, PLANS[2].signatures[0]) + struct.pack("<dII", math.nan, 1, 0), PLANS[2], 1)
def test_a_forged_client_troubles_nobody(
    store: Store, raw: redis.Redis, value: bytes, plan: Plan, cost: int
) -> None:
    raw.flushdb()
    keys = ("c",) * len(plan.scopes)
    store.hit(plan, ("other",) * len(plan.scopes), 0)
    raw.set(KEY, value)
    state, other = store.load(["c", "other"])
    assert other is not None
    assert state is None or math.isfinite(state.last_seen)
    revision = 0 if state is None else state.revision
    [saved] = store.save([Update("c", revision, 0, 0.0, b"")], TTL)
    assert state is None or saved == "saved"
    raw.set(KEY, value)
    for _ in range(3):
        assert_sane(store.hit(plan, keys, cost), plan)
    raw.set(KEY, value)
    assert state is not None or not store.forget("c", TTL)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.binary(max_size=60), plan=st.sampled_from([ROUTE, PLANS[3]]))
@example(struct.pack("<HdII", 0, math.nan, 1, 1), ROUTE)
def test_a_forged_scope_troubles_nobody(
    store: Store, raw: redis.Redis, value: bytes, plan: Plan
) -> None:
    raw.flushdb()
    store.hit(plan, ("c", "c"), 0)
    [key] = raw.keys(f"{KEY}:*")
    raw.set(key, value)
    for _ in range(3):
        assert_sane(store.hit(plan, ("c", "c"), 1), plan)


# The site's own values

NOT_NUMBERS = [b"", b"x", b"1.5", b"0x10", b"1e3", b"1_0", b" 1", b"nan", b"9" * 40, b"9" * 5000]


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=lambda value: ascii(value[:41]))
def test_a_damaged_count_is_absent_and_counted_anew(
    store: Store, raw: redis.Redis, value: bytes
) -> None:
    store.add_counts({"requests": 1, "refused": 2})
    raw.hset(f"{SITE}counts", "requests", value)
    raw.hset(f"{SITE}counts", b"\xff", 1)
    assert store.counts() == {"refused": 2}
    store.add_counts({"requests": 5, "refused": 1})
    assert store.counts() == {"requests": 5, "refused": 3}


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=lambda value: ascii(value[:41]))
def test_a_damaged_version_is_no_model(store: Store, raw: redis.Redis, value: bytes) -> None:
    store.publish(0, 7, b"seven")
    raw.set(f"{SITE}model", value)
    raw.hset(f"{SITE}models", value, b"damaged")
    assert (store.model_version(), store.revisions().model) == (0, 0)
    assert store.model_versions() == [7]
    assert store.publish(0, 8, b"eight")
    assert (store.model_version(), store.model_versions()) == (8, [8, 7])


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=lambda value: ascii(value[:41]))
def test_settings_of_a_damaged_revision_are_absent(
    store: Store, raw: redis.Redis, value: bytes
) -> None:
    store.put_settings(0, b"old")
    raw.hset(f"{SITE}settings", "revision", value)
    assert store.revisions().settings == 0
    assert store.settings() == (0, None)
    assert store.put_settings(0, b"new")
    assert store.settings() == (1, b"new")


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=lambda value: ascii(value[:41]))
def test_a_damaged_epoch_can_be_advanced(store: Store, raw: redis.Redis, value: bytes) -> None:
    for _ in range(3):
        store.advance_epoch()
    raw.set(f"{SITE}epoch", value)
    assert store.revisions().epoch == 0
    store.advance_epoch()
    assert store.revisions().epoch > 3


def test_a_ranked_client_of_no_text_is_left_out(store: Store, raw: redis.Redis) -> None:
    store.rank("active", {"a": 1.0, "b": 2.0})
    raw.zadd(f"{SITE}rank.active", {b"\xff\xfe": 9.0})
    assert store.ranked("active", 0, 9) == (["b", "a"], 3)


@pytest.mark.parametrize("kind", ["string", *TYPES])
def test_values_of_another_type_are_absent(store: Store, raw: redis.Redis, kind: str) -> None:
    names = [
        *("counts", "rank.active", "unique", "rows", "model", "settings", "epoch", "networks"),
        *("models", "models.kept", "models.times", "pin", "campaigns", "news.n", "assigned"),
        "sessions",
    ]
    for name in names:
        if kind == "string":
            raw.set(f"{SITE}{name}", "hello")
        else:
            put_other_type(raw, kind, f"{SITE}{name}")
    assert tuple(store.revisions()) == (0, 0, 0, 0, None, 0, 0)
    assert store.campaigns() == (0, None)
    assert store.session("x") is None
    store.put_session("x", b"content", 2.0**33, 9)
    assert store.session("x") == b"content"
    assert store.take_news("n", 9) == [] or kind == "list"
    assert store.put_campaigns(0, b"table") or kind == "hash"
    assert store.networks() == {} or kind == "hash"
    assert store.assigned() == {}
    assert store.counts() == {} or kind == "hash"
    assert store.ranked("active", 0, 9) == ([], 0) or kind == "zset"
    assert store.unique_clients() == 0
    assert store.rows() == [] or kind == "list"
    assert (store.model_version(), store.model_versions()) == (0, [])
    assert store.model(7) is None
    assert store.settings() == (0, None)


@pytest.mark.parametrize("kind", ["string", *TYPES])
def test_the_flush_of_all_clients_goes_on_beside_values_of_another_type(
    store: Store, raw: redis.Redis, kind: str
) -> None:
    for name in ("counts", "rank.active", "unique", "rows", "epoch", "lease.train"):
        if kind == "string":
            raw.set(f"{SITE}{name}", "hello")
        else:
            put_other_type(raw, kind, f"{SITE}{name}")
    store.add_counts({"requests": 1})
    store.rank("active", {"a": 1.0}, ["b"])
    store.count_unique(["a"])
    store.add_rows([b"row"], 9)
    store.advance_epoch()
    assert store.revisions().epoch > 0
    if kind != "string":
        assert store.take_lease("train", "me", 60)
    store.release_lease("train", "me")


@pytest.mark.parametrize("kind", ["string", *TYPES])
def test_what_is_written_over_values_of_another_type_is_kept(
    store: Store, raw: redis.Redis, kind: str
) -> None:
    names = [
        *("counts", "rank.active", "unique", "rows", "model", "settings", "networks", "audit"),
        *("models", "models.kept", "models.times", "pin", "news.n", "note.n", "workers"),
        "minute.7",
    ]
    for name in names:
        if kind == "string":
            raw.set(f"{SITE}{name}", "hello")
        else:
            put_other_type(raw, kind, f"{SITE}{name}")
    minute = MinuteCounts(3, 1)
    store.add_counts({"requests": 2}, {7: minute})
    store.rank("active", {"a": 1.0})
    store.count_unique(["a", "b"])
    store.add_rows([b"row"], 9)
    store.add_audit(b"entry")
    store.add_news("n", b"news", 9)
    store.put_note("n", b"note")
    store.tell_worker("w", b"report")
    assert store.put_settings(0, b"settings")
    assert store.put_network("10.0.0.0/8", b"block", 9)
    assert store.publish(0, 1, b"model")
    assert store.counts() == {"requests": 2}
    assert store.minutes([7]) == {7: minute}
    assert store.unique_clients() == 2
    # What stood in a value of the right type stays.
    assert "a" in store.ranked("active", 0, 9)[0]
    assert store.rows()[-1] == b"row"
    assert store.audit(0, 1)[0] == [b"entry"]
    assert store.take_news("n", 9)[-1] == b"news"
    assert (store.note("n"), store.workers()) == (b"note", {"w": b"report"})
    assert store.settings() == (1, b"settings")
    assert store.networks()["10.0.0.0/8"] == b"block"
    assert (store.model_version(), store.model(1)) == (1, b"model")
    assert store.pin(1)
    assert store.unpin()
    assert store.drop_networks(["10.0.0.0/8"])
    assert "10.0.0.0/8" not in store.networks()


def test_a_lease_that_never_ends_is_none(store: Store, raw: redis.Redis) -> None:
    raw.set(f"{SITE}lease.train", "nobody")
    assert store.take_lease("train", "me", 60)
    assert not store.take_lease("train", "other", 60)


@pytest.mark.parametrize("digits", [16, 300, 400])
def test_a_minute_of_impossible_counts_is_counted_anew(
    store: Store, raw: redis.Redis, digits: int
) -> None:
    raw.set(f"{SITE}minute.7", b"9" * digits + b" 1")
    assert store.minutes([7]) == {}
    store.add_counts({}, {7: MinuteCounts(3, 1)})
    [(requests, _)] = store.minutes([7]).values()
    assert requests == 3


# Values that are far too long

LONG = 70_000


@pytest.mark.parametrize("plan", [PLAN, ROUTE], ids=["one scope", "two scopes"])
def test_a_state_that_is_far_too_long_begins_anew(
    store: Store, raw: redis.Redis, plan: Plan
) -> None:
    cell = struct.pack("<dII", NOW * 1e6, 4, 0)
    raw.set(KEY, head(1, 1, plan.signatures[0]) + cell + bytes(LONG))
    assert store.load(["c"]) == [None]
    hit = store.hit(plan, ("c",) * len(plan.scopes), 1)
    assert (hit.step, hit.gap) == (0, -1)
    assert raw.strlen(KEY) < 100


@pytest.mark.parametrize("length", [900, 50_000])
def test_leases_that_are_far_too_long_are_forgotten(
    store: Store, raw: redis.Redis, clock: Clock, length: int
) -> None:
    plan = plan_of(base=Limit(100_000, 60))
    store.hit(plan, ("c",), 1)
    lease = struct.pack("<dIBd", clock() * 1e6 - 1, 1, 1, clock() * 1e6)
    raw.set(f"{KEY}:leases", struct.pack("<H", 0) + lease * length)
    leased = store.lease(plan, ("c",), LeaseCall(20, 0.0, 0), None)
    assert leased.units == 20
    assert raw.strlen(f"{KEY}:leases") == 2 + len(lease)


@pytest.mark.parametrize("kind", TYPES)
def test_leases_of_another_type_are_reported_and_given_anew(
    store: Store, raw: redis.Redis, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.WARNING, logger="flask_irl")
    plan = plan_of(base=Limit(100_000, 60))
    store.hit(plan, ("c",), 1)
    put_other_type(raw, kind, f"{KEY}:leases")
    assert store.lease(plan, ("c",), LeaseCall(20, 0.0, 0), None).units == 20
    assert len(damage_lines(caplog)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.binary(max_size=200)
    | st.lists(
        st.tuples(
            st.sampled_from([*NUMBERS, NOW * 1e6 - 1]),
            st.integers(0, 2**32 - 1),
            st.integers(0, 3),
            st.sampled_from(NUMBERS),
        ),
        max_size=9,
    ).map(lambda leases: b"\0\0" + b"".join(struct.pack("<dIBd", *lease) for lease in leases)),
    plan=st.sampled_from(PLANS[:3]),
    call=st.builds(
        LeaseCall,
        st.integers(0, 100),
        st.sampled_from([0.0, NOW * 1e6 - 1, math.nan, math.inf]),
        st.integers(0, 2**32 - 1),
    ),
)
def test_forged_leases_trouble_nobody(
    store: Store, raw: redis.Redis, value: bytes, plan: Plan, call: LeaseCall
) -> None:
    raw.flushdb()
    store.hit(plan, ("c",), 1)
    raw.set(f"{KEY}:leases", value)
    for _ in range(2):
        leased = store.lease(plan, ("c",), call, None)
        assert_sane(leased.hit, plan)
        assert leased.units <= call.want
        assert math.isfinite(leased.counted)
    assert_sane(store.hit(plan, ("c",), 1), plan)


# What an operator sees


def test_damaged_values_are_counted_by_kind(store: Store, raw: redis.Redis) -> None:
    found: list[Event] = []
    store.report_damage(found.append)
    put(raw, "a word")
    store.load(["c"])
    raw.set(f"{SITE}model", "x")
    store.revisions()
    assert found == [ValueDamaged("client", 1), ValueDamaged("site", 1)]


def test_a_listener_that_raises_makes_no_failure_of_damage(store: Store, raw: redis.Redis) -> None:
    def fail(event: Event) -> None:
        raise ZeroDivisionError

    store.report_damage(fail)
    put(raw, "a word")
    assert store.hit(PLAN, ("c",), 1).admitted


def damage_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List the log's lines about damaged values."""
    lines = (record.getMessage() for record in caplog.records)
    return [line for line in lines if line.startswith("state_damaged ")]


@pytest.mark.parametrize("call", ["load", "hit"])
def test_a_damaged_client_is_logged_by_its_key(
    store: Store, raw: redis.Redis, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    caplog.set_level(logging.WARNING, logger="flask_irl")
    put(raw, "an override of an unknown kind")
    if call == "load":
        store.load(["c"])
    else:
        for _ in range(3):
            store.hit(PLAN, ("c",), 1)
    [line] = damage_lines(caplog)
    assert "key=irl1:{c}" in line


def test_a_flood_of_damage_is_one_line_a_second(
    store: Store, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="flask_irl")
    put(raw, "a word")
    for _ in range(20):
        store.load(["c"])
    assert 1 <= len(damage_lines(caplog)) <= 3


def test_sound_clients_are_not_logged(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="flask_irl")
    for plan in (PLAN, ROUTE, *PLANS):
        store.hit(plan, ("c",) * len(plan.scopes), 1)
    store.set_override("c", Override("limit", clock() + 60, 7), TTL)
    store.hit(ROUTE, ("c", "c"), 1)
    store.forget("c", TTL)
    store.load(["c", "nobody"])
    assert damage_lines(caplog) == []
