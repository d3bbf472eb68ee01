"""Test the operations on clients, with each kind of store."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import ABUSE, GOOD, client_hash, unpack_rows
from flask_irl.errors import ConfigurationError
from flask_irl.limits.keys import canonical
from flask_irl.model.model import Model
from flask_irl.verdicts.rankings import RANKINGS
from tests.operations.worker import ADA, Site, Worker, attack, override

# Clients


def listed(worker: Worker, **given: Any) -> tuple[list[str], int]:
    entries, total = worker.operations.clients.ranked(**given)
    return [entry["client"] for entry in entries], total


def test_clients_are_listed_by_how_active_they_are(here: Worker) -> None:
    for client, count in (("low", 1), ("high", 9), ("middle", 5)):
        here.admitted(count, client)
    here.limiter.flush()
    assert listed(here) == (["high", "middle", "low"], 3)


def test_clients_are_listed_by_how_often_they_were_refused(here: Worker) -> None:
    for client, count in (("never", 5), ("often", 19), ("seldom", 12)):
        here.admitted(count, client)
    here.limiter.flush()
    assert listed(here, order="refused") == (["often", "seldom"], 2)


def test_clients_are_listed_by_their_scores(site: Site, here: Worker, trained: Model) -> None:
    here.publish(trained)
    here.limiter.refresh()
    for n in range(30):
        if n % 5 == 0:
            here.ask("person-1", "/a", n % 20)
        attack(site, here, seconds=1, first_path=1000 + 2 * n)
    entries, _ = here.operations.clients.ranked(order="anomalous")
    assert entries[0]["client"] == "mallory"
    scores = [entry["score"] for entry in entries]
    assert scores == sorted(scores)


def test_clients_come_in_pages(here: Worker) -> None:
    for n in range(5):
        here.admitted(n + 1, f"c{n}")
    here.limiter.flush()
    assert listed(here, offset=0, limit=2) == (["c4", "c3"], 5)
    assert listed(here, offset=4, limit=2) == (["c0"], 5)
    assert listed(here, offset=5, limit=2) == ([], 5)


def test_clients_at_a_step_are_listed_alone_and_counted(here: Worker) -> None:
    for n in range(5):
        here.admitted(n + 1, f"c{n}")
    here.limiter.flush()
    for client in ("c0", "c2", "c3"):
        here.flag(client)
    assert listed(here, step=1, limit=2) == (["c3", "c2"], 3)
    assert listed(here, step=1, offset=2) == (["c0"], 3)
    assert listed(here, step=0) == (["c4", "c1"], 2)


def test_clients_are_sorted_by_the_state_that_is_shown(here: Worker) -> None:
    for client in ("free", "low", "lower", "let-in", "ten", "two", "shut"):
        here.ask(client)
    here.limiter.flush()
    here.flag("low", step=1)
    here.flag("lower", step=2)
    # The model's word on a client that an operator has decided on isn't shown.
    here.flag("let-in", step=3)
    override(here, "allow", "let-in")
    override(here, "limit", "ten", amount=10)
    override(here, "limit", "two", amount=2)
    override(here, "block", "shut")
    names = ["shut", "two", "ten", "let-in", "lower", "low", "free"]
    for ascending in (False, True):
        entries, _ = here.operations.clients.ranked(sort="state", ascending=ascending)
        assert [x["client"] for x in entries] == (names[::-1] if ascending else names)


def test_who_was_forgotten_meanwhile_is_neither_listed_nor_counted(here: Worker) -> None:
    for client in ("a", "b"):
        here.ask(client)
    here.limiter.flush()
    here.store.forget("a", 3600)
    assert listed(here) == (["b"], 1)
    assert here.store.ranked(RANKINGS["active"].stored, 0, 9) == (["b"], 1)


@pytest.mark.parametrize("order", ["", "name", "ACTIVE"])
def test_an_order_that_is_not_known_is_refused(here: Worker, order: str) -> None:
    with pytest.raises(ConfigurationError, match=f"order is '{order}': give one of active"):
        here.operations.clients.ranked(order=order)


def test_a_listed_client_is_told_in_figures(site: Site, here: Worker) -> None:
    here.admitted(20)
    here.limiter.flush()
    here.flag(score=-0.75)
    [entry], _ = here.operations.clients.ranked()
    assert entry == {
        "client": "c",
        "label": None,
        "country": None,
        "step": 1,
        "factor": 0.3,
        "limit": 3,
        "score": -0.75,
        "is_anomalous": True,
        "override": None,
        "amount": 0,
        "since": None,
        "until": None,
        "reason": "",
        "who": None,
        "last_seen": site.clock(),
        "requests_per_minute": 20.0,
        "refused_share": 0.5,
    }


# One client


def test_nobody_is_known_who_was_never_here(here: Worker) -> None:
    assert here.operations.clients.describe("nobody") is None


def test_a_client_is_told_with_what_it_did(site: Site, here: Worker) -> None:
    began = site.clock()
    for n in range(4):
        here.ask(path=n, status=404 if n else 200)
        site.clock.advance(2)
    here.limiter.flush()
    found = here.operations.clients.describe("c")
    assert found is not None
    assert (found["client"], found["requests"], found["step"], found["limit"]) == ("c", 4, 0, 10)
    assert (found["first_seen"], found["last_seen"]) == (began, began + 6)
    assert (found["override"], found["feedback"]) == (None, None)
    assert tuple(found["features"]) == FEATURE_NAMES
    assert found["features"]["missing_share"] == pytest.approx(0.75, abs=0.01)
    assert found["features"]["interval_mean"] == pytest.approx(math.log1p(2), abs=0.01)


def test_without_a_model_there_is_no_why(here: Worker) -> None:
    here.admitted(20)
    here.limiter.flush()
    found = here.operations.clients.describe("c")
    assert found is not None
    assert found["why"] == []


def test_why_begins_with_what_an_operator_would_say(site: Site, trained: Model) -> None:
    here = site.worker(base_limit=1000)
    here.publish(trained)
    here.limiter.refresh()
    attack(site, here)
    found = here.operations.clients.describe("mallory")
    assert found is not None
    assert found["is_anomalous"]
    first = found["why"][0]
    assert first["sentence"] == "100% of the answers to it are 404; usual is 11%"
    assert first["value"] == pytest.approx(found["features"]["missing_share"], abs=1e-3)
    assert first["median"] < first["high"] < first["value"]
    told = [reason["feature"] for reason in found["why"]]
    assert "new_paths_per_minute" in told
    # It says the same once more.
    assert "failures_per_minute" not in told


def test_a_flood_is_told_by_its_rate(site: Site, trained: Model) -> None:
    here = site.worker(base_limit=100_000)
    here.publish(trained)
    here.limiter.refresh()
    for _ in range(60):
        for _ in range(20):
            here.ask("flood", "/a")
            site.clock.advance(0.05)
        here.limiter.flush()
    found = here.operations.clients.describe("flood")
    assert found is not None
    rate = found["requests_per_minute"]
    assert rate > 400
    usual = trained.site["usual"]["requests_per_minute"][0]
    sentence = found["why"][0]["sentence"]
    told, rest = sentence.split(maxsplit=1)
    assert rest == f"requests a minute; usual is {usual:.2g}"
    assert float(told) == pytest.approx(rate, abs=1)
    [entry], _ = here.operations.clients.ranked(order="flagged")
    assert entry["reason"] == sentence


def test_who_behaves_like_others_has_no_reasons(site: Site, trained: Model) -> None:
    here = site.worker(base_limit=1000)
    here.publish(trained)
    here.limiter.refresh()
    for n in range(60):
        here.ask("person", "/a /b /c".split()[n % 3], n % 7)
        site.clock.advance(5)
        here.limiter.flush()
        found = here.operations.clients.describe("person")
        assert found is not None
        assert (found["step"], found["rules"], found["why"]) == (0, [], [])


def test_who_was_flagged_is_explained_by_what_it_did_then(site: Site, trained: Model) -> None:
    here = site.worker(base_limit=1000)
    here.publish(trained)
    here.limiter.refresh()
    attack(site, here)
    then = here.operations.clients.describe("mallory")
    site.clock.advance(1800)
    now = here.operations.clients.describe("mallory")
    assert then is not None
    assert now is not None
    assert now["why"] == then["why"]
    assert now["rules"] == then["rules"]


@pytest.mark.parametrize("name", ["2001:db8::/64", "a b", "客户", "{}", "x" * 500, "\ud800", ""])
def test_a_client_may_be_called_anything(here: Worker, name: str) -> None:
    key = canonical(name)
    here.ask(key)
    here.limiter.flush()
    found = here.operations.clients.describe(name)
    assert found is not None
    assert found["client"] == key
    assert override(here, "allow", name)["client"] == key
    assert here.operations.overrides.clear(name, ADA)
    assert here.operations.clients.feedback(name, "good", ADA)
    assert here.operations.clients.reset(name, ADA)
    assert {entry["target"] for entry in here.audited()} == {key}


def test_of_who_breaks_a_rule_that_is_told_without_a_model(site: Site) -> None:
    here = site.worker(base_limit=1000)
    attack(site, here, seconds=20)
    for _ in range(20):
        here.ask("guesser", "/login", 1, 401, "POST")
        here.ask("visitor")
    here.limiter.flush()
    told = {
        name: here.operations.clients.describe(name) for name in ("mallory", "guesser", "visitor")
    }
    rules = {name: found["rules"] for name, found in told.items() if found is not None}
    assert rules["visitor"] == []
    [scan], [guess] = rules["mallory"], rules["guesser"]
    assert re.fullmatch(
        "(39|4[0-2]) guesses at paths that don't exist within an hour; "
        "15 within ten minutes, or 30 within an hour, are too many",
        scan,
    )
    assert guess == ("20 failed logins or denied changes within ten minutes; 12 are too many")


def test_a_rule_that_is_off_is_not_broken(site: Site) -> None:
    here = site.worker(base_limit=1000, unknown_paths=0)
    attack(site, here, seconds=20)
    found = here.operations.clients.describe("mallory")
    assert found is not None
    assert (found["rules"], found["step"]) == ([], 0)


def test_of_who_is_listed_in_the_configuration_that_is_told_even_if_it_is_never_counted(
    site: Site,
) -> None:
    here = site.worker(deny=("203.0.113.0/24",), allow=("198.51.100.7", "c"))
    here.ask("c")
    here.limiter.flush()
    told = {
        name: here.operations.clients.describe(name)
        for name in ("203.0.113.9", "198.51.100.7", "c", "198.51.100.8")
    }
    assert {name: found and found["listed"] for name, found in told.items()} == {
        **{"203.0.113.9": "deny", "198.51.100.7": "allow", "c": "allow"},
        "198.51.100.8": None,
    }
    denied = told["203.0.113.9"]
    assert denied is not None
    assert (denied["requests"], denied["last_seen"], denied["why"]) == (0, 0.0, [])
    here.ask("198.51.100.8")
    found = here.operations.clients.describe("198.51.100.8")
    assert found is not None
    assert found["listed"] is None


# Feedback


def feedback_of(worker: Worker, client: str = "c") -> str | None:
    found = worker.operations.clients.describe(client)
    assert found is not None
    verdict: str | None = found["feedback"]
    return verdict


def test_feedback_stays_with_the_profile(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    assert feedback_of(here) is None
    assert here.operations.clients.feedback("c", "good", ADA)
    here.ask()
    here.limiter.flush()
    assert feedback_of(here) == "good"
    assert here.operations.clients.feedback("c", "abuse", ADA)
    assert feedback_of(here) == "abuse"


def test_feedback_is_audited(here: Worker) -> None:
    here.ask()
    here.operations.clients.feedback("c", "abuse", ADA)
    here.operations.clients.feedback("c", "good", "bob")
    second, first = here.audited()
    assert (first["who"], first["action"], first["target"]) == (ADA, "feedback", "c")
    assert (first["before"], first["after"]) == ({"verdict": None}, {"verdict": "abuse"})
    assert (second["before"], second["after"]) == ({"verdict": "abuse"}, {"verdict": "good"})


def test_feedback_goes_with_the_client(here: Worker) -> None:
    here.ask()
    here.operations.clients.feedback("c", "good", ADA)
    here.operations.clients.reset("c", ADA)
    here.ask()
    assert feedback_of(here) is None


@pytest.mark.parametrize(("verdict", "feedback"), [("good", GOOD), ("abuse", ABUSE)])
def test_a_verdict_is_in_the_rows_that_are_learned_from(
    here: Worker, verdict: str, feedback: int
) -> None:
    here.ask()
    here.operations.clients.feedback("c", verdict, ADA)
    here.admitted(7)
    here.limiter.flush()
    assert unpack_rows(here.store.rows())["feedback"].tolist() == [feedback]


def test_abuse_is_learned_from_while_it_is_held_down(site: Site, here: Worker) -> None:
    for client in ("abuser", "other"):
        here.ask(client)
        here.flag(client)
    here.operations.clients.feedback("abuser", "abuse", ADA)
    for client in ("abuser", "other"):
        here.admitted(7, client)
    here.limiter.flush()
    assert unpack_rows(here.store.rows())["client"].tolist() == [client_hash("abuser")]


@pytest.mark.parametrize(("verdict", "steps"), [("good", [1, 0]), ("abuse", [1, 2])])
def test_who_is_called_good_mends_whatever_the_model_says(
    site: Site, trained: Model, verdict: str, steps: list[int]
) -> None:
    # By no rule: those hold for everybody.
    here = site.worker(base_limit=1000, unknown_paths=0, further_factors=(0.1,))
    here.publish(trained)
    here.limiter.refresh()
    taken = []
    attack(site, here, seconds=20)
    for seconds in (0, 300):
        attack(site, here, seconds=seconds)
        found = here.operations.clients.describe("mallory")
        assert found is not None
        taken.append(found["step"])
        here.operations.clients.feedback("mallory", verdict, ADA)
    assert taken == steps


def test_rules_hold_for_who_is_called_good(site: Site) -> None:
    here = site.worker(base_limit=1000)
    here.ask("mallory")
    here.operations.clients.feedback("mallory", "good", ADA)
    attack(site, here, seconds=20)
    found = here.operations.clients.describe("mallory")
    assert found is not None
    assert found["step"] > 0
    assert found["rules"]


def test_feedback_on_nobody_known_is_none(here: Worker) -> None:
    assert not here.operations.clients.feedback("nobody", "good", ADA)
    assert here.operations.clients.describe("nobody") is None
    assert here.audited() == []


@pytest.mark.parametrize("verdict", ["", "bad", "GOOD"])
def test_a_verdict_that_is_not_known_changes_nothing(here: Worker, verdict: str) -> None:
    here.ask()
    with pytest.raises(ConfigurationError, match=f"verdict is '{verdict}': give good or abuse"):
        here.operations.clients.feedback("c", verdict, ADA)
    assert feedback_of(here) is None
    assert here.audited() == []


# Forgetting


def test_a_client_that_is_reset_is_as_new(here: Worker) -> None:
    here.admitted(12)
    here.limiter.flush()
    here.flag()
    assert here.operations.clients.reset("c", ADA)
    assert here.admitted(12) == 10


def test_a_client_that_is_reset_is_not_known(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    assert here.operations.clients.reset("c", ADA)
    assert here.operations.clients.describe("c") is None


def test_a_client_that_is_reset_is_in_no_ranking(site: Site, here: Worker, trained: Model) -> None:
    here.publish(trained)
    here.limiter.refresh()
    attack(site, here)
    assert {here.store.ranked(ranking.stored, 0, 9)[1] for ranking in RANKINGS.values()} == {1}
    here.operations.clients.reset("mallory", ADA)
    assert {here.store.ranked(ranking.stored, 0, 9)[1] for ranking in RANKINGS.values()} == {0}


def test_a_reset_holds_in_every_worker_that_looks_for_news(site: Site, here: Worker) -> None:
    there = site.worker()
    there.admitted(12)
    here.operations.clients.reset("c", ADA)
    there.limiter.refresh()
    assert there.admitted(12) == 10


def test_a_reset_is_audited_with_what_was_known(here: Worker) -> None:
    for _ in range(3):
        here.ask()
    here.limiter.flush()
    here.operations.clients.feedback("c", "good", ADA)
    here.flag(score=-0.9)
    assert here.operations.clients.reset("c", ADA)
    assert not here.operations.clients.reset("c", "bob")
    second, first, _ = here.audited()
    assert (first["who"], first["action"], first["target"]) == (ADA, "reset", "c")
    assert first["before"] == {
        **{"known": True, "step": 1, "score": pytest.approx(-0.9, abs=0.01)},
        **{"requests": 3, "feedback": "good"},
    }
    assert (second["who"], second["before"]) == ("bob", {"known": False})
    assert first["after"] == second["after"] == {"known": False}
