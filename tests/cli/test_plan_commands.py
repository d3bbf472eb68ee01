"""Test the commands on rate plans."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.cli.shell import SOMEBODY, Site


@pytest.fixture
def site(site: Site) -> Site:
    site.done("plans", "free=60/minute", "pro=600/minute;20000/day", "--default", "free")
    return site


def test_plans_are_shown_and_changed(site: Site) -> None:
    site.done("plans", "pro=900/minute")
    found = site.json("plans")
    assert {x["plan"]: x["limits"] for x in found["plans"]} == {
        **{"free": ["60 per 60 seconds"], "pro": ["900 per 60 seconds"]},
    }
    assert "default plan: free" in site.done("plans")
    site.done("plans", "pro=configured")
    assert [x["plan"] for x in site.json("plans")["plans"]] == ["free"]


def test_a_client_is_assigned_a_plan_for_a_time_and_left_to_itself_again(site: Site) -> None:
    site.ask()
    assert f"client {SOMEBODY} has the plan pro until " in site.done(
        *("plan", SOMEBODY, "pro", "--for", "30d", "--reason", "trial")
    )
    [entry] = site.json("plans", "--clients")
    assert (entry["client"], entry["plan"], entry["reason"]) == (SOMEBODY, "pro", "trial")
    site.done("plan", SOMEBODY, "--clear")
    assert site.json("plans", "--clients") == []
    assert site.failed("plan", SOMEBODY, "--clear") == f"client {SOMEBODY} is assigned no plan"


def test_the_plan_of_a_client_is_shown(site: Site) -> None:
    # It need not be known.
    assert site.done("plan", SOMEBODY) == f"plan of client {SOMEBODY}: free (the default)\n"
    site.done("plan", SOMEBODY, "pro", "--yes", "--reason", "trial")
    shown = site.done("plan", SOMEBODY)
    assert shown.startswith(f"plan of client {SOMEBODY}: pro (assigned by ")
    found = site.json("plan", SOMEBODY)
    assert (found["client"], found["plan"]["plan"]) == (SOMEBODY, "pro")
    assert (found["plan"]["source"], found["plan"]["reason"]) == ("operator", "trial")


def test_a_client_without_a_plan_has_the_base_limit(local: Site) -> None:
    assert local.done("plan", SOMEBODY).endswith(": none, the base limit holds\n")
    assert local.json("plan", SOMEBODY) == {"client": SOMEBODY, "plan": None}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("plan", SOMEBODY, "gold"), "there are: free, pro"),
        (("plan", SOMEBODY, "--for", "30d"), "--for is of no use without a plan"),
        (("plan", SOMEBODY, "--reason", "x"), "--reason is of no use without a plan"),
        (("plan", "203.0.113.0/24"), "is a network: plans are those of clients"),
        (("plan", SOMEBODY, "pro", "--clear"), "give a plan, or --clear"),
        (("plan", SOMEBODY, "pro", "--for", "long"), "'long' is none: give seconds"),
        (("plan", SOMEBODY, "pro", "--until", "soon"), "until is 'soon'"),
        (("block", SOMEBODY, "--until", "2001-01-01T00:00:00Z"), "which is past"),
        (("plans", "pro"), "give NAME=LIMITS"),
        (("plans", "--default", "gold"), "there are: free, pro"),
    ],
)
def test_wrong_arguments_are_refused_and_named(
    site: Site, arguments: tuple[str, ...], named: str
) -> None:
    site.ask()
    assert named in site.misused(*arguments)


def test_an_override_may_have_its_end_given(site: Site) -> None:
    site.ask()
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=100)
    site.done(
        "block", SOMEBODY, "--until", end.astimezone(timezone(timedelta(hours=2))).isoformat()
    )
    until = datetime.fromisoformat(site.json("client", SOMEBODY)["override"]["until"])
    assert abs(until - end) <= timedelta(seconds=1)


def test_the_page_of_a_client_shows_its_plan(site: Site) -> None:
    site.engine.refresh()
    site.ask()
    shown = site.done("client", SOMEBODY)
    assert "free (the default)" in shown
    # Not the base limit, which doesn't count for it.
    assert re.search("^limit +that of its plan$", shown, re.MULTILINE)
    site.done("plan", SOMEBODY, "pro", "--reason", "trial")
    page = site.done("client", SOMEBODY)
    assert "pro (assigned by shell" in page
    assert ", trial); counted also under: free" in page
