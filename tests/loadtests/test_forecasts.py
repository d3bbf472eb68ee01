"""Test the comparison of forecasts."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.campaigns.activity import SHORT, Activity
from flask_irl.replay.formats import LogEntry
from loadtests.forecasts import __main__ as program
from loadtests.forecasts import online
from loadtests.forecasts.__main__ import LSTM, MODELS, judge
from loadtests.forecasts.batch import PER_DAY
from loadtests.forecasts.forecast import AHEAD, LEARNED, Forecaster, judged, measure, pinball
from loadtests.forecasts.series import (
    ATTACK,
    BIN,
    DAY,
    LEAST,
    ROUTES,
    Series,
    attacked,
    count,
    office_hours,
)
from loadtests.forecasts.table import BASE, sections
from loadtests.tables import as_text

MONDAY = 4 * DAY
CHANGED = LEARNED + 60


@pytest.fixture(params=[*MODELS, LSTM])
def forecaster(request: pytest.FixtureRequest) -> Forecaster:
    if request.param != LSTM:
        return MODELS[request.param]
    for name in ("torch", "onnx", "onnxruntime"):
        pytest.importorskip(name, reason="needs the dependency group forecasts")
    from loadtests.forecasts.lstm import lstm

    return lstm


def drawn(days: float = 1.5, mean: float = 5.0) -> Series:
    """Draw a log with a series of each kind, whose mean never changes."""
    times = MONDAY + np.arange(int(days * PER_DAY), dtype=np.float64) * BIN
    names = tuple((kind, "/login") for kind in ("requests", "failed logins", "newcomers"))
    counts = np.random.default_rng(3).poisson(mean, (3, len(times))).astype(float)
    return Series("drawn", names, counts, times)


def test_a_forecast_knows_nothing_of_what_comes_after_it(forecaster: Forecaster) -> None:
    series = drawn()
    other = series.counts.copy()
    other[:, CHANGED:] += 1000.0
    before = forecaster(series.counts, series.times).quantiles
    after = forecaster(other, series.times).quantiles
    for place, ahead in enumerate(AHEAD):
        same = slice(LEARNED, CHANGED + ahead)
        np.testing.assert_allclose(before[place][..., same], after[place][..., same], rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "boosted"])
def test_what_has_been_changes_a_forecast(name: str) -> None:
    series = drawn()
    other = series.counts.copy()
    other[:, CHANGED:] += 1000.0
    place = CHANGED + 5 * ATTACK
    before = MODELS[name](series.counts, series.times).quantiles[:, 1, :, place]
    after = MODELS[name](other, series.times).quantiles[:, 1, :, place]
    assert (after > before).all()


def test_quantiles_are_counts_in_their_order_and_few_bins_are_above(
    forecaster: Forecaster,
) -> None:
    series = drawn()
    forecasts = forecaster(series.counts, series.times)
    median, upper = forecasts.quantiles[..., LEARNED:].swapaxes(0, 1)
    assert (median >= 0.0).all()
    assert (upper >= median).all()
    for place in range(len(AHEAD)):
        assert measure(series, forecasts, place).above < 0.05


def test_no_log_at_all_is_forecast_from_nothing(forecaster: Forecaster) -> None:
    series = drawn(mean=0.0)
    quantiles = forecaster(series.counts, series.times).quantiles[..., LEARNED:]
    assert np.isfinite(quantiles).all()


def test_seasonal_smoothing_is_better_where_there_is_a_season() -> None:
    series = office_hours()
    flat, seasonal = (
        measure(series, model(series.counts, series.times), 1)
        for model in (online.flat, online.seasonal)
    )
    assert seasonal.pinball < 0.4 * flat.pinball
    assert seasonal.absolute < 0.6 * flat.absolute


def test_seasonal_smoothing_learns_little_from_an_outlier() -> None:
    mean = online.Seasonal(1)
    for number in range(PER_DAY):
        mean.update(np.array([5.0]), number * BIN)
    mean.update(np.array([1e6]), DAY)
    assert 5.0 < mean.expect(DAY + BIN, 1)[0] < 8.0


def test_the_flat_rate_is_that_of_campaigns() -> None:
    activity = Activity(0.0)
    flat = online.Flat(1)
    for number in range(72):
        amount = 5.0 if number < 48 else 200.0
        flat.update(np.array([amount]), number * BIN)
        for part in range(30):
            now = number * BIN + part * 10.0
            activity.add({"failed": amount / 30}, now)
            activity.learn(10.0)
    assert flat.expect(0.0, 1)[0] == pytest.approx(activity.expected("failed", SHORT), rel=0.25)


@given(st.floats(1e-6, 500.0), st.sampled_from([0.5, 0.99]))
def test_quantiles_of_poisson_distributions_are_right(mean: float, quantile: float) -> None:
    expected = scipy.stats.poisson.ppf(quantile, mean)
    assert online.poisson(np.array([mean]), quantile)[0] == expected


@given(st.integers(0, 9), st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_a_learned_spread_stays_within_its_bounds(mean: int, counts: list[int]) -> None:
    spread, means = online.Spread(1), np.array([float(mean)])
    for amount in counts:
        spread.update(means, np.array([float(amount)]))
    scale = (mean + 0.1) ** 0.5
    over = float(spread.bound(means)[0]) - mean
    assert online.LEAST * scale <= over + 1e-9
    assert over <= online.MOST * scale + 1e-9


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(0, 30))
def test_no_forecast_has_a_lesser_pinball_loss_than_the_quantile(
    counts: list[int], other: int
) -> None:
    amounts = np.array(counts, dtype=float)
    best = np.quantile(amounts, 0.99, method="inverted_cdf")
    least, some = (pinball(amounts, np.full_like(amounts, x)).mean() for x in (best, other))
    assert least <= some + 1e-9


def entry(at: float, client: str, path: str, method: str = "GET", status: int = 200) -> LogEntry:
    """Make an entry of a log."""
    return LogEntry(MONDAY + at, client, method, path, status, 100, "browser", "")


@pytest.mark.parametrize(("by_answer", "failed"), [(False, 25), (True, 5)])
def test_a_log_is_counted_by_route(by_answer: bool, failed: int) -> None:
    rows = [
        *(entry(i, "a", "/login", "POST", 200) for i in range(20)),
        *(entry(20 + i, "a", "/login", "POST", 401) for i in range(5)),
        *(entry(BIN + i, "a", "/login", "POST", 302) for i in range(3)),
        *(entry(2 * BIN + i, f"c{i}", "/") for i in range(LEAST)),
        *(entry(2 * BIN + i, "a", "/seldom") for i in range(LEAST - 1)),
    ]
    series = count("log", rows, by_answer=by_answer)
    found = dict(zip(series.names, series.counts.tolist(), strict=True))
    assert found.pop(("requests", "/login")) == [25, 3, 0]
    assert found.pop(("requests", "/")) == [0, 0, LEAST]
    assert found.pop(("newcomers", "/")) == [0, 0, LEAST]
    expected = {("failed logins", "/login"): [failed, 0, 0]} if failed >= LEAST else {}
    assert found == expected


def test_days_without_requests_are_left_out_and_nothing_is_judged_across_them() -> None:
    days = (0, 1, 5)
    rows = [entry(d * DAY + i * BIN, "a", "/") for d in days for i in range(PER_DAY)]
    series = count("log", rows)
    assert series.counts.shape == (1, 3 * PER_DAY)
    for ahead in AHEAD:
        bins = judged(series, ahead)
        assert not bins[:LEARNED].any()
        assert np.flatnonzero(~bins[LEARNED:]).tolist() == [
            2 * PER_DAY - LEARNED + i for i in range(ahead)
        ]


def test_the_busiest_routes_are_looked_at() -> None:
    rows = [entry(i, "a", f"/{chr(97 + n)}") for n in range(20) for i in range(LEAST + n)]
    series = count("log", sorted(rows))
    assert sorted(route for _, route in series.names) == [f"/{chr(97 + n)}" for n in range(8, 20)]
    assert len(series.names) == ROUTES


def test_an_attack_takes_an_hour_a_week() -> None:
    series = drawn(days=15, mean=1.0)
    after, mask = attacked(series, LEARNED)
    assert mask.sum(axis=1).tolist() == [0, 2 * ATTACK, 2 * ATTACK]
    assert (after.counts == series.counts)[~mask].all()
    assert fmean((after.counts - series.counts)[mask].tolist()) == pytest.approx(12.0, rel=0.2)


def test_tables_hold_every_model_against_the_flat_rate() -> None:
    series = replace(drawn(days=3.0), log="log")
    results = [judge(series, name, MODELS[name]) for name in (BASE, "seasonal")]
    errors, kinds, bounds, costs = sections(results)
    models = [[row[1] for row in table.rows] for table in (errors, kinds, bounds)]
    assert models == [["flat", "seasonal"], ["seasonal"], ["flat", "seasonal"]]
    # 12 and twice five, and five deviations.
    assert float(bounds.rows[0][2]) == pytest.approx(33.0, abs=1.5)
    assert [row[0] for row in costs.rows] == ["flat", "seasonal"]
    assert "pinball" in as_text(errors)


def test_a_run_without_logs_and_libraries_says_so_and_prints_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "MODELS", {BASE: online.flat})
    monkeypatch.setattr(program, "find_spec", lambda name: None)
    monkeypatch.setattr(program, "generate", lambda *_: [])
    monkeypatch.setattr(program, "count", lambda *_, **__: drawn(days=3.0))
    monkeypatch.setattr(program, "office_hours", lambda: drawn(days=3.0))
    monkeypatch.delenv("EVALUATION_LOGS", raising=False)
    assert program.main(["--markdown"]) == 0
    out, err = capsys.readouterr()
    assert out.count("| simulator, 4 days | flat |") == 2
    assert "No LSTM: torch, onnx, onnxruntime not installed." in err
    assert "left out" in err
