"""Test the report as people read it, as JSON, and as CSV."""

from __future__ import annotations

import csv
import io
import re

from tests.cli.shell import LIMIT, Site, is_moment


def refused(site: Site, client: str) -> None:
    """Have a client go over its limit."""
    assert site.ask(client, LIMIT + 2)[-1] == 429


def test_a_site_without_refusals_has_one_line(site: Site) -> None:
    site.ask(count=2)
    site.engine.flush()
    [line] = site.done("report").splitlines()
    assert line.startswith("In 7 days the app refused 0 requests of 0 clients;")


def test_refused_clients_and_routes_are_listed(site: Site) -> None:
    refused(site, "somebody")
    site.engine.flush()
    shown = site.done("report", "--days", "1")
    assert shown.startswith("Today the app refused 0 requests of 0 clients; this limiter refused ")
    assert re.search("^somebody +limiter_only +unknown +42 ", shown, re.MULTILINE)
    found = site.json("report")
    assert is_moment(found["since"])
    assert [client["client"] for client in found["clients"]] == ["somebody"]
    assert found["groups"]["limiter_only"] == {"clients": 1, "people": 0, "abuse": 0}


def test_csv_has_a_row_for_each_client_and_no_formula(local: Site) -> None:
    names = ["=cmd", "-1", "plain"]
    for name in names:
        refused(local, name)
    local.engine.flush()
    rows = list(csv.DictReader(io.StringIO(local.done("report", "--csv"))))
    assert {row["client"] for row in rows} == {"'=cmd", "'-1", "plain"}
    assert {row["refused_by_limits"] for row in rows} == {"2"}


def test_arguments_that_are_wrong_are_refused(local: Site) -> None:
    assert "--days" in local.misused("report", "--days", "9")
    result = local.run("report", "--csv", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "one of" in result.stderr


def test_a_mail_is_printed_as_text_or_html(site: Site) -> None:
    refused(site, "somebody")
    site.engine.flush()
    assert "Refused clients" in site.done("report", "--text").splitlines()
    assert site.done("report", "--html").startswith("<!doctype html>\n")
