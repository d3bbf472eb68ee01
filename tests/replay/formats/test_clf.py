"""Find the client in Common and Combined Log Format, and the path in its request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flask_irl.errors import ConfigurationError, LogError
from flask_irl.replay.logs import LogReader

TAIL = '[14/Jul/2026:10:00:{s:02d} +0000] "GET /?q={n} HTTP/1.1" 200 512 "-" "Mozilla/5.0"'
CLIENTS = ("203.0.113.10", "198.51.100.7")


def write(folder: Path, head: str, tail: str = "") -> Path:
    """Write the requests of two clients, each line made of this head and the end of CLF."""
    lines = []
    for n in range(40):
        ip = CLIENTS[n % 2]
        hops = f"{ip}, 10.0.0.9, 10.0.0.8" if n % 4 < 2 else ip
        line = f"{head} {TAIL}{tail}"
        lines.append(line.format(ip=ip, other=CLIENTS[1 - n % 2], s=n // 2, n=n, xff=hops))
    path = folder / "log"
    path.write_text("\n".join(lines) + "\n")
    return path


def clients(path: Path, **options: Any) -> set[str]:
    reader = LogReader(path, **options)
    found = {entry.client for entry in reader}
    assert reader.unreadable_lines == 0
    return found


@pytest.mark.parametrize(
    "head",
    [
        "{ip} - -",
        "{ip} - fr[ank]",
        "{ip} - a [b] c",
        "{ip} shop.example -",
        "{ip}:51{n:03d} - -",
        "shop.example:443 {ip} - -",
        "shop.example {ip} - -",
        "192.0.2.80:443 {ip} - -",
        "- {ip} - -",
        "_ {ip} - -",
        "10.0.0.9 {ip} - -",
        "{ip} 10.0.0.9 - -",
        "10.0.0.9 ({ip}) - -",
        '"{ip}" 10.0.0.9 - -',
        "{ip}, 10.0.0.9 - -",
        "{ip},10.0.0.9 - -",
        "{xff} - -",
        '"{xff}" 10.0.0.9 - -',
        "10.0.0.9 {xff} - -",
        "10.1.2.3, {ip}, 10.0.0.9 - -",
        "unknown, {ip} - -",
        "Jul 14 10:00:{s:02d} web3 nginx: {ip} - -",
        "Jul 14 10:00:{s:02d} web3 nginx[12]: shop.example {ip} - -",
        "2026-07-14T10:00:{s:02d}.{n:09d}Z {ip} - -",
        "web-1 | {ip} - -",
    ],
)
def test_the_client_is_found_whatever_stands_first(tmp_path: Path, head: str) -> None:
    assert clients(write(tmp_path, head)) == set(CLIENTS)


@pytest.mark.parametrize(
    "head, tail",
    [
        ("10.0.0.9 - -", ' "{ip}"'),
        ("10.0.0.9 - -", ' "{xff}"'),
        ("unix: - -", ' 0.003 "{xff}"'),
        (" - -", ' "{ip}"'),
        ("192.0.2.1 - -", ' "shop.example" "{xff}" rt=0.003 ua="10.0.0.5:8000"'),
    ],
)
def test_behind_a_proxy_the_client_is_that_of_x_forwarded_for(
    tmp_path: Path, head: str, tail: str
) -> None:
    assert clients(write(tmp_path, head, tail)) == set(CLIENTS)


@pytest.mark.parametrize("tail", [' "-"', ' "172.17.0.5:8000"', ' "shop.example" 0.003', " 0.003"])
def test_other_fields_behind_the_user_agent_are_no_clients(tmp_path: Path, tail: str) -> None:
    assert clients(write(tmp_path, "{ip} - -", tail)) == set(CLIENTS)


def test_a_header_that_few_send_does_not_name_clients(tmp_path: Path) -> None:
    path = write(tmp_path, "{ip} - -", ' "-"')
    lines = path.read_text().splitlines()
    lines[3] = lines[3].removesuffix('"-"') + '"192.0.2.66"'
    path.write_text("\n".join(lines))
    assert clients(path) == set(CLIENTS)


@pytest.mark.parametrize(
    "client_from, expected",
    [
        ("peer", {"10.0.0.2"}),
        ("xff", {"192.0.2.6"}),
        ("xff:first", {"192.0.2.6"}),
        ("xff:2", set(CLIENTS)),
        ("xff:last", {"192.0.2.99"}),
        ("xff:-2", set(CLIENTS)),
        ("xff:9", {"192.0.2.99"}),
        ("real-ip:2", set(CLIENTS)),
        ("1", {"10.0.0.2"}),
    ],
)
def test_where_the_client_is_can_be_said(
    tmp_path: Path, client_from: str, expected: set[str]
) -> None:
    path = write(tmp_path, "10.0.0.2 - -", ' "192.0.2.6, {ip}, 192.0.2.99"')
    assert clients(path, client_from=client_from) == expected


@pytest.mark.parametrize("client_from, expected", [("1", CLIENTS[:1]), ("2", CLIENTS[1:])])
def test_the_number_of_an_address_chooses_among_several(
    tmp_path: Path, client_from: str, expected: tuple[str, ...]
) -> None:
    path = write(tmp_path, "{ip} {other} - -")
    path.write_text("\n".join(path.read_text().splitlines()[::2]))
    assert clients(path, client_from=client_from) == set(expected)


@pytest.mark.parametrize(
    "client_from, reason",
    [("remote_addr", "no named fields such as 'remote_addr'"), ("3", "no 3 addresses")],
)
def test_an_address_that_the_log_does_not_have_is_an_error(
    tmp_path: Path, client_from: str, reason: str
) -> None:
    with pytest.raises(LogError, match=reason):
        LogReader(write(tmp_path, "{ip} - -"), client_from=client_from)


@pytest.mark.parametrize(
    "options, reason",
    [({"format": "clf2"}, "format is 'clf2'; allowed"), ({"client_from": "0"}, "client_from is")],
)
def test_options_that_there_are_not_are_refused(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        LogReader(write(tmp_path, "{ip} - -"), **options)


def test_a_virtual_host_may_be_called_by_its_address(tmp_path: Path) -> None:
    path = write(tmp_path, "203.0.113.1 {ip} - -")
    path.write_text("\n".join(path.read_text().splitlines()[::2]))
    assert clients(path, format="vhost_combined") == {CLIENTS[0]}


def test_of_two_addresses_that_vary_the_one_that_varies_more_is_the_client(tmp_path: Path) -> None:
    lines = [
        f"192.0.2.{n % 3} 203.0.113.{n} - - {TAIL.format(s=n, n=n)}" for n in range(30)
    ]  # of a CDN's nodes
    path = tmp_path / "log"
    path.write_text("\n".join(lines))
    assert clients(path) == {f"203.0.113.{n}" for n in range(30)}


@pytest.mark.parametrize("client", ["host.example.org", "localhost", "fd00::2", "::ffff:192.0.2.7"])
def test_a_containers_time_is_not_taken_for_more(tmp_path: Path, client: str) -> None:
    assert clients(write(tmp_path, f"2026-07-14T10:00:00.5Z {client} - -")) == {client}


def test_a_log_may_change_in_the_middle(tmp_path: Path) -> None:
    plain = write(tmp_path, "{ip} - -").read_text()
    behind = write(tmp_path, "Jul 14 10:00:00 web3 nginx: shop.example {ip} - -").read_text()
    path = tmp_path / "log"
    path.write_text(plain * 6 + behind)
    reader = LogReader(path)
    assert len(list(reader)) == 280
    assert clients(path) == set(CLIENTS)


def test_apaches_waking_of_its_own_workers_is_no_request(tmp_path: Path) -> None:
    path = write(tmp_path, "{ip} - -")
    dummy = "Apache/2.4.71 (Debian) (internal dummy connection)"
    line = f'::1 - - [14/Jul/2026:10:00:00 +0000] "OPTIONS * HTTP/1.0" 200 126 "-" "{dummy}"\n'
    path.write_text(path.read_text() + line)
    reader = LogReader(path)
    assert (len(list(reader)), reader.server_answered) == (40, 1)


def test_a_log_of_another_format_than_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="not of the format haproxy"):
        LogReader(write(tmp_path, "{ip} - -"), format="haproxy")


@pytest.mark.parametrize(
    "head",
    [
        "Nov 27 203.0.113.5 - -",
        "a b c d - -",
        "| 203.0.113.5 - -",
        "nginx: 203.0.113.5 - -",
        "é - -",
    ],
)
def test_a_first_word_that_is_no_client_makes_a_line_unreadable(tmp_path: Path, head: str) -> None:
    path = write(tmp_path, "{ip} - -")
    with path.open("a") as file:
        file.write(f"{head} {TAIL.format(s=1, n=1)}\n")
    reader = LogReader(path)
    assert len(list(reader)) == 40
    (example,) = reader.unreadable_examples
    assert example.reason == "begins with no address or host name of a client"


def test_a_dockers_json_file_holds_the_servers_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "{ip} - -")
    wrapped = [
        json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2026-07-14T10:00:00.5Z"})
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(wrapped))
    assert clients(path) == set(CLIENTS)


@pytest.mark.parametrize(
    "request_line, path",
    [
        (r"GET /caf\xC3\xA9 HTTP/1.1", "/caf%C3%A9"),
        (r"GET /caf\xc3\xa9 HTTP/1.1", "/caf%C3%A9"),
        ("GET /caf%C3%A9 HTTP/1.1", "/caf%C3%A9"),
        ("GET /café HTTP/1.1", "/caf%C3%A9"),
        ("GET /cafÃ© HTTP/1.1", "/caf%C3%A9"),
        (r"GET /a\x22b HTTP/1.1", '/a"b'),
        (r"GET /a\"b HTTP/1.1", '/a"b'),
        (r"GET /a\\b HTTP/1.1", r"/a\b"),
        (r"GET /a\x5Cb HTTP/1.1", r"/a\b"),
        (r"GET /a\x0Ab HTTP/1.1", "/a%0Ab"),
        ("GET /a#22b HTTP/1.1", "/a#22b"),
    ],
)
def test_escapes_of_servers_are_taken_back(tmp_path: Path, request_line: str, path: str) -> None:
    log = tmp_path / "log"
    log.write_text(f'203.0.113.5 - - [14/Jul/2026:10:00:00 +0000] "{request_line}" 200 1\n')
    (entry,) = LogReader(log)
    assert (entry.method, entry.path) == ("GET", path)


@pytest.mark.parametrize(
    "time, ts",
    [
        ("14/Jul/2026:10:00:00.25 +0000", 1_784_023_200.25),
        ("14/Jul/2026:10:00:00,250 +0000", 1_784_023_200.25),
        ("14/Jul/2026 10:00:00", 1_784_023_200.0),
        ("2026-07-14 10:00:00", 1_784_023_200.0),
        ("2026-07-14T12:00:00.5+02:00", 1_784_023_200.5),
        ("2026-07-14T10:00:00Z", 1_784_023_200.0),
    ],
)
def test_times_as_servers_write_them(tmp_path: Path, time: str, ts: float) -> None:
    log = tmp_path / "log"
    log.write_text(f'203.0.113.5 - - [{time}] "GET / HTTP/1.1" 200 1\n')
    assert [entry.ts for entry in LogReader(log)] == [ts]
