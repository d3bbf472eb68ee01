"""Read W3C extended logs by the header they have, wherever it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_irl.errors import LogError
from flask_irl.replay.logs import LogReader

HEADER = "#Fields: date time cs-method cs-uri-stem c-ip sc-status X-Forwarded-For"


def test_a_header_in_the_middle_changes_the_fields(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        f"{HEADER}\n2026-07-14 10:00:00 GET /a 203.0.113.5 200 -\n#Software: IIS\n"
        "#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes\n"
        "2026-07-14 10:00:01 198.51.100.7 POST /b 404 12\n2026-07-14 10:00:02 GET\n"
    )
    reader = LogReader(log)
    assert [(e.client, e.method, e.path, e.status, e.size) for e in reader] == [
        ("203.0.113.5", "GET", "/a", 200, -1),
        ("198.51.100.7", "POST", "/b", 404, 12),
    ]
    assert (reader.unreadable_lines, reader.server_answered) == (1, 0)


@pytest.mark.parametrize(
    "client_from, client",
    [("", "203.0.113.5"), ("xff:last", "10.0.0.1"), ("peer", "10.0.0.2"), ("c-ip", "10.0.0.2")],
)
def test_behind_a_proxy_the_client_is_that_of_x_forwarded_for(
    tmp_path: Path, client_from: str, client: str
) -> None:
    log = tmp_path / "log"
    log.write_text(f"{HEADER}\n2026-07-14 10:00:00 GET /a 10.0.0.2 200 203.0.113.5,+10.0.0.1\n")
    assert [entry.client for entry in LogReader(log, client_from=client_from)] == [client]


def test_a_header_without_what_is_needed_is_an_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("#Fields: date time c-ip cs-method\n2026-07-14 10:00:00 10.0.0.2 GET\n")
    with pytest.raises(LogError, match="names no field cs-uri-stem, sc-status"):
        LogReader(log, format="iis")
