"""Test the command on campaigns: its table, its JSON, and how one is ended."""

from __future__ import annotations

import datetime

import pytest

from flask_irl.campaigns.campaign import Campaign, Subject, Table
from tests.cli.shell import Site, is_moment

CAMPAIGN = Campaign(Subject("login", "/login", "direct"), 1_700_000_000.0, 213.4, 640.0, 0.5)


@pytest.fixture
def attacked(site: Site) -> Site:
    """Give a site with a campaign on its login."""
    table = Table({CAMPAIGN.subject: CAMPAIGN})
    assert site.engine.store.put_campaigns(0, table.encode())
    return site


def test_campaigns_are_listed(attacked: Site) -> None:
    [found] = attacked.json("campaigns")
    assert is_moment(found.pop("since"))
    assert found == {
        "id": CAMPAIGN.id,
        "kind": "login",
        "target": "/login",
        "sort": "direct",
        "common": "newcomers that do nothing but log in, and fail",
        "clients": 213,
        "requests": 640,
        "per_minute": 0.5,
    }
    assert CAMPAIGN.id in attacked.done("campaigns")


def test_a_campaign_is_ended_once(attacked: Site) -> None:
    done = attacked.done("campaigns", "end", CAMPAIGN.id, "--reason", "ours")
    assert done.startswith(f"campaign {CAMPAIGN.id} on /login is ended; none is named for the same")
    assert attacked.done("campaigns") == "none\n"
    assert attacked.json("audit")[0]["reason"] == "ours"
    assert CAMPAIGN.id in attacked.failed("campaigns", "end", CAMPAIGN.id)


def test_a_campaign_is_ended_for_a_time(attacked: Site) -> None:
    assert "seconds" in attacked.misused("campaigns", "end", CAMPAIGN.id, "--for", "0")
    found = attacked.json("campaigns", "end", CAMPAIGN.id, "--for", "7d")
    until = datetime.datetime.fromisoformat(found["until"]).timestamp()
    assert until - attacked.engine.store.now() == pytest.approx(7 * 86_400, abs=60)
    assert found["released"] == 0


def test_a_campaign_to_end_must_be_named(attacked: Site) -> None:
    assert "ID" in attacked.misused("campaigns", "end")
    assert "end" in attacked.misused("campaigns", "stop", CAMPAIGN.id)
