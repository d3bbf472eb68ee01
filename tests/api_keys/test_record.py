"""Test the records of API keys: what is stored comes back, and what is damaged doesn't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.api_keys.hashing import NOBODYS
from flask_irl.api_keys.record import REVISION_BYTES, ApiKey, Record, decode

KEY = ApiKey("7f3aK9xQ2m", "live", "name", "owner", ("a", "b"), "pro", 5.0, 9.5)
HASHES = (b"n" * 32, b"o" * 32)
RECORD = Record(KEY, HASHES, old_until=7.0, revoked=8.0, rotated=6.0)


def members(record: Record = RECORD) -> dict[str, Any]:
    """Read the members of an encoded record."""
    found: dict[str, Any] = json.loads(record.encoded()[REVISION_BYTES:])
    return found


def encoded(**changes: object) -> bytes:
    """Encode the record with changed members."""
    return bytes(REVISION_BYTES) + json.dumps({**members(), **changes}).encode()


def test_a_record_comes_back_as_it_was() -> None:
    data = RECORD.encoded()
    found = decode(KEY.id, data)
    assert found.revision == data[:REVISION_BYTES]
    assert (found.key, found.hashes) == (KEY, HASHES)
    assert (found.old_until, found.revoked, found.rotated) == (7.0, 8.0, 6.0)


def test_a_key_without_an_older_text_has_nobodys_hash_for_it() -> None:
    record = Record(KEY, (HASHES[0], NOBODYS))
    assert decode(KEY.id, record.encoded()).hashes == (HASHES[0], NOBODYS)
    assert NOBODYS.hex() not in record.encoded().decode("latin-1")


def test_each_change_has_a_revision_of_its_own() -> None:
    assert len({RECORD.encoded()[:REVISION_BYTES] for _ in range(50)}) == 50


def test_members_of_a_later_version_stay() -> None:
    found = decode(KEY.id, encoded(later=[1, 2]))
    assert members(found)["later"] == [1, 2]


@pytest.mark.parametrize(
    ("until", "expires", "old", "ends"),
    [
        (7.0, 9.5, False, 9.5),
        (7.0, 9.5, True, 7.0),
        (7.0, None, False, 0.0),
        (7.0, 5.0, True, 5.0),
        (7.0, 0.0, False, 1e-6),
        (0.0, None, True, 1e-6),
    ],
)
def test_a_text_ends_with_its_key_or_with_the_grace(
    until: float, expires: float | None, old: bool, ends: float
) -> None:
    key = ApiKey(KEY.id, "live", "name", "owner", (), "", 1.0, expires)
    assert Record(key, HASHES, old_until=until).until(old=old) == ends


@pytest.mark.parametrize(
    "change",
    [
        {"id": "0000000000"},
        {"environment": "prod"},
        {"name": 5},
        {"owner": None},
        {"plan": None},
        {"scopes": "export"},
        {"scopes": [5]},
        {"created": "5"},
        {"created": True},
        {"expires": -1},
        {"expires": float("nan")},
        {"expires": float("inf")},
        {"revoked": "no"},
        {"old_until": None},
        {"hash": ""},
        {"hash": None},
        {"hash": "zz" * 32},
        {"hash": "ab " * 21 + "c"},
        {"old_hash": 5},
    ],
)
def test_a_member_of_another_type_damages_a_record(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        decode(KEY.id, encoded(**change))


@pytest.mark.parametrize("name", sorted(members()))
def test_a_member_that_is_missing_damages_a_record(name: str) -> None:
    kept = {key: value for key, value in members().items() if key != name}
    with pytest.raises(ValueError):
        decode(KEY.id, bytes(REVISION_BYTES) + json.dumps(kept).encode())


@given(st.binary(max_size=400))
def test_any_bytes_are_a_record_or_damaged(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(KEY.id, data)


@pytest.mark.parametrize("data", [b"", bytes(8), bytes(8) + b"[" * 9000, bytes(8) + b" " * 20_000])
def test_what_is_too_short_deep_or_long_is_damaged(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(KEY.id, data)


def test_no_hash_is_shown() -> None:
    assert "n" * 32 not in repr(RECORD)
    assert "hash" not in repr(RECORD)
