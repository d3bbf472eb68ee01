"""Test what is read in the records of different vendors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.addresses.country_record import CODE, MAX_NAME, UNKNOWN, Country, country_in
from tests.address_file import maxmind

CITY = {**maxmind("DE", "Germany"), "city": {"names": {"en": "Bonn"}}, "location": {"latitude": 5}}
IPINFO = {"country": "Germany", "country_code": "DE", "continent": "Europe", "asn": "AS3320"}
OLDER_IPINFO = {"country": "DE", "country_name": "Germany", "continent": "EU"}
LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["DE", "de", "ZZ"])
MEMBERS = st.sampled_from(["country", "country_code", "iso_code", "names", "en", "country_name"])
RECORDS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4)
)


@pytest.mark.parametrize(
    "record",
    [maxmind("DE", "Germany"), CITY, IPINFO, OLDER_IPINFO],
    ids=["maxmind", "city", "ipinfo", "older_ipinfo"],
)
def test_each_vendors_record_has_code_and_name(record: object) -> None:
    assert country_in(record) == Country("DE", "Germany")


@pytest.mark.parametrize(
    ("record", "country"),
    [
        ({"country": {"iso_code": "DE"}}, Country("DE", "")),
        ({"country_code": "DE"}, Country("DE", "")),
        ({"country": "DE"}, Country("DE", "")),
        ({"country_code": "DE", "country": "DE"}, Country("DE", "")),
        (
            {"registered_country": {"iso_code": "FR", "names": {"en": "France"}}},
            Country("FR", "France"),
        ),
        (
            {"country": {"names": {"en": "?"}}, "registered_country": {"iso_code": "FR"}},
            Country("FR", ""),
        ),
    ],
)
def test_what_a_record_lacks_is_left_out(record: object, country: Country) -> None:
    assert country_in(record) == country


@pytest.mark.parametrize(
    "code",
    ["", "D", "DEU", "de", "D1", "ÄÖ", "DE\n", "D\x00", "ZZ", "XX", "-", 5, None, ["DE"], b"DE"],
)
def test_anything_but_two_capital_letters_is_unknown(code: object) -> None:
    assert country_in({"country": {"iso_code": code}}) == UNKNOWN
    assert country_in({"country_code": code, "country": "A land"}) == UNKNOWN


@pytest.mark.parametrize(
    "name", ["", "x" * (MAX_NAME + 1), "one\ntwo", "a\x1b[31m", "turned\u202e", 5, None, {"en": 1}]
)
def test_a_name_that_could_do_something_is_none(name: object) -> None:
    assert country_in({"country": {"iso_code": "DE", "names": {"en": name}}}) == Country("DE", "")


@given(RECORDS)
def test_no_record_raises_and_what_is_read_is_of_the_right_form(record: object) -> None:
    code, name = country_in(record)
    assert code == "" or CODE.fullmatch(code)
    assert name.isprintable() and len(name) <= MAX_NAME
    assert code or not name
