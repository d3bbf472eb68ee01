"""Test rate plans that operators change and assign, with each kind of store."""

from __future__ import annotations

from typing import Any

import pytest

from flask_irl.config.runtime import read_settings
from flask_irl.errors import ConfigurationError
from flask_irl.limiter import rate_plans
from flask_irl.operations.plan_results import AssignedPlan
from tests.operations.worker import ADA, Site, Worker, override

PLANS = {"free": "2/minute", "pro": "4/minute"}


@pytest.fixture
def here(site: Site) -> Worker:
    return site.worker(plans=PLANS, default_plan="free")


def limits_of(worker: Worker) -> dict[str, list[str]]:
    return {x["plan"]: x["limits"] for x in worker.operations.plans.read()["plans"]}


def assign(worker: Worker, plan: str, client: str = "c", seconds: float = 600.0) -> AssignedPlan:
    return worker.operations.plans.assign(client, plan, seconds=seconds, reason="trial", who=ADA)


def plan_of(worker: Worker, client: str = "c") -> str | None:
    plan = worker.limiter.rate_plans.assigned_to(client)
    return None if plan is None else plan.name


def test_a_changed_plan_holds_in_every_worker_and_is_audited(site: Site, here: Worker) -> None:
    there = site.worker(plans=PLANS, default_plan="free")
    here.operations.plans.change({"plans": {"pro": "9/minute"}, "default_plan": "pro"}, ADA)
    there.limiter.refresh()
    plans = there.limiter.rate_plans
    assert [str(x) for x in plans.table["pro"].limits] == ["9 per 60 seconds"]
    assert plans.default is plans.table["pro"]
    [entry] = here.audited()
    assert (entry["who"], entry["action"]) == (ADA, "plans")
    assert entry["before"] == {"pro": ["4 per 60 seconds"], "default plan": "free"}
    assert entry["after"] == {"pro": ["9 per 60 seconds"], "default plan": "pro"}


def test_a_change_survives_a_restart_and_is_taken_back_by_none(site: Site, here: Worker) -> None:
    changes = {"plans": {"pro": "9/minute", "gold": "50/minute"}}
    here.operations.plans.change(changes, ADA)
    here.operations.site.set_limits({"base_limit": 7}, ADA)
    later = site.worker(plans=PLANS, default_plan="free")
    assert limits_of(later) == {
        **{"free": ["2 per 60 seconds"], "pro": ["9 per 60 seconds"]},
        "gold": ["50 per 60 seconds"],
    }
    later.operations.plans.change({"plans": {"pro": None, "gold": None}}, ADA)
    assert limits_of(later) == {"free": ["2 per 60 seconds"], "pro": ["4 per 60 seconds"]}


def test_a_worker_logs_settings_only_where_they_differ_from_the_configured_ones(
    site: Site, here: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    here.operations.plans.change({"plans": {"gold": "50/minute"}}, ADA)
    caplog.clear()
    site.worker(plans=PLANS, default_plan="free").limiter.refresh()
    [logged] = caplog.messages
    assert logged.startswith("settings_changed plans=")
    here.operations.plans.change({"plans": {"gold": None}}, ADA)
    caplog.clear()
    site.worker(plans=PLANS, default_plan="free").limiter.refresh()
    assert caplog.messages == []
    assert read_settings(here.store.settings()[1]) == {}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"plans": {"pro": "lots"}}, "pro: limit 'lots'"),
        ({"plans": {"p/q": "1/minute"}}, "names of 1 to 32"),
        ({"plans": {"gold": None}}, "'gold', which is no plan; there are: free, pro"),
        ({"default_plan": "gold"}, "'gold', which is no plan then; there are: free, pro"),
    ],
)
def test_a_wrong_change_changes_nothing(here: Worker, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        here.operations.plans.change(changes, ADA)
    assert (limits_of(here)["pro"], here.audited()) == (["4 per 60 seconds"], [])


def test_a_plan_that_clients_are_assigned_to_is_not_removed(here: Worker) -> None:
    here.operations.plans.change({"plans": {"gold": "50/minute"}}, ADA)
    assign(here, "gold")
    with pytest.raises(ConfigurationError, match=r"1 clients are assigned.* such as c"):
        here.operations.plans.change({"plans": {"gold": None}}, ADA)
    assert plan_of(here) == "gold"


def test_an_assigned_plan_holds_in_every_worker_until_it_ends(site: Site, here: Worker) -> None:
    there = site.worker(plans=PLANS)
    entry = assign(here, "pro")
    assert entry["until"] == pytest.approx(site.clock() + 600)
    there.limiter.refresh()
    assert (plan_of(here), plan_of(there)) == ("pro", "pro")
    assert here.operations.plans.assigned()[0] == [entry]
    site.clock.advance(601)
    assert (plan_of(here), plan_of(there)) == (None, None)
    for worker in (here, there):
        worker.limiter.refresh()
    # It leaves the store, too.
    assert here.store.assigned() == {}


def test_an_assigned_plan_is_taken_back_and_both_are_audited(site: Site, here: Worker) -> None:
    there = site.worker(plans=PLANS)
    assign(here, "pro")
    there.limiter.refresh()
    assert here.operations.plans.unassign("c", ADA)
    assert not here.operations.plans.unassign("c", ADA)
    there.limiter.refresh()
    assert (plan_of(here), plan_of(there)) == (None, None)
    back, given = here.audited()
    assert [(x["action"], x["target"]) for x in (back, given)] == [("plan", "c")] * 2
    assert (back["before"], back["after"]) == (given["after"], None)


@pytest.mark.parametrize(
    ("client", "plan", "seconds", "named"),
    [
        ("c", "gold", 60, "'gold', which is no plan; there are: free, pro"),
        ("c", "x" * 10_000, 60, "which is no plan"),
        ("c", "pro", 0, "seconds is 0"),
        ("192.0.2.0/24", "pro", 60, "192.0.2.0/24 is a network"),
    ],
)
def test_a_wrong_assignment_is_refused(
    here: Worker, client: str, plan: str, seconds: float, named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        assign(here, plan, client, seconds)
    assert (here.audited(), here.store.assigned()) == ([], {})


def test_a_client_may_be_called_as_the_table_calls_its_revision(site: Site, here: Worker) -> None:
    assign(here, "pro", "revision")
    there = site.worker(plans=PLANS)
    there.limiter.refresh()
    assert plan_of(there, "revision") == "pro"
    assert there.operations.plans.unassign("revision", ADA)
    assert there.store.assigned() == {}


def test_no_more_clients_are_assigned_a_plan_than_every_worker_can_know(
    here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_irl.operations.plans.MAX_ASSIGNED", 2)
    for client in "ab":
        assign(here, "pro", client)
    with pytest.raises(ConfigurationError, match="2 clients are assigned a plan, and no more"):
        assign(here, "pro", "c")
    assign(here, "free", "b")
    assert {plan_of(here, x) for x in "ab"} == {"pro", "free"}
    assert rate_plans.MAX_ASSIGNED == 10_000


def test_an_assignment_that_cannot_be_read_counts_as_absent(here: Worker, site: Site) -> None:
    assign(here, "pro", "good")
    for data in (b"\xff", b"[]", b'{"plan": 5}', b"[" * 100_000):
        here.store.put_assigned("bad", data, 100)
    there = site.worker(plans=PLANS)
    there.limiter.refresh()
    assert (plan_of(there, "good"), plan_of(there, "bad")) == ("pro", None)


def test_settings_that_only_a_newer_version_knows_stay(here: Worker) -> None:
    here.store.put_settings(0, b'{"base_limit": 5, "of_the_future": [1]}')
    here.operations.plans.change({"plans": {"pro": "9/minute"}}, ADA)
    here.operations.site.set_mode("shadow", ADA)
    assert b'"of_the_future": [1]' in (here.store.settings()[1] or b"")


def test_a_client_is_described_with_its_plan_and_where_that_comes_from(
    site: Site, here: Worker
) -> None:
    here.ask()
    described = here.limiter.plan((here.limiter.rate_plans.table["free"].scope,))
    here.limiter.decide(described, ("c", "c"))

    def plan() -> Any:
        result = here.operations.clients.describe("c")
        assert result is not None
        return result["plan"]

    nothing = {"until": None, "reason": None, "who": None}
    assert plan() == {"plan": "free", "source": "default", "counted": ["free"], **nothing}
    entry = assign(here, "pro")
    until = entry["until"]
    assert plan() == {
        **{"plan": "pro", "source": "operator", "counted": ["free"]},
        **{"until": until, "reason": "trial", "who": ADA},
    }
    here.operations.plans.unassign("c", ADA)
    here.limiter.rate_plans.by_request = True
    assert plan() == {"plan": None, "source": "app", "counted": ["free"], **nothing}
    assert site.worker().operations.clients.describe("c")["plan"] is None  # type: ignore[index]


def test_a_client_that_was_never_here_is_described_if_it_is_assigned_a_plan(here: Worker) -> None:
    assert here.operations.clients.describe("unseen") is None
    assign(here, "pro", "unseen")
    assert here.operations.clients.describe("unseen") is not None


def of_plan(worker: Worker, name: str, **how: Any) -> list[str]:
    find = worker.operations.clients.find if how else worker.operations.clients.ranked
    return sorted(entry["client"] for entry in find(plan=name, **how)[0])


def test_the_clients_of_a_plan_are_listed(site: Site, here: Worker) -> None:
    for name in ("ann", "bob", "cid"):
        here.ask(name)
    here.limiter.flush()
    assign(here, "pro", "ann")
    assign(here, "pro", "bob", seconds=5.0)
    assert (of_plan(here, "pro"), of_plan(here, "free")) == (["ann", "bob"], ["cid"])
    assert of_plan(here, "pro", text="a") == ["ann"]
    assert of_plan(here, "pro", everybody=True) == ["ann", "bob"]
    assert of_plan(here, "pro", text="nobody") == []
    site.clock.advance(6)
    assert (of_plan(here, "pro"), of_plan(here, "free")) == (["ann"], ["bob", "cid"])
    override(here, "block", "203.0.113.0/24")
    assert of_plan(here, "free", everybody=True) == ["bob", "cid"]
    assert here.operations.clients.ranked(plan="free", step=1) == ([], 0)


def test_where_the_app_tells_plans_those_count_that_have_used_one(site: Site) -> None:
    here = site.worker(plans=PLANS)
    limiter = here.limiter
    limiter.rate_plans.by_request = True
    for name, plan in (("ann", "pro"), ("bob", "free"), ("cid", "pro")):
        scope = limiter.rate_plans.table[plan].scope
        limiter.decide(limiter.plan((scope,)), (name, name))
        here.ask(name)
    limiter.flush()
    assert (of_plan(here, "pro"), of_plan(here, "free")) == (["ann", "cid"], ["bob"])
    site.clock.advance(3600)
    assert of_plan(here, "pro", everybody=True) == []


@pytest.mark.parametrize("name", ["", "gold", "<b>"])
def test_clients_of_no_plan_are_not_listed(here: Worker, name: str) -> None:
    here.ask()
    here.limiter.flush()
    with pytest.raises(ConfigurationError, match="no plan; there are: free, pro"):
        here.operations.clients.ranked(plan=name)
    with pytest.raises(ConfigurationError, match="no plan"):
        here.operations.clients.find("c", plan=name)


@pytest.mark.parametrize("sort", ["", "step", "<b>"])
def test_a_list_is_sorted_by_columns_alone(here: Worker, sort: str) -> None:
    with pytest.raises(ConfigurationError, match="give one of client, state, score"):
        here.operations.clients.ranked(sort=sort)
    with pytest.raises(ConfigurationError, match="give one of client"):
        here.operations.clients.find("c", sort=sort)
