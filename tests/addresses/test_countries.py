"""Test the countries of clients, by files as their vendors make them, replaced and damaged."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_irl.addresses.countries import Countries
from flask_irl.addresses.country_record import UNKNOWN, Country
from flask_irl.addresses.lookup import CHECK_SECONDS
from flask_irl.errors import ConfigurationError
from flask_irl.telemetry.events import Event, ValueDamaged
from tests.address_file import COUNTRIES, FRENCH, GERMAN, maxmind, write
from tests.conftest import Clock
from tests.forks import held_by_a_thread, run_in_fork

HERE = "203.0.113.7"
DAMAGED = ValueDamaged("country", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "countries.mmdb")


@pytest.fixture
def notes() -> list[Event]:
    return []


@pytest.fixture
def countries(path: Path, notes: list[Event], clock: Clock) -> Countries:
    return Countries(str(path), notes.append, clock)


@pytest.mark.parametrize(
    ("client", "code"),
    [
        (HERE, "DE"),
        ("198.51.100.200", "FR"),
        ("192.0.2.1", ""),
        ("127.0.0.1", ""),
        # As an IPv6 client is called, and as addresses are written.
        ("2001:db8:de:1::/64", "DE"),
        ("2001:db8:de:1::7", "DE"),
        ("2001:db8:f::/64", ""),
        ("::ffff:203.0.113.7", "DE"),
        # Networks of many clients, which operators override.
        ("203.0.113.0/24", ""),
        ("2001:db8:de::/48", ""),
        # Other keys.
        ("ada", ""),
        ("key:203.0.113.7", ""),
        ("", ""),
        ("203.0.113", ""),
        ("\udc80", ""),
    ],
)
def test_a_client_has_the_country_of_its_address(
    countries: Countries, client: str, code: str
) -> None:
    assert countries.of(client) == code


def test_a_country_has_its_name_where_the_file_has_it(countries: Countries) -> None:
    assert countries.find(HERE) == Country("DE", "Germany")
    assert countries.find("ada") == UNKNOWN


def test_a_file_of_ipv4_alone_knows_no_other(tmp_path: Path, notes: list[Event]) -> None:
    records = {GERMAN: maxmind("DE", "Germany")}
    found = Countries(str(write(tmp_path / "4.mmdb", records, version=4)), notes.append)
    assert (found.of(HERE), found.of("2001:db8:de:1::/64")) == ("DE", "")
    assert notes == []


def test_a_replaced_file_is_taken_up_within_a_minute(
    countries: Countries,
    path: Path,
    clock: Clock,
    notes: list[Event],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert countries.of(HERE) == "DE"
    os.replace(write(path.with_suffix(".new"), {GERMAN: maxmind("AT", "Austria")}), path)
    clock.advance(CHECK_SECONDS - 1)
    assert countries.of(HERE) == "DE"
    clock.advance(1)
    with caplog.at_level(logging.INFO, "flask_irl"):
        assert countries.of(HERE) == "AT"
    assert f"country_file_loaded path={path} type=Test built=20" in caplog.text
    assert notes == []


def rubbish(path: Path) -> None:
    path.write_bytes(b"rubbish")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (rubbish, "no whole MaxMind DB file"),
        (half, "no whole MaxMind DB file"),
        (Path.unlink, "No such file"),
        (a_pipe, "no file"),
    ],
)
def test_what_cannot_be_read_leaves_the_file_before_in_use(
    countries: Countries,
    path: Path,
    clock: Clock,
    notes: list[Event],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    damage(path)
    for _ in range(3):
        clock.advance(CHECK_SECONDS)
        assert countries.of("198.51.100.9") == "FR"
    # Once, however often it is looked at.
    assert notes == [DAMAGED]
    [told] = [each for each in caplog.messages if each.startswith("country_file_refused")]
    assert f"path={path} " in told and reason in told
    path.unlink(missing_ok=True)
    write(path, {GERMAN: maxmind("AT", "Austria")})
    clock.advance(CHECK_SECONDS)
    assert countries.of(HERE) == "AT"


def test_a_file_that_is_overwritten_in_place_harms_nobody(countries: Countries, path: Path) -> None:
    # A process that had mapped this very file would be ended by a signal.
    os.truncate(path, 0)
    assert countries.of(HERE) == "DE"


def test_nothing_is_left_in_the_folder_for_temporary_files(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    assert Countries(str(path)).of(HERE) == "DE"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_without_a_folder_for_temporary_files_all_is_read_into_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError("read-only")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", fail)
    found = Countries(str(path))
    assert (found.find(HERE), found.of("ada")) == (Country("DE", "Germany"), "")


@pytest.mark.parametrize("damage", [rubbish, half, Path.unlink, a_pipe])
def test_a_file_that_cannot_be_read_is_told_at_start(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    with pytest.raises(
        ConfigurationError, match=r"country_file .*IRL_COUNTRY_FILE.* give the path"
    ):
        Countries(str(path))


def test_a_missing_library_is_told_at_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(ConfigurationError, match=r'pip install "flask-irl\[countries\]"'):
        Countries(str(path))


def test_many_threads_find_the_same_while_files_are_replaced(path: Path, clock: Clock) -> None:
    countries = Countries(str(path), monotonic=clock)
    wrong: list[str] = []
    done = threading.Event()

    def ask() -> None:
        number = 0
        while not done.is_set():
            number += 1
            if countries.of(f"203.0.113.{number % 250}") != "DE":
                wrong.append(str(number))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        os.replace(write(path.with_suffix(".new")), path)
        clock.advance(CHECK_SECONDS)
        assert countries.of("198.51.100.9") == "FR"
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks no process")
def test_a_forked_process_finds_and_takes_up_as_its_parent_does(path: Path, clock: Clock) -> None:
    countries = Countries(str(path), monotonic=clock)

    def find() -> None:
        assert countries.of(HERE) == "DE"
        os.replace(write(path.with_suffix(".new"), {GERMAN: maxmind("AT", "Austria")}), path)
        clock.advance(CHECK_SECONDS)
        assert countries.of(HERE) == "AT"

    with held_by_a_thread(countries._lock):
        assert run_in_fork(find) == "done"
    clock.advance(CHECK_SECONDS)
    assert countries.of(HERE) == "AT"


ADDRESSES = (HERE, "198.51.100.9", "192.0.2.1", "2001:db8:de:1::/64", "8.8.8.8", "::1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "whole.mmdb"
    return write(
        path, {**COUNTRIES, FRENCH: {"country": "FR", "country_name": "France"}}
    ).read_bytes()


@pytest.mark.parametrize("in_memory", [False, True], ids=["mapped", "in_memory"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    length=st.floats(0.2, 1),
)
def test_no_damage_to_a_file_raises_where_clients_are_counted(
    whole: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_memory: bool,
    changes: list[tuple[float, int]],
    length: float,
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError("read-only")

    if in_memory:
        monkeypatch.setattr(tempfile, "NamedTemporaryFile", fail)
    data = bytearray(whole)
    for place, value in changes:
        data[int(place * len(data))] = value
    path = tmp_path / "damaged.mmdb"
    path.write_bytes(data if length > 0.5 else data[int(length * len(data)) :])
    try:
        countries = Countries(str(path))
    except ConfigurationError:
        return
    for client in ADDRESSES:
        code, name = countries.find(client)
        assert code == "" or (len(code) == 2 and code.isascii() and code.isupper())
        assert name.isprintable()


def test_damaged_records_are_counted_and_logged_and_others_are_found(
    tmp_path: Path, notes: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "one.mmdb", {GERMAN: {"country_code": "DE"}, FRENCH: {"a": "FRFRFR"}})
    data = path.read_bytes()
    # A text that claims to be longer than the file.
    at = data.index(b"FRFRFR") - 1
    path.write_bytes(data[:at] + b"\x5f\xff\xff\xff" + data[at + 4 :])
    countries = Countries(str(path), notes.append)
    assert (countries.of("198.51.100.9"), countries.of(HERE)) == ("", "DE")
    assert notes == [DAMAGED]
    assert "country_damaged reason=" in caplog.text
