"""Selectors: whose a request is by host, path and header, and what may not be given."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_irl import tenant_by_header, tenant_by_host, tenant_by_path
from flask_irl.errors import ConfigurationError
from flask_irl.web.tenant_selectors import TenantSelector

HOSTS = tenant_by_host(
    {
        "A.example.com": "a",
        "*.b.example": "b",
        "*.c.b.example": "c",
        "x.b.example": "x",
        "[2001:db8::1]": "six",
        "bücher.example": "books",
    }
)
PATHS = tenant_by_path({"/a/": "a", "/a/inner": "inner", "/b": "b"})
HEADER = tenant_by_header("X-Tenant", known=["a", "b"])


@pytest.mark.parametrize(
    ("host", "tenant"),
    [
        ("a.example.com", "a"),
        ("a.EXAMPLE.com:8080", "a"),
        ("a.example.com.", "a"),
        ("xa.example.com", None),
        ("b.example", None),
        ("www.b.example", "b"),
        ("far.away.b.example:443", "b"),
        ("x.b.example", "x"),
        ("y.c.b.example", "c"),
        ("evilb.example", None),
        (".b.example", None),
        ("[2001:db8::1]", "six"),
        ("[2001:db8::1]:8000", "six"),
        ("a.example.com:1:80", "a"),
        ("xn--bcher-kva.example", "books"),
        ("", None),
        ("../x", None),
        ("a.example.com\x00", None),
    ],
)
def test_a_host_names_a_tenant(host: str, tenant: str | None) -> None:
    assert HOSTS.of({"HTTP_HOST": host}) == tenant


def test_without_a_host_the_servers_name_counts() -> None:
    assert HOSTS.of({"SERVER_NAME": "a.example.com"}) == "a"
    assert HOSTS.of({}) is None


@pytest.mark.parametrize(
    ("path", "tenant"),
    [
        ("/a", "a"),
        ("/a/", "a"),
        ("/a/x", "a"),
        ("//a/x", "a"),
        ("///a", "a"),
        ("/ab", None),
        ("/a/inner", "inner"),
        ("/a/inner/y", "inner"),
        ("/a/innermost", "a"),
        ("/b/../a/", "b"),
        ("/A/", None),
        ("", None),
        ("/", None),
    ],
)
def test_the_longest_beginning_of_a_path_names_a_tenant(path: str, tenant: str | None) -> None:
    assert PATHS.of({"PATH_INFO": path}) == tenant


@pytest.mark.parametrize(
    ("value", "tenant"), [("a", "a"), ("A", None), ("c", None), ("../x", None), ("", None)]
)
def test_a_header_names_known_tenants_alone(value: str, tenant: str | None) -> None:
    assert HEADER.of({"HTTP_X_TENANT": value}) == tenant


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tenant_by_host({}), "give a mapping"),
        (lambda: tenant_by_host("a"), "give a mapping"),  # type: ignore[arg-type]
        (lambda: tenant_by_host({1: "a"}), "give a text"),  # type: ignore[dict-item]
        (lambda: tenant_by_host({"http://a.example": "a"}), "without scheme"),
        (lambda: tenant_by_host({"a.example:80": "a"}), "without scheme"),
        (lambda: tenant_by_host({"*": "a"}), "without scheme"),
        (lambda: tenant_by_host({"a.*.example": "a"}), "without scheme"),
        (lambda: tenant_by_host({"x.example": "a", "X.example.": "b"}), "twice, to 'a' and 'b'"),
        (lambda: tenant_by_host({"x.example": "../x"}), "'../x' is not allowed: give 1 to 64"),
        (lambda: tenant_by_host({"x.example": ""}), "'' is not allowed"),
        (lambda: tenant_by_host({"x.example": "other"}), "neither default nor other"),
        (lambda: tenant_by_host({"x.example": "a" * 65}), "is not allowed"),
        (lambda: tenant_by_path({"a/": "a"}), "beginning of a path"),
        (lambda: tenant_by_path({"/": "a"}), "beginning of a path"),
        (lambda: tenant_by_path({"/a": "a", "/a/": "b"}), "twice, to 'a' and 'b'"),
        (lambda: tenant_by_path({"/a//b": "a"}), "beginning of a path"),
        (lambda: tenant_by_header("X Tenant", ["a"]), "name of a header"),
        (lambda: tenant_by_header("X-Tenant", []), "give a list"),
        (lambda: tenant_by_header("X-Tenant", "a"), "give a list"),
        (lambda: tenant_by_header("X-Tenant", ["a", "b c"]), "'b c' is not allowed"),
    ],
)
def test_what_is_wrong_is_told(make: Callable[[], TenantSelector], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert words in str(caught.value)
