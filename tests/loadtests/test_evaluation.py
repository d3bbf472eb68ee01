"""Test the evaluation: its sums are right, and every part of it runs on a log of minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURE_NAMES, column
from flask_irl.behaviour.sums import SUMS
from flask_irl.model.detectors import Detector
from flask_irl.replay import runner
from flask_irl.replay.report import ClientReport, ReplayReport
from flask_irl.training import attacks
from flask_irl.training.attacks import KINDS
from flask_irl.training.forests import fit_isolation_forest
from flask_irl.training.training_set import TrainingSet
from flask_irl.verdicts.flush import Judged
from flask_irl.verdicts.judge import Verdicts
from flask_irl.verdicts.ladder import Ladder
from loadtests.evaluation import figures, job, left_out
from loadtests.evaluation.__main__ import main
from loadtests.evaluation.ablation import GROUPS
from loadtests.evaluation.bars import LOST, rows
from loadtests.evaluation.job import Job, Realised, families, run, taught_without
from loadtests.evaluation.picture import attacks as listed
from loadtests.evaluation.picture import draw, title_of
from loadtests.evaluation.plain import apply_limit, features, plain_rule
from loadtests.evaluation.real import judge_log
from loadtests.evaluation.table import (
    ablation_sections,
    log_sections,
    outcomes,
    real_sections,
    recovery_sections,
    summary_sections,
)
from loadtests.simulator.scene import Row
from loadtests.tables import as_text

ROOT = Path(__file__).resolve().parents[2]


def _client(
    name: str, label: str, counts: tuple[int, int, int, int], first: int | None = None
) -> ClientReport:
    requests, refused, flagged, static = counts
    seconds = None if first is None else 2.0 * first
    return ClientReport(name, label, requests, refused, flagged, static, first, seconds)


def _report(*clients: ClientReport) -> ReplayReport:
    return ReplayReport(0, 0, 0, 0, 0, (), clients)


def _requests(client: str, every: float, count: int, start: float = 0.0) -> Iterator[Row]:
    for number in range(count):
        ts = start + number * every
        yield Row(ts, client, "GET", f"/item/{number}", 200, 10, "browser", f"legit:{client}")


def _log(scenario: str, seed: int = 1, **refused: int) -> dict[str, Any]:
    """Make a log of two families with 1,000 requests each, the static limit refusing ten."""
    legitimate = {"people": "legit:people", "batch": "legit:batch"}
    return {
        "scenario": scenario,
        "seed": seed,
        "realised": {"requests": 4000 * seed, "flagged": 3},
        "families": {
            legitimate.get(name, f"attack:{name}"): {
                **dict(clients=2, requests=1000, refused=lost, static=10, flagged=1),
                **dict(first_request=18.0, first_seconds=7.0, late_requests=500, late_flagged=5),
                **dict(plain_refused=110, plain_flagged=400),
            }
            for name, lost in refused.items()
        },
    }


def test_clients_are_summed_up_by_family_with_the_median_first_flag() -> None:
    found = families(
        _report(
            _client("a", "attack:scan", (100, 90, 95, 5), first=10),
            _client("b", "attack:scan", (50, 30, 40, 0), first=20),
            _client("c", "attack:scan", (10, 0, 0, 0)),
            _client("d", "legit:people", (7, 1, 0, 1)),
        )
    )
    scan = found["attack:scan"]
    assert (scan.clients, scan.requests, scan.refused, scan.static) == (3, 160, 120, 5)
    assert (scan.flagged, scan.first_request, scan.first_seconds) == (2, 15.0, 30.0)
    assert (found["legit:people"].flagged, found["legit:people"].first_request) == (0, None)


def test_what_came_while_it_learned_is_no_false_flag_of_later() -> None:
    early = _report(_client("a", "legit:people", (100, 0, 30, 0)))
    late = _report(_client("a", "legit:people", (150, 0, 40, 0)))
    found = families(late, early)["legit:people"]
    assert (found.late_requests, found.late_flagged) == (50, 10)


def test_the_realised_rate_is_of_the_requests_of_all_logs_together() -> None:
    logs = [_log("ordinary", 1), _log("ordinary", 2)]
    assert figures.realised_rate(logs) == pytest.approx(6 / 12000)


@pytest.mark.parametrize(
    ("model", "regular", "path_rate", "counted"),
    [
        pytest.param(dict(version=1), False, 9.0, (50, 20), id="a newcomer's harm"),
        pytest.param(dict(version=1), False, 0.0, (50, 0), id="a newcomer's oddity"),
        pytest.param(dict(version=1), True, 9.0, (0, 0), id="a regular's harm"),
        pytest.param(dict(version=1, advisory=True), False, 9.0, (0, 0), id="a model that advises"),
        pytest.param(dict(version=0), False, 9.0, (0, 0), id="no model"),
    ],
)
def test_the_score_alone_is_counted_where_it_was_calibrated_for(
    model: dict[str, Any], regular: bool, path_rate: float, counted: tuple[int, int]
) -> None:
    features = np.zeros((4, len(FEATURE_NAMES)), dtype=np.float32)
    column(features, "sustained_new_paths")[:] = path_rate
    nothing: Any = np.zeros(4)
    raw = np.array([-0.6, -0.6, -0.4, -0.9])
    regulars = np.full(4, regular)
    verdicts = Verdicts(
        features, raw, nothing, nothing, nothing, nothing, regulars, nothing, nothing
    )
    records = profile.decode([b""] * 4)
    records["sums"][:, [s.name for s in SUMS].index("n")] = (8.0, 7.0, 99.0, 99.0)
    profiles: Any = SimpleNamespace(
        clients=["a", "b", "c", "bad"], observations=[20, 20, 10, 500], records=records
    )
    current: Any = SimpleNamespace(**{"advisory": False, **model})
    realised = Realised({**dict.fromkeys("abc", "legit:people"), "bad": "attack:scan"})
    realised.count(Judged(current, Ladder((), -0.5), profiles, verdicts))
    assert (realised.requests, realised.flagged) == counted


def test_over_static_counts_legitimate_requests_only() -> None:
    log = _log("ordinary", people=30, scan=900)
    assert figures.over_static(log["families"]) == pytest.approx(2.0)
    assert figures.over_static(log["families"], "plain_refused") == pytest.approx(10.0)


def _verdicts(*logs: dict[str, Any]) -> dict[str, str]:
    return {outcome.name: outcome.verdict for outcome in outcomes({"logs": logs})}


def test_a_target_is_met_on_the_right_side_of_it() -> None:
    verdicts = _verdicts(
        _log("ordinary", people=10, scan=890, drift=700), _log("holiday", people=50, scan=990)
    )
    assert verdicts[f"ordinary days: {LOST}, mean"] == "ok"
    assert verdicts["made-up sites: drift, mean"] == "ok"
    assert verdicts["requests until the first flag: slowest family"] == "ok"
    assert verdicts["made-up sites: scan for files, mean"] == "missed"
    assert verdicts[f"changed days: {LOST}, mean"] == "missed"


def test_the_worst_log_has_a_bar_of_its_own() -> None:
    verdicts = _verdicts(_log("ordinary", 1, scraper_95=999), _log("small_site", 2, scraper_95=800))
    assert verdicts["made-up sites: scraper at 95 a minute, mean"] == "missed"
    assert verdicts["made-up sites: scraper at 95 a minute, worst log"] == "missed"
    verdicts = _verdicts(*(_log("ordinary", seed, scraper_95=999) for seed in range(9)))
    assert set(verdicts.values()) == {"ok"}


def test_the_worst_family_is_that_of_one_log() -> None:
    logs = [_log("holiday", 1, people=11, batch=12), _log("holiday", 2, people=80, batch=10)]
    [row] = [row for row in rows(logs, []) if "one family in one log" in row.name]
    assert row.name.endswith("most by people")
    assert row.values == pytest.approx([0.2, 7.0])


def test_a_family_is_judged_by_replays_without_its_own_group() -> None:
    logs = [
        _log("ordinary", scan=990, drift=900),
        {**_log("ordinary", scan=800, drift=100), "left_out": "taking"},
        {**_log("ordinary", scan=700, drift=880), "left_out": "breaking in"},
    ]
    found = {row.name: row for row in rows(logs, [])}
    assert (found["drift"].values, found["drift"].unseen) == ([90.0], [10.0])
    scan = found["scan for files"]
    assert (scan.values, scan.unseen, scan.static) == ([99.0], [70.0], [1.0])


def test_every_attack_that_is_taught_is_in_a_group_to_leave_out() -> None:
    assert sorted(kind for group in left_out.GROUPS.values() for kind in group) == sorted(KINDS)


def test_what_is_only_reported_does_not_fail_an_evaluation() -> None:
    window = {**_log("injected", replayed_visits=10), "log": "blog", "window": 0}
    found = outcomes({"windows": [window]})
    assert [outcome.verdict for outcome in found] == ["ok", "ok", "for information"]


def test_figures_of_logs_that_were_not_replayed_are_left_out() -> None:
    assert {row.part for row in rows([_log("holiday", people=10)], [])} == {"changed days"}


def test_the_evaluation_ends_with_a_sentence_on_the_figures_that_are_missed() -> None:
    logs = [_log("ordinary", people=10, scan=890)]
    last = as_text(*summary_sections({"logs": logs})).splitlines()[-1]
    assert last == (
        "2 of 3 figures are as wanted. Missed: made-up sites: scan for files, mean is 89.0%, "
        "wanted at least 96%."
    )


def test_the_main_table_tells_what_was_not_taught_first() -> None:
    logs = [_log("ordinary", scan=990), {**_log("ordinary", scan=700), "left_out": "breaking in"}]
    text = as_text(*summary_sections({"logs": logs}))
    line = next(line for line in text.splitlines() if "scan for files" in line)
    assert line.split()[5:] == ["70.0", "70.0", "99.0", "99.0", "1.0", "≥", "96", "ok"]


def test_the_table_tells_mean_least_and_most_of_a_family() -> None:
    text = as_text(*log_sections([_log("ordinary", 1, scan=800), _log("ordinary", 2, scan=900)]))
    line = next(line for line in text.splitlines() if "attack:scan" in line)
    assert line.split()[1:6] == ["85.00", "80.00", "90.00", "1.00", "11.00"]


def test_the_plain_rule_sees_count_endpoint_and_intervals_of_the_last_minute() -> None:
    rows = list(_requests("a", 40.0, 3))
    table = features(rows, ["/x", "/y", "/x"])
    assert table[:, 2].tolist() == [1, 2, 2]
    assert table[:, 3].tolist() == [0, 1, 0]
    assert table[:, 4].tolist() == [0, 40, 40]


def test_the_plain_rule_holds_anomalous_requests_to_30_percent_of_the_limit() -> None:
    rows = list(_requests("a", 0.1, 60))
    assert apply_limit(rows, [True] * 60)["legit:a"].refused == 30
    assert apply_limit(rows, [False] * 60)["legit:a"].refused == 0


def test_the_plain_rule_flags_nothing_that_it_learns_from() -> None:
    usual = [row for start in range(0, 3000, 300) for row in _requests("a", 20.0, 5, start)]
    burst = list(_requests("b", 0.2, 90, 3100.0))
    rows = usual + burst
    outcomes = plain_rule(rows, [row.path for row in rows], 3000.0)
    assert outcomes["legit:a"].flagged == 0
    assert outcomes["legit:b"].flagged > 30
    assert plain_rule(rows, [row.path for row in rows], 9999.0)["legit:b"].flagged == 0


def test_attacks_left_out_are_taught_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[list[str]] = []

    def fit(training_set: TrainingSet, kinds: Mapping[str, attacks.Kind] = KINDS) -> Detector:
        taught.append(list(kinds))
        return fit_isolation_forest(training_set.rows, seed=1)

    monkeypatch.setattr(job, "fit_detector", fit)
    with taught_without(["stuffing", "scan"]):
        _train()
    assert taught == [[name for name in KINDS if name not in ("stuffing", "scan")]]
    _train()
    assert len(taught) == 1


def _train() -> None:
    """Fit as a replay does."""
    rows = TrainingSet("blend", np.random.default_rng(1).random((9, len(FEATURE_NAMES))), 1)
    vars(runner)["fit_here"](rows)


def test_every_feature_is_in_one_group_of_the_ablation() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(FEATURE_NAMES)


def test_a_made_up_log_is_replayed_and_every_request_counted() -> None:
    found = run(Job("cold_start", 1, "design", hours=0.1))
    sums = [f["requests"] for f in found["families"].values()]
    assert sum(sums) > 100
    assert all(f["plain_refused"] >= 0 for f in found["families"].values())
    assert any(label.startswith("attack:") for label in found["families"])
    assert set(found["realised"]) == {"requests", "flagged"}


def test_a_real_log_is_told_by_agent_and_failures(tmp_path: Path) -> None:
    log = tmp_path / "small.csv"
    lines = ["ts,client,method,path,status,bytes,ua_class,label"]
    lines += [f"{i},c{i % 2},GET,/x,{404 if i % 2 else 200},5,bot," for i in range(300)]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = judge_log(log, {})
    assert found["log"] == "small.csv"
    assert (found["all"]["requests"], found["all"]["failed"]) == (300, 150)
    assert found["agents"]["bot"]["clients"] == 2
    assert {c["client"]: c["failed"] for c in found["top"]} == {"c0": 0, "c1": 150}
    assert "small.csv" in as_text(*real_sections([found]))


def test_recovery_is_told_also_where_nobody_was_flagged() -> None:
    common = {"kind": "scan", "refused": 3, "well": 60}
    results = [
        {**common, "seed": 1, "flagged": True, "seconds": 90.0},
        {**common, "seed": 2, "flagged": False, "seconds": None},
    ]
    line = as_text(*recovery_sections(results)).splitlines()[-1]
    assert line.split() == "scan 2 1 90 90 120 6".split()


def test_the_ablation_tells_what_is_lost_on_whom() -> None:
    without = {
        "nothing": {"attack:scan": 80.0, "attack:drift": 60.0, "legit": 1.0},
        "rates": {"attack:scan": 79.0, "attack:drift": 20.0, "legit": 0.5},
    }
    result = {"seed": 1, "set": "design", "without": without}
    lines = as_text(*ablation_sections([result])).splitlines()
    assert lines[-1].split() == ["rates", "-20.50", "-0.500", "drift", "-40.0"]


def test_the_picture_is_small(tmp_path: Path) -> None:
    path = tmp_path / "new" / "picture.png"
    draw([_log("ordinary", people=10, scan=900), _log("holiday", people=11, scan=9)], path)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 150_000


def test_the_picture_says_how_many_attacks_are_refused() -> None:
    logs = [
        _log("ordinary", scan=990, drift=950),
        {**_log("ordinary", scan=900, drift=950), "left_out": "breaking in"},
        {**_log("ordinary", scan=900, drift=100), "left_out": "taking"},
    ]
    title = title_of(listed(logs))
    assert title.replace("\n", " ") == (
        "In 1 of 2 kinds of attack, not taught any like it, flask_irl refuses 90% or more of the "
        "requests, a fixed limit alone in none"
    )


def test_results_written_before_are_shown_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = tmp_path / "results.json"
    stored.write_text(json.dumps({"logs": [_log("ordinary", scan=970)]}), encoding="utf-8")
    assert main(["--read", str(stored)]) == 0
    assert "ordinary: 1 logs" in capsys.readouterr().out
    assert main(["--read", str(stored), "--markdown"]) == 0
    assert "| attack:scan | 97.00 | 97.00 | 97.00 |" in capsys.readouterr().out


def test_an_evaluation_in_which_a_figure_is_missed_fails(tmp_path: Path) -> None:
    stored = tmp_path / "results.json"
    stored.write_text(json.dumps({"logs": [_log("ordinary", scan=890)]}), encoding="utf-8")
    assert main(["--read", str(stored)]) == 1


def test_moments_of_intervals_are_those_of_the_window() -> None:
    times = [0.0, 1.0, 4.0, 9.0, 70.0]
    rows = [Row(ts, "a", "GET", "/", 200, 1, "", "legit:a") for ts in times]
    table = features(rows, ["/"] * 5)
    gaps = np.diff(times[:4])
    assert table[3, 4:] == pytest.approx([gaps.mean(), gaps.std()])
    assert table[4, 2] == 1


@pytest.mark.slow
@pytest.mark.integration
def test_logs_are_judged_in_processes_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    options = "--seeds 1 --hours 0.2 --scenarios clean --recovery-seeds 0"
    options += " --processes 1"
    subprocess.run(
        [sys.executable, "-m", "loadtests.evaluation", *options.split(), "--json", str(out)],
        cwd=ROOT,
        check=True,
        timeout=300,
        stdout=subprocess.DEVNULL,
    )
    [log] = json.loads(out.read_text())["logs"]
    assert (log["scenario"], log["seed"], log["hours"]) == ("clean", 601, 0.2)
