"""Find requests in JSON lines, whatever their fields are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flask_irl.errors import LogError
from flask_irl.replay.logs import LogReader

REQUEST = {
    "time": "2026-07-14T10:00:00+00:00",
    "remote_addr": "203.0.113.5",
    "method": "GET",
    "uri": "/a?b=c",
    "status": 200,
}


def write(folder: Path, *objects: dict[str, Any]) -> Path:
    path = folder / "log"
    path.write_text("".join(json.dumps(item) + "\n" for item in objects))
    return path


@pytest.mark.parametrize(
    "time",
    [
        "2026-07-14T10:00:00+00:00",
        "2026-07-14T12:00:00.000000000+02:00",
        "2026-07-14T10:00:00Z",
        "14/Jul/2026:10:00:00 +0000",
        1_784_023_200,
        1_784_023_200.0,
        "1784023200.000",
        1_784_023_200_000,
        1_784_023_200_000_000_000,
    ],
)
def test_times_of_any_kind(tmp_path: Path, time: object) -> None:
    (entry,) = LogReader(write(tmp_path, REQUEST | {"time": time}))
    assert entry.ts == 1_784_023_200.0


@pytest.mark.parametrize(
    "fields",
    [
        {"request": "GET /a?b=c HTTP/1.1", "method": None, "uri": None},
        {
            "http": {"request": {"method": "GET"}},
            "url": {"path": "/a"},
            "method": None,
            "uri": None,
        },
        {"Method": "GET", "URI": "http://shop.example/a", "method": None, "uri": None},
    ],
)
def test_requests_under_other_names(tmp_path: Path, fields: dict[str, Any]) -> None:
    found = {name: value for name, value in (REQUEST | fields).items() if value is not None}
    (entry,) = LogReader(write(tmp_path, found))
    assert (entry.method, entry.path, entry.client) == ("GET", "/a", "203.0.113.5")


def test_a_name_that_is_asked_for_holds_the_client(tmp_path: Path) -> None:
    found = REQUEST | {"edge": {"Visitor": "198.51.100.7, 10.0.0.1"}}
    (entry,) = LogReader(write(tmp_path, found), client_from="edge.visitor")
    assert entry.client == "198.51.100.7"


@pytest.mark.parametrize(
    "client_from, client",
    [
        ("", "198.51.100.7"),
        ("peer", "10.0.0.2"),
        ("xff:last", "10.0.0.1"),
        ("real-ip", "192.0.2.3"),
    ],
)
def test_behind_a_proxy_the_client_is_that_of_x_forwarded_for(
    tmp_path: Path, client_from: str, client: str
) -> None:
    found = REQUEST | {
        "remote_addr": "10.0.0.2",
        "http_x_forwarded_for": "198.51.100.7, 10.0.0.1",
        "http_x_real_ip": "192.0.2.3",
    }
    (entry,) = LogReader(write(tmp_path, found), client_from=client_from)
    assert entry.client == client


def test_a_field_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no field for 'visitor'"):
        LogReader(write(tmp_path, REQUEST), client_from="visitor")


def test_objects_of_other_kinds_are_unreadable(tmp_path: Path) -> None:
    others: list[dict[str, Any]] = [{"level": "info"}, REQUEST | {"remote_addr": "not one"}]
    path = write(tmp_path, REQUEST, *others)
    path.write_text(path.read_text() + "{broken\n")
    reader = LogReader(path)
    assert len(list(reader)) == 1
    assert [example.reason for example in reader.unreadable_examples] == [
        "the object has no status",
        "the object has no address of a client",
        "no JSON object",
    ]


@pytest.mark.parametrize("start", ["a", "log"])
def test_deep_nesting_is_one_unreadable_line(tmp_path: Path, start: str) -> None:
    path = write(tmp_path, REQUEST)
    path.write_text(path.read_text() + f'{{"{start}":' * 10_000 + "\n")
    reader = LogReader(path)
    assert len(list(reader)) == 1
    assert reader.unreadable_lines == 1
