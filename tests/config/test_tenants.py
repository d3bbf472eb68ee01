"""Options of tenants: those in which they may differ, and clear errors for all others."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter, tenant_by_host
from flask_irl.config.options import Options
from flask_irl.config.tenants import is_name, prefix_of, tenant_options
from flask_irl.errors import ConfigurationError

BY_HOST = tenant_by_host({"a.example": "a"})


def test_a_tenant_has_the_apps_options_but_for_its_own() -> None:
    options = Options(
        base_limit=9, window_seconds=10, tenants={"a": {"base_limit": "600"}, "b": {}}
    )
    found = tenant_options(options)
    assert (found["a"].base_limit, found["a"].window_seconds) == (600, 10)
    assert found["b"].base_limit == 9


def test_a_tenant_never_has_the_apps_tokens() -> None:
    tokens = {"oncall": {"token": "x" * 20, "scope": "write"}}
    options = Options(admin_token="secret" * 4, admin_tokens=tokens, tenants={"a": {}})
    found = tenant_options(options)["a"]
    assert (found.admin_token, found.admin_tokens) == (None, {})


def test_a_tenants_limit_may_be_off() -> None:
    assert tenant_options(Options(tenants={"a": {"base_limit": None}}))["a"].base_limit is None


@pytest.mark.parametrize(
    ("tenants", "words"),
    [
        ({"a": {"base_limit": -1}}, "tenants: a: base_limit is -1, which is not allowed"),
        ({"a": {"store_timeout": 1}}, "'a' has 'store_timeout', in which tenants can't differ"),
        ({"a": {"nonsense": 1}}, "'a' has 'nonsense'"),
        ({"a": 5}, "'a' is not given a mapping"),
        ({"../x": {}}, "'../x' is not allowed"),
        ({"": {}}, "'' is not allowed"),
        ({"default": {}}, "neither default nor other"),
        ({"x" * 10_000: {}}, "is not allowed"),
        ({1: {}}, "a mapping with text keys"),
        ({"b": {}}, "names a, which tenants doesn't declare; there are: b"),
    ],
)
def test_what_is_wrong_is_told_at_the_start(tenants: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        IntelligentLimiter(Flask("site"), tenants=tenants, tenant_of=BY_HOST)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_tenants_need_what_tells_them_apart() -> None:
    with pytest.raises(ConfigurationError, match="without tenant_of"):
        IntelligentLimiter(Flask("site"), tenants={"a": {}})


def test_a_token_is_in_no_message() -> None:
    tokens = {"oncall": {"token": "a-secret-of-the-tenant", "scope": "all"}}
    with pytest.raises(ConfigurationError) as caught:
        IntelligentLimiter(
            Flask("site"), tenants={"a": {"admin_tokens": tokens}}, tenant_of=BY_HOST
        )
    assert "a-secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 64])
def test_a_name_is_of_few_characters(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a.b", "a\n", "é", "x" * 65, "{a}", "a b"])
def test_other_names_are_none(name: str) -> None:
    assert not is_name(name)


def test_no_two_tenants_share_a_beginning_of_keys() -> None:
    options = Options()
    prefixes = [options.key_prefix, *(prefix_of(options, x) for x in ("a", "a1", "a-1", "t"))]
    sites = [f"{prefix}1." for prefix in prefixes] + [f"{prefix}1:" for prefix in prefixes]
    assert not any(x != y and y.startswith(x) for x in sites for y in sites)
