"""Test attackers injected into logs, and the windows of real logs into which they are."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from flask_irl.replay.formats import LogEntry
from loadtests.evaluation import windows
from loadtests.evaluation.__main__ import main
from loadtests.evaluation.ground import Call, Ground, survey, weak_labels
from loadtests.evaluation.injection import DAY, EACH, PACES, Attacker, Walk, inject
from loadtests.evaluation.table import window_sections
from loadtests.evaluation.windows import Window, judge_window, window_of
from loadtests.tables import as_text

LEARNED = DAY


def entry(ts: float, client: str, path: str, **others: object) -> LogEntry:
    """Make an entry of a person that is answered well."""
    usual = LogEntry(ts, client, "GET", path, 200, len(path), "browser", "legit:person")
    return usual._replace(**others)  # type: ignore[arg-type]


@cache
def log() -> tuple[LogEntry, ...]:
    """Make three days of a site: twenty people a day, who read fifteen pages; and a guesser."""
    rng = Random(1)
    rows = []
    for day in range(3):
        for person in range(20):
            ts = day * DAY + person * 3600.0
            for _ in range(15):
                page = rng.randrange(200)
                rows.append(entry(ts, f"p{day}-{person}", f"/posts/{page}/title"))
                ts += rng.choice((1, 2, 5, 40))
        for i in range(30):
            tries = dict(method="POST", status=401, label="log:hostile")
            rows.append(entry(day * DAY + 80_000.0 + i, "guesser", "/login", **tries))
    return tuple(sorted(rows))


@cache
def ground() -> Ground:
    return survey([row for row in log() if row.ts < LEARNED])


@cache
def injected(cold: bool = False) -> dict[str, list[LogEntry]]:
    """Inject every attack; give the requests of each family."""
    found: dict[str, list[LogEntry]] = defaultdict(list)
    rows = inject(log(), ground(), 0.0 if cold else LEARNED, "seed", cold)
    assert all(a.ts <= b.ts for a, b in pairwise(rows))
    # Not in the assertion: pytest takes minutes to tell how thousands of rows differ.
    kept = [row for row in rows if not row.label.startswith("attack:")] == list(log())
    assert kept, "the log itself was changed"
    for row in rows:
        if row.label.startswith("attack:"):
            found[row.label.partition("/")[0]].append(row)
    return found


def by_client(rows: Sequence[LogEntry]) -> list[list[LogEntry]]:
    clients: dict[str, list[LogEntry]] = defaultdict(list)
    for row in rows:
        clients[row.client].append(row)
    return list(clients.values())


@pytest.mark.parametrize(
    ("rows", "label"),
    [
        pytest.param([entry(i, "a", "/") for i in range(9)], "legit:person", id="a reader"),
        pytest.param([entry(i, "a", "/", ua_class="bot") for i in range(9)], "log:bot", id="a bot"),
        pytest.param(
            [entry(i / 9, "a", f"/{i}") for i in range(900)], "legit:person", id="a fast one"
        ),
        pytest.param(
            [entry(i, "a", "/wp-login.php", method="POST") for i in range(5)],
            "log:hostile",
            id="a guesser whom the site tells 200",
        ),
        pytest.param(
            [
                entry(i, "a", "/.env" if i < 2 else "/", status=404 if i < 2 else 200)
                for i in range(9)
            ],
            "log:hostile",
            id="one who asks for lures",
        ),
        pytest.param(
            [entry(i, "a", f"/{i}", status=404 if i < 5 else 200) for i in range(15)],
            "log:hostile",
            id="one who fails",
        ),
        pytest.param(
            [entry(i, "a", f"/{i}.png", status=404 if i < 5 else 200) for i in range(60)],
            "legit:person",
            id="a reader of pages with broken images",
        ),
    ],
)
def test_clients_have_weak_labels(rows: list[LogEntry], label: str) -> None:
    assert weak_labels(rows) == {"a": label}


def test_what_is_known_of_a_site_is_the_logs_own() -> None:
    known = ground()
    assert {call.method for call in known.calls} == {"GET"}
    assert known.weights == sorted(known.weights, reverse=True)
    assert all(size == len(path) for (_, path), (_, size) in known.answers.items())
    assert [(login, {a.status for a in answers}) for login, answers in known.logins] == [
        (Call("POST", "/login"), {401})
    ]
    assert len(known.visits) == 20
    assert set(known.gaps) == {1, 2, 5, 40}


def test_calls_that_post_are_known_where_most_do() -> None:
    rows = [entry(i, "a", f"/rpc/{i % 3}", method="POST") for i in range(9)]
    assert {call.method for call in survey(rows).calls} == {"POST"}


@pytest.mark.parametrize("order", ["popular", "uniform", "sequential"])
def test_a_walk_without_repetition_takes_everything_once(order: str) -> None:
    walk = Walk(ground(), Random(1), order, again=False, few=False)
    count = len(ground().calls)
    rounds = [[walk.next() for _ in range(count)] for _ in range(2)]
    assert set(rounds[0]) == set(rounds[1]) == set(ground().calls)
    in_order = rounds[0] == sorted(rounds[0])
    assert in_order is (order == "sequential")


def test_a_walk_with_repetition_prefers_what_is_popular() -> None:
    walk = Walk(ground(), Random(1), "popular", again=True, few=False)
    times = Counter(walk.next() for _ in range(5000))
    assert times[ground().calls[0]] > 1.5 * times[ground().calls[-1]]


def test_a_walk_over_few_keeps_to_some_dozens() -> None:
    walk = Walk(ground(), Random(1), "uniform", again=True, few=True)
    assert 15 <= len({walk.next() for _ in range(2000)}) <= 60


@pytest.mark.parametrize("pace", PACES)
def test_every_pace_keeps_its_rate(pace: str) -> None:
    attacker = Attacker(ground(), Random(2), "a", "attack:x", 0.0, 4 * 3600.0)
    times = list(attacker.times(60, pace))
    assert len(times) == pytest.approx(4 * 3600, rel=0.1)
    gaps = np.diff(times)
    assert bool(gaps.std() / gaps.mean() < 0.05) is (pace == "fixed")
    if pace == "copied":
        assert len(set(np.round(gaps, 6))) == 4


def test_nobody_but_the_poisoner_attacks_while_learning() -> None:
    early = {label for label, rows in injected().items() if rows[0].ts < LEARNED}
    assert early == {"attack:drift"}


def test_at_a_cold_start_attackers_come_in_the_first_ten_minutes() -> None:
    found = injected(cold=True)
    assert set(found) == {f"attack:walk_{rate}" for rate in (20, 60, 95)} | {
        "attack:scan",
        "attack:stuffing",
    }
    firsts = [client[0].ts for rows in found.values() for client in by_client(rows)]
    assert max(firsts) <= 600


def test_walks_are_of_every_pace_and_get_the_logs_answers() -> None:
    for rate in (20, 60, 95):
        rows = injected()[f"attack:walk_{rate}"]
        paces = {row.label.split("/")[1].split(",")[0] for row in rows}
        assert paces == set(PACES)
        assert all((row.status, row.size) == (200, len(row.path)) for row in rows)


def test_a_rotating_scraper_takes_another_64_of_its_48() -> None:
    clients = by_client(injected()["attack:rotation"])
    assert len(clients) > 10
    assert {len(rows) for rows in clients[:-1]} == {EACH}
    assert len({":".join(rows[0].client.split(":")[:3]) for rows in clients}) == 1


def test_spread_stuffing_is_a_few_tries_from_each_of_hundreds() -> None:
    clients = by_client(injected()["attack:stuffing_spread"])
    assert len(clients) > 200
    assert max(len(rows) for rows in clients) <= 4
    assert {(row.path, row.status) for rows in clients for row in rows} == {("/login", 401)}


def test_a_replayed_visit_has_a_persons_gaps_and_other_ids() -> None:
    for rows in by_client(injected()["attack:replayed_visits"]):
        inside = [b.ts - a.ts for a, b in pairwise(rows)]
        assert max(inside) < 125
        assert len({row.path for row in rows}) > 30


def test_a_drift_begins_like_a_person_and_ends_at_95_a_minute() -> None:
    rows = injected()["attack:drift"]
    minutes = Counter(int(row.ts // 60) for row in rows)
    active = [minutes[minute] for minute in sorted(minutes)]
    assert np.mean(active[:20]) < 5
    assert 75 < np.mean(active[-15:]) < 110


def test_the_same_seed_gives_the_same_attackers() -> None:
    one, two = (inject(log(), ground(), LEARNED, seed) for seed in ("seed", "other"))
    same = one == inject(log(), ground(), LEARNED, "seed")
    assert same
    assert len(one) != len(two)


@cache
def stored(folder: Path, days: int) -> Path:
    """Write a log of some days, with a gap of a week after the second."""
    path = folder / f"{days}.csv.gz"
    lines = ["ts,client,method,path,status,bytes,ua_class,label"]
    for day in range(days):
        at = (day + 7 * (day > 1)) * DAY
        lines += [
            f"{at + i * 200},p{day}-{i // 20},GET,/a/{i % 50},200,9,browser," for i in range(400)
        ]
    with gzip.open(path, "wt", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return path


def test_windows_to_develop_on_share_no_day_with_those_reported(tmp_path: Path) -> None:
    path = stored(tmp_path, 20)
    days: dict[str, set[float]] = {
        which: {row.ts // DAY for i in range(3) for row in window_of(path, i, which)[0]}
        for which in ("design", "held_out")
    }
    assert not days["design"] & days["held_out"]
    assert len(days["design"]) == len(days["held_out"]) == 9


def test_a_window_learns_a_day_on_which_there_is_something(tmp_path: Path) -> None:
    entries, learned = window_of(stored(tmp_path, 20), 0, "held_out")
    assert sorted({row.ts // DAY for row in entries}) == [0, 1, 9]
    assert learned == DAY


def test_a_short_log_is_one_window(tmp_path: Path) -> None:
    entries, learned = window_of(stored(tmp_path, 2), 2, "design")
    assert len(entries) == 800
    assert learned == DAY


def test_people_of_a_window_are_counted_from_the_judged_days_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one(entries: Sequence[LogEntry], *_: object) -> list[LogEntry]:
        attack = [entry(DAY + i, "x", f"/n/{i}", label="attack:scan/a") for i in range(50)]
        return sorted((*entries, *attack))

    monkeypatch.setattr(windows, "inject", one)
    seldom = {"IRL_TRAINING_INTERVAL": "1440"}
    window = Window(stored(tmp_path, 3), 0, left_out="breaking in", config=seldom)
    found = judge_window(window)
    assert found["families"]["legit:person"]["requests"] == 800
    assert found["families"]["attack:scan"]["requests"] == 50
    assert list(found["styles"]) == ["attack:scan/a"]
    lines = as_text(*window_sections([found])).splitlines()
    line = next(line for line in lines if line.startswith("without breaking in"))
    assert line.split()[3:7] == ["1", "40", "800", "0.000"]


def test_without_real_logs_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--seeds", "0", "--logs", str(tmp_path)]) == 0
    assert capsys.readouterr().err == f"No real logs in {tmp_path}: left out.\n"
