"""Test the hashes of API keys: by which secrets they are made, and that all are compared."""

from __future__ import annotations

import hmac

import pytest

from flask_irl.api_keys.hashing import HASH_BYTES, NOBODYS, Hasher, matches

OLD, NEW = "an old secret of 16", "a new secret of 16"


def test_a_hash_needs_the_secret() -> None:
    assert Hasher([OLD]).hash("text") != Hasher([NEW]).hash("text")
    assert Hasher([OLD]).hash("text") == Hasher([OLD, NEW]).hash("text")
    assert len(Hasher([OLD]).hash("text")) == HASH_BYTES


def test_the_first_secret_makes_hashes_and_all_are_tried() -> None:
    before = Hasher([OLD]).hash("text")
    rotated = Hasher([NEW, OLD])
    assert rotated.hash("text") != before
    assert matches(rotated.digests("text"), (before, NOBODYS)) == (True, False)
    assert matches(rotated.digests("text"), (NOBODYS, before)) == (False, True)
    assert matches(rotated.digests("other"), (before, before)) == (False, False)


@pytest.mark.parametrize("text", ["right", "before", "wrong"])
def test_whatever_comes_of_it_as_many_hashes_of_one_length_are_compared(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def count(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", count)
    hasher = Hasher([NEW, OLD])
    stored = (hasher.hash("right"), hasher.hash("before"))
    matches(hasher.digests(text), stored)
    matches(hasher.digests(text), (NOBODYS, NOBODYS))
    assert compared == [(HASH_BYTES, HASH_BYTES)] * 8


def test_a_hasher_shows_no_secret() -> None:
    assert NEW not in repr(Hasher([NEW])) + repr(vars(Hasher([NEW])))
