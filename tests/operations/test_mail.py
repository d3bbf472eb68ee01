"""Test the mail of a week: all that it should tell, and nothing that a stranger could put in."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from flask_irl.campaigns.incident import Incident, encode
from flask_irl.operations.mail import as_html, as_text
from flask_irl.verdicts.incident_watch import INCIDENTS
from tests.operations.worker import Site, Worker

EVIL = '<script>alert(1)</script>"&\x1b[31m'


class Tags(HTMLParser):
    """Gather the tags of a page, their attributes' names, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def worker(site: Site) -> Worker:
    """Make a worker of a site that was attacked today and long ago."""
    found = site.worker(base_limit=2)
    for client in ("203.0.113.7", "ann"):
        for _ in range(4 if client == "ann" else 3):
            found.ask(client, EVIL)
    found.limiter.flush()
    now = site.clock()
    new = Incident("campaign:login", f"{EVIL} direct", now - 60, now, clients=1234)
    old = Incident("flood", "", now - 9e6, now - 9e6, until=now - 8e6)
    found.store.put_table(INCIDENTS, 0, encode([new, old]))
    return found


def test_a_mail_tells_days_attacks_clients_networks_and_routes(worker: Worker) -> None:
    text = as_text(worker.operations.report(), worker.operations.incidents()[0])
    lines = text.splitlines()
    assert lines[0] == "Rate limits, 2023-11-08 to 2023-11-14"
    assert lines[2].startswith("In 7 days the app refused 0 requests of 0 clients; ")
    assert "2023-11-14         7        3           0        0" in text
    assert "Attacks: 1" in lines
    assert "1,234" in text
    assert "ann (unknown)" in text
    assert "203.0.113.0/24" in text
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines[4:])) < 160


def test_an_html_mail_has_the_same_and_no_script(worker: Worker) -> None:
    page = as_html(worker.operations.report(), worker.operations.incidents()[0])
    found = Tags(page)
    assert found.open == []
    assert not found.tags & {"script", "img", "a", "style", "link", "iframe"}
    assert found.attributes == {"lang", "charset", "style"}
    assert '<script>alert(1)</script>"&\\x1b[31m' in found.text
    assert "1,234" in found.text


def test_a_quiet_week_has_its_days(site: Site) -> None:
    worker = site.worker()
    text = as_text(worker.operations.report(2), [])
    assert text.count("none") >= 5
    assert "Attacks: 0" in text
    assert Tags(as_html(worker.operations.report(2), [])).open == []
