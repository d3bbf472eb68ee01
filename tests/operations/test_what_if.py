"""Test what another threshold, limit or plan would have done in the last day, on both stores."""

from __future__ import annotations

import pytest

from flask_irl.behaviour.courses import CoursePart, Slot, pack, slot_of
from flask_irl.errors import ConfigurationError
from flask_irl.operations.kept_courses import read_courses
from flask_irl.operations.what_if import SHOWN
from flask_irl.stores.history import History
from tests.operations.worker import ADA, Site, Worker, override

SLOT = 300


def keep(
    here: Worker,
    client: str,
    *minutes: int,
    ago: int = 0,
    refused: int = 0,
    lowest: float = -0.1,
    step: int = 0,
) -> None:
    """Keep a slot of a client's course, so many slots ago."""
    counts = (*minutes, *(0,) * (5 - len(minutes)))
    slot = Slot(slot_of(here.store.now()) - ago, counts, refused, lowest, step)
    part = CoursePart(client, 0.0, pack(slot))
    here.store.add_counts({}, None, History({}, {}, [part]))


# Another threshold


def test_a_threshold_names_those_that_it_would_have_flagged(here: Worker) -> None:
    for number, score in enumerate((-0.1, -0.3, -0.45, -0.9)):
        keep(here, f"c{number}", 10, ago=number, lowest=score, step=int(score < -0.5))
        keep(here, f"c{number}", 1, ago=number + 40, lowest=-0.05)
    found = here.operations.what_if.threshold(-0.25)
    assert [client["client"] for client in found["more"]] == ["c2", "c1"]
    assert (found["clients"], found["flagged"], found["fewer_total"]) == (4, 1, 0)
    assert [client["score"] for client in found["more"]] == [-0.45, -0.3]
    assert found["more"][0]["at"] == (slot_of(here.store.now()) - 2) * SLOT
    found = here.operations.what_if.threshold("-0.95")
    assert found["more"] == []
    assert [client["client"] for client in found["fewer"]] == ["c3"]


def test_those_flagged_at_any_threshold_are_flagged_at_a_lower_one(here: Worker) -> None:
    keep(here, "campaign", 10, lowest=-0.2, step=2)
    assert here.operations.what_if.threshold(-0.9)["fewer_total"] == 0
    assert here.operations.what_if.threshold(-0.1)["more_total"] == 0


def test_those_that_are_overridden_or_were_not_judged_are_left_out(here: Worker) -> None:
    here.ask("held")
    here.limiter.flush()
    keep(here, "held", 10, lowest=-0.4)
    keep(here, "192.0.2.7", 10, lowest=-0.4)
    keep(here, "new", 2, lowest=-0.4)
    override(here, "allow", "held")
    override(here, "allow", "192.0.2.0/24")
    here.limiter.refresh()
    found = here.operations.what_if.threshold(-0.25)
    assert (found["more_total"], found["clients"]) == (0, 1)


def test_what_is_older_than_a_day_is_past(here: Worker) -> None:
    keep(here, "c", 100, ago=288, lowest=-0.4)
    keep(here, "d", 100, ago=287, lowest=-0.4)
    assert [c["client"] for c in here.operations.what_if.threshold(-0.2)["more"]] == ["d"]
    assert here.operations.what_if.base_limit(10, 60)["clients"] == 1


def test_of_many_clients_fifty_are_named(here: Worker) -> None:
    for number in range(SHOWN + 9):
        keep(here, f"c{number}", 10, lowest=-0.3 - number / 1000)
    found = here.operations.what_if.threshold(-0.2)
    assert (len(found["more"]), found["more_total"]) == (SHOWN, SHOWN + 9)
    assert found["more"][0]["client"] == f"c{SHOWN + 8}"


# Another base limit


def test_a_limit_tells_who_would_have_been_refused_how_much(here: Worker) -> None:
    keep(here, "a", 4, 4, 4)
    keep(here, "b", 8, 6, 7)
    keep(here, "c", 10)
    keep(here, "c", 9, 2, ago=100)
    found = here.operations.what_if.base_limit(6, 60)
    assert [(one["client"], one["refused"]) for one in found["affected"]] == [("c", 7), ("b", 3)]
    assert (found["clients"], found["refused_clients"], found["refused_requests"]) == (3, 2, 10)
    assert (found["present_clients"], found["present_requests"]) == (0, 0)
    assert found["affected"][0]["requests"] == 21


def test_a_client_is_held_to_the_share_of_its_step(here: Worker) -> None:
    keep(here, "flagged", 10, step=1)
    keep(here, "blocked", 10, step=9)
    found = here.operations.what_if.base_limit(10, 60)
    assert [(one["client"], one["refused"]) for one in found["affected"]] == [
        ("blocked", 10),
        ("flagged", 7),
    ]
    here.operations.site.set_mode("shadow", ADA)
    assert here.operations.what_if.base_limit(10, 60)["refused_clients"] == 0


@pytest.mark.parametrize(
    ("limit", "window", "refused"),
    [
        (4, 30, 2 * (20 - 8)),
        (5, 60, 2 * (15 + 1 + 1)),
        (8, 300, 2 * (32 - 8)),
        (10, 600, 64 - 10),
        (10, 86_400, 64 - 10),
    ],
)
def test_windows_of_other_lengths_add_minutes_up(
    site: Site, here: Worker, limit: int, window: int, refused: int
) -> None:
    # The two slots are in one window of ten minutes, and of a day.
    site.clock.now = 1_700_006_400 + SLOT
    for ago in (0, 1):
        keep(here, "c", 20, 0, 0, 6, 6, ago=ago)
    assert here.operations.what_if.base_limit(limit, window)["refused_requests"] == refused


def test_clients_of_plans_are_none_of_the_base_limit(site: Site) -> None:
    worker = site.worker(plans={"pro": "600/minute"})
    for client in ("a", "b"):
        keep(worker, client, 50)
    worker.operations.plans.assign("a", "pro", seconds=600, reason="", who=ADA)
    found = worker.operations.what_if.base_limit(20, 60)
    assert [one["client"] for one in found["affected"]] == ["b"]
    assert found["clients"] == 1


# Plans


def test_other_limits_of_a_plan_are_tried_on_its_clients(site: Site) -> None:
    worker = site.worker(plans={"pro": "100/minute", "free": "20/minute"})
    for client in ("a", "b", "c"):
        keep(worker, client, 50, 50)
    for client, plan in (("a", "pro"), ("b", "free")):
        worker.operations.plans.assign(client, plan, seconds=600, reason="", who=ADA)
    found = worker.operations.what_if.plan("pro", "40/minute;90/day")
    assert [(one["client"], one["refused"]) for one in found["affected"]] == [("a", 20)]
    assert found["limits"] == ["40 per 60 seconds", "90 per 86400 seconds"]
    assert (found["clients"], found["present_requests"]) == (1, 0)
    assert worker.operations.what_if.plan("free", "10/minute")["present_requests"] == 60


def test_the_default_plan_has_all_others(site: Site) -> None:
    worker = site.worker(plans={"pro": "100/minute", "free": "20/minute"}, default_plan="free")
    for client in ("a", "b", "c"):
        keep(worker, client, 30)
    worker.operations.plans.assign("a", "pro", seconds=600, reason="", who=ADA)
    found = worker.operations.what_if.plan("free", "25/minute")
    assert (found["clients"], found["refused_requests"], found["present_requests"]) == (2, 10, 20)
    assert worker.operations.what_if.base_limit(1, 60)["clients"] == 0


def test_clients_whose_plan_the_app_tells_are_those_that_count_under_it(site: Site) -> None:
    worker = site.worker(plans={"pro": "100/minute"})
    worker.limiter.rate_plans.by_request = True
    scope = worker.limiter.rate_plans.table["pro"].scope
    for client in ("a", "b"):
        keep(worker, client, 30)
    worker.limiter.decide(worker.limiter.plan((scope,)), ("a", "a"))
    found = worker.operations.what_if.plan("pro", "10/minute")
    assert [one["client"] for one in found["affected"]] == ["a"]


def test_an_assignment_tells_what_the_plan_would_have_refused(site: Site) -> None:
    worker = site.worker(plans={"pro": "100/minute", "free": "20/minute"})
    keep(worker, "a", 50, 30)
    found = worker.operations.what_if.assignment("a", "free")
    assert found == {
        "plan": "free",
        "kept": True,
        "requests": 80,
        "refused_requests": 40,
        "present_plan": None,
        "present_requests": 60,
    }
    worker.operations.plans.assign("a", "free", seconds=600, reason="", who=ADA)
    found = worker.operations.what_if.assignment("a", "pro")
    assert (found["present_plan"], found["present_requests"]) == ("free", 40)
    assert found["refused_requests"] == 0
    assert not worker.operations.what_if.assignment("nobody", "pro")["kept"]


def test_what_is_no_plan_is_named(site: Site) -> None:
    worker = site.worker(plans={"pro": "100/minute"})
    for ask in (
        lambda: worker.operations.what_if.assignment("a", "gold"),
        lambda: worker.operations.what_if.plan("gold", "1/minute"),
    ):
        with pytest.raises(ConfigurationError, match="no plan; there are: pro"):
            ask()
    with pytest.raises(ConfigurationError, match="a lot"):
        worker.operations.what_if.plan("pro", "a lot")


def test_plans_of_api_keys_are_known(site: Site) -> None:
    secret = "a secret of the tests"
    worker = site.worker(plans={"pro": "100/minute"}, api_keys=True, api_key_secret=secret)
    issued = worker.operations.api_keys.issue(name="n", owner="o", plan="pro", who=ADA)
    client = f"key:{issued['id']}"
    keep(worker, client, 30)
    keep(worker, "a", 30)
    found = worker.operations.what_if.plan("pro", "10/minute")
    assert [one["client"] for one in found["affected"]] == [client]


def test_the_app_tells_the_plan_of_an_api_key_without_one(site: Site) -> None:
    worker = site.worker(
        plans={"pro": "100/minute", "free": "20/minute"},
        default_plan="free",
        api_keys=True,
        api_key_secret="a secret of the tests",
    )
    worker.limiter.rate_plans.by_request = True
    issued = worker.operations.api_keys.issue(name="n", owner="o", who=ADA)
    client = f"key:{issued['id']}"
    keep(worker, client, 30)
    pro = worker.limiter.rate_plans.table["pro"].scope
    worker.limiter.decide(worker.limiter.plan((pro,)), (client, client))
    assert worker.operations.what_if.plan("free", "10/minute")["clients"] == 0
    assert worker.operations.what_if.plan("pro", "10/minute")["clients"] == 1


# All of them


@pytest.mark.parametrize("value", ["x", 1, None, "nan"])
def test_what_is_no_threshold_is_named(here: Worker, value: object) -> None:
    with pytest.raises(ConfigurationError, match="anomaly_threshold"):
        here.operations.what_if.threshold(value)


def test_what_is_no_limit_is_named(here: Worker) -> None:
    with pytest.raises(ConfigurationError, match="base_limit"):
        here.operations.what_if.base_limit(0, 60)
    with pytest.raises(ConfigurationError, match="window_seconds"):
        here.operations.what_if.base_limit(5, 0)


def test_without_a_client_nothing_would_change(here: Worker) -> None:
    assert here.operations.what_if.threshold(-0.1)["clients"] == 0
    for window in (1, 60, 3600):
        assert here.operations.what_if.base_limit(1, window)["refused_clients"] == 0


# The course of one client


def test_a_course_has_its_slots_and_its_changes(site: Site, here: Worker) -> None:
    begins = slot_of(here.store.now()) * SLOT
    slots = [
        Slot(begins // SLOT - 400, (9,) * 5),
        Slot(begins // SLOT - 2, (3, 9, 1, 0, 0), 4, -0.7, 2, begins - 590, begins - 400),
        Slot(begins // SLOT, (1, 0, 0, 0, 0), 0, -0.1, 0),
    ]
    parts = [CoursePart("c", 0.0, pack(slot)) for slot in slots]
    here.store.add_counts({}, None, History({}, {}, parts))
    found = here.operations.course("c")
    assert found["slots"] == [
        {
            "since": begins - 600.0,
            "requests": 13,
            "busiest_minute": 9,
            "refused": 4,
            "lowest_score": -0.7,
            "step": 2,
        },
        {
            "since": float(begins),
            "requests": 1,
            "busiest_minute": 1,
            "refused": 0,
            "lowest_score": -0.1,
            "step": 0,
        },
    ]
    assert found["changes"] == [
        {"at": begins - 590.0, "change": "flagged"},
        {"at": begins - 400.0, "change": "relieved"},
    ]
    assert (found["kept"], found["threshold"], found["slot_seconds"]) == (True, -0.5, SLOT)
    assert found["since"] == begins - 287 * SLOT


def test_slots_of_a_clock_that_was_set_back_are_no_past(here: Worker) -> None:
    keep(here, "c", 5)
    keep(here, "c", 7, ago=-2)
    keep(here, "d", 7, ago=-2)
    assert [slot["requests"] for slot in here.operations.course("c")["slots"]] == [5]
    assert not here.operations.course("d")["kept"]


def test_a_client_without_a_course_has_no_slots(here: Worker) -> None:
    found = here.operations.course("nobody")
    assert (found["kept"], found["slots"], found["changes"]) == (False, [], [])


def test_slots_of_the_future_that_somebody_has_forged_are_left_out(here: Worker) -> None:
    keep(here, "c", 3)
    for ago in (-1, slot_of(here.store.now()) - 2**32 + 1):
        keep(here, "c", 5, ago=ago, lowest=-0.9, step=9)
    found = here.operations.course("c")
    assert [slot["requests"] for slot in found["slots"]] == [3]


def test_of_a_course_that_is_too_long_a_day_is_read(
    here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(here, "c", 1)
    [data] = here.store.courses(["c"])
    forged = data * 5000 + b"half"
    monkeypatch.setattr(here.store, "courses", lambda clients: [forged for _ in clients])
    assert len(here.operations.course("c")["slots"]) == 288
    assert here.operations.what_if.base_limit(1, 60)["refused_requests"] == 0
    assert read_courses(here.store).requests().tolist() == [288]


# Limits with what is left


def test_what_is_left_is_told_and_nothing_is_counted(site: Site, here: Worker) -> None:
    here.admitted(4)
    for _ in range(2):
        [left] = here.operations.quota.left("c")
        assert (left["scope"], left["limit"], left["remaining"]) == ("", 10, 6)


def test_what_is_left_of_an_unknown_client_is_all(here: Worker) -> None:
    [left] = here.operations.quota.left("nobody")
    assert left["remaining"] == left["limit"] == 10


def test_a_client_that_is_allowed_everything_has_no_limits(here: Worker) -> None:
    override(here, "allow")
    assert here.operations.quota.left("c") == []


def test_a_blocked_client_has_nothing_left(here: Worker) -> None:
    override(here, "block")
    [left] = here.operations.quota.left("c")
    assert (left["limit"], left["remaining"]) == (0, 0)
