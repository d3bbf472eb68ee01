"""Test the load test's own parts: its judgements, its ramp, its verdict.

No test may import locust, which changes the standard library's networking for good, except in a
process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.limits.limit import Limit
from flask_irl.limits.strategies.base import EMPTY
from flask_irl.limits.strategies.sliding_window import sliding_window_counter
from loadtests.load import scrape
from loadtests.load.checks import Account, Answer, Judgement, Rules
from loadtests.load.picture import title_of
from loadtests.load.run import main
from loadtests.load.scenario import (
    ATTACKERS,
    EVERYBODY,
    HEAVY,
    MONITOR,
    NORMAL,
    Scenario,
    from_environment,
    script_of,
)
from loadtests.load.tally import Tally, complaints, exit_code, share_served

ROOT = Path(__file__).parents[2]
LIMIT = 10
TIGHT = 3
WINDOW = 10
RULES = Rules(Limit(LIMIT, WINDOW), {HEAVY: Limit(4, 60)}, frozenset({"/health"}))
PATIENCE = 90.0


def answer(
    status: int = 200,
    *,
    path: str = "/api/data",
    limit: object = LIMIT,
    remaining: object = 5,
    reset: object = 4,
    at: float = 1000.0,
    body: bytes = b"{}",
    **headers: str,
) -> Answer:
    """Make a right answer, except for the arguments."""
    shown = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(reset),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Answer(path, status, shown, body, at, at + 0.01)


def refusal(
    *,
    limit: int = LIMIT,
    reset: int = 4,
    path: str = "/api/data",
    at: float = 1000.0,
    wait: str | None = None,
    body: bytes | None = None,
    anomalous: bool = False,
    remaining: int = 0,
    other: Mapping[str, Any] | None = None,
) -> Answer:
    """Make a right 429, except for the arguments; ``other`` goes into its body alone."""
    detail = {
        "error": "Rate limit exceeded",
        "limit": limit,
        "remaining": remaining,
        "reset_in": reset,
        "is_anomalous": anomalous,
        **(other or {}),
    }
    text = json.dumps({"detail": detail}).encode() if body is None else body
    return answer(
        429,
        path=path,
        limit=limit,
        remaining=remaining,
        reset=reset,
        at=at,
        body=text,
        Retry_After=str(reset) if wait is None else wait,
    )


def account(granted: int = 0, *, path: str = "/api/data", at: float = 1000.0) -> Account:
    """Make the account of a client with some requests granted, all at one time."""
    client = Account(RULES)
    for _ in range(granted):
        assert client.judge(answer(path=path, at=at)).complaint == ""
    return client


def complaint(given: Answer, granted: int = 0) -> str:
    return account(granted).judge(given).complaint


# Admitted requests.


def test_a_right_answer_is_admitted_without_complaint() -> None:
    assert account().judge(answer()) == Judgement("allowed", within=True)


@pytest.mark.parametrize("status", [400, 401, 404])
def test_the_clients_own_mistakes_are_no_failures(status: int) -> None:
    assert account().judge(answer(status)) == Judgement("allowed", within=True)


@pytest.mark.parametrize("status", [500, 502, 503, 302, 405])
def test_a_status_that_the_site_never_has_when_well_fails(status: int) -> None:
    assert complaint(answer(status)) == f"status {status}"


def test_no_answer_fails_and_counts_for_no_outcome() -> None:
    assert account().judge(Answer("/", 0)) == Judgement("lost", complaint="no answer", within=True)


def test_what_the_full_limit_alone_would_admit_is_told_beside_what_was_admitted() -> None:
    client = account(TIGHT)
    tight = refusal(limit=TIGHT, anomalous=True)
    assert [client.judge(tight).within for _ in range(LIMIT)] == [True] * (LIMIT - TIGHT) + [
        False
    ] * TIGHT


def test_exempt_requests_leave_the_full_limit_alone() -> None:
    client = account()
    for _ in range(LIMIT):
        client.judge(Answer("/health", 200, sent=1000.0, received=1000.0))
    assert client.judge(answer()).within


@pytest.mark.parametrize(
    "name", ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
)
def test_each_header_is_missed(name: str) -> None:
    right = answer()
    headers = {k: v for k, v in right.headers.items() if k != name}
    assert complaint(Answer(right.path, 200, headers)) == f"{name} is missing"


@pytest.mark.parametrize("text", ["", "-1", "2.5", "many", "\u0663", "1" * 30])
def test_a_header_that_is_no_whole_number_fails(text: str) -> None:
    assert complaint(answer(remaining=text)) == "X-RateLimit-Remaining is no whole number"


def test_headers_are_found_in_any_case() -> None:
    right = answer()
    lower = Answer(right.path, 200, {k.lower(): v for k, v in right.headers.items()})
    assert account().judge(lower).complaint == ""


def test_more_remaining_than_the_limit_fails() -> None:
    assert complaint(answer(remaining=LIMIT)) == ""
    assert complaint(answer(remaining=LIMIT + 1)) == (
        "X-RateLimit-Remaining is above X-RateLimit-Limit"
    )


def test_a_reset_beyond_the_window_fails() -> None:
    assert complaint(answer(reset=WINDOW)) == ""
    assert complaint(answer(reset=WINDOW + 1)) == "X-RateLimit-Reset is too long for the window"


def test_a_tightened_limit_is_right_and_noted() -> None:
    assert account().judge(answer(limit=TIGHT, remaining=1)).tightened


@pytest.mark.parametrize("limit", [TIGHT, 1, 0])
def test_every_step_of_the_sites_ladder_may_refuse(limit: int) -> None:
    tight = refusal(limit=limit, anomalous=True)
    assert account(limit).judge(tight) == Judgement("limited", tightened=True, within=True)


def test_nobody_is_admitted_at_the_step_that_admits_nothing() -> None:
    assert complaint(answer(limit=0, remaining=0)) == "admitted at a limit of 0"


@pytest.mark.parametrize("limit", [LIMIT + 1, LIMIT - 1, TIGHT + 1, 2])
def test_a_limit_that_is_no_step_fails(limit: int) -> None:
    assert complaint(answer(limit=limit, remaining=0)) == (
        "X-RateLimit-Limit is neither the full limit nor a step of it"
    )


def test_retry_after_on_an_admitted_request_fails() -> None:
    assert complaint(answer(Retry_After="3")) == "Retry-After on an admitted request"


# Refusals.


def test_a_deserved_refusal_is_no_failure() -> None:
    assert account(LIMIT).judge(refusal()) == Judgement("limited")


def test_a_refusal_at_a_tightened_limit_is_deserved_by_less() -> None:
    tight = refusal(limit=TIGHT, anomalous=True)
    assert account(TIGHT).judge(tight) == Judgement("limited", True, within=True)


@pytest.mark.parametrize(("granted", "limit"), [(LIMIT - 1, LIMIT), (TIGHT - 1, TIGHT), (0, LIMIT)])
def test_a_refusal_of_a_client_that_was_not_granted_its_limit_fails(
    granted: int, limit: int
) -> None:
    given = refusal(limit=limit, anomalous=limit < LIMIT)
    assert complaint(given, granted) == "429 that nothing the client did deserves"


def test_what_was_granted_two_windows_ago_deserves_no_refusal() -> None:
    client = account(LIMIT)
    assert client.judge(refusal(at=1000.0 + 2 * WINDOW - 1)).complaint == ""
    late = client.judge(refusal(at=1000.0 + 2 * WINDOW + 1))
    assert late.complaint == "429 that nothing the client did deserves"


def test_a_refusal_without_retry_after_fails() -> None:
    right = refusal()
    headers = {k: v for k, v in right.headers.items() if k != "Retry-After"}
    wrong = Answer(right.path, 429, headers, right.body, right.sent, right.received)
    assert complaint(wrong, LIMIT) == "429 without Retry-After"


@pytest.mark.parametrize("wait", ["0", str(2 * WINDOW + 1), "soon", "-1", "1.5"])
def test_a_retry_after_that_is_no_sensible_wait_fails(wait: str) -> None:
    assert complaint(refusal(wait=wait), LIMIT) == (
        "429 whose Retry-After is no number of seconds, or too many"
    )


def test_a_refusal_may_last_into_the_next_window_and_no_longer() -> None:
    assert complaint(refusal(reset=2 * WINDOW), LIMIT) == ""
    assert complaint(refusal(reset=2 * WINDOW + 1), LIMIT) == (
        "X-RateLimit-Reset is too long for the window"
    )


@pytest.mark.parametrize("body", [b"", b"Too Many Requests", b"\xff"])
def test_a_refusal_whose_body_is_no_json_fails(body: bytes) -> None:
    assert complaint(refusal(body=body), LIMIT) == "429 whose body is no JSON"


@pytest.mark.parametrize(
    "member",
    [
        {"error": "no"},
        {"limit": LIMIT - 1},
        {"remaining": 1},
        {"reset_in": 5},
        {"is_anomalous": True},
        {"is_anomalous": 0},
        {"more": 1},
    ],
    ids=str,
)
def test_a_refusal_whose_body_is_not_what_the_headers_say_fails(member: dict[str, Any]) -> None:
    assert complaint(refusal(other=member), LIMIT) == "429 whose body isn't what the headers say"


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"detail": null}', b"3"])
def test_a_refusal_with_other_json_fails(body: bytes) -> None:
    assert complaint(refusal(body=body), LIMIT) == "429 whose body isn't what the headers say"


# The hard cap.


def test_one_more_than_the_full_limit_in_a_window_fails() -> None:
    client = account(LIMIT)
    assert client.judge(answer()).complaint == "more admitted in a window than the full limit"


def test_the_next_window_counts_anew() -> None:
    client = account(LIMIT)
    for _ in range(LIMIT):
        assert client.judge(answer(at=1000.0 + WINDOW)).complaint == ""


def test_requests_of_one_window_are_counted_together_as_its_reset_comes_nearer() -> None:
    client = Account(RULES)
    told = [
        client.judge(answer(at=1000.0 + second, reset=WINDOW - second)).complaint
        for second in range(WINDOW)
        for _ in range(2)
    ]
    assert told[:LIMIT] == [""] * LIMIT
    assert set(told[LIMIT:]) == {"more admitted in a window than the full limit"}


def test_an_answer_that_took_too_long_to_tell_its_window_is_not_held_against_it() -> None:
    client, quick = account(LIMIT), answer()
    late = Answer("/", 200, quick.headers, b"", quick.sent, quick.sent + WINDOW / 2 - 1)
    assert client.judge(late).complaint == ""


def drive(pauses: list[float], amount: int) -> list[str]:
    """Complaints about a limiter of ``amount`` that says it is one of ``LIMIT``."""
    client, cell, now = Account(RULES), EMPTY, 1_000_000_000.0
    found = []
    for pause in pauses:
        now += round(pause * 1e6)
        sent, received = now / 1e6 - 0.003, now / 1e6 + 0.004
        probe = sliding_window_counter(cell, now, amount, WINDOW * 1e6, amount, 1)
        cell = probe.cell
        reset = -int(-probe.reset_after // 1e6)
        headers = {
            "X-RateLimit-Limit": str(LIMIT),
            "X-RateLimit-Remaining": str(min(LIMIT, probe.remaining)),
            "X-RateLimit-Reset": str(reset),
        }
        given = Answer("/", 200, headers, b"", sent, received)
        if not probe.admitted:
            wait = str(max(1, -int(-probe.retry_after // 1e6)))
            right = refusal(reset=reset, remaining=probe.remaining)
            shown = headers | {"Retry-After": wait}
            given = Answer("/", 429, shown, right.body, sent, received)
        found.append(client.judge(given).complaint)
    return [told for told in found if told]


@given(st.lists(st.floats(0.0, 12.0), max_size=120))
def test_the_limiters_own_strategy_is_never_complained_of(pauses: list[float]) -> None:
    assert drive(pauses, LIMIT) == []


@pytest.mark.parametrize("pause", [0.01, 0.3, 0.7])
def test_a_limiter_that_grants_more_than_it_says_is_found_out(pause: float) -> None:
    assert "more admitted in a window than the full limit" in drive([pause] * 200, LIMIT + 2)


# Routes of their own kind.


def test_a_routes_own_limit_may_be_shown_instead() -> None:
    assert account().judge(answer(path=HEAVY, limit=4, remaining=3, reset=50)).complaint == ""


def test_a_routes_own_limit_is_not_for_other_routes() -> None:
    assert complaint(answer(limit=4, remaining=3)) == (
        "X-RateLimit-Limit is neither the full limit nor a step of it"
    )


def test_a_routes_refusal_is_deserved_only_by_requests_to_it() -> None:
    given = refusal(path=HEAVY, limit=4, reset=50)
    assert account(4).judge(given).complaint == "429 that nothing the client did deserves"
    assert account(4, path=HEAVY).judge(given).complaint == ""


def test_an_exempt_route_is_neither_counted_nor_told_of() -> None:
    assert account().judge(Answer("/health", 200)) == Judgement("exempt")


def test_rate_limit_headers_on_an_exempt_route_fail() -> None:
    told = account().judge(answer(path="/health"))
    assert told == Judgement("exempt", complaint="X-RateLimit headers on an exempt route")


def test_a_refusal_on_an_exempt_route_fails() -> None:
    told = account(LIMIT).judge(refusal(path="/health"))
    assert told == Judgement("limited", complaint="status 429 of an exempt route")


# The ramp.


@pytest.mark.parametrize("scenario", [Scenario(), Scenario(seconds=6, users=0.2)], ids=str)
def test_attackers_come_and_go_within_the_attack(scenario: Scenario) -> None:
    times = [second / 10 for second in range(int(scenario.seconds * 10))]
    there = [scenario.attackers_at(second) or 0 for second in times]
    assert max(there) == scenario.attackers
    stages = {scenario.stage(t) for t, n in zip(times, there, strict=True) if n}
    assert stages == {"attack"}
    top = there.index(scenario.attackers)
    assert there[:top] == sorted(there[:top])
    after = there[top:]
    assert after == sorted(after, reverse=True)


def test_the_attack_holds_for_a_third_of_the_time_at_least() -> None:
    scenario = Scenario()
    held = sum(scenario.attackers_at(second) == scenario.attackers for second in range(60))
    assert held >= 20


def test_the_test_is_over_after_its_seconds() -> None:
    assert Scenario(seconds=6).attackers_at(5.9) == 0
    assert Scenario(seconds=6).attackers_at(6.0) is None


def test_all_before_the_measured_time_is_learning() -> None:
    assert Scenario().stage(-1.0) == "learning"


def test_the_environment_scales_it() -> None:
    scenario = from_environment(
        {
            "LOAD_SECONDS": "30",
            "LOAD_LEARNING": "0",
            "LOAD_USERS": "2",
            "LOAD_SEED": "7",
            "BASE_LIMIT": "50",
            "WINDOW_SECONDS": "5",
        }
    )
    assert scenario == Scenario(30.0, 0.0, 2.0, 50, 5, 7)
    assert scenario.attackers == 2 * Scenario().attackers


def test_an_empty_environment_changes_nothing() -> None:
    assert from_environment({"LOAD_SECONDS": ""}) == Scenario()


@pytest.mark.parametrize(
    "wrong", [{"LOAD_SECONDS": "0"}, {"LOAD_USERS": "-1"}, {"LOAD_LEARNING": "-1"}], ids=str
)
def test_a_scale_that_makes_no_sense_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        from_environment(wrong)


def test_however_few_there_are_each_persona_has_a_client() -> None:
    assert {Scenario(users=0.001).many(persona) for persona in EVERYBODY} == {1}


def test_clients_of_a_persona_do_the_same_again_but_not_as_each_other() -> None:
    scripts = [script_of(NORMAL[0], Scenario(), number) for number in (1, 1, 2)]
    first, again, other = ([next(script) for _ in range(20)] for script in scripts)
    assert first == again
    assert first != other


def test_normal_clients_stay_within_the_limit() -> None:
    scenario = Scenario()
    for persona in NORMAL:
        for number in range(1, 6):
            now, times = 0.0, []
            for call, _ in zip(script_of(persona, scenario, number), range(400), strict=False):
                now += max(0.0, call.pause)
                times.append(now)
            busiest = max(
                sum(start <= t < start + scenario.window for t in times) for start in times
            )
            assert busiest <= scenario.limit, persona.name


# The counts.

READER, FLOOD = NORMAL[0].name, ATTACKERS[2].name


def test_the_measured_time_is_told_by_persona() -> None:
    tally = Tally()
    tally.count(READER, Judgement("allowed"), 0.010, 0.5)
    tally.count(READER, Judgement("allowed", complaint="status 500"), 0.030, 1.5)
    tally.count(FLOOD, Judgement("limited", tightened=True), 0.001, 1.6)
    lines = tally.to_json()["personas"]
    assert lines[READER] == {
        "side": "normal",
        "sent": 2,
        "admitted": 2,
        "refused": 0,
        "failures": 1,
        "tightened": 0,
        "p50_ms": 20.0,
        "p95_ms": 29.0,
        "p99_ms": 29.8,
    }
    flood = lines[FLOOD]
    assert (flood["sent"], flood["admitted"], flood["refused"]) == (1, 0, 1)
    assert (flood["side"], flood["tightened"]) == ("attack", 1)


def test_what_came_before_counts_only_by_outcome_and_complaint() -> None:
    tally = Tally()
    tally.count(READER, Judgement("allowed", complaint="status 500"), 0.010, -1.0)
    counts = tally.to_json()
    assert counts["outcomes"] == {"allowed": 1}
    assert counts["complaints"] == {f"{READER}: status 500": 1}
    assert counts["personas"][READER]["sent"] == 0
    assert counts["seconds"] == []


def test_seconds_tell_normal_clients_from_attackers() -> None:
    tally = Tally()
    for name, judgement in (
        (READER, Judgement("allowed")),
        (READER, Judgement("limited")),
        (READER, Judgement("allowed", complaint="status 500")),
        (FLOOD, Judgement("allowed", within=True)),
        (FLOOD, Judgement("limited", within=True)),
        (FLOOD, Judgement("limited")),
        (MONITOR.name, Judgement("exempt")),
    ):
        tally.count(name, judgement, 0.01, 3.2)
    counts = tally.to_json()
    assert counts["seconds"] == [
        {
            "second": 3,
            "normal_sent": 3,
            "normal_served": 1,
            "attack_sent": 3,
            "attack_admitted": 1,
            "attack_within": 2,
        }
    ]
    assert share_served(counts) == pytest.approx(1 / 3)


def test_the_picture_tells_of_as_many_requests_as_the_table() -> None:
    tally = Tally()
    # The last one was under way when the time was over.
    for second in (0.5, 59.9, 60.0):
        tally.count(READER, Judgement("allowed"), 0.01, second)
    assert title_of(tally.to_json()).endswith("100% of normal clients' 3 requests are served")


def test_the_picture_says_how_much_of_an_attack_gets_through() -> None:
    tally = Tally()
    for judgement in (Judgement("allowed", within=True), *[Judgement("limited", within=True)] * 3):
        tally.count(FLOOD, judgement, 0.01, 3.2)
    assert title_of(tally.to_json()).splitlines()[0] == (
        "25% of the attack gets through (a fixed limit: 100%),"
    )


def test_the_picture_never_rounds_up_to_all_clients() -> None:
    tally = Tally()
    for judgement in [Judgement("allowed")] * 2999 + [Judgement("limited")]:
        tally.count(READER, judgement, 0.01, 3.2)
    assert title_of(tally.to_json()).splitlines()[1].startswith("99.9% of normal clients' 3,000")


# The verdict.


def counts(**changes: Judgement) -> dict[str, Any]:
    """Count a run in which each persona got a right answer, attackers a tightened one."""
    tally = Tally()
    for persona in EVERYBODY:
        usual = Judgement("allowed", tightened=persona in ATTACKERS)
        tally.count(persona.name, changes.get(persona.name.replace(" ", "_"), usual), 0.01, 1.0)
    return tally.to_json()


def test_a_run_in_which_all_is_right_ends_with_zero() -> None:
    assert exit_code(counts()) == 0


def test_a_deserved_refusal_changes_nothing() -> None:
    assert exit_code(counts(flood=Judgement("limited", True))) == 0


def test_one_wrong_answer_ends_with_one() -> None:
    assert exit_code(counts(flood=Judgement("limited", True, "429 without Retry-After"))) == 1


def test_a_wrong_answer_while_it_learns_ends_with_one() -> None:
    tally = Tally()
    tally.count(READER, Judgement("allowed", complaint="status 500"), 0.01, -1.0)
    assert exit_code(tally.to_json()) == 1


def test_a_run_that_tested_nothing_ends_with_three() -> None:
    assert exit_code(Tally().to_json()) == 3
    assert exit_code(Tally(()).to_json()) == 3


def test_a_persona_that_sent_nothing_ends_with_three() -> None:
    tally = Tally()
    for persona in EVERYBODY[:-1]:
        tally.count(persona.name, Judgement("allowed"), 0.01, 1.0)
    assert exit_code(tally.to_json()) == 3


def test_attackers_held_and_normal_clients_served_is_as_it_should_be() -> None:
    assert complaints(counts(), model_version=1) == []


def test_without_a_model_nothing_was_shown() -> None:
    assert complaints(counts(), model_version=0) == [
        "no model was in force: the attack was only met by the full limit"
    ]


def test_an_attacker_that_kept_its_full_limit_is_named() -> None:
    assert complaints(counts(scraper=Judgement("allowed")), model_version=1) == [
        "scraper: was never held to less than the full limit"
    ]


def test_normal_clients_that_were_not_served_are_told_of() -> None:
    found = complaints(counts(reader=Judgement("limited", True)), model_version=1)
    assert found == ["only 66.67% of the normal clients' requests were served"]


# The site's own metrics.

PAGE = """# HELP irl_requests_total Requests by the decision on them
# TYPE irl_requests_total counter
irl_requests_total{outcome="allowed",route="/api/data"} 12.0
irl_requests_total{outcome="allowed",route="/a \\"b\\"} c"} 3.0
irl_requests_total{outcome="limited",route="unmatched"} 5.0
irl_requests_total{outcome="exempt",route="/health"} 2.0
irl_requests_total{outcome="exempt",route="/metrics"} 99.0
irl_requests_total{outcome="exempt",route="/admin/train"} 98.0
irl_requests_created{outcome="allowed",route="/api/data"} 1.7e+09
irl_store_errors_total{kind="timeout"} 2.0
irl_store_errors_total{kind="refused"} 1.0
irl_model_version 4.0
"""


def test_metrics_are_read_by_outcome_without_the_tests_own_requests() -> None:
    assert scrape.outcomes(scrape.samples(PAGE)) == {"allowed": 15, "limited": 5, "exempt": 2}


def test_other_metrics_are_summed() -> None:
    page = scrape.samples(PAGE)
    assert scrape.total(page, "irl_store_errors_total") == 3
    assert scrape.total(page, "irl_model_version") == 4
    assert scrape.total(page, "irl_nothing") == 0


def test_counts_that_agree_to_the_request_are_no_disagreement() -> None:
    assert (
        scrape.disagreements(
            {"allowed": 5}, {"allowed": 8, "limited": 1}, {"allowed": 3, "limited": 1}
        )
        == []
    )


@pytest.mark.parametrize(
    ("after", "counted", "told"),
    [
        ({"allowed": 8}, {"allowed": 4}, "allowed: the site's metrics say 3, its clients 4"),
        ({"allowed": 5, "blocked": 1}, {}, "blocked: the site's metrics say 1, its clients 0"),
        ({"allowed": 5}, {"limited": 1}, "limited: the site's metrics say 0, its clients 1"),
    ],
)
def test_a_single_request_more_or_less_is_a_disagreement(
    after: dict[str, int], counted: dict[str, int], told: str
) -> None:
    assert scrape.disagreements({"allowed": 5}, after, counted) == [told]


# Processes.


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    left_out = ("REDIS_URL", "BASE_LIMIT", "WINDOW_SECONDS")
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith("LOAD_") and k not in left_out
    }
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.integration
@pytest.mark.slow
def test_a_short_run_on_a_real_site_is_as_it_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(
        # Nothing here is about time, and the machine may be busy.
        ["loadtests.load.run", "--results", str(tmp_path), "--store-timeout", "10"],
        LOAD_SECONDS="6",
        LOAD_LEARNING="0",
        LOAD_USERS="0.2",
        BASE_LIMIT="10",
        WINDOW_SECONDS="3",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads((tmp_path / "run.json").read_text())
    counted = told["counts"]
    # The clients' counts and the site's, of two processes, are the same to the request.
    assert told["disagreements"] == []
    assert told["metrics"] == counted["outcomes"]
    flood = counted["personas"][FLOOD]
    assert flood["refused"] > flood["admitted"] > 0
    attacked = [x["second"] for x in counted["seconds"] if x["attack_sent"]]
    assert min(attacked) >= 1
    assert max(attacked) <= 5
    made = {path.name for path in tmp_path.iterdir()}
    assert {"report.html", "load_stats.csv", "load_stats_history.csv", "load.png"} <= made
    again = tmp_path / "again"
    assert main(["--read", str(tmp_path / "run.json"), "--results", str(again)]) == 0
    assert (again / "load.png").read_bytes() == (tmp_path / "load.png").read_bytes()
    capsys.readouterr()
    assert main(["--read", str(tmp_path / "run.json"), "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("The measured time, by persona")


@pytest.fixture
def unlimited() -> Iterator[str]:
    """Serve a site that answers everything, without limits."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.integration
def test_locust_ends_with_one_on_a_site_without_limits(unlimited: str, tmp_path: Path) -> None:
    ended = run(
        ["locust", "-f", "loadtests/locustfile.py", "--headless", "--host", unlimited],
        LOAD_SECONDS="3",
        LOAD_LEARNING="0",
        LOAD_USERS="0.1",
        LOAD_COUNTS=str(tmp_path / "counts.json"),
    )
    assert ended.returncode == 1, ended.stderr
    found = json.loads((tmp_path / "counts.json").read_text())["complaints"]
    assert found.pop(f"{FLOOD}: X-RateLimit-Limit is missing") > 0
    assert {told.partition(": ")[2] for told in found} == {"X-RateLimit-Limit is missing"}


@pytest.mark.integration
def test_locust_ends_with_three_when_it_had_no_time_to_test(unlimited: str, tmp_path: Path) -> None:
    ended = run(
        ["locust", "-f", "loadtests/locustfile.py", "--headless", "--host", unlimited],
        LOAD_SECONDS="1e-9",
        LOAD_LEARNING="0",
        LOAD_COUNTS=str(tmp_path / "counts.json"),
    )
    assert ended.returncode == 3, ended.stderr
