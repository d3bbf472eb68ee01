"""Read what HAProxy writes beside its requests, and what it cuts off."""

from __future__ import annotations

from pathlib import Path

from flask_irl.replay.logs import LogReader

START = "203.0.113.5:4150 [27/Nov/2026:13:04:40.150] "
LINE = f'{START}plain app/s1 0/0/0/0/0 {{status}} 123 - - ---- 1/1/0/0/0 0/0 "{{request}}'


def read(folder: Path, *lines: str) -> LogReader:
    log = folder / "log"
    log.write_text("\n".join([LINE.format(status=200, request='GET / HTTP/1.1"'), *lines]))
    return LogReader(log)


def test_a_failed_handshake_is_of_no_request(tmp_path: Path) -> None:
    reader = read(tmp_path, f"{START}tls/1: SSL handshake failure")
    assert (len(list(reader)), reader.server_answered, reader.unreadable_lines) == (1, 1, 0)


def test_a_line_that_was_cut_off_in_its_path_still_counts(tmp_path: Path) -> None:
    _, entry = read(tmp_path, LINE.format(status=404, request=f"GET /{'a' * 900}"))
    assert (entry.method, entry.path, entry.status) == ("GET", f"/{'a' * 900}", 404)


def test_a_request_whose_client_went_away_has_no_status(tmp_path: Path) -> None:
    _, entry = read(tmp_path, LINE.format(status=-1, request='GET /a#22b HTTP/1.1"'))
    assert (entry.path, entry.status) == ('/a"b', 0)
