"""Test the command that lists incidents: for people, as JSON, and as CSV without formulas."""

from __future__ import annotations

import csv
import io
import re

import pytest

from flask_irl.campaigns.incident import Incident, encode
from flask_irl.verdicts.incident_watch import INCIDENTS
from tests.cli.shell import ODD, Site, is_moment


@pytest.fixture
def attacked(site: Site) -> Site:
    """Give a site that was attacked twice."""
    names = ("=1+1", ODD["color"])
    over = Incident("guessing", "", 1.7e9, 1.7e9 + 60, 1.7e9 + 60, 2, 90, 80, 0, 10, 0, 0, names)
    on = Incident("campaign:login", "/login\x1b[31m direct", 1.8e9, 1.8e9, clients=213)
    assert site.engine.store.put_table(INCIDENTS, 0, encode([on, over]))
    return site


def test_incidents_are_listed(attacked: Site) -> None:
    shown = attacked.done("incidents")
    assert "guessing of passwords" in shown
    assert re.search(r"campaign on a login +/login\\x1b\[31m direct", shown)
    on, over = attacked.json("incidents")
    assert (on["until"], over["denied"], over["clients"]) == (None, 10, 2)
    assert is_moment(over["until"])
    assert len(attacked.json("incidents", "--limit", "1")) == 1


def test_csv_has_no_formula(attacked: Site) -> None:
    rows = list(csv.DictReader(io.StringIO(attacked.done("incidents", "--csv"))))
    assert [row["kind"] for row in rows] == ["campaign:login", "guessing"]
    assert rows[1]["examples"].startswith("'=1+1; ")


def test_a_site_in_peace_has_none(local: Site) -> None:
    assert local.done("incidents") == "none\n"
    assert local.json("incidents") == []
