"""Read the samples that real servers wrote; each one's first line names the server.

All servers were sent the same requests, of three clients, and the same rubbish.
"""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

from flask_irl.errors import LogError
from flask_irl.replay.logs import LogReader

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "replay" / "samples"
A, B, C = "203.0.113.5", "198.51.100.7", "2001:db8::7"
PATHS = {"/", "/api/process", "/caf%C3%A9", '/a"b', "/a\\b", "/missing", "/user", "/v6"}
SENT_WHOLE = {"/bad-host", "/big-header", "/never-ending", "/nobody", f"/{'a' * 40}"}
"""Rubbish that some servers take for a request."""

# File: format, requests of A, B and C, requests of others, those no app saw, unreadable lines.
EXPECTED: dict[str, tuple[str, tuple[int, int, int], dict[str, int], int, int]] = {
    "alb": ("alb", (3, 2, 1), {}, 2, 0),
    "apache-combined": ("combined", (6, 6, 1), {}, 3, 0),
    "apache-common": ("common", (6, 6, 1), {}, 3, 0),
    "apache-msec": ("combined", (6, 6, 1), {}, 3, 0),
    # What came without an X-Forwarded-For has its peer for a client.
    "apache-peer-xff": ("combined", (6, 4, 1), {"10.0.0.3": 2}, 3, 0),
    "apache-vhost": ("combined", (6, 6, 1), {}, 3, 0),
    "apache-vhost-combined": ("combined", (6, 6, 1), {}, 3, 0),
    "caddy-2.11": ("json", (6, 5, 1), {}, 0, 0),
    "caddy-2.6": ("json", (6, 6, 1), {}, 0, 0),
    "caddy-console": ("json", (6, 5, 1), {}, 0, 0),
    "cloudflare": ("json", (3, 2, 1), {}, 1, 0),
    "cloudfront": ("w3c", (3, 2, 1), {}, 1, 0),
    "daphne": ("common", (5, 4, 0), {}, 0, 0),
    "elb-classic": ("alb", (3, 2, 1), {}, 1, 0),
    # It tells of each connection, too.
    "eventlet": ("common", (6, 4, 0), {"10.0.0.3": 2}, 2, 18),
    "gevent": ("common", (6, 7, 0), {}, 4, 3),
    "google-cloud": ("json", (3, 2, 1), {}, 0, 0),
    "granian": ("granian", (6, 7, 0), {}, 0, 10),
    "gunicorn": ("combined", (5, 5, 1), {}, 0, 0),
    "gunicorn-unix-socket": ("combined", (0, 0, 0), {"-": 11}, 0, 0),
    "haproxy-captured": ("haproxy", (5, 4, 0), {"10.0.0.3": 1}, 7, 0),
    "haproxy-clf": ("combined", (5, 5, 0), {}, 7, 0),
    "haproxy-httplog": ("haproxy", (5, 5, 1), {}, 7, 0),
    "haproxy-rfc5424": ("haproxy", (5, 5, 1), {}, 7, 0),
    "haproxy-syslog": ("haproxy", (5, 5, 1), {}, 7, 0),
    # It writes two lines for a request whose connection ends.
    "hypercorn": ("combined", (5, 7, 1), {}, 12, 0),
    "iis": ("w3c", (3, 2, 1), {}, 0, 0),
    "lighttpd": ("combined", (6, 5, 0), {}, 5, 0),
    "nginx-combined": ("combined", (6, 6, 1), {}, 5, 0),
    "nginx-iso": ("combined", (6, 6, 1), {}, 5, 0),
    "nginx-json": ("json", (6, 4, 1), {"10.0.0.3": 2}, 5, 0),
    "nginx-json-names": ("json", (6, 6, 1), {}, 5, 0),
    "nginx-main": ("combined", (6, 4, 1), {"10.0.0.3": 2}, 5, 0),
    "nginx-syslog": ("combined", (6, 6, 1), {}, 5, 0),
    "nginx-timed": ("combined", (6, 6, 1), {}, 5, 0),
    "nginx-unix-socket": ("combined", (0, 0, 0), {"unix:": 13}, 5, 0),
    "nginx-vhost": ("combined", (6, 6, 1), {}, 5, 0),
    "nginx-xff": ("combined", (6, 4, 1), {"-": 2}, 5, 0),
    # The longest line was cut off on its way.
    "rsyslog-iso": ("combined", (6, 6, 1), {}, 4, 1),
    "rsyslog-old": ("combined", (6, 6, 1), {}, 4, 1),
    "rsyslog-rfc5424": ("combined", (6, 6, 1), {}, 4, 1),
    "traefik-clf": ("combined", (3, 2, 1), {}, 0, 0),
    "traefik-json": ("json", (3, 2, 1), {}, 1, 0),
    # uWSGI hands rubbish on to the app.
    "uwsgi": ("uwsgi", (7, 6, 0), {}, 0, 4),
    "werkzeug": ("common", (6, 8, 0), {}, 2, 2),
}


def open_sample(name: str, folder: Path, before: bytes = b"") -> LogReader:
    """Open a sample without its first line, each line behind a prefix."""
    lines = (SAMPLES / f"{name}.txt").read_bytes().split(b"\n")[1:-1]
    log = folder / "log"
    log.write_bytes(b"".join(before + line + b"\n" for line in lines))
    return LogReader(log)


def test_each_sample_is_read_by_a_test() -> None:
    assert {path.stem for path in SAMPLES.glob("*.txt")} == {*EXPECTED, "uvicorn"}


def test_the_page_on_replays_names_each_sample_and_the_version_that_wrote_it() -> None:
    page = (ROOT / "docs" / "replay.md").read_text()
    rows = re.findall(r"^\| `.*\| (.*) \|$", page, re.MULTILINE)
    for path in SAMPLES.glob("*.txt"):
        wrote = path.read_text(errors="replace").split("\n")[0].removeprefix("# ")
        names = [
            row for row in rows if any(fnmatch(path.stem, n) for n in re.findall("`(.+?)`", row))
        ]
        assert names, path.stem
        version = re.search(r"\d+\.[\d.]+\d", wrote.replace("v3", ""))
        expected = "documentation" if "documentation" in wrote else version and version[0]
        assert expected and any(expected in row for row in names), path.stem


@pytest.mark.parametrize("name", EXPECTED)
def test_a_servers_log_is_read(name: str, tmp_path: Path) -> None:
    kind, (a, b, c), others, unseen, unreadable = EXPECTED[name]
    reader = open_sample(name, tmp_path)
    entries = list(reader)
    clients = Counter(entry.client for entry in entries)
    assert clients == Counter({A: a, B: b, C: c, **others})
    assert (reader.format, reader.server_answered, reader.unreadable_lines) == (
        kind,
        unseen,
        unreadable,
    )
    # All were written between one and two o'clock that day.
    assert all(1_795_784_400 <= entry.ts < 1_795_788_000 for entry in entries)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_path_is_the_same_in_all_servers_logs(name: str, tmp_path: Path) -> None:
    paths = Counter(entry.path for entry in open_sample(name, tmp_path))
    assert {path for path in paths if path != "-"} <= PATHS | SENT_WHOLE
    assert paths["/caf%C3%A9"] >= 1


@pytest.mark.parametrize(
    "name, prefix",
    [
        ("nginx-combined", b"Nov 27 13:03:08 web1 nginx: "),
        ("nginx-combined", b"Nov  7 13:03:08.123456 web1 nginx[812]: "),
        ("nginx-combined", b"2026-11-27T13:03:08.123456+00:00 web1 nginx[812]: "),
        ("nginx-combined", b"2026-11-27T13:03:08+0100 web1 nginx[812]: "),
        ("nginx-combined", b"Fri 2026-11-27 13:03:08 UTC web1 nginx[812]: "),
        ("nginx-combined", b"1795784588.123456 web1 nginx[812]: "),
        ("nginx-combined", b'<190>1 2026-11-27T13:03:08Z web1 nginx 812 - [x@1 a="b"] '),
        ("nginx-combined", b"2026-11-27T13:03:08.123456789Z "),
        ("nginx-combined", b"2026-11-27T13:03:08.123456789Z stdout F "),
        ("nginx-combined", b"[pod/web-5d4f/nginx] 2026-11-27T13:03:08.123456789Z "),
        ("nginx-combined", b"web-1  | "),
        ("nginx-combined", b"\x1b[36mweb-1  |\x1b[0m "),
        ("nginx-combined", b"web-1  | 2026-11-27T13:03:08.123456789Z "),
        ("nginx-combined", b"2026-11-27T13:03:08Z stdout F Nov 27 13:03:08 web1 nginx: "),
        ("nginx-vhost", b"Nov 27 13:03:08 web1 nginx: "),
        ("caddy-2.11", b"2026-11-27T13:03:08.123456789Z stderr F "),
        ("haproxy-httplog", b"Nov 27 13:03:08 lb1 haproxy[812]: "),
        ("haproxy-httplog", b"2026-11-27T13:03:08.123456+00:00 lb1 haproxy[812]: "),
        ("granian", b"web-1  | "),
        ("werkzeug", b"INFO:werkzeug:"),
        ("werkzeug", b"2026-11-27 13:03:08,123 - werkzeug - INFO - "),
        ("werkzeug", b"2026-11-27 13:03:08,123 [INFO] werkzeug: "),
        ("werkzeug", b"2026-11-27 13:03:08,123 INFO "),
        ("werkzeug", b"[2026-11-27 13:03:08 +0000] [812] [INFO] "),
    ],
)
def test_what_loggers_and_containers_put_first_changes_nothing(
    name: str, prefix: bytes, tmp_path: Path
) -> None:
    assert list(open_sample(name, tmp_path, prefix)) == list(open_sample(name, tmp_path))


def test_uvicorns_log_has_no_time_and_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="uvicorn, whose access log has no time; let docker logs -t"):
        open_sample("uvicorn", tmp_path)


def test_uvicorns_log_has_the_time_that_a_container_puts_first(tmp_path: Path) -> None:
    entries = list(open_sample("uvicorn", tmp_path, b"2026-11-27T13:03:08.5Z "))
    assert Counter(entry.client for entry in entries) == {A: 6 - 1, B: 7}
    assert {entry.ts for entry in entries} == {1_795_784_588.5}
