"""Test the rules that need no model: broken beyond doubt, and signs of harm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.events import events_of
from flask_irl.behaviour.features import FEATURE_NAMES, matrix
from flask_irl.behaviour.folding import fold
from flask_irl.behaviour.harm import harm_level, harmful
from flask_irl.behaviour.observation import FAILED_LOGIN, LOGIN, NO_LOGIN, Observation
from flask_irl.behaviour.sums import View
from flask_irl.verdicts.rules import Rules, are_many_people

START = 1_700_000_000.0
OFF = Rules(0, 0, 0)
FLOODS = Rules(0, 0, 600)
LOGINS = Rules(login_failures=12, unknown_paths=0)
PATHS = Rules(login_failures=0, unknown_paths=15)


def seen(at: float, **changes: Any) -> Observation:
    plain = Observation("a", START + at, 1.0, "/", 1, "GET", 200, 1000, False)
    return plain._replace(**changes)


def login(at: float, status: int = 401, **changes: Any) -> Observation:
    return seen(at, **{"method": "POST", "status": status, **changes})


def lost(at: float, path: int, status: int = 404) -> Observation:
    return seen(at, path=path * 7919, status=status)


def view_of(*observations: Observation, batch: int = 10) -> View:
    """View a client with these observations."""
    records = profile.decode([b""])
    for start in range(0, len(observations), batch):
        some = observations[start : start + batch]
        fold(records, events_of([0] * len(some), some, {}))
    return profile.view(records, 0.0, 0.0)


def breaks(
    rules: Rules,
    *observations: Observation,
    batch: int = 10,
    regular: bool = False,
    trusted: bool = False,
) -> bool:
    """Tell whether a client with these observations breaks a rule."""
    view = view_of(*observations, batch=batch)
    [broken] = rules.broken(view, np.array([regular]), np.array([trusted]))
    return bool(broken)


def row_of(features: Mapping[str, float]) -> NDArray[np.float32]:
    row = np.zeros((1, len(FEATURE_NAMES)), np.float32)
    for name, value in features.items():
        row[0, FEATURE_NAMES.index(name)] = value
    return row


def held_level(**features: float) -> float:
    """Give the level of a client at a lower step."""
    return float(harm_level(row_of(features), np.array([True]))[0])


def level(**features: float) -> float:
    row = row_of(features)
    assert harmful(row)[0] == (harm_level(row)[0] >= 1)
    return float(harm_level(row)[0])


# Failing logins


def test_a_guesser_of_passwords_breaks_a_rule() -> None:
    assert breaks(LOGINS, *(login(i) for i in range(14)))


# On a route by the name of a login, on one that a name or a pattern of the app's says is one, and
# on one that logs nobody in.
ROUTES: dict[str, dict[str, Any]] = {
    "a login by its name": {"route": "/account/sign-in"},
    "a login by the app's word": {"route": "/enter", "login": LOGIN},
    "no login": {"route": "/things/<id>"},
    "no login by the app's word": {"route": "/sessions", "login": NO_LOGIN},
}
ANYWHERE = (401, 403)
AT_LOGINS = (400, 422)
NOWHERE = [*map(int, "200 302 402 405 406 408 409 411 412 413 414 415 416 418".split())]
NOWHERE += [421, 423, 424, 425, 426, 428, 429, 431, 451, 500, 503]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("status", [*ANYWHERE, *AT_LOGINS, *NOWHERE])
def test_denials_count_anywhere_what_is_invalid_at_logins_and_other_answers_nowhere(
    status: int, route: str
) -> None:
    counts = status in ANYWHERE or (status in AT_LOGINS and not route.startswith("no login"))
    # With reads between, so that a client that does nothing but log in is not the reason.
    requests = [x for i in range(14) for x in (seen(i), login(i + 0.5, status, **ROUTES[route]))]
    assert breaks(LOGINS, *requests) is counts


@pytest.mark.parametrize("status", [200, 302, 404, 423])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_login_that_the_app_says_failed_counts_whatever_it_is_answered_with(
    status: int, method: str
) -> None:
    failed = {"method": method, "status": status, "route": "/enter"}
    tries = [x for i in range(14) for x in (seen(i), seen(i + 0.5, **failed, login=FAILED_LOGIN))]
    assert breaks(LOGINS, *tries)
    assert not breaks(LOGINS, *(x._replace(login=LOGIN) for x in tries))


@pytest.mark.parametrize("answer", [401, 403])
def test_a_page_whose_session_has_ended_may_ask_for_much_at_once(answer: int) -> None:
    # Thirty calls are under way when the first is denied; with a new token all of them work.
    burst = [login(i / 100, answer, gap=0.01 if i else 900.0) for i in range(30)]
    again = [login(2 + i / 100, 200, gap=0.01 if i else 1.7) for i in range(30)]
    assert not breaks(LOGINS, *burst)
    assert not breaks(LOGINS, *burst, *again, batch=60)


@pytest.mark.parametrize("route", ["/dav/<file>", "/login"])
def test_a_client_that_sends_its_password_only_when_asked_may_write_all_day(route: str) -> None:
    # Digest, NTLM, and Basic as .NET and WebDAV clients do it: each request is denied first.
    denied = [login(i * 5, 401, gap=4.9, route=route) for i in range(100)]
    let_in = [login(i * 5 + 0.1, 201, gap=0.1, route=route) for i in range(100)]
    other = [seen(i * 5 + 0.2, gap=0.1) for i in range(100)]
    requests = sorted(denied + let_in + (other if route == "/login" else []), key=lambda o: o.at)
    assert not breaks(LOGINS, *requests)
    # A guesser who loads the form first is denied each time that it writes.
    form = [seen(i * 5 - 2, gap=3.0) for i in range(20)]
    assert breaks(LOGINS, *sorted(denied[:20] + form, key=lambda o: o.at))


def test_a_guesser_at_any_pace_breaks_a_rule_at_a_route_that_nobody_named() -> None:
    assert breaks(LOGINS, *(login(i / 20, gap=0.05) for i in range(50)))
    assert breaks(LOGINS, *(login(i / 20, gap=0.05, route="/login") for i in range(14)))


def test_a_page_that_goes_on_polling_when_its_session_has_ended_is_not_flagged_at_once() -> None:
    # A post each five seconds, for half an hour; then each is denied.
    well = [login(i * 5, 200, gap=5.0) for i in range(360)]
    denied = [login(1800 + i * 5, 401, gap=5.0) for i in range(120)]
    assert not breaks(LOGINS, *well, *denied[:50], batch=1)
    # It can't be told from a guesser for ever.
    assert breaks(LOGINS, *well, *denied, batch=1)
    # Reading, it may go on all day.
    assert not breaks(LOGINS, *(x._replace(method="GET") for x in (*well, *denied)))


def test_a_person_with_a_forgotten_password_breaks_none() -> None:
    assert not breaks(LOGINS, *(login(i) for i in range(11)))


@pytest.mark.parametrize(
    "changes",
    [{"status": 200}, {"method": "GET"}, {"status": 500}, {"status": 429, "refused": True}],
    ids=["it worked", "nothing written", "the site's fault", "refused"],
)
def test_requests_other_than_failed_logins_count_for_nothing(changes: dict[str, Any]) -> None:
    assert not breaks(LOGINS, *(login(i, **{"status": 401, **changes}) for i in range(60)))


@pytest.mark.parametrize("status", [200, 302])
def test_a_client_that_only_logs_in_guesses_whatever_the_answers(status: int) -> None:
    tries = [login(i, status, route="/account/sign-in") for i in range(17)]
    assert breaks(LOGINS, *tries)
    forms = [seen(i + 0.5, route="/account/sign-in") for i in range(17)]
    assert breaks(LOGINS, *sorted(tries + forms, key=lambda o: o.at))
    assert not breaks(OFF, *tries)
    # One that belongs to the site, a person who tries again, and a job that does other things, too.
    assert not breaks(LOGINS, *tries, regular=True)
    assert not breaks(LOGINS, *tries[:14])
    assert not breaks(LOGINS, *tries, *(seen(i, path=1) for i in range(17)))


@pytest.mark.parametrize("changes", [{"route": "/orders"}, {"method": "GET"}])
def test_requests_other_than_logins_may_be_repeated_all_day(changes: dict[str, Any]) -> None:
    assert not breaks(LOGINS, *(login(i, 200, **{"route": "/login", **changes}) for i in range(60)))


def test_failures_among_many_that_work_break_none() -> None:
    # An office behind one address: one in four of its logins fails.
    assert not breaks(LOGINS, *(login(i, 200 if i % 4 else 401) for i in range(100)))


def test_old_failures_are_forgotten() -> None:
    assert not breaks(LOGINS, *(login(i * 120) for i in range(40)), batch=1)


# Scans


def test_a_scanner_of_paths_that_do_not_exist_breaks_a_rule() -> None:
    assert breaks(PATHS, *(lost(i, path=i) for i in range(40)))


def test_a_broken_link_that_is_asked_for_again_and_again_breaks_none() -> None:
    assert not breaks(PATHS, *(lost(i, path=1) for i in range(200)))


def test_new_paths_that_exist_break_none() -> None:
    assert not breaks(PATHS, *(lost(i, path=i, status=200) for i in range(200)))


def test_a_crawler_that_meets_some_dead_links_breaks_none() -> None:
    seen_all = (lost(i, path=i, status=200 if i % 10 else 404) for i in range(200))
    assert not breaks(PATHS, *seen_all)


def test_a_patient_guesser_of_ids_that_finds_some_breaks_a_rule() -> None:
    # Three a minute, a third of them wrong: too few in ten minutes, enough in an hour.
    tries = [lost(i * 20, path=i, status=404 if i % 3 == 0 else 200) for i in range(360)]
    assert breaks(PATHS, *tries)
    assert not breaks(PATHS, *tries[:60])


def test_a_regular_may_request_missing_pages_for_an_hour_but_not_scan() -> None:
    # One in three is gone: too few for a scan, enough in an hour.
    tries = [lost(i * 20, path=i, status=404 if i % 3 == 0 else 200) for i in range(360)]
    scan = [lost(i, path=i) for i in range(40)]
    assert not breaks(PATHS, *tries, regular=True)
    assert breaks(PATHS, *scan, regular=True)


def test_a_trusted_client_may_request_many_missing_pages_at_once_but_not_guess_passwords() -> None:
    scan = [lost(i, path=i) for i in range(40)]
    guesses = [login(i) for i in range(14)]
    assert not breaks(PATHS, *scan, regular=True, trusted=True)
    assert breaks(LOGINS, *guesses, regular=True, trusted=True)


# Both


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60), st.integers(1, 60))
def test_a_stricter_rule_is_broken_whenever_a_milder_one_is(
    logins: int, paths: int, few: int, many: int
) -> None:
    strict, mild = sorted((few, many))
    requests = [*(login(i) for i in range(logins)), *(lost(100 + i, path=i) for i in range(paths))]
    if requests and breaks(Rules(mild, mild), *requests):
        assert breaks(Rules(strict, strict), *requests)


def test_a_rule_that_is_switched_off_is_broken_by_nobody() -> None:
    guesser = [login(i) for i in range(60)]
    scanner = [lost(i, path=i) for i in range(60)]
    assert not breaks(OFF, *guesser, *scanner)
    assert not breaks(PATHS, *guesser)
    assert not breaks(LOGINS, *scanner)


def test_each_client_is_judged_by_itself() -> None:
    records = profile.decode([b"", b"", b""])
    requests = [seen(0), *(login(i) for i in range(20)), *(lost(i, path=i) for i in range(40))]
    owners = [0] + [1] * 20 + [2] * 40
    fold(records, events_of(owners, requests, {}))
    view = profile.view(records, 0.0, 0.0)
    assert Rules().broken(view).tolist() == [False, True, True]
    assert LOGINS.broken(view).tolist() == [False, True, False]


# Floods


@pytest.mark.parametrize(
    ("count", "refused", "expected"), [(640, 0.6, True), (640, 0.4, False), (500, 0.9, False)]
)
def test_a_client_that_goes_on_whatever_it_is_told_floods(
    count: int, refused: float, expected: bool
) -> None:
    some = [seen(i / 20, refused=i % 10 < 10 * refused) for i in range(count)]
    assert breaks(FLOODS, *some) is expected
    assert not breaks(OFF, *some)


# Many people


def office(people: int, pages: int, failing: int = 0) -> bool:
    """Tell whether people of whom some mistype, who then open pages, are taken for many people."""
    requests = [
        login(i, 401 if i < failing else 200, route="/login") for i in range(people + failing)
    ]
    requests += [seen(people + i / 10, path=i) for i in range(people * pages)]
    view = view_of(*requests)
    [many] = are_many_people(view, harm_level(matrix(view)))
    return bool(many)


def test_people_who_log_in_and_work_are_many() -> None:
    assert office(people=20, pages=10, failing=3)
    assert office(people=6, pages=20)


@pytest.mark.parametrize(
    "some",
    [
        {"people": 4, "pages": 10},
        {"people": 10, "pages": 80},
        {"people": 15, "pages": 45},
        {"people": 10, "pages": 10, "failing": 20},
        {"people": 40, "pages": 0},
    ],
)
def test_a_few_or_greedy_or_guessing_or_idle_ones_are_not(some: dict[str, int]) -> None:
    assert not office(**some)


# Harm

HARMS = {
    "sustained_new_paths": 4.0,
    "failures_per_minute": 0.8,
    "sustained_rate": 75.0,
    "paths_in_use": 60.0,
}
GOES_ON = {"sustained_new_paths": 0.7}


@pytest.mark.parametrize(("name", "least"), HARMS.items())
def test_harm_begins_where_it_is_said_to(name: str, least: float) -> None:
    assert level(**GOES_ON | {name: least}) == pytest.approx(1.0)
    assert level(**GOES_ON | {name: least * 0.99}) < 1.0
    assert level(**GOES_ON | {name: least * 3.0}) == pytest.approx(3.0)


@pytest.mark.parametrize("name", HARMS)
def test_less_is_harm_by_a_client_at_a_lower_step(name: str) -> None:
    share = 0.8 if name == "paths_in_use" else 0.5
    harm = GOES_ON | {name: HARMS[name] * share}
    assert held_level(**harm) == pytest.approx(1.0)
    assert level(**harm) < 1.0


def test_requests_of_an_hour_ago_are_no_harm_once_they_have_stopped() -> None:
    assert level(hourly_new_paths=5.0, sustained_new_paths=0.7) == pytest.approx(5.0)
    assert level(hourly_new_paths=5.0, sustained_new_paths=0.69) < 0.3


def test_slow_taking_is_harm_while_it_goes_on() -> None:
    assert level(hourly_new_paths=1.0, sustained_new_paths=0.71) == pytest.approx(1.0)
    assert level(hourly_new_paths=0.99, sustained_new_paths=0.71) < 1.0
    # It has stopped.
    assert level(hourly_new_paths=1.0, sustained_new_paths=0.69) < 1.0


def test_a_burst_of_writes_that_an_app_has_gathered_is_no_harm() -> None:
    assert level(requests_per_minute=190.0, sustained_rate=40.0, paths_in_use=3.0) < 1.0


@given(st.sampled_from([n for n in FEATURE_NAMES if n not in HARMS]), st.floats(0, 1e6))
def test_a_merely_odd_feature_is_no_harm(name: str, value: float) -> None:
    assert level(**{name: value}) == 0.0


@given(st.dictionaries(st.sampled_from(sorted(HARMS)), st.floats(0, 200, width=32)))
def test_more_is_never_less_harm(features: dict[str, float]) -> None:
    assert level(**{name: value * 2 for name, value in features.items()}) >= level(**features)


@pytest.mark.parametrize("status", [400, 405, 409, 412, 413, 415, 422, 423, 428])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_a_client_is_told_by_design_is_no_harm(status: int, method: str) -> None:
    records = profile.decode([b""])
    requests = [seen(i * 15, method=method, status=status, route="/things/<id>") for i in range(60)]
    fold(records, events_of([0] * len(requests), requests, {}))
    assert not harmful(matrix(profile.view(records, 0.0, 0.0)))[0]


def test_one_path_that_is_gone_is_no_harm_however_often_it_is_asked_for() -> None:
    def harm(paths: int) -> bool:
        records = profile.decode([b""])
        requests = [lost(i * 15, path=i % paths) for i in range(60)]
        fold(records, events_of([0] * len(requests), requests, {}))
        return bool(harmful(matrix(profile.view(records, 0.0, 0.0)))[0])

    assert not harm(1)
    assert harm(60)
