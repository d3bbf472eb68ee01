from __future__ import annotations

import io
import json
import math
import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.replay.plot import check_plottable, plot
from flask_irl.replay.report import (
    MAX_BUCKETS,
    SUMMARY_CLIENTS,
    ClientReport,
    ModelReport,
    ReplayReport,
    ReportError,
    Series,
    check_writable,
    summary_lines,
    write_whole,
)

EMPTY = ReplayReport(0, 0, 0, 0, 0, (), ())


def client(name: str, requests: int = 9, refused: int = 0, flagged: int = 0) -> ClientReport:
    return ClientReport(name, "", requests, refused, flagged, static_refused=0)


def report(*clients: ClientReport) -> ReplayReport:
    return ReplayReport(
        requests=sum(c.requests for c in clients),
        refused=sum(c.refused for c in clients),
        flagged=sum(c.flagged for c in clients),
        static_refused=sum(c.static_refused for c in clients),
        unreadable_lines=2,
        models=(ModelReport(1.5, 1, 50, True), ModelReport(301.5, 2, 60, False)),
        clients=clients,
    )


# JSON


def test_json_has_the_members_of_the_contract() -> None:
    found = json.loads(report(ClientReport("c", "scan", 5, 3, 4, 1, 2, 0.5)).to_json())
    assert found == {
        "requests": 5,
        "refused": 3,
        "flagged": 4,
        "static_refused": 1,
        "unreadable_lines": 2,
        "models": [
            {"ts": 1.5, "version": 1, "rows": 50, "accepted": True},
            {"ts": 301.5, "version": 2, "rows": 60, "accepted": False},
        ],
        "clients": [
            {
                "client": "c",
                "label": "scan",
                "requests": 5,
                "refused": 3,
                "flagged": 4,
                "static_refused": 1,
                "first_flagged_request": 2,
                "first_flagged_seconds": 0.5,
            }
        ],
    }


def test_a_client_never_flagged_has_null() -> None:
    (found,) = json.loads(report(client("c")).to_json())["clients"]
    assert found["first_flagged_request"] is found["first_flagged_seconds"] is None


def test_clients_are_ranked() -> None:
    ranked = [
        client("c1", refused=2),
        client("c2", refused=1, flagged=3),
        client("c3", refused=1, flagged=2, requests=10),
        client("c4", refused=1, flagged=2),
        client("c5", refused=1, flagged=2),
        client("c6", requests=100),
    ]
    mixed = random.Random(3).sample(ranked, len(ranked))
    found = json.loads(report(*mixed).to_json())["clients"]
    assert [c["client"] for c in found] == [c.client for c in ranked]


def test_an_empty_report_is_json() -> None:
    assert json.loads(EMPTY.to_json())["clients"] == []


@given(st.text(), st.text())
def test_any_name_survives(name: str, label: str) -> None:
    text = report(ClientReport(name, label, 1, 0, 0, 0)).to_json()
    assert text.isascii()
    (found,) = json.loads(text)["clients"]
    assert (found["client"], found["label"]) == (name, label)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_that_json_lacks(value: float) -> None:
    with pytest.raises(ValueError, match="first_flagged_seconds"):
        ClientReport("c", "", 1, 0, 1, 0, 1, value)
    with pytest.raises(ValueError, match="ts"):
        ModelReport(value, 1, 50, True)


# Files


def test_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    check_writable(path)
    assert path.read_text() == "old"
    report(client("c")).write(path)
    assert json.loads(path.read_text())["requests"] == 9
    assert os.listdir(tmp_path) == ["out.json"]


def test_write_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    EMPTY.write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "real").read_text())["requests"] == 0


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_writable(pipe)
        write_whole(pipe, b"content")
        assert os.read(reading, 100) == b"content"
    finally:
        os.close(reading)
    assert pipe.is_fifo()


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "out.json"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ReportError, match=r"out\.json: can't be written: No space left"):
        EMPTY.write(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.json"]


@pytest.mark.parametrize(
    "name, reason",
    [
        ("", "Is a directory"),
        ("missing/out.json", "No such file or directory"),
        ("file/out.json", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("nul\0", "null"),
    ],
)
def test_where_nothing_can_be_written(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / name
    with pytest.raises(ReportError, match=reason):
        check_writable(path)
    with pytest.raises(ReportError, match=reason):
        EMPTY.write(path)
    assert os.listdir(tmp_path) == ["file"]


# Summary


def test_summary_names_totals_and_those_hit() -> None:
    hit = ClientReport("c0267bb75a44c", "scan", 4_000, 3_900, 3_950, 120, 31, 12.4)
    lines = summary_lines(report(client("quiet", 1_000), hit))
    assert (
        lines[0] == "5,000 requests of 2 clients, 2 unreadable lines, 2 models trained (1 accepted)"
    )
    text = "\n".join(" ".join(line.split()) for line in lines)
    assert "refused 3,900 78.00% 1" in text
    assert "static limit refuses 120 2.40% 1" in text
    row = "c0267bb75a44c (scan) 4,000 3,900 3,950 120 request 31, after 12 s"
    assert row in text
    assert "quiet" not in text


def test_summary_is_short() -> None:
    lines = summary_lines(report(*(client(f"c{i}", refused=1) for i in range(SUMMARY_CLIENTS + 3))))
    assert lines[-1] == "and 3 more"
    assert len(lines) < SUMMARY_CLIENTS + 12


def test_summary_of_nothing() -> None:
    assert summary_lines(EMPTY)[0].startswith("0 requests of 0 clients")


@given(st.text(min_size=1))
def test_summary_is_printable(name: str) -> None:
    assert all(line.isprintable() for line in summary_lines(report(client(name, refused=1))))


# Series

TIMES = st.lists(st.one_of(st.floats(0, 4e9), st.floats(0, 4e5)), min_size=1, max_size=60)


@given(TIMES, st.floats(0.001, 1e6))
def test_series_counts_everything_in_its_bucket(times: list[float], width: float) -> None:
    series = Series(width)
    for number, ts in enumerate(times):
        series.add(ts, number % 2 == 0, number % 3 == 0, number % 5 == 0)
    assert len(series.allowed) <= MAX_BUCKETS
    expected: dict[str, Counter[int]] = {}
    for number, ts in enumerate(times):
        bucket = int(ts // series.bucket_seconds) - series.first
        expected.setdefault("refused" if number % 2 == 0 else "allowed", Counter())[bucket] += 1
        if number % 3 == 0:
            expected.setdefault("flagged", Counter())[bucket] += 1
        if number % 5 == 0:
            expected.setdefault("static_refused", Counter())[bucket] += 1
    for name, counts in expected.items():
        found = getattr(series, name)
        assert len(found) == len(series.allowed)
        assert sum(found) == counts.total()
        assert {i: n for i, n in enumerate(found) if n} == counts


def test_series_buckets_widen_no_more_than_needed() -> None:
    series = Series(60)
    for minute in range(MAX_BUCKETS):
        series.add(minute * 60 + 30, False, False, False)
    assert (series.bucket_seconds, series.allowed) == (60, [1] * MAX_BUCKETS)
    series.add(MAX_BUCKETS * 60, False, False, False)
    assert (series.bucket_seconds, series.allowed) == (120, [2] * (MAX_BUCKETS // 2) + [1])


@pytest.mark.parametrize("width", [0, -1, math.nan, math.inf])
def test_series_refuses_a_width_that_is_none(width: float) -> None:
    with pytest.raises(ValueError, match="bucket_seconds"):
        Series(width)


# Plot


def size_of(picture: Path) -> tuple[int, int]:
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB\x60\x82")
    header = io.BytesIO(content[16:24])
    return int.from_bytes(header.read(4)), int.from_bytes(header.read(4))


@pytest.mark.parametrize(
    "name",
    ["c0267bb75a44c", "$x^2$ $", r"$\frac{", "日本\x1b[31m\n", "\N{SNOWMAN}" * 300, r"\n_^{%#&"],
)
def test_plot_draws_whatever_clients_are_called(tmp_path: Path, name: str) -> None:
    series = Series()
    for number in range(5_000):
        series.add(1.7e9 + number * 60, number % 7 == 0, number % 5 == 0, number % 11 == 0)
    hit = ClientReport(name, name, 50, 40, 45, 20, 3, 1.0)
    path = tmp_path / "out.png"
    check_plottable(path)
    plot(report(hit, client("other", refused=1)), series, path)
    width, height = size_of(path)
    assert width > 1_000 < height * 2
    assert os.listdir(tmp_path) == ["out.png"]


def test_plot_of_nothing(tmp_path: Path) -> None:
    plot(EMPTY, Series(), tmp_path / "out.png")
    assert size_of(tmp_path / "out.png")


def test_plot_says_how_to_get_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ReportError, match=r'pip install "flask-irl\[plot\]"'):
        check_plottable(tmp_path / "out.png")
    with pytest.raises(ReportError, match=r'pip install "flask-irl\[plot\]"'):
        plot(EMPTY, Series(), tmp_path / "out.png")


def test_a_plot_that_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="No such file"):
        check_plottable(tmp_path / "missing" / "out.png")
