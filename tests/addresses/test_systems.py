"""Test the autonomous systems of clients, by records of different vendors."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.addresses.lookup import CHECK_SECONDS
from flask_irl.addresses.systems import Systems, system_in
from flask_irl.errors import ConfigurationError
from flask_irl.telemetry.events import Event, ValueDamaged
from tests.address_file import FRENCH, GERMAN, GERMAN_6, system, write
from tests.conftest import Clock

HERE = "203.0.113.7"
LARGEST = 2**32 - 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "systems.mmdb", {GERMAN: system(64500), GERMAN_6: system(LARGEST)})


@pytest.mark.parametrize(
    "record",
    [
        # GeoLite2-ASN-Test.mmdb and GeoIP2-ISP-Test.mmdb of MaxMind's test data, August 2026.
        {"autonomous_system_number": 237, "autonomous_system_organization": "Merit Network Inc."},
        {"autonomous_system_number": 237, "isp": "Merit", "organization": "Merit"},
        {"asn": "AS237", "as_name": "Merit Network Inc.", "as_domain": "merit.edu"},
        {"as_number": 237},
    ],
    ids=["asn", "isp", "ipinfo", "number"],
)
def test_each_vendors_record_has_its_number(record: object) -> None:
    assert system_in(record) == "AS237"


@pytest.mark.parametrize(
    "told",
    [0, -1, LARGEST + 1, True, 5.0, None, "", "237", "AS", "AS0", "AS-1", "AS2\n", "AS" + "9" * 11],
)
def test_what_is_no_number_of_a_system_is_none(told: object) -> None:
    assert system_in({"autonomous_system_number": told, "asn": told}) == ""


LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["AS1", "AS"])
MEMBERS = st.sampled_from(["autonomous_system_number", "asn", "as_number", "isp"])


@given(LEAVES | st.lists(LEAVES, max_size=2) | st.dictionaries(MEMBERS, LEAVES, max_size=4))
def test_any_record_is_of_a_system_or_of_none(record: object) -> None:
    found = system_in(record)
    assert found == "" or 0 < int(found.removeprefix("AS")) <= LARGEST


@pytest.mark.parametrize(
    ("client", "found"),
    [
        (HERE, "AS64500"),
        ("2001:db8:de:1::/64", f"AS{LARGEST}"),
        ("198.51.100.1", ""),
        ("203.0.113.0/24", ""),
        ("ada", ""),
    ],
)
def test_a_client_has_the_system_of_its_address(path: Path, client: str, found: str) -> None:
    assert Systems(str(path)).find(client) == found


def replace(path: Path) -> None:
    os.replace(write(path.with_suffix(".new"), {GERMAN: system(64501)}), path)


def damage(path: Path) -> None:
    path.write_bytes(b"rubbish")


@pytest.mark.parametrize(
    ("change", "found", "told", "notes"),
    [
        (replace, "AS64501", "asn_file_loaded path={} type=Test built=20", []),
        (damage, "AS64500", "asn_file_refused path={} reason=", [ValueDamaged("system", 1)]),
    ],
)
def test_a_replaced_file_is_taken_up_and_one_that_cannot_be_read_is_told(
    path: Path,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Path], None],
    found: str,
    told: str,
    notes: list[Event],
) -> None:
    seen: list[Event] = []
    systems = Systems(str(path), seen.append, clock)
    change(path)
    clock.advance(CHECK_SECONDS)
    with caplog.at_level(logging.INFO, "flask_irl"):
        assert systems.find(HERE) == found
    assert told.format(path) in caplog.text
    assert seen == notes


def test_a_file_that_cannot_be_read_is_told_at_start(path: Path) -> None:
    damage(path)
    with pytest.raises(ConfigurationError, match=r"asn_file .*IRL_ASN_FILE.* GeoLite2-ASN.mmdb"):
        Systems(str(path))


def test_a_damaged_record_is_counted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "one.mmdb", {GERMAN: system(64500), FRENCH: {"a": "FRFRFR"}})
    data = path.read_bytes()
    # A text that claims to be longer than the file.
    at = data.index(b"FRFRFR") - 1
    path.write_bytes(data[:at] + b"\x5f\xff\xff\xff" + data[at + 4 :])
    notes: list[Event] = []
    systems = Systems(str(path), notes.append)
    assert (systems.find("198.51.100.9"), systems.find(HERE)) == ("", "AS64500")
    assert notes == [ValueDamaged("system", 1)]
    assert "system_damaged reason=" in caplog.text
