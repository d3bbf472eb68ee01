"""Test the soak's own parts, and a short one with a fault of the store and one of a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.soak import log
from loadtests.soak.__main__ import main
from loadtests.soak.bars import judge
from loadtests.soak.faults import FAULTS
from loadtests.soak.measure import drift
from loadtests.soak.plan import Plan, from_environment

ROOT = Path(__file__).parents[2]
PATIENCE = 400.0
CALMS = 9
PIECE = 100.0
"""Seconds of a calm time and the fault after it in a made-up run."""


def run_of(**changes: Any) -> dict[str, Any]:
    """Make up a run in which all is as it should be, except for the changes."""
    worker = {"pid": 7, "mib": 50.0, "handles": 20, "threads": 8}
    times = [PIECE * number / 10 for number in range(CALMS * 10)]
    samples = [
        {"at": at, "workers": [worker], "store_mib": 2.0, "keys": 100.0, "store_handles": 12}
        for at in times
    ]
    calms = [
        {"start": PIECE * n, "end": PIECE * n + 60, "counted": {}, "disagreements": []}
        for n in range(CALMS)
    ]
    fault = {"name": "frozen", "start": 60.0, "mended": 70.0, "end": 99.0, "longest_ms": 60.0}
    return {
        "soak": {"minutes": 15.0, "calm": 60.0, "seconds": PIECE * CALMS},
        "requests": 1000,
        "calms": calms,
        "faults": [{**fault, "loses": False, "statuses": {"200": 9, "429": 2}}],
        "stray": 0,
        "samples": samples,
        "latency": [{"at": at, "rate": 50.0, "p50": 2.0, "p99": 9.0} for at in times],
        "unexpected": [],
        **changes,
    }


def missed(run: dict[str, Any]) -> list[str]:
    return [outcome.name for outcome in judge(run) if outcome.verdict != "ok"]


def test_a_site_that_is_as_it_was_misses_no_bar() -> None:
    assert missed(run_of()) == []


@pytest.mark.parametrize(
    ("name", "growing"),
    [
        ("growth: memory of a worker", ("mib", 10.0)),
        ("growth: open handles of a worker", ("handles", 5.0)),
        ("growth: threads of a worker", ("threads", 3.0)),
        ("growth: memory of Redis", ("store_mib", 10.0)),
        ("growth: open handles of Redis", ("store_handles", 5.0)),
    ],
)
def test_what_has_grown_at_the_end_is_told(name: str, growing: tuple[str, float]) -> None:
    figure, more = growing
    run = run_of()
    for sample in run["samples"]:
        if sample["at"] >= PIECE * (CALMS - 1):
            # Of another worker, whose line is too short to say anything.
            sample["workers"] = [{**sample["workers"][0], "pid": 8}]
            holder = sample if figure in sample else sample["workers"][0]
            holder[figure] += more
    assert missed(run) == [name]


def test_a_worker_that_grows_slowly_and_all_the_time_is_told_by_its_line() -> None:
    run = run_of()
    for sample in run["samples"]:
        # By the end of a quarter of an hour that is not yet too much: 7 MiB.
        grown = 50.0 + sample["at"] * 32 / 3600
        sample["workers"] = [{**sample["workers"][0], "mib": grown}]
    assert missed(run) == ["growth: a worker's line, in an hour"]


def test_more_keys_than_newcomers_are_told() -> None:
    run = run_of()
    for sample in run["samples"]:
        # There are four newcomers a second.
        sample["keys"] += 4 * 1.3 * sample["at"]
    assert missed(run) == ["keys gained in Redis for each newcomer"]


def test_requests_that_take_longer_and_longer_are_told() -> None:
    run = run_of()
    for moment in run["latency"]:
        moment["p50"] *= 1 + moment["at"] / 900
    assert missed(run) == ["time of a request in calm times, last third of first third"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("wrong or missing answers in calm times", {"stray": 1}),
        ("log lines that nothing explains", {"unexpected": ["oops"]}),
    ],
)
def test_a_single_one_is_too_many(name: str, change: dict[str, Any]) -> None:
    assert missed(run_of(**change)) == [name]


def test_a_count_that_differs_by_one_is_told() -> None:
    run = run_of()
    run["calms"][3]["disagreements"] = ["limited: the site's metrics say 3, its clients 2"]
    assert missed(run) == ["calm times whose counts differ, of site and clients"]


@pytest.mark.parametrize(("status", "loses"), [("500", False), ("0", False), ("0", True)])
def test_only_a_killed_worker_may_lose_requests(status: str, loses: bool) -> None:
    run = run_of()
    run["faults"][0] |= {"loses": loses, "statuses": {"200": 9, status: 1}}
    told = [] if loses else ["errors and missing answers in faults, but of a killed worker"]
    assert missed(run) == told


def test_a_line_rises_by_the_hour() -> None:
    assert drift([0.0, 1800.0, 3600.0], [1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert drift([5.0], [1.0]) == 0.0


# The log.

TIMES = "2026-11-28T02:20:5{}+0000 [29824] "
FROZEN = log.Window(1_795_832_450.0, 1_795_832_455.0, frozenset({"store_lost"}))
"""Of 02:20:50 to 02:20:55."""


def unexpected(folder: Path, *lines: str) -> list[str]:
    path = folder / "site.log"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return log.unexpected(log.read(path), [FROZEN])


@pytest.mark.parametrize(
    "line",
    [
        TIMES.format(0) + "[INFO] flask_irl: request_refused client=a",
        TIMES.format(2) + "[ERROR] flask_irl: store_lost then=memory",
        "[2026-11-28 02:20:30 +0000] [29822] [INFO] Booting worker with pid: 29823",
    ],
)
def test_a_line_of_the_traffic_or_of_its_fault_is_expected(tmp_path: Path, line: str) -> None:
    assert unexpected(tmp_path, line) == []


@pytest.mark.parametrize(
    "line",
    [
        TIMES.format(9) + "[ERROR] flask_irl: store_lost then=memory",
        TIMES.format(2) + "[ERROR] flask_irl: limiter_error where=flush",
        TIMES.format(2) + "[WARNING] redis: hm",
        "[2026-11-28 02:20:52 +0000] [29822] [ERROR] Worker (pid:7) was sent SIGKILL!",
        "Traceback (most recent call last):",
    ],
)
def test_a_line_of_another_time_or_of_nothing_is_not(tmp_path: Path, line: str) -> None:
    assert unexpected(tmp_path, TIMES.format(0) + "[INFO] flask_irl: model_loaded", line) == [line]


# The plan.


@pytest.mark.parametrize("minutes", [0.5, 1.0, 5.0, 30.0, 240.0])
def test_a_plan_takes_its_minutes(minutes: float) -> None:
    plan = Plan(minutes)
    spent = plan.warm_up + plan.cycle * len(plan.faults) + plan.calm
    assert minutes * 60 - plan.cycle <= spent <= minutes * 60
    assert min(plan.warm_up, plan.fault, plan.settling, plan.calm) > 0
    assert len(plan.faults) >= 2


def test_the_usual_plan_has_every_fault_and_lets_workers_live_for_half_of_it() -> None:
    plan = from_environment({})
    assert set(plan.faults) == set(FAULTS)
    last = max(index for index, fault in enumerate(plan.faults) if not fault.of_store)
    assert plan.warm_up + plan.cycle * (last + 1) < plan.minutes * 60 / 2


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "soon"])
def test_a_soak_that_is_too_short_is_refused(
    minutes: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOAK_MINUTES", minutes)
    assert main([]) == 2
    assert f"SOAK_MINUTES is {minutes}, which is not allowed" in capsys.readouterr().out


@pytest.mark.integration
@pytest.mark.slow
def test_a_minute_with_two_faults_is_as_it_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = subprocess.run(
        # Nothing here is about time, and the machine may be busy.
        [sys.executable, "-m", "loadtests.soak", "--results", tmp_path, "--store-timeout", "2"],
        cwd=ROOT,
        env={**os.environ, "SOAK_MINUTES": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads((tmp_path / "soak.json").read_text())
    assert [fault["name"] for fault in told["faults"]] == ["frozen", "a worker killed"]
    assert all(sum(calm["counted"].values()) > 0 for calm in told["calms"])
    assert "As it should be" in ended.stdout
    again = tmp_path / "again"
    assert main(["--read", str(tmp_path / "soak.json"), "--results", str(again)]) == 0
    assert (again / "soak.png").read_bytes() == (tmp_path / "soak.png").read_bytes()
    assert (again / "soak.txt").read_text() == (tmp_path / "soak.txt").read_text()
    capsys.readouterr()
    assert main(["--read", str(tmp_path / "soak.json"), "--markdown"]) == 0
    assert "| frozen |" in capsys.readouterr().out
