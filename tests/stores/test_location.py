"""Test how storage URIs are read: Valkey's as Redis's, and those of other storages refused."""

from __future__ import annotations

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.stores.location import locate


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        ("valkey://host:7000/2", "redis://host:7000/2"),
        ("valkeys://user:pw@host", "rediss://user:pw@host"),
        ("valkey+cluster://a:1,b:2", "redis+cluster://a:1,b:2"),
        ("valkeys+sentinel://a:1/master", "rediss+sentinel://a:1/master"),
        ("valkey+unix:///run/v.sock", "redis+unix:///run/v.sock"),
    ],
)
def test_valkey_is_read_as_redis(uri: str, same: str) -> None:
    assert locate(uri) == locate(same)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("memcached://cache:11211", "Memcached can't decide on all of a request's limits"),
        ("mongodb://user:geheim@db/x", "MongoDB can't decide"),
        ("mongodb+srv://db", "MongoDB can't decide"),
        ("etcd://host:2379", "etcd can't decide"),
        ("async+redis://host", "can't ask an asynchronous storage"),
    ],
)
def test_other_storages_are_refused_with_the_reason(uri: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        locate(uri)
    assert why in str(refused.value)
    assert "take redis:// or valkey://" in str(refused.value)
    assert "geheim" not in str(refused.value)
