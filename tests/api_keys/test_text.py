"""Test the texts of API keys: their form, and how typos are told."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.api_keys.text import DIGITS, PATTERN, client_of, id_in, id_of, new_text, prefix_of

TEXT, KEY_ID = new_text("live")


@pytest.mark.parametrize("environment", ["live", "test"])
def test_a_new_text_has_the_form_and_the_id(environment: str) -> None:
    text, key_id = new_text("test" if environment == "test" else "live")
    assert re.fullmatch(PATTERN, text)
    assert text.startswith(prefix_of(environment, key_id))
    assert id_in(text) == key_id


def test_a_rotated_key_keeps_its_id_and_gets_another_secret() -> None:
    text, key_id = new_text("live", KEY_ID)
    assert key_id == KEY_ID
    assert text != TEXT


def test_the_digits_are_those_of_base_62() -> None:
    assert set(DIGITS) == set(string.ascii_letters + string.digits)
    assert len(DIGITS) == 62


@given(st.integers(0, len(TEXT) - 1), st.sampled_from(DIGITS + "_-é \x00"))
def test_a_typo_of_one_character_is_told(place: int, character: str) -> None:
    typo = TEXT[:place] + character + TEXT[place + 1 :]
    assert id_in(typo) == (KEY_ID if typo == TEXT else "")


@given(st.integers(0, len(TEXT) - 2))
def test_two_characters_that_changed_places_are_told(place: int) -> None:
    typo = TEXT[:place] + TEXT[place + 1] + TEXT[place] + TEXT[place + 2 :]
    assert id_in(typo) == (KEY_ID if typo == TEXT else "")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=name)
        for name, text in {
            "empty": "",
            "begun": "irl_",
            "short": TEXT[:-1],
            "long": TEXT + "0",
            "line": TEXT + "\n",
            "typo": TEXT.replace("live", "lvie"),
            "other": TEXT.replace("irl_live", "irl_prod"),
            "endless": "irl_live_" + "0" * 8000,
            "upper": TEXT.upper(),
        }.items()
    ],
)
def test_what_is_no_key_has_no_id(text: str) -> None:
    assert id_in(text) == ""


def test_a_client_is_told_by_its_key() -> None:
    assert id_of(client_of(KEY_ID)) == KEY_ID
    assert [id_of(x) for x in ("", KEY_ID, "key:", "key:0f0f0f0f0f0f0f0f0f0f0f0f")] == [""] * 4
