from __future__ import annotations

import gzip
import io
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_irl.errors import LogError
from flask_irl.replay import logs, source
from flask_irl.replay.formats.entry import MAX_PATH, LogEntry
from flask_irl.replay.formats.lines import MAX_LINE
from flask_irl.replay.logs import LogReader

HEADER = "ts,client,method,path,status,bytes,ua_class,label"
CLF = '1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 12'
CLF_TS = 971211336.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def log(folder: Path, content: str | bytes, name: str = "log", **options: Any) -> LogReader:
    """Write a log and open a reader of it."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return LogReader(path, **options)


def one(folder: Path, *lines: str) -> LogEntry:
    reader = log(folder, "\n".join(lines))
    (entry,) = reader
    assert reader.unreadable_lines == 0
    return entry


def csv(*rows: str) -> str:
    return "\n".join([HEADER, *rows, ""])


def reasons(reader: LogReader) -> list[tuple[int, str]]:
    list(reader)
    return [(example.number, example.reason) for example in reader.unreadable_examples]


# CSV


def test_csv_row(folder: Path) -> None:
    entry = one(folder, HEADER, "1733357168.5,c1,GET,/a/b,200,410,bot,scan")
    assert entry == LogEntry(1733357168.5, "c1", "GET", "/a/b", 200, 410, "bot", "scan")


def test_csv_columns_come_in_any_order_and_beside_others(folder: Path) -> None:
    entry = one(folder, "status,Host, Path ,method,client,ts", "404,example.org,/x,POST,c2,7")
    assert entry == LogEntry(7.0, "c2", "POST", "/x", 404, -1, "", "")


@pytest.mark.parametrize("size", ["", "-", "much", "-5", "1e3", "9" * 30])
def test_a_size_that_is_not_known_is_minus_one(folder: Path, size: str) -> None:
    assert one(folder, HEADER, f"1,c,GET,/,200,{size},,").size == -1


@pytest.mark.parametrize("status, code", [("", 0), ("-", 0), ("200.0", 200), (" 404 ", 404)])
def test_status_as_written_by_others(folder: Path, status: str, code: int) -> None:
    assert one(folder, HEADER, f"1,c,GET,/,{status},5,,").status == code


def test_optional_columns_may_be_missing_from_a_row(folder: Path) -> None:
    assert one(folder, HEADER, "1,c,GET,/,200") == LogEntry(1.0, "c", "GET", "/", 200, -1, "", "")


def test_quoted_fields_with_commas_quotes_and_line_breaks(folder: Path) -> None:
    reader = log(folder, csv('1,c,GET,"/a,b\r\n""c""",200,,,', "2,c,GET,/,bad,,,"))
    assert [entry.path for entry in reader] == ['/a,b\n"c"']
    assert reasons(reader) == [(4, "status is not a number from 0 to 999")]


def test_a_stray_quote_costs_only_its_own_line(folder: Path) -> None:
    rows = [f"{i},c,GET,/{i},200,,," for i in range(100)]
    rows[10] = '10,c,GET,"/10,200,,,'
    rows[95] = '95,c,GET,"/95,200,,,'
    reader = log(folder, csv(*rows))
    assert [entry.ts for entry in reader] == [i for i in range(100) if i not in (10, 95)]
    assert reasons(reader) == [(12, "a quoted field has no end"), (97, "a quoted field has no end")]


@pytest.mark.parametrize(
    "ts", ["nan", "inf", "-inf", "-1", "1e99", "1733357168000", "soon", "", "0x10"]
)
def test_an_absurd_time_is_unreadable(folder: Path, ts: str) -> None:
    reader = log(folder, csv(f"{ts},c,GET,/,200,,,"))
    assert reasons(reader) == [(2, "ts is not in unix seconds, 0 to 4102444800")]


@pytest.mark.parametrize(
    "row, reason",
    [
        ("1,c,GET,/", "4 fields, where the header has 8"),
        ("1,c,GET,/a,b,c,200,5,bot,x", "10 fields, where the header has 8"),
        ("1,,GET,/,200,,,", "client is empty or longer than 256 characters"),
        (f"1,{'c' * 257},GET,/,200,,,", "client is empty or longer than 256 characters"),
        ("1,c,GET,/,1000,,,", "status is not a number from 0 to 999"),
        ("1,c,GET,/,-200,,,", "status is not a number from 0 to 999"),
    ],
)
def test_unreadable_rows_say_why(folder: Path, row: str, reason: str) -> None:
    assert reasons(log(folder, csv(row))) == [(2, reason)]


@pytest.mark.parametrize("method", ["G\x16T", "BAD", ""])
def test_a_row_without_a_method_is_of_a_request_that_no_app_saw(folder: Path, method: str) -> None:
    reader = log(folder, csv("1,c,GET,/,200,,,", f"2,c,{method},/,400,,,"))
    assert [entry.ts for entry in reader] == [1.0]
    assert (reader.server_answered, reader.unreadable_lines) == (1, 0)


# Common and Combined Log Format


def test_common_log_format(folder: Path) -> None:
    entry = one(folder, CLF)
    assert entry == LogEntry(CLF_TS, "1.2.3.4", "GET", "/a", 200, 12, "", "")
    assert LogReader(folder / "log").format == "common"


def test_combined_log_format(folder: Path) -> None:
    entry = one(folder, f'{CLF} "http://example.org/" "Mozilla/5.0 (X11; Linux)"')
    assert entry == LogEntry(CLF_TS, "1.2.3.4", "GET", "/a", 200, 12, "browser", "")
    assert LogReader(folder / "log").format == "combined"


@pytest.mark.parametrize(
    "agent, kind",
    [
        ("Mozilla/5.0 (Windows NT 10.0) Firefox/140.0", "browser"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"),
        ("curl/8.5.0", "tool"),
        ("Mozilla/5.0 zgrab/0.x", "tool"),
        ("-", "empty"),
        ("", "empty"),
        (r"Mozilla/5.0 \"quoted\" agent", "browser"),
        ("something else", "unknown"),
    ],
)
def test_user_agents_are_sorted_into_classes(folder: Path, agent: str, kind: str) -> None:
    assert one(folder, f'{CLF} "-" "{agent}"').ua_class == kind


@pytest.mark.parametrize(
    "time, ts",
    [
        ("01/Jan/1970:00:00:00 +0000", 0.0),
        ("29/Feb/2024:23:59:59 +0000", 1709251199.0),
        ("01/Mar/2024:05:29:59 +0530", 1709251199.0),
        ("29/feb/2024:20:29:59 -0330", 1709251199.0),
        ("31/Dec/2016:23:59:60 +0000", 1483228800.0),
        ("29/Feb/2024:23:59:59", 1709251199.0),
    ],
)
def test_times_and_their_zones(folder: Path, time: str, ts: float) -> None:
    assert one(folder, CLF.replace("10/Oct/2000:13:55:36 -0700", time)).ts == ts


@pytest.mark.parametrize(
    "time, reason",
    [
        ("30/Feb/2024:00:00:00 +0000", "no such date"),
        ("10/Ebm/2024:00:00:00 +0000", "no such date"),
        ("10/Oct/0000:00:00:00 +0000", "no such date"),
        ("10/Oct/2024:24:00:00 +0000", "no such time of day"),
        ("10/Oct/2024:00:00:00 +9900", "no such time zone"),
        ("10/Oct/1969:00:00:00 +0000", "ts is not in unix seconds, 0 to 4102444800"),
        ("10/Oct/2024-00:00:00 +0000", "not in Common or Combined Log Format"),
    ],
)
def test_impossible_times_are_unreadable(folder: Path, time: str, reason: str) -> None:
    line = CLF.replace("10/Oct/2000:13:55:36 -0700", time)
    assert reasons(log(folder, f"{CLF}\n{line}\n")) == [(2, reason)]


@pytest.mark.parametrize(
    "request_line, method, path",
    [
        ("GET /a?b=c HTTP/1.1", "GET", "/a"),
        ("GET /a b c HTTP/2.0", "GET", "/a b c"),
        ("GET /", "GET", "/"),
        (r"GET /\"x\" HTTP/1.1", "GET", '/"x"'),
        ('GET /"x" HTTP/1.1', "GET", '/"x"'),
        ("GET http://example.org/a?b HTTP/1.1", "GET", "/a"),
        ("GET http://example.org HTTP/1.1", "GET", "/"),
        ("OPTIONS * HTTP/1.1", "OPTIONS", "*"),
        ("CONNECT example.org:443 HTTP/1.1", "CONNECT", "example.org:443"),
        ("PROPFIND /dav HTTP/1.1", "PROPFIND", "/dav"),
    ],
)
def test_request_lines(folder: Path, request_line: str, method: str, path: str) -> None:
    entry = one(folder, CLF.replace("GET /a HTTP/1.1", request_line))
    assert (entry.method, entry.path, entry.status) == (method, path, 200)


@pytest.mark.parametrize(
    "request_line, status",
    [
        ("-", 408),
        ("", 400),
        (r"\x16\x03\x01\x02 /x HTTP/1.1", 400),
        ("\x16\x03\x01", 400),
        ("t3 12.2.1", 400),
        ("<BADREQ>", 400),
        # What a server gives up is not the app's, however well it began.
        ("GET /a HTTP/1.1", 408),
        ("GET /a HTTP/1.1", 414),
        ("GET /a HTTP/1.1", 431),
        ("GET /a HTTP/1.1", 497),
    ],
)
def test_what_a_server_answers_by_itself_is_left_out_and_counted(
    folder: Path, request_line: str, status: int
) -> None:
    line = CLF.replace("GET /a HTTP/1.1", request_line).replace(" 200 ", f" {status} ")
    reader = log(folder, f"{CLF}\n{line}\n")
    assert [entry.path for entry in reader] == ["/a"]
    assert (reader.server_answered, reader.unreadable_lines) == (1, 0)


def test_a_request_cannot_forge_its_status(folder: Path) -> None:
    entry = one(folder, CLF.replace("GET /a HTTP/1.1", r"GET /\" 404 1 HTTP/1.1"))
    assert (entry.path, entry.status) == ('/" 404 1', 200)


@pytest.mark.parametrize(
    "before, client",
    [
        ("::1 - -", "::1"),
        ("2001:db8::7 - frank", "2001:db8::7"),
        ("1.2.3.4 - frank sinatra", "1.2.3.4"),
        ('1.2.3.4 - ""', "1.2.3.4"),
        ("host.example.org - -", "host.example.org"),
        ("www.example.org:443 1.2.3.4 - -", "1.2.3.4"),
        ("www.example.org:80 ::1 - -", "::1"),
    ],
)
def test_clients(folder: Path, before: str, client: str) -> None:
    assert one(folder, CLF.replace("1.2.3.4 - -", before)).client == client


def test_a_dash_for_the_size_is_unknown(folder: Path) -> None:
    assert one(folder, CLF.replace(" 12", " -")).size == -1


# Files


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("lines", [[HEADER, "1,c,GET,/a,200,1,,l"], [CLF, CLF]])
def test_plain_or_gzip_with_any_line_ends(
    folder: Path, end: str, mark: bytes, pack: type[bytes], lines: list[str]
) -> None:
    reader = log(folder, pack(mark + end.join([*lines, ""]).encode()), name="named.wrongly.csv")
    entries = list(reader)
    assert [entry.path for entry in entries] == ["/a"] * (1 if lines[0] == HEADER else 2)
    assert entries[0].label in ("", "l")
    assert (reader.unreadable_lines, reader.problem) == (0, "")
    assert reader.bytes_read == reader.bytes_total > 0


def test_gzip_files_one_after_the_other_and_padded(folder: Path) -> None:
    parts = [csv("1,c,GET,/,200,,,"), "2,c,GET,/,200,,,\n"]
    content = b"".join(gzip.compress(part.encode()) + b"\0" * 512 for part in parts)
    reader = log(folder, content)
    assert [entry.ts for entry in reader] == [1.0, 2.0]
    assert reader.problem == ""


@pytest.fixture(scope="module")
def long_gzip() -> bytes:
    # Clients that do not compress, so that the file is long.
    draw = random.Random(1)
    rows = [f"{i},{draw.getrandbits(128):x},GET,/,200,,," for i in range(5_000)]
    return gzip.compress(csv(*rows).encode())


def test_of_a_gzip_file_cut_off_all_before_is_kept(folder: Path, long_gzip: bytes) -> None:
    reader = log(folder, long_gzip[: len(long_gzip) // 2])
    entries = list(reader)
    assert 1_000 < len(entries) < 4_000
    assert [entry.ts for entry in entries] == list(range(len(entries)))
    assert "cut off" in reader.problem
    # The last line may be cut in two.
    assert reader.unreadable_lines <= 1


def test_of_a_damaged_gzip_file_what_comes_before_is_kept(folder: Path, long_gzip: bytes) -> None:
    reader = log(folder, long_gzip[:-8] + b"\0" * 8)
    entries = list(reader)
    assert 2_000 < len(entries) <= 5_000
    assert [entry.ts for entry in entries] == list(range(len(entries)))
    assert "damaged" in reader.problem


def test_bytes_that_are_no_utf_8_are_replaced(folder: Path) -> None:
    reader = log(folder, csv("1,c,GET,/caf?,200,,,").encode().replace(b"?", b"\xe9"))
    assert [entry.path for entry in reader] == ["/caf\N{REPLACEMENT CHARACTER}"]


def test_an_overlong_line_is_unreadable_and_takes_no_memory(folder: Path) -> None:
    rows = (csv("1,c,GET,/,200,,,").encode(), b"x" * 30_000_000, b"\n2,c,GET,/,200,,,\n")
    reader = log(folder, gzip.compress(b"".join(rows)))
    tracemalloc.start()
    try:
        assert [entry.ts for entry in reader] == [1.0, 2.0]
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert reasons(reader) == [(3, "longer than 65536 characters")]


def test_lines_up_to_the_longest_allowed_are_read_and_cut(folder: Path) -> None:
    row = "1,c,GET,/,200,,,"
    path = "/" + "é" * (MAX_LINE - len(row))
    reader = log(folder, csv(row.replace("/", path), row.replace("/", path + "x")))
    assert [entry.path for entry in reader] == [path[:MAX_PATH]]
    assert reader.unreadable_lines == 1


def test_examples_of_unreadable_lines_are_few_short_and_printable(folder: Path) -> None:
    reader = log(folder, csv(*["\x1b[31m\u202e" + "z" * 1_000] * 50))
    assert list(reader) == []
    assert reader.unreadable_lines == 50
    assert len(reader.unreadable_examples) == logs.EXAMPLES
    assert all(len(text) <= 200 and text.isprintable() for _, _, text in reader.unreadable_examples)
    assert reader.unreadable_examples[0].text.startswith(r"\x1b[31m\u202ezz")


def test_a_log_that_begins_with_junk_is_still_known(folder: Path) -> None:
    reader = log(folder, f"\x00\x01 junk\n\n{CLF}\n")
    assert len(list(reader)) == 1
    assert reasons(reader) == [(1, "not in Common or Combined Log Format")]


def test_a_header_without_rows_is_an_empty_log(folder: Path) -> None:
    assert list(log(folder, HEADER)) == []


def test_a_reader_can_be_iterated_again(folder: Path) -> None:
    reader = log(folder, csv("1,c,GET,/,200,,,", "bad"))
    assert list(reader) == list(reader)
    assert (reader.entries, reader.unreadable_lines) == (1, 1)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty"),
        (b"\n\r\n  \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(CLF.encode(), mtime=0)[:12], "cut off"),
        (b"\x1f\x8bnot really", "damaged"),
        (b"hello\nworld\n", "begins with 'hello'"),
        (b'{"ts": 1}\n', "no known format"),
        (b"ts,client,method,path\n1,c,GET,/\n", "names no column status"),
        (b"BZh91AY&SY\x00\x01", "is bzip2"),
        (HEADER.encode("utf-16"), "is UTF-16"),
        (bytes(range(256)) * 100, "no known format"),
    ],
)
def test_what_is_no_log_is_refused(folder: Path, content: bytes, words: str) -> None:
    with pytest.raises(LogError) as caught:
        log(folder, content, name="some.log")
    message = str(caught.value)
    assert "some.log" in message
    assert words in message
    assert "Combined Log Format" in message


def test_a_client_that_is_called_like_a_file_format_is_no_matter(folder: Path) -> None:
    assert one(folder, CLF.replace("1.2.3.4", "BZh9")).client == "BZh9"


@pytest.mark.parametrize("name, words", [("missing", "No such file"), (".", "is a directory")])
def test_a_path_that_is_no_file_is_refused(folder: Path, name: str, words: str) -> None:
    with pytest.raises(LogError, match=words):
        LogReader(folder / name)


def test_a_file_that_may_not_be_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (folder / "log").write_text(CLF)
    monkeypatch.setattr(source, "open", locked, raising=False)
    with pytest.raises(LogError, match="log: Permission denied"):
        LogReader(folder / "log")


def test_when_reading_stops_all_before_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 3 * len(row):
                raise OSError(5, "Input/output error")
            return super().read(size)

    row = f"{CLF}\n".encode()
    reader = log(folder, row * 5, chunk_bytes=len(row))
    monkeypatch.setattr(
        source, "open", lambda path, mode: Failing(io.FileIO(path, mode)), raising=False
    )
    assert len(list(reader)) == 3
    assert reader.problem == f"reading stopped after {3 * len(row)} bytes: Input/output error"


def test_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(LogError, match="null"):
        LogReader("a\0b")


def test_a_device_is_refused() -> None:
    with pytest.raises(LogError, match="not a regular file"):
        LogReader("/dev/null")


# Order


SMALL: dict[str, Any] = {"look_ahead": 40, "batch": 10}


def test_entries_a_little_out_of_order_find_their_place(folder: Path) -> None:
    draw = random.Random(7)
    times = sorted(range(500), key=lambda i: i + draw.uniform(0, 15))
    reader = log(folder, csv(*(f"{i},c,GET,/{i},200,,," for i in times)), **SMALL)
    entries = list(reader)
    assert [entry.path for entry in entries] == [f"/{i}" for i in range(500)]
    assert (reader.late, reader.entries, reader.problem) == (0, 500, "")


def test_entries_of_one_second_stay_in_the_log_s_order(folder: Path) -> None:
    rows = [f"{i // 7},c,GET,/{i},200,,," for i in range(50)]
    later_first = [*rows[7:14], *rows[:7], *rows[14:]]
    entries = list(log(folder, csv(*later_first)))
    assert [entry.path for entry in entries] == [f"/{i}" for i in range(50)]


def test_a_straggler_is_moved_to_later_and_counted(folder: Path) -> None:
    rows = [f"{i},c,GET,/{i},200,,," for i in range(500)]
    reader = log(folder, csv(*rows[1:300], rows[0], *rows[300:]), **SMALL)
    entries = list(reader)
    times = [entry.ts for entry in entries]
    assert times == sorted(times)
    assert {entry.path for entry in entries} == {f"/{i}" for i in range(500)}
    assert (reader.late, reader.problem) == (1, "")


def test_one_time_far_ahead_does_not_make_the_rest_late(folder: Path) -> None:
    rows = [f"{i},c,GET,/{i},200,,," for i in range(500)]
    rows[100] = rows[100].replace("100,", "4000000000,", 1)
    reader = log(folder, csv(*rows), **SMALL)
    assert [entry.ts for entry in reader][-1] == 4_000_000_000
    assert reader.late == 0


def test_a_log_far_out_of_order_is_a_problem(folder: Path) -> None:
    rows = [f"{i},c,GET,/,200,,," for i in range(500)]
    reader = log(folder, csv(*rows[250:], *rows[:250]), **SMALL)
    assert len(list(reader)) == 500
    assert "out of order" in reader.problem


def test_progress_follows_the_entries_that_are_yielded(folder: Path) -> None:
    rows = csv(*(f"{i:04},c,GET,/,200,,," for i in range(500)))
    reader = log(folder, rows, **SMALL, chunk_bytes=100)
    progress = [reader.bytes_read for _ in reader]
    assert progress == sorted(progress)
    row = reader.bytes_total / 500
    # A batch's bytes count when it is begun, and reading goes by whole chunks.
    assert all(i * row < done <= (i + 10) * row + 300 for i, done in enumerate(progress))


# Whatever comes in

JUNK = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(str.encode),
    st.sampled_from([HEADER.encode(), CLF.encode(), b"1,c,GET,/,200", b'"', b"\n", b"\r\n", b","]),
)


@given(st.lists(JUNK, max_size=12), st.booleans(), st.booleans())
@example([HEADER.encode(), b"\n", b'1,"c'], False, True)
def test_no_bytes_raise_anything_but_a_log_error(
    folder: Path, parts: list[bytes], zipped: bool, cut: bool
) -> None:
    content = b"".join(parts)
    if zipped:
        content = gzip.compress(content)
    if cut:
        content = content[: len(content) * 2 // 3]
    try:
        reader = log(folder, content)
    except LogError:
        return
    times = [entry.ts for entry in reader]
    assert times == sorted(times)


ANY_LINE = st.one_of(
    st.text(st.characters(exclude_characters='"\n\r', codec="utf-8"), max_size=60),
    st.builds(
        "{},{},GET,/{},{},,,".format,
        st.floats() | st.integers(),
        st.sampled_from(["c", "", "1.2.3.4"]),
        st.sampled_from(["", "a?b", "é"]),
        st.integers(-1, 1_100),
    ),
)


@given(st.lists(ANY_LINE, max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_every_csv_line_is_yielded_or_counted(folder: Path, lines: list[str], end: str) -> None:
    reader = log(folder, end.join([HEADER, *lines]))
    yielded = len(list(reader))
    assert yielded + reader.unreadable_lines + reader.server_answered == sum(
        1 for line in lines if line.strip()
    )


@given(st.lists(st.one_of(st.just(CLF), st.text(st.characters(codec="utf-8"))), max_size=30))
def test_every_clf_line_is_yielded_or_counted(folder: Path, lines: list[str]) -> None:
    content = "\n".join([CLF, *lines])
    reader = log(folder, content)
    yielded = len(list(reader))
    expected = sum(1 for line in content.split("\n") if line.strip())
    assert yielded + reader.unreadable_lines + reader.server_answered == expected


@given(
    st.lists(st.tuples(st.floats(0, 4e9), st.text(st.characters(codec="utf-8"))), max_size=20),
)
def test_csv_fields_of_any_text_come_back_whole(
    folder: Path, rows: list[tuple[float, str]]
) -> None:
    quoted = [
        '{},c,GET,"/{}",200,1,,'.format(ts, text.replace('"', '""').replace("\r", "").strip())
        for ts, text in rows
        if text.count("\n") < 20
    ]
    paths = [
        "/" + text.replace("\r", "").strip().partition("?")[0]
        for _, text in sorted(rows, key=lambda row: row[0])
        if text.count("\n") < 20
    ]
    reader = log(folder, csv(*quoted))
    assert [entry.path for entry in reader] == paths
