"""Test the simulator: exact labels, measured people, attacks at their rates, the same log again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import astuple
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from flask_irl.replay.logs import LogReader
from loadtests.simulator.__main__ import main
from loadtests.simulator.denials import WORKS
from loadtests.simulator.draws import Picker, Quantiles
from loadtests.simulator.families import FAMILIES
from loadtests.simulator.parameters import DESIGN, HELD_OUT, SETS, Parameters
from loadtests.simulator.scenarios import ATTACKS, EPOCH, SCENARIOS, generate, make_scene
from loadtests.simulator.scene import HOUR, Row

ROOT = Path(__file__).resolve().parents[2]
# Each makes hours of traffic.
pytestmark = pytest.mark.slow

EAGER = {"legit:eager_telemetry", "legit:eager_autosave", "legit:eager_chat"}
LEGITIMATE = {
    "legit:browser",
    "legit:spa",
    "legit:mobile_app",
    "legit:mistyped_password",
    "legit:office_6",
    "legit:office_60",
    "legit:poller",
    "legit:batch",
    "legit:crawler",
    "legit:health_check",
    *EAGER,
    *WORKS,
}
FEW = {
    "attack:scraper_60",
    "attack:scraper_95_jittered",
    "attack:stuffing",
    "attack:scan",
    "attack:enumeration",
}
MORNING = {"legit:marketing_mail", "legit:morning_login", "legit:carrier"}
VISIT = 1800  # seconds of silence after which it is another session, as in the measurements


# All of them, some 30 MiB each: to make one takes seconds.
@cache
def log(name: str, seed: int, which: str = "design") -> tuple[Row, ...]:
    return tuple(generate(name, seed, which=which))


def begins(name: str, seed: int, which: str = "design") -> float:
    """Give the begin of a log, in unix seconds."""
    return EPOCH + make_scene(name, seed, 10.0, which).begins * HOUR


def by_client(rows: Iterable[Row], label: str) -> list[list[Row]]:
    clients: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.label == label:
            clients[row.client].append(row)
    assert clients, f"nobody is {label}"
    return list(clients.values())


def rate(rows: list[Row]) -> float:
    """Requests a minute from the first to the last."""
    return (len(rows) - 1) * 60 / (rows[-1].ts - rows[0].ts)


# --- The log as a whole -------------------------------------------------------------------------


def test_the_same_seed_writes_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    written = []
    for hashing in ("1", "2"):
        out = tmp_path / hashing / "short.csv.gz"
        subprocess.run(
            [sys.executable, "-m", "loadtests.simulator", "--seed", "5", "--hours", "1", str(out)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hashing},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        written.append(out.read_bytes())
    assert written[0] == written[1]
    assert written[0][4:8] == bytes(4), "the time of writing is in the file"


@pytest.mark.parametrize(("which", "name"), [("design", "log.csv"), ("held_out", "log.csv.gz")])
def test_replay_reads_back_every_row_as_it_was_made(tmp_path: Path, which: str, name: str) -> None:
    out = tmp_path / name
    assert main(["--seed", "2", "--hours", "1", "--set", which, str(out)]) == 0
    reader = LogReader(out)
    assert [tuple(entry) for entry in reader] == [
        tuple(row) for row in generate("ordinary", 2, 1.0, which)
    ]
    assert (reader.unreadable_lines, reader.late, reader.problem) == (0, 0, "")


@pytest.mark.parametrize("name", SCENARIOS)
def test_rows_are_in_order_of_time_and_within_the_hours(name: str) -> None:
    rows = log(name, 1)
    assert all(before.ts <= after.ts for before, after in pairwise(rows))
    assert 9.9 * HOUR < rows[-1].ts - rows[0].ts <= 10 * HOUR


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("ordinary", set(ATTACKS)),
        ("clean", set()),
        ("flash_crowd_deploy", FEW | {"legit:flash_crowd", "legit:eager_polling"}),
        ("morning", FEW | MORNING),
        ("holiday", FEW | {"legit:new_batch"}),
        ("large_site", set(ATTACKS)),
    ],
)
def test_a_scenario_has_its_families_and_no_others(name: str, more: set[str]) -> None:
    assert {row.label for row in log(name, 1)} == LEGITIMATE | more


def test_the_mobile_api_has_people_and_hardly_anybody_else() -> None:
    rows = log("mobile_api", 1)
    assert {row.label for row in rows} == EAGER | {
        *("legit:mobile_app", "legit:browser", "legit:mistyped_password", "legit:health_check")
    }
    assert len(by_client(rows, "legit:mobile_app")) > 1500
    app = [row for row in rows if row.label == "legit:mobile_app"]
    assert sum(row.method == "POST" for row in app) / len(app) == pytest.approx(0.89, abs=0.02)


def test_every_family_is_described_in_words() -> None:
    injected = {*(f"attack:walk_{rate}" for rate in (20, 60, 95)), "attack:replayed_visits"}
    events = {"legit:flash_crowd", "legit:new_batch", "legit:eager_polling", "legit:person"}
    assert set(FAMILIES) == LEGITIMATE | set(ATTACKS) | MORNING | events | injected


@pytest.mark.parametrize(
    ("name", "least", "most"), [("small_site", 5, 5), ("large_site", 350, 550)]
)
@pytest.mark.parametrize("which", SETS)
def test_a_site_has_as_many_routes_as_its_kind(
    name: str, least: int, most: int, which: str
) -> None:
    site = make_scene(name, 1, 1.0, which).site(0)
    pickers = (*site.routes.values(), site.api, site.api_writes, site.rpc, site.app_gets)
    patterns = {route.pattern for picker in pickers for route in picker.items}
    patterns |= {route.pattern for route in (site.login, site.person, site.order, *site.feeds)}
    assert least <= len(patterns) <= most


def test_eager_clients_write_hundreds_of_times_and_are_answered_well() -> None:
    clients = by_client(log("mobile_api", 1), "legit:eager_telemetry")
    peaks = [max(Counter(int(row.ts // 60) for row in rows).values()) for rows in clients]
    assert 120 < max(peaks) <= 200
    statuses = Counter(row.status for rows in clients for row in rows)
    assert statuses[200] > 0.97 * statuses.total()


def test_a_morning_happens_at_nine() -> None:
    rows = log("morning", 1)
    nine = begins("morning", 1) + (9 - make_scene("morning", 1, 10.0, "design").begins) * HOUR
    for label in ("legit:marketing_mail", "legit:morning_login"):
        firsts = [client[0].ts for client in by_client(rows, label)]
        assert nine <= min(firsts) < nine + 900
        assert np.median(firsts) < nine + 2400
    networks = {row.client.rpartition(".")[0] for row in rows if row.label == "legit:morning_login"}
    assert len(networks) == 1


def test_a_carriers_people_have_ever_new_addresses_of_one_network() -> None:
    clients = by_client(log("morning", 1), "legit:carrier")
    assert len(clients) > 200
    assert len({rows[0].client.rsplit(":", 3)[0] for rows in clients}) == 1
    assert max(len(rows) for rows in clients) <= 60


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_client_has_one_label(name: str) -> None:
    labels: dict[str, set[str]] = defaultdict(set)
    for row in log(name, 1):
        labels[row.client].add(row.label)
    assert {client: found for client, found in labels.items() if len(found) > 1} == {}


@pytest.mark.parametrize("which", SETS)
def test_a_log_of_ten_hours_can_be_replayed_soon(which: str) -> None:
    assert 50_000 < len(log("ordinary", 1, which)) < 200_000


@pytest.mark.parametrize("name", ["ordinary", "flash_crowd_deploy", "holiday"])
def test_nobody_attacks_in_the_clean_hours(name: str) -> None:
    until = begins(name, 1) + 4 * HOUR - 0.001
    early = {row.label for row in log(name, 1) if row.ts < until}
    # The poisoner comes as a person.
    assert {label for label in early if label.startswith("attack:")} <= {"attack:drift"}


def test_the_clean_hours_can_be_chosen() -> None:
    rows = generate("ordinary", 1, hours=3.0, clean_hours=2.0)
    attacks = [row.ts for row in rows if row.label[:7] == "attack:" and "drift" not in row.label]
    assert 2 * HOUR - 0.001 <= min(attacks) - begins("ordinary", 1) < 2.3 * HOUR


@pytest.mark.parametrize("seed", [1, 2])
def test_at_a_cold_start_four_attacks_come_at_once_and_no_others(seed: int) -> None:
    rows = generate("cold_start", seed, hours=2.0)
    first = {row.label: row.ts for row in reversed(rows) if row.label.startswith("attack:")}
    assert len(first) == 4
    assert max(first.values()) <= begins("cold_start", seed) + 10 * 60


def test_another_seed_is_another_site_with_other_people() -> None:
    sites = [make_scene("clean", seed, 1.0, "design").site(0) for seed in range(8)]
    assert len({site.shape.kind for site in sites}) == 3
    assert len({site.items for site in sites}) == len({site.count for site in sites}) == 8
    assert len({len(log("clean", seed)) for seed in range(2)}) == 2


def test_a_seed_has_the_same_site_in_all_scenarios() -> None:
    usual = [name for name, scenario in SCENARIOS.items() if not scenario.site]
    sites = [make_scene(name, 3, 1.0, "design").site(0) for name in usual]
    assert all(site == sites[0] for site in sites)


def test_design_and_evaluation_share_no_kind_of_site_and_no_shape_of_gaps() -> None:
    def patterns(parameters: Parameters) -> set[str]:
        text = " ".join(map(str, (astuple(shape) for shape in parameters.shapes)))
        return set(re.findall(r"'(/[^']*)'", text))

    assert patterns(DESIGN) & patterns(HELD_OUT) == {"/favicon.ico"}
    assert not set(DESIGN.jitters) & set(HELD_OUT.jitters)


# --- People, beside what was measured on real logs --------------------------------------------


@lru_cache(maxsize=16)
def people(label: str, which: str, assets: bool = True) -> list[list[Row]]:
    """Make the clients of a family on two sites, with or without assets of their own."""
    seeds = [
        seed
        for seed in range(20)
        if (make_scene("clean", seed, 1.0, which).site(0).assets is not None) is assets
    ]
    return [rows for seed in seeds[:2] for rows in by_client(log("clean", seed, which), label)]


def sessions(clients: list[list[Row]]) -> list[list[Row]]:
    found: list[list[Row]] = []
    for rows in clients:
        cuts = [i for i, (a, b) in enumerate(pairwise(rows), 1) if b.ts - a.ts > VISIT]
        found += [rows[i:j] for i, j in pairwise([0, *cuts, len(rows)])]
    return found


def gaps(clients: list[list[Row]]) -> list[float]:
    # Real logs know whole seconds only.
    return [int(b.ts) - int(a.ts) for rows in clients for a, b in pairwise(rows)]


def lengths(clients: list[list[Row]]) -> list[float]:
    return [len(rows) for rows in sessions(clients)]


def durations(clients: list[list[Row]]) -> list[float]:
    return [rows[-1].ts - rows[0].ts for rows in sessions(clients)]


def minutes(clients: list[list[Row]]) -> list[float]:
    """Requests per active minute."""
    return [
        count for rows in clients for count in Counter(int(row.ts // 60) for row in rows).values()
    ]


def active(clients: list[list[Row]]) -> list[list[Row]]:
    """Those with enough requests for a share to mean something."""
    return [rows for rows in clients if len(rows) >= 10]


def distinct(clients: list[list[Row]]) -> list[float]:
    return [len({row.path for row in rows}) / len(rows) for rows in active(clients)]


def variation(clients: list[list[Row]]) -> list[float]:
    found = []
    for rows in active(clients):
        own = np.array([gap for gap in gaps([rows]) if gap <= VISIT])
        if own.sum():
            found.append(float(own.std() / own.mean()))
    return found


def errors(clients: list[list[Row]]) -> list[float]:
    return [sum(400 <= row.status < 500 for row in rows) / len(rows) for rows in active(clients)]


Measure = Callable[[list[list[Row]]], list[float]]

# Quantile and value as measured; a value may be off by a factor of 1.6, or by 1.
APP: tuple[tuple[Measure, dict[float, float]], ...] = (
    (gaps, {0.25: 3, 0.5: 12, 0.75: 33, 0.9: 91}),
    (lengths, {0.5: 5, 0.9: 27, 0.99: 94, 0.999: 265}),
    (durations, {0.5: 124, 0.9: 1054, 0.99: 2924}),
    (minutes, {0.5: 2, 0.9: 5, 0.99: 14, 0.999: 61}),
)
# Not the gaps' 0.9, of 372 s: in weeks there are more of the long ones between visits.
WEB: tuple[tuple[Measure, dict[float, float]], ...] = (
    (gaps, {0.25: 0, 0.5: 0, 0.75: 2}),
    (lengths, {0.5: 2, 0.9: 18, 0.99: 72, 0.999: 304}),
    (durations, {0.5: 0, 0.9: 388, 0.99: 2440}),
    (minutes, {0.5: 1, 0.9: 14, 0.99: 32, 0.999: 45}),
)
# Shares, and the variation of gaps: off by so much at most.
APP_SHARES: tuple[tuple[Measure, dict[float, float], float], ...] = (
    (distinct, {0.25: 0.46, 0.5: 0.59, 0.75: 0.71}, 0.1),
    (variation, {0.25: 1.0, 0.5: 1.4, 0.75: 1.9}, 0.4),
    (errors, {0.5: 0.0, 0.9: 0.0, 0.99: 0.04}, 0.05),
)
WEB_SHARES: tuple[tuple[Measure, dict[float, float], float], ...] = (
    (distinct, {0.25: 0.61, 0.5: 0.79, 0.75: 0.91}, 0.12),
    (variation, {0.25: 1.3, 0.5: 2.3, 0.75: 3.7}, 0.8),
    (errors, {0.5: 0.07, 0.9: 0.17, 0.99: 0.44}, 0.15),
)


def off(found: list[float], measured: dict[float, float]) -> dict[float, tuple[float, float]]:
    """Select the quantiles that are neither within a factor of 1.6 nor within 1 of the measured."""
    values = {share: float(np.quantile(found, share)) for share in measured}
    return {
        share: (values[share], value)
        for share, value in measured.items()
        if not value / 1.6 <= values[share] <= value * 1.6 and abs(values[share] - value) > 1
    }


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize(("measure", "measured"), APP)
def test_the_mobile_app_keeps_the_measured_times(
    measure: Measure, measured: dict[float, float], which: str
) -> None:
    assert off(measure(people("legit:mobile_app", which)), measured) == {}


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize(("measure", "measured"), WEB)
def test_browsing_with_assets_keeps_the_measured_times(
    measure: Measure, measured: dict[float, float], which: str
) -> None:
    assert off(measure(people("legit:browser", which, assets=True)), measured) == {}


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize(("measure", "measured", "tolerance"), APP_SHARES)
def test_the_mobile_app_keeps_the_measured_shares(
    measure: Measure, measured: dict[float, float], tolerance: float, which: str
) -> None:
    found = measure(people("legit:mobile_app", which))
    assert np.quantile(found, list(measured)) == pytest.approx(
        list(measured.values()), abs=tolerance
    )


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize(("measure", "measured", "tolerance"), WEB_SHARES)
def test_browsing_with_assets_keeps_the_measured_shares(
    measure: Measure, measured: dict[float, float], tolerance: float, which: str
) -> None:
    found = measure(people("legit:browser", which, assets=True))
    assert np.quantile(found, list(measured)) == pytest.approx(
        list(measured.values()), abs=tolerance
    )


@pytest.mark.parametrize(("label", "posts"), [("legit:mobile_app", 0.89), ("legit:browser", 0.07)])
def test_people_post_as_often_as_measured(label: str, posts: float) -> None:
    rows = [row for client in people(label, "design") for row in client]
    assert sum(row.method == "POST" for row in rows) / len(rows) == pytest.approx(posts, abs=0.03)


def test_few_in_the_mobile_app_reach_thirty_a_minute_and_hardly_any_a_hundred() -> None:
    peaks = [max(minutes([rows])) for rows in people("legit:mobile_app", "design")]
    assert 0.004 < sum(peak > 30 for peak in peaks) / len(peaks) < 0.03
    assert sum(peak > 100 for peak in peaks) / len(peaks) < 0.004


def test_without_assets_of_the_site_s_own_people_browse_without_bursts() -> None:
    clients = people("legit:browser", "design", assets=False)
    assert off(gaps(clients), APP[0][1]) == {}


def test_the_single_page_app_calls_in_bursts() -> None:
    clients = people("legit:spa", "design")
    assert np.quantile(gaps(clients), 0.75) <= 1
    assert 20 < np.quantile(minutes(clients), 0.9) < 60


def test_an_office_is_busier_than_a_person_and_one_of_60_busier_than_one_of_6() -> None:
    def usual(label: str) -> float:
        clients = people(label, "design")
        return sum(map(len, clients)) / len(clients)

    assert 5 * usual("legit:browser") < usual("legit:office_6")
    assert 3 * usual("legit:office_6") < usual("legit:office_60")


def test_who_mistypes_a_password_fails_a_few_times_and_mostly_gets_in() -> None:
    clients = people("legit:mistyped_password", "design")
    denied = [sum(row.status in (401, 403) for row in rows) for rows in clients]
    assert np.median(denied) >= 2
    assert np.quantile(denied, 0.9) <= 15
    assert sum(any(r.method == "POST" and r.status < 400 for r in rows) for rows in clients) > (
        0.6 * len(clients)
    )


# --- Machines -----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", SETS)
def test_pollers_keep_their_interval(which: str) -> None:
    for rows in by_client(log("clean", 1, which), "legit:poller"):
        own = np.diff([row.ts for row in rows])
        assert np.median(own) + 0.2 >= 10 and np.median(own) <= 60.2
        assert own.std() < 0.5
        assert len({row.path for row in rows}) <= 2


@pytest.mark.parametrize("which", SETS)
def test_the_batch_job_runs_at_80_a_minute_with_long_breaks(which: str) -> None:
    (rows,) = by_client(log("clean", 1, which), "legit:batch")
    own = np.diff([row.ts for row in rows])
    assert 60 / np.median(own) == pytest.approx(80, abs=5)
    assert 3 <= sum(own > 600) <= 13


def test_the_crawler_sees_every_path_once_and_finds_some_gone() -> None:
    (rows,) = by_client(log("clean", 1), "legit:crawler")
    assert 0.03 < sum(row.status == 404 for row in rows) / len(rows) < 0.2
    items = [row.path for row in rows if row.status == 200][:200]
    assert len(set(items)) > 0.75 * len(items)


def test_health_checks_ask_one_path_all_day() -> None:
    for rows in by_client(log("clean", 1), "legit:health_check"):
        assert len({row.path for row in rows}) == 1
        assert 10 * HOUR / 31 < len(rows) < 10 * HOUR / 9


# --- Attacks ------------------------------------------------------------------------------------

SCRAPERS = [
    (pace, jitter, which) for which in SETS for pace in (20, 60, 95) for jitter in ("", "_jittered")
]


@pytest.mark.parametrize(("pace", "jitter", "which"), SCRAPERS)
def test_a_scraper_keeps_its_rate(pace: int, jitter: str, which: str) -> None:
    span = {20: SETS[which].scraper_20, 60: SETS[which].scraper_60, 95: SETS[which].scraper_95}
    (rows,) = by_client(log("ordinary", 1, which), f"attack:scraper_{pace}{jitter}")
    slack = 0.15 if jitter else 0.01
    assert span[pace].low * (1 - slack) <= rate(rows) <= span[pace].high * (1 + slack)


@pytest.mark.parametrize("which", SETS)
def test_only_the_gaps_of_jittered_scrapers_vary(which: str) -> None:
    def spread(label: str) -> float:
        (rows,) = by_client(log("ordinary", 1, which), label)
        own = np.diff([row.ts for row in rows])
        return float(own.std() / own.mean())

    for pace in (20, 60, 95):
        assert spread(f"attack:scraper_{pace}") < 0.05
        assert spread(f"attack:scraper_{pace}_jittered") > 0.4


def test_scrapers_take_what_is_there_and_ever_new_things() -> None:
    (rows,) = by_client(log("ordinary", 1), "attack:scraper_60")
    assert sum(row.status == 200 for row in rows) / len(rows) > 0.97
    assert sum(row.status == 404 for row in rows) < 0.02 * len(rows)
    # Once around the site at most before it begins anew.
    count = make_scene("ordinary", 1, 10.0, "design").site(0).count
    assert len({row.path for row in rows}) > 0.5 * min(len(rows), count)


@pytest.mark.parametrize("which", SETS)
def test_a_flood_is_far_over_any_limit_and_of_one_page(which: str) -> None:
    (rows,) = by_client(log("ordinary", 1, which), "attack:flood")
    assert 180 < rate(rows) < 1_600


@pytest.mark.parametrize("label", ["attack:stuffing", "attack:stuffing_spread"])
def test_stuffing_fails_nearly_always(label: str) -> None:
    rows = [row for client in by_client(log("ordinary", 1), label) for row in client]
    assert len({(row.method, row.path) for row in rows}) == 1
    assert sum(row.status in (401, 403) for row in rows) / len(rows) > 0.9


def test_spread_stuffing_uses_hundreds_of_addresses_a_few_times_each() -> None:
    clients = by_client(log("ordinary", 1), "attack:stuffing_spread")
    assert 200 < len(clients) <= 900
    assert max(map(len, clients)) <= 4


def test_a_scan_asks_for_many_things_that_are_not_there() -> None:
    for rows in by_client(log("ordinary", 1), "attack:scan"):
        assert sum(row.status == 404 for row in rows) / len(rows) > 0.9
        assert len({row.path for row in rows}) > 0.5 * len(rows)


def test_enumeration_asks_for_a_new_id_a_few_times_a_minute_for_hours() -> None:
    for rows in by_client(log("ordinary", 1), "attack:enumeration"):
        assert 1.5 < rate(rows) < 7
        assert rows[-1].ts - rows[0].ts > 1.9 * HOUR
        assert len({row.path for row in rows}) == len(rows)


def test_rotation_changes_its_address_before_long() -> None:
    clients = by_client(log("ordinary", 1), "attack:rotation")
    assert len(clients) > 10
    assert max(map(len, clients)) <= DESIGN.rotation_requests.high
    assert len({len(rows) for rows in clients[:-1]}) == 1
    # Each another /64 of one /48.
    assert len({":".join(rows[0].client.split(":")[:3]) for rows in clients}) == 1


def test_a_drift_begins_as_a_person_and_ends_as_a_scraper() -> None:
    (rows,) = by_client(log("ordinary", 1), "attack:drift")
    assert rows[0].ts < begins("ordinary", 1) + 0.05 * 10 * HOUR
    first = [row for row in rows if row.ts < rows[0].ts + 1200]
    last = [row for row in rows if row.ts > rows[-1].ts - 1200]
    assert rate(first) < 6
    assert rate(last) > 70


# --- What happens to the site -------------------------------------------------------------------


def test_at_its_peak_a_flash_crowd_is_many_times_the_usual_people() -> None:
    rows = log("flash_crowd_deploy", 1)
    crowd = [row.ts for row in rows if row.label == "legit:flash_crowd"]
    usual = [row.ts for row in rows if row.label in ("legit:browser", "legit:mobile_app")]
    peak = max(Counter(int(ts // 300) for ts in crowd).values())
    assert 5 < peak / np.median(list(Counter(int(ts // 300) for ts in usual).values())) < 25


def test_a_deploy_moves_routes_and_fails_for_a_while() -> None:
    scene = make_scene("flash_crowd_deploy", 1, 10.0, "design")
    assert scene.deploy is not None
    old, new = scene.site(scene.deploy.at - 1), scene.site(scene.deploy.at)
    moved = {route.pattern for route in new.api.items} - {r.pattern for r in old.api.items}
    assert len(moved) >= 2
    assert old.build != new.build
    rows = log("flash_crowd_deploy", 1)
    at = begins("flash_crowd_deploy", 1) + scene.deploy.at
    during = [row.status for row in rows if at <= row.ts < at + scene.deploy.trouble]
    before = [row.status for row in rows if at - HOUR <= row.ts < at]

    def failing(statuses: list[int]) -> float:
        return sum(status >= 500 for status in statuses) / len(statuses)

    assert failing(during) > 5 * failing(before)


def test_on_a_holiday_people_are_few_and_new_jobs_run() -> None:
    start = begins("holiday", 1) + 4 * HOUR

    def per_hour(label: str, after: bool) -> float:
        rows = [r for r in log("holiday", 1) if r.label == label and (r.ts >= start) is after]
        return len(rows) / (6 if after else 4)

    assert per_hour("legit:browser", True) < 0.7 * per_hour("legit:browser", False)
    assert per_hour("legit:office_60", True) < 0.3 * per_hour("legit:office_60", False)
    assert per_hour("legit:new_batch", False) == 0
    assert per_hour("legit:new_batch", True) > 300


# --- Draws --------------------------------------------------------------------------------------


def test_quantiles_are_met_at_their_points_and_between() -> None:
    points = Quantiles(((0.0, 0.0), (0.5, 10.0), (1.0, 100.0)))
    assert [points.at(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([0.0, 10.0, 100.0])
    assert 10 < points.at(0.75) < 100


def test_a_picker_picks_by_weight() -> None:
    picker = Picker.of((("rare", 1.0), ("common", 9.0)))
    rng = Random(1)
    counts = Counter(picker.pick(rng) for _ in range(10_000))
    assert counts["common"] / 10_000 == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("arguments", [["--hours", "0"], ["--scenario", "none"], ["--set", "x"]])
def test_what_is_not_there_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main([*arguments, str(tmp_path / "log.csv")])
    assert refusal.value.code == 2


# --- Clients told "no" by design ----------------------------------------------------------------


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("label", WORKS)
def test_work_is_told_no_for_hours_and_done_each_time(label: str, which: str) -> None:
    found = by_client(log("clean", 1, which), label)
    told, method = set(WORKS[label].told), WORKS[label].method
    rows = [row for client in found for row in client]
    tries = [row for row in rows if row.method == method]
    assert told <= {row.status for row in tries} <= told | {200, 302, 500}
    assert sum(row.status >= 400 for row in tries) > len(tries) / 3
    # Of one that is there all day, and of others.
    assert len(found) > 1
    assert max(client[-1].ts - client[0].ts for client in found) > 9 * HOUR


def test_a_lock_that_is_optimistic_is_tried_four_times_a_second() -> None:
    tries = [
        b.ts - a.ts
        for client in by_client(log("clean", 1), "legit:optimistic_lock")
        for a, b in pairwise(client)
        if b.ts - a.ts < 5
    ]
    assert np.median(tries) == pytest.approx(0.25, abs=0.05)
