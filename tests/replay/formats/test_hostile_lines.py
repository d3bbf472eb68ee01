"""Change lines of logs that real servers wrote: each is read or counted, and nothing is raised."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_irl.errors import LogError
from flask_irl.replay.formats.entry import MAX_PATH
from flask_irl.replay.logs import LogReader
from tests.hostile import changed

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.txt"))
PIECES = st.one_of(
    st.sampled_from(
        [
            *("", '"', "[", "]", "{", "}", "\\", "\\x", "\\xZZ", "%", ",", " ", "\t", "-", "\0"),
            *("nan", "inf", "-1", "1e999", "9" * 400, "0" * 5000, "\u0661", "\u00b2", "\ufeff"),
            *("31/Feb/2024:00:00:00 +0000", "1/Jan/0000:99:99:99 +9999", "9999-12-31T23:59:60Z"),
            *("GET", "HTTP/1.1", "x" * 5000, "[" * 50_000, '{"a":' * 50_000, "\u202e", "\x1b[2J"),
            *("1.2.3.4", "::1", "unix:", "[::1]:80", "1.2.3.4, ", "\\u0000", "\\ud800"),
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12),
)


@st.composite
def lines_like(draw: st.DrawFn, line: str) -> str:
    """Draw a line that is almost a line of a log."""
    if line.startswith("{") and draw(st.booleans()):
        try:
            return json.dumps(draw(changed(json.loads(line))))
        except ValueError:
            pass
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.integers(0, 12)))
        line = line[:start] + draw(PIECES) + line[end:]
    return line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_lines_of_a_log_raise_nothing(
    sample: Path, folder: Path, data: st.DataObject
) -> None:
    lines = [
        x
        for x in sample.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
        if x.strip()
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        new = data.draw(lines_like(lines[place]))
        lines[place : place + data.draw(st.integers(0, 1))] = [new]
    path = folder / "log"
    path.write_bytes("\n".join(lines).encode(errors="surrogatepass"))
    try:
        reader = LogReader(path)
        entries = list(reader)
    except LogError:
        return
    times = [entry.ts for entry in entries]
    assert times == sorted(times)
    assert all(math.isfinite(time) for time in times)
    assert all(len(entry.path) <= MAX_PATH for entry in entries)
    assert all(isinstance(entry.status, int) for entry in entries)
