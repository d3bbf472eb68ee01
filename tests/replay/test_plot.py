"""Draw replays as pictures."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from flask_irl.replay.files import ReportError
from flask_irl.replay.plot import check_plottable, plot
from flask_irl.replay.report import ClientReport
from flask_irl.replay.series import Series
from tests.replay.reports import EMPTY, client, report


def size_of(picture: Path) -> tuple[int, int]:
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB\x60\x82")
    header = io.BytesIO(content[16:24])
    return int.from_bytes(header.read(4)), int.from_bytes(header.read(4))


NAMES = "c0267bb75a44c", "$x^2$ $", r"$\frac{", "日本\x1b[31m\n", "\N{SNOWMAN}" * 300, r"\n_^{%#&"


def test_plot_draws_whatever_clients_are_called(tmp_path: Path) -> None:
    series = Series()
    for number in range(5_000):
        series.add(1.7e9 + number * 60, number % 7 == 0, number % 5 == 0, number % 11 == 0)
    hit = [ClientReport(name, name, 50, 40, 45, 20, 3, 1.0) for name in NAMES]
    path = tmp_path / "out.png"
    check_plottable(path)
    plot(report(*hit, client("other", refused=1)), series, path)
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
