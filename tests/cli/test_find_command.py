"""Test the command that finds clients."""

from __future__ import annotations

import json

import pytest

from flask_irl.limits.keys import canonical
from flask_irl.operations.results import ClientEntry
from tests.cli.shell import ODD, Site


@pytest.fixture
def busy(site: Site) -> Site:
    for client, count in (("203.0.113.7", 3), ("203.0.113.9", 5), ("198.51.100.1", 9)):
        site.ask(client, count)
    site.engine.flush()
    return site


@pytest.mark.parametrize("text", ["203.0.113", "203.0.113.0/24"])
@pytest.mark.parametrize("everybody", [(), ("--all",)])
def test_clients_are_found(busy: Site, text: str, everybody: tuple[str, ...]) -> None:
    found = busy.json("find", text, *everybody)
    assert [entry["client"] for entry in found] == ["203.0.113.9", "203.0.113.7"]
    assert found[0].keys() == ClientEntry.__required_keys__
    _, *lines = busy.done("find", text, *everybody).splitlines()
    assert [line.split()[0] for line in lines] == ["203.0.113.9", "203.0.113.7"]


def test_clients_are_found_by_their_route(busy: Site) -> None:
    busy.ask("scanner", path="/nothing")
    busy.engine.flush()
    found = busy.json("find", "--route", "GET /")
    assert [entry["client"] for entry in found][:2] == ["198.51.100.1", "203.0.113.9"]
    assert [x["client"] for x in busy.json("find", "--route", "unmatched")] == ["scanner"]


@pytest.mark.parametrize(("command", "total"), [(("find", "203"), 2), (("clients",), 3)])
def test_of_many_it_is_said_how_many_there_are(
    busy: Site, command: tuple[str, ...], total: int
) -> None:
    said = f"1 of {total}; --limit shows more"
    result = busy.run(*command, "--limit", "1")
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr.splitlines()[-1] == f"note: {said}"
    result = busy.run(*command, "--limit", "1", "--json")
    assert [json.loads(line) for line in result.stderr.splitlines()][-1] == {"note": said}
    assert "--limit" not in busy.run(*command).stderr


def test_nobody_found_is_an_error_that_says_where_else_to_look(busy: Site) -> None:
    assert busy.failed("find", "192.0.2") == "no ranked client is found; try --all"
    assert busy.failed("find", "192.0.2", "--all") == "no client is found"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give the beginning of an id, a network, or --route"),
        ((" ",), "give the beginning of an id, a network, or --route"),
        (("203.0.113.0/33",), "is no network: give a prefix length from 0 to 32"),
        (("--route", "/nowhere"), "nobody has asked for"),
        (("203", "--order", "best"), "best"),
    ],
)
def test_a_search_that_can_find_nothing_is_refused(
    busy: Site, arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in busy.misused("find", *arguments)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_found_by_what_they_were_given_as(site: Site, name: str) -> None:
    key = canonical(ODD[name])
    site.engine.decide(site.engine.plan(()), (key,))
    assert [x["client"] for x in site.json("find", ODD[name], "--all")] == [key]
