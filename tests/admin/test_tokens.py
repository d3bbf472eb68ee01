from __future__ import annotations

import pytest

from flask_irl.admin.tokens import Token, all_tokens, parse_tokens

SECRET = "a-token-nobody-may-see"


def test_named_tokens_are_read() -> None:
    given = {"a": {"token": "one", "scope": "read"}, "b": {"token": "two", "scope": "write"}}
    assert parse_tokens(given) == (Token("a", "one", "read"), Token("b", "two", "write"))


@pytest.mark.parametrize("nothing", [None, "", {}])
def test_no_tokens_are_none(nothing: object) -> None:
    assert parse_tokens(nothing) == ()


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        [SECRET],
        {"a": SECRET},
        {"a": {"token": SECRET}},
        {"a": {"token": SECRET, "scope": "admin"}},
        {"a": {"token": SECRET, "scope": ["read"]}},
        {"a": {"token": SECRET, "scope": "read", "more": 1}},
        {"a": {"token": SECRET + "\n", "scope": "read"}},
        {"a": {"token": " " + SECRET, "scope": "read"}},
        {"a": {"token": "", "scope": "read"}},
        {"a": {"token": 5, "scope": "read"}},
        {1: {"token": SECRET, "scope": "read"}},
        {"": {"token": SECRET, "scope": "read"}},
        {"x" * 65: {"token": SECRET, "scope": "read"}},
        {SECRET + "\t": {"token": "name", "scope": "read"}},
        {"a": {"token": SECRET, "scope": "read"}, "b": {"token": SECRET, "scope": "write"}},
    ],
)
def test_what_is_wrong_is_refused_and_no_token_shown(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        parse_tokens(value)
    assert SECRET not in str(caught.value)


def test_the_entry_that_is_wrong_is_told_by_its_number() -> None:
    with pytest.raises(ValueError, match="entry 2"):
        parse_tokens({"a": {"token": "one", "scope": "read"}, SECRET: "read"})


def test_the_single_token_may_write_and_is_called_admin() -> None:
    named = Token("a", "one", "read")
    assert all_tokens("two", [named]) == (Token("admin", "two", "write"), named)


@pytest.mark.parametrize("single", [None, ""])
def test_without_a_single_token_the_named_ones_count(single: str | None) -> None:
    assert all_tokens(single) == ()


@pytest.mark.parametrize("named", [Token("admin", "one", "read"), Token("a", "two", "read")])
def test_names_and_tokens_must_differ(named: Token) -> None:
    with pytest.raises(ValueError):
        all_tokens("two", [named])


def test_a_token_does_not_show_its_secret() -> None:
    assert SECRET not in repr(Token("a", SECRET, "read"))
