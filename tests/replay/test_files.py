"""Write files whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flask_irl.replay.files import ReportError, check_writable, write_whole
from tests.replay.reports import EMPTY, client, report


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


@pytest.mark.parametrize("name", ["/dev/stdout", "own file"])
def test_a_report_to_where_output_goes_comes_behind_it(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    script = (
        "import sys; from flask_irl.replay.files import check_writable, write_whole\n"
        "print('summary ' * 20); check_writable(sys.argv[1])\n"
        "write_whole(sys.argv[1], b'report\\n'); print('done')\n"
    )
    path = str(out) if name == "own file" else name
    with out.open("wb") as file:
        subprocess.run([sys.executable, "-c", script, path], stdout=file, check=True, timeout=60)
    assert out.read_text() == f"{'summary ' * 20}\nreport\ndone\n"
