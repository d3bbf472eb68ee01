"""Test the benchmark: it runs and reports everything; its speed is not tested."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")
pytest.importorskip("throttled", reason="needs the dependency group bench")

from loadtests.bench.__main__ import main
from loadtests.bench.cases.apps import Bench, bare_app
from loadtests.bench.cases.catalogue import (
    BARE,
    KEYED,
    RAW_EVALSHA,
    REFUSED,
    Case,
    all_cases,
    our_name,
    their_name,
)
from loadtests.bench.cases.model import Trained
from loadtests.bench.cases.subject import BenchError, WsgiSubject, timed
from loadtests.bench.measure.calls import Calls
from loadtests.bench.measure.cpu import TotalCpu
from loadtests.bench.measure.flushes import FlushCost
from loadtests.bench.measure.growth import Grown
from loadtests.bench.measure.load import Load, UnderLoad
from loadtests.bench.measure.machine import Machine
from loadtests.bench.measure.throughput import Served, Shape, Turn
from loadtests.bench.measure.training import Pair, UnderTraining, Window, best_pairs
from loadtests.bench.measure.turns import Timing, take_turns
from loadtests.bench.report.figures import Report, Results, report_of
from loadtests.bench.report.tables import overview, sections
from loadtests.bench.report.targets import AT_LEAST, TARGETS, outcomes
from loadtests.stored import write
from loadtests.tables import Table, as_text
from loadtests.targets import is_missed, summary

ROOT = Path(__file__).parents[2]
RATIOS = {
    "redis_vs_flask_limiter",
    "redis_vs_throttled",
    "redis_vs_noop_evalsha",
    "memory_vs_flask_limiter",
    "refusal_vs_bare_flask",
    "compat_vs_native",
    "p99_while_training",
    "redis_bytes_per_client",
    "worker_extra_mib",
    "gunicorn_rps_vs_bare_dense",
    "gunicorn_rps_vs_bare_sparse",
    "gunicorn_p99_vs_bare",
    "cpu_vs_before",
    "start_seconds",
    "replay_vs_before",
}
BEFORE = "flask_irl older"
SHAPES: tuple[tuple[Shape, float], ...] = (("dense", 1.0), ("sparse", 0.9))
MEDIANS = {
    BARE: [40.0, 50.0, 60.0],
    ("flask_irl", "redis", our_name(1, True, True)): [70.0, 80.0, 90.0],
    ("flask_irl", "memory", our_name(1, True, True)): [50.0, 60.0, 70.0],
    ("flask_irl", "redis", KEYED): [90.0, 100.0, 110.0],
    ("flask_irl", "redis", REFUSED): [20.0, 25.0, 30.0],
    ("Flask-Limiter", "redis", their_name("sliding-window-counter", True)): [340.0, 350.0, 360.0],
    ("Flask-Limiter", "memory", their_name("sliding-window-counter", True)): [60.0, 70.0, 80.0],
    ("throttled-py", "redis", their_name("fixed-window", False)): [100.0, 110.0, 120.0],
    RAW_EVALSHA: [15.0, 15.0, 15.0],
}
FLOODED = Load(8.0, 1.5, 3.0, 0.25)


@pytest.fixture
def results() -> Results:
    """Make results of which every ratio is known beforehand."""
    bench = Bench("redis://nowhere", Trained(1, b"", (), 0), 1)
    timings = [
        Timing(case, [[median] for median in MEDIANS.get(case.key, [41.0, 51.0, 61.0])])
        for case in all_cases(bench)
    ]
    quiet = Window(50.0, 200.0, 100, 1.0)
    busy = Window(50.0, 250.0, 100, 1.0)
    return Results(
        before=BEFORE,
        gunicorn=[
            Served(system, 2, shape, (Turn(rate, 1.0, p99, cpu, 0.1),) * 2)
            for shape, slower in SHAPES
            for system, rate, p99, cpu in (
                ("Flask", 1000.0, 4.0, 400.0),
                ("flask_irl", 900.0 * slower, 4.4, 500.0),
                (BEFORE, 700.0, 8.0, 650.0),
            )
        ],
        replays={"flask_irl": [3000.0], BEFORE: [1000.0]},
        timings=timings,
        training=UnderTraining((Pair(busy, quiet, (quiet, quiet)),) * 2, 1000, 1.5),
        redis=300.0,
        workers={"bare": 30.0, "flask_irl": 60.0},
        http_client="a client",
        load=[UnderLoad("flask_irl", Load(9.0, 1.0, 2.0, 0.0), FLOODED, FLOODED)],
        calls=[Calls("flask_irl", "one limit", 1.0, ("EVALSHA",))],
        starts={"flask_irl": 0.25},
        grown=[Grown("routes", "memory", 500, 60.0, 20.0)],
        cpu=[TotalCpu("flask_irl", 10, 90.0, 20.0)],
        flushes=[
            FlushCost("redis", 1_000, True, 37.24, 12.0),
            FlushCost("redis", 1_000, False, 35.0, 11.0),
        ],
        machine=Machine("a CPU", 16, "an OS", "a Python", "a server", {"Flask": "3"}, 0.0),
        settings={"rounds": 3},
        seconds=1.0,
    )


def trained(results: Results) -> UnderTraining:
    """Give the requests while a model trained."""
    assert results.training is not None
    return results.training


def text_of(results: Results) -> str:
    """Render the report of a run."""
    return as_text(*sections(stored(results)))


def stored(results: Results) -> Report:
    """Give the figures of a run as its JSON has them."""
    report: Report = json.loads(json.dumps(report_of(results)))
    return report


def test_ratios_compare_the_medians_of_what_is_added(results: Results) -> None:
    ratios = {name: figure.value for name, figure in results.ratios().items()}
    assert ratios == pytest.approx(
        {
            "redis_vs_flask_limiter": 0.1,
            "redis_vs_throttled": 0.5,
            "redis_vs_noop_evalsha": 2.0,
            "memory_vs_flask_limiter": 0.5,
            "refusal_vs_bare_flask": 0.5,
            "compat_vs_native": 1.0,
            "p99_while_training": 1.25,
            "redis_bytes_per_client": 300.0,
            "worker_extra_mib": 30.0,
            "gunicorn_rps_vs_bare_dense": 0.9,
            "gunicorn_rps_vs_bare_sparse": 0.81,
            "gunicorn_p99_vs_bare": 1.1,
            "cpu_vs_before": 0.4,
            "start_seconds": 0.25,
            "replay_vs_before": 3.0,
        }
    )


def test_table_says_which_figures_are_as_wanted(results: Results) -> None:
    lines = {line.split()[0]: line for line in text_of(results).splitlines() if line.strip()}
    missed = {name for name in RATIOS if lines[name].endswith("missed")}
    assert missed == {"memory_vs_flask_limiter", "p99_while_training"}
    assert all(lines[name].endswith("ok") for name in RATIOS - missed)


def test_the_report_ends_with_a_sentence_on_the_figures_that_are_missed(results: Results) -> None:
    last = text_of(results).splitlines()[-1]
    assert last == (
        "13 of 15 figures are as wanted. "
        "Missed: memory_vs_flask_limiter is 0.50, wanted at most 0.4. "
        "Missed: p99_while_training is 1.25, wanted at most 1.2."
    )


def test_a_run_with_a_figure_that_is_missed_fails(results: Results) -> None:
    assert is_missed(outcomes(stored(results)))


def test_a_figure_that_other_work_made_unsure_does_not_fail_a_run(results: Results) -> None:
    report = stored(results)
    report["ratios"]["memory_vs_flask_limiter"] = 0.3
    report["details"]["core_taken_by_others"] = 0.4
    assert not is_missed(outcomes(report))
    assert summary(outcomes(report)) == (
        "14 of 15 figures are as wanted. "
        "Not judged: p99_while_training (other work kept the cores busy)."
    )


def test_a_run_that_is_too_short_is_not_judged(results: Results) -> None:
    found = outcomes(stored(dataclasses.replace(results, settings={"judged": False})))
    assert not is_missed(found)
    assert {one.verdict for one in found} == {"a run this short is rough"}


def test_a_cell_of_the_documents_tables_has_one_figure(results: Results) -> None:
    tables = [part for part in overview(stored(results)) if isinstance(part, Table)][:3]
    cells = [cell for table in tables for row in table.rows for cell in row[1:]]
    assert [cell for cell in cells if " " in cell] == []


def test_each_feature_is_shown_with_its_cost_beyond_one_limit(results: Results) -> None:
    lines = [line.split() for line in text_of(results).splitlines()]
    assert ["one", "limit,", "headers,", "a", "model", "10", "30"] in lines
    assert ["an", "API", "key", "of", "the", "limiter's", "-9", "+20"] in lines


def test_an_earlier_run_without_a_feature_shows_nothing_of_it(results: Results) -> None:
    timings = [timing for timing in results.timings if timing.case.name != KEYED]
    assert "API key of" not in text_of(dataclasses.replace(results, timings=timings))


def test_an_earlier_run_is_shown_again_by_its_figures(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    write(file, report_of(results))
    assert main(["--read", str(file)]) == 1
    assert capsys.readouterr().out.rstrip().endswith("wanted at most 1.2.")


def test_tables_for_documents_are_markdown(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    write(file, report_of(results))
    main(["--read", str(file), "--markdown"])
    lines = capsys.readouterr().out.splitlines()
    assert "| added to a request on Redis, one limit, µs |  | 30 | 300 | 60 |" in lines
    assert "| --- | ---: | ---: | ---: | ---: |" in lines


@pytest.mark.parametrize("text", ["", "[]", '{"logs": []}'])
def test_a_file_that_holds_no_figures_is_a_wrong_call(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.json"
    file.write_text(text, encoding="ascii")
    with pytest.raises(SystemExit, match="2"):
        main(["--read", str(file)])
    assert str(file) in capsys.readouterr().err


def test_a_run_of_some_groups_reports_those_alone(results: Results) -> None:
    empty = Results(results.machine, {}, 1.0, "a client", gunicorn=results.gunicorn, before=BEFORE)
    report = stored(empty)
    assert set(report["ratios"]) == {
        "gunicorn_rps_vs_bare_dense",
        "gunicorn_rps_vs_bare_sparse",
        "gunicorn_p99_vs_bare",
        "cpu_vs_before",
    }
    lines = text_of(empty).splitlines()
    assert any(line.startswith("flask_irl older ") and "2 x 4, dense" in line for line in lines)


def test_a_build_that_replays_faster_is_wanted(results: Results) -> None:
    slow = dataclasses.replace(results, replays={"flask_irl": [1500.0], BEFORE: [1000.0]})
    [verdict] = [x.verdict for x in outcomes(stored(slow)) if x.name == "replay_vs_before"]
    assert verdict == "missed"


def test_a_load_generator_that_was_the_bottleneck_judges_nobody(results: Results) -> None:
    report = stored(results)
    report["gunicorn"][0]["busiest_generator"] = 0.9
    verdicts = {x.verdict for x in outcomes(report) if x.name.startswith("gunicorn")}
    assert verdicts == {"the load generator was the bottleneck"}


def test_an_unknown_group_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "gunicorn,nothing"])
    assert "no group 'nothing'; there are gunicorn, timings" in capsys.readouterr().err


def test_table_does_not_judge_p99_on_a_busy_machine(results: Results) -> None:
    crowded = Window(50.0, 4000.0, 100, 1.0, waited=0.4)
    pair = dataclasses.replace(trained(results).pairs[0], bare=(crowded, crowded))
    training = dataclasses.replace(trained(results), pairs=(pair,))
    text = text_of(dataclasses.replace(results, training=training))
    line = next(line for line in text.splitlines() if line.startswith("p99_while_training "))
    assert line.endswith("other work kept the cores busy")


def test_json_of_results_has_every_case_and_ratio(results: Results) -> None:
    report = stored(results)
    assert set(report["ratios"]) == RATIOS == {*AT_LEAST, *(name for name, _, _ in TARGETS)}
    first = report["cases"][1]
    assert (first["system"], first["store"]) == ("flask_irl", "memory")
    assert (first["case"], first["p50_us"], first["added_us"]) == (
        "one limit, headers, model",
        60.0,
        10.0,
    )


def test_json_of_results_has_what_goes_beyond_single_requests(results: Results) -> None:
    report = stored(results)
    load = report["load"]["systems"][0]
    assert report["load"]["client"] == "a client"
    assert (load["system"], load["alone"]["p99"], load["beside"]["p99"]) == ("flask_irl", 2.0, 3.0)
    assert report["redis_calls"][0]["round_trips"] == 1.0
    assert report["start_seconds"] == {"flask_irl": 0.25}
    assert report["gunicorn"][1]["rps_vs_bare"] == 0.9
    assert report["growth"][0]["added"] == 20.0
    assert report["cpu_us_per_request"][0]["worker"] == 90.0
    assert report["flush_us_per_observation"][0] == {
        **{"store": "redis", "clients": 1_000, "history": True},
        **{"worker": 37.24, "server": 12.0},
    }


def test_table_sums_up_all_cpu_time(results: Results) -> None:
    lines = text_of(results).splitlines()
    [line] = [line for line in lines if line.startswith("CPU of worker and Redis a request, 10")]
    assert line.split()[-1] == "110"


def test_table_shows_a_flush_with_and_without_courses(results: Results) -> None:
    lines = [line.split() for line in text_of(results).splitlines()]
    assert ["redis", "1,000", "37.2", "35.0", "12.0"] in lines


def test_an_earlier_run_without_flushes_shows_nothing_of_them(results: Results) -> None:
    report = {**stored(results)}
    del report["flush_us_per_observation"]
    assert "a flush" not in as_text(*sections(report))


def test_p99_leaves_out_pairs_that_others_disturbed(results: Results) -> None:
    calm = trained(results).pairs[0]
    crowded = dataclasses.replace(calm.training, waited=0.4)
    before = dataclasses.replace(calm, bare=(crowded, calm.bare[1]))
    after = dataclasses.replace(calm, bare=(calm.bare[0], crowded))
    assert best_pairs([before, calm, after, calm], wanted=2) == (calm, calm)


def test_p99_takes_all_pairs_where_most_are_disturbed(results: Results) -> None:
    calm = trained(results).pairs[0]
    crowded = dataclasses.replace(calm.training, waited=0.4)
    disturbed = dataclasses.replace(calm, bare=(crowded, crowded))
    pairs = [calm, disturbed, disturbed, disturbed]
    assert best_pairs(pairs, wanted=3) == tuple(pairs)


def test_p99_ratio_compares_windows_of_one_pair(results: Results) -> None:
    slow = Window(50.0, 1000.0, 100, 1.0)
    quiet, busy = trained(results).pairs[0].otherwise, trained(results).pairs[0].training
    pairs = (Pair(busy, quiet, (quiet, quiet)), Pair(slow, slow, (quiet, quiet)))
    training = dataclasses.replace(trained(results), pairs=pairs)
    ratios = dataclasses.replace(results, training=training).ratios()
    assert ratios["p99_while_training"].value == pytest.approx((1.25 + 1.0) / 2)


def test_added_time_is_counted_round_by_round() -> None:
    bare = Timing(Case("Flask", "", "bare", _never), [[40.0], [80.0]])
    slow = Timing(Case("x", "", "y", _never), [[50.0], [90.0]])
    raw = Timing(Case("x", "", "raw", _never, whole=False), [[50.0], [90.0]])
    assert slow.added(bare) == [10.0, 10.0]
    assert raw.added(bare) == [50.0, 90.0]


def test_added_time_is_what_goes_beyond_the_bare_turns_next_to_it() -> None:
    bare = Timing(Case("Flask", "", "bare", _never, bare=True), [[40.0], [80.0]])
    other = Timing(Case("Flask", "", "many routes", _never), [[45.0], [85.0]])
    slow = Timing(Case("x", "", "y", _never), [[70.0], [90.0]], near=[60.0, 75.0])
    assert slow.added(bare) == [10.0, 15.0]
    assert slow.added(other) == [25.0, 5.0]


def test_the_bare_case_has_its_turn_between_all_others(tmp_path: Path) -> None:
    log = tmp_path / "turns"
    cases = [Case("x", "", name, partial(Noted, log, name), bare=name == "b") for name in "bcd"]
    bare, *others = take_turns(cases, generations=2, rounds=1, calls=3)
    turns = "".join(name for name, _ in itertools.groupby(log.read_text("ascii")))
    assert sorted(turns.split("b")) == ["", "", *"ccccdddd"]
    assert [len(spent) for spent in bare.rounds] == [9, 9]
    assert [[len(spent) for spent in other.rounds] for other in others] == [[3, 3], [3, 3]]
    assert [len(other.near) for other in others] == [2, 2]


def test_an_unexpected_answer_ends_the_benchmark() -> None:
    with pytest.raises(BenchError, match="answered 200, not 429"):
        timed(WsgiSubject(bare_app(), clients=2), calls=1, expected=429)


def test_each_call_is_timed() -> None:
    spent = timed(WsgiSubject(bare_app(), clients=3), calls=7, expected=200)
    assert len(spent) == 7
    assert min(spent) > 0


@pytest.mark.integration
@pytest.mark.slow
def test_a_tiny_run_reports_everything(tmp_path: Path) -> None:
    written, chart = tmp_path / "bench.json", tmp_path / "images" / "bench.png"
    run = subprocess.run(
        [sys.executable, "-m", "loadtests.bench", "--tiny", "--chart", str(chart)],
        cwd=ROOT,
        env={**os.environ, "BENCH_JSON": str(written)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(written.read_text(encoding="utf-8"))
    measured = RATIOS - {"cpu_vs_before", "replay_vs_before"}
    assert set(report["ratios"]) == measured
    assert all(isinstance(value, float) for value in report["ratios"].values())
    for case in report["cases"]:
        assert {"system", "store", "case", "p50_us", "added_us"} <= set(case)
        assert case["p50_us"] > 0
    systems = {case["system"] for case in report["cases"]}
    assert systems == {"Flask", "flask_irl", "Flask-Limiter", "throttled-py", "redis-py"}
    assert set(report["machine"]) >= {"cpu", "cores", "python", "redis", "libraries"}
    assert all(name in run.stdout for name in measured)
    loaded = {one["system"] for one in report["load"]["systems"]}
    assert loaded == set(report["start_seconds"]) == {"Flask", "flask_irl", "Flask-Limiter"}
    assert {one["by"] for one in report["growth"]} == {"clients", "limits", "routes"}
    assert {one["system"] for one in report["cpu_us_per_request"]} == loaded
    flushes = [(one["store"], one["history"]) for one in report["flush_us_per_observation"]]
    assert flushes == [*itertools.product(("memory", "redis"), (True, False))]
    assert all(one["worker"] > 0 for one in report["flush_us_per_observation"])
    assert len({one["system"] for one in report["gunicorn"]}) == 5
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert "a run this short is rough" in run.stdout


class Noted:
    """Write down the name of a subject with each call."""

    warm_up = 0

    def __init__(self, log: Path, name: str) -> None:
        self._log = log
        self._name = name

    def prepare(self) -> None: ...

    def call(self, prepared: None) -> int:
        with self._log.open("a", encoding="ascii") as file:
            file.write(self._name)
        return 200

    def check(self) -> None: ...


def _never() -> WsgiSubject:
    raise AssertionError("a case that is not run is not built")
