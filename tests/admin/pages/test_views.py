"""Test what the operator's page shows and changes."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from flask import Flask

from flask_irl.admin.pages.course_charts import course_charts
from flask_irl.campaigns.campaign import Campaign, Subject, Table
from flask_irl.limits.keys import canonical
from flask_irl.limits.limit import Limit
from flask_irl.operations import Operations
from flask_irl.stores.memory.store import MemoryStore
from tests.admin.api import WRITE, make_app
from tests.admin.pages.visitor import Visitor, notice
from tests.admin.site import KNOWN, MODEL, OLDER_MODEL, learn
from tests.conftest import Clock
from tests.operations.test_what_if import keep
from tests.operations.worker import Worker, override

HTML = "<img src=x onerror=alert(1)>\"'"


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


def client_form(action: str, **fields: object) -> dict[str, object]:
    return {"id": KNOWN, "action": action, "seconds": 600, "amount": 7, "reason": "r", **fields}


def present(operations: Operations) -> object:
    found = operations.clients.describe(KNOWN)
    assert found is not None
    return found["override"]


# Showing


def test_the_overview_names_flagged_clients_and_why(visitor: Visitor) -> None:
    text = visitor.open().text
    assert f"id={KNOWN}" in text
    assert "guesses" in text
    assert "campaign" in text.lower()


def test_charts_have_their_figures_as_a_table(visitor: Visitor) -> None:
    text = visitor.open().text
    assert text.count('role="img"') == 4
    assert re.search(r'<th scope="row">\d\d:\d\d</th><td class="number">2[01]</td>', text)


@pytest.mark.parametrize("span", ["5m", "1h", "24h", "7d", "35d", "x"])
def test_every_span_has_at_most_sixty_one_bars(visitor: Visitor, span: str) -> None:
    answer = visitor.open(f"/?span={span}")
    assert answer.status_code == 200
    assert "20 requests to limited routes" in answer.text
    assert answer.text.count('class="bar admitted"') == 1


def test_a_client_is_found_by_search_and_by_route(visitor: Visitor) -> None:
    for query in (f"q={KNOWN}", "q=203.0.113.0/24", "q=203", "route=unmatched", "order=flagged"):
        assert f"id={KNOWN}" in visitor.open(f"/clients?{query}").text, query
    for query in ("q=198.51.100.0/24", "route=/nothing", "order=overridden", "step=2"):
        assert f"id={KNOWN}" not in visitor.open(f"/clients?{query}").text, query


def names_in(text: str) -> list[str]:
    """List the clients of a page's table, in order."""
    return re.findall(r'<th scope="row">\s*<a href="[^"]*"><bdi>([^<]*)</bdi>', text)


@pytest.fixture
def busy(app: Flask, worker: Worker, clock: Clock) -> Visitor:
    """Look at a site with three more clients: ann is the busiest, cid the last that was here."""
    for name, requests in (("ann", 9), ("bob", 3), ("cid", 6)):
        for _ in range(requests):
            worker.ask(name)
        clock.advance(1)
    worker.limiter.flush()
    return Visitor(app)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sort=client&ascending=1", [KNOWN, "ann", "bob", "cid"]),
        ("sort=client", ["cid", "bob", "ann", KNOWN]),
        ("sort=rate", [KNOWN, "ann", "cid", "bob"]),
        ("sort=rate&ascending=1", ["bob", "cid", "ann", KNOWN]),
        ("sort=seen", ["cid", "bob", KNOWN, "ann"]),
        ("sort=state&q=", [KNOWN, "ann", "bob", "cid"]),
        ("sort=score&ascending=1&step=1", [KNOWN]),
        ("sort=client&ascending=1&everybody=1", [KNOWN, "ann", "bob", "cid"]),
        ("sort=rate&route=/", ["ann", "cid", "bob"]),
        ("sort=%3Cimg%3E", [KNOWN, "ann", "cid", "bob"]),
    ],
)
def test_a_list_is_sorted_by_each_column(busy: Visitor, query: str, names: list[str]) -> None:
    text = busy.open(f"/clients?{query}").text
    assert [name for name in names_in(text) if name in names] == names


def test_headings_are_links_that_turn_the_order_round(busy: Visitor) -> None:
    text = busy.open("/clients?order=flagged&q=20&step=1").text
    assert "aria-sort" not in text
    links = [unescape(x) for x in re.findall(r'<th scope="col"[^>]*><a href="([^"]*)"', text)]
    assert len(links) == 6
    assert all("q=20" in link and "step=1" in link and "page=" not in link for link in links)
    for link in links:
        once = busy.client.get(link).text
        assert once.count("aria-sort") == 1
        [again] = [x for x in re.findall(r'aria-sort="\w+"><a href="([^"]*)"', once)]
        twice = busy.client.get(unescape(again)).text
        words = [re.findall(r'aria-sort="(\w+)"', x)[0] for x in (once, twice)]
        assert sorted(words) == ["ascending", "descending"]
        assert "In the ranking" in once


def test_a_sorted_list_is_paged(app: Flask, worker: Worker) -> None:
    for number in range(120):
        worker.ask(f"client-{number:03}")
        if number % 40 == 39:
            worker.limiter.flush()
    visitor = Visitor(app)
    found: list[str] = []
    link = "/admin/page/clients?sort=client&ascending=1"
    while link:
        text = visitor.client.get(link).text
        found += names_in(text)
        following = re.search(r'rel="next" href="([^"]*)"', text)
        link = unescape(following[1]) if following else ""
    assert found == [KNOWN, *(f"client-{number:03}" for number in range(120))]


def test_a_search_through_all_says_where_it_ends(
    busy: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has ended there" not in busy.open("/clients?everybody=1").text
    monkeypatch.setattr("flask_irl.admin.pages.views.clients.MAX_FOUND", 4)
    assert "the search has ended there" in busy.open("/clients?everybody=1").text


def test_clients_are_filtered_by_plan(clock: Clock) -> None:
    plans = {"free": (Limit(60, 60),), "pro": (Limit(600, 60),)}
    options = {"plans": plans, "default_plan": "free"}
    worker = Worker(MemoryStore(clock=clock), options)
    for name in ("ann", "bob"):
        worker.ask(name)
    worker.limiter.flush()
    worker.operations.plans.assign("ann", "pro", seconds=600, reason="", who="ada")
    visitor = Visitor(make_app(worker.operations))
    form = visitor.open("/clients?plan=pro").text
    assert '<option value="pro" selected>pro</option>' in form
    assert names_in(form) == ["ann"]
    assert names_in(visitor.open("/clients?plan=free").text) == ["bob"]
    assert names_in(visitor.open("/clients?plan=free&q=a").text) == []
    assert names_in(visitor.open("/clients?plan=pro&sort=rate&everybody=1").text) == ["ann"]
    told = visitor.client.get("/admin/page/clients", query_string={"plan": HTML}).text
    assert "which is no plan" in told
    assert HTML not in told


def test_without_plans_there_is_no_such_filter(visitor: Visitor) -> None:
    assert 'name="plan"' not in visitor.open("/clients").text


def test_a_search_that_is_none_is_told(visitor: Visitor) -> None:
    for query in ("q=203.0.113.0/99", "step=x", "plan=none"):
        answer = visitor.open(f"/clients?{query}")
        assert answer.status_code == 200
        assert 'role="alert"' in answer.text, query


def test_lists_are_paged_by_the_store(app: Flask, worker: Worker) -> None:
    for number in range(120):
        worker.ask(f"client-{number:03}")
        if number % 40 == 39:
            # A flush puts fifty into a ranking at most.
            worker.limiter.flush()
    visitor = Visitor(app)
    pages = [visitor.open(f"/clients?page={n}").text for n in (1, 2, 3, 4)]
    found = [re.findall(r"id=client-(\d+)", text) for text in pages]
    assert len({name for part in found for name in part}) == 120
    assert [len(part) for part in found] == [49, 50, 21, 0]
    assert 'rel="next"' in pages[0] and 'rel="next"' not in pages[2]
    assert visitor.open("/clients?page=x").status_code == 200


def test_a_client_is_shown_with_the_usual_beside_its_own(visitor: Visitor) -> None:
    text = visitor.open(f"/client?id={KNOWN}").text
    assert '<th scope="col">this client</th><th scope="col">usual</th>' in text
    assert "all its requests" in text
    assert "anomalous below -0.50" in text


def test_a_clients_last_hours_are_drawn_and_told(app: Flask, worker: Worker, clock: Clock) -> None:
    worker.limiter.flush()
    clock.advance(900)
    worker.ask(KNOWN)
    worker.limiter.flush()
    text = Visitor(app).open(f"/client?id={KNOWN}").text
    requests, scores = re.findall(r'<figure class="chart">.*?</figure>', text, re.DOTALL)[:2]
    assert re.search(
        r"<desc[^>]*>22 requests, 0 of them refused, in the last hour; a bar", requests
    )
    assert "Flagged at 22:13:20, relieved at 22:28:20." in requests
    assert re.search(r'<th scope="row">22:10</th><td class="number">21</td>', requests)
    assert "<title>22:10: -1.00 score below the threshold</title>" in scores
    assert ">threshold -0.5</text>" in scores
    assert all(f">{text}</text>" in scores for text in ("0.00", "-0.50", "-1.00", "flagged"))
    assert 'datetime="2023-11-14T22:13:20Z">2023-11-14 22:13:20 UTC</time> flagged</li>' in text


@pytest.mark.parametrize(("hours", "bars"), [(0.8, 12), (2, 36), (11, 72), (23, 72)])
def test_older_courses_have_longer_bars(
    worker: Worker, clock: Clock, hours: float, bars: int
) -> None:
    keep(worker, "c", 5)
    clock.advance(hours * 3600)
    keep(worker, "c", 7, refused=2, lowest=-0.2)
    chart = course_charts(worker.operations.course("c"))[0]
    assert [bar.kind for bar in chart.bars] == ["admitted", "admitted", "refused"]
    widths = {bar.width for bar in chart.bars}
    assert widths == {round((chart.right - chart.left) / bars * 0.82, 1)}
    assert chart.description.startswith("12 requests, 2 of them refused, in the last ")


def test_of_many_changes_the_latest_are_named(worker: Worker) -> None:
    now = worker.store.now()
    changes = [{"at": now - 60 * n, "change": "flagged"} for n in range(9, 0, -1)]
    keep(worker, "c", 1)
    charts = course_charts({**worker.operations.course("c"), "changes": changes})  # type: ignore[typeddict-item]
    assert "and 3 times before." in charts[0].description
    assert [mark.text for mark in charts[0].edges] == [""] * 9


def test_a_client_without_a_course_is_told_why(app: Flask, worker: Worker) -> None:
    worker.store.clear_courses()
    assert "No course of it is kept" in Visitor(app).open(f"/client?id={KNOWN}").text


def test_a_client_of_any_name_has_a_page(app: Flask, worker: Worker) -> None:
    visitor = Visitor(app)
    for name in ("../..", "a//b/", "?x=1&y", "#", "ünï", HTML, "%2e%2e", " "):
        worker.ask(canonical(name))
        worker.limiter.flush()
        answer = visitor.client.get("/admin/page/client", query_string={"id": name})
        assert answer.status_code == 200, name
    assert visitor.open("/client").status_code == 400
    assert visitor.open(f"/client?id={'x' * 3000}").status_code == 400


def test_nothing_that_a_client_sends_is_taken_for_html(app: Flask, worker: Worker) -> None:
    # Keys are hashed where they could be HTML; nobody relies on that here.
    worker.ask("ada", HTML)
    worker.ask(HTML)
    worker.limiter.flush()
    override(worker, "block", "ada", reason=HTML, who=HTML)
    worker.limiter.label_of = lambda client: HTML
    visitor = Visitor(app)
    for path in ("/", "/clients", "/clients?order=overridden", "/audit", "/limits", "/models"):
        assert HTML not in visitor.open(path).text
    text = visitor.open("/client?id=ada").text
    assert text.count("&lt;img src=x onerror") >= 4
    assert HTML not in text
    assert HTML not in visitor.client.get("/admin/page/client", query_string={"id": HTML}).text
    assert HTML not in visitor.client.get("/admin/page/clients", query_string={"q": HTML}).text


def test_half_a_character_that_somebody_has_forged_leaves_the_page_readable(
    app: Flask, worker: Worker, clock: Clock
) -> None:
    half = "\ud800"
    subject = Subject("network", half, half)
    table = Table({subject: Campaign(subject, clock(), 3.0, 4.0)}, {subject: clock() + 60}, 1)
    worker.store.put_campaigns(worker.store.revisions().campaigns, table.encode())
    worker.limiter.refresh()
    change = {"at": clock(), "who": half, "action": "override", "target": half, "reason": half}
    worker.store.add_audit(json.dumps({**change, "before": None, "after": {"kind": half}}).encode())
    worker.limiter.label_of = lambda client: half
    [campaign] = worker.operations.campaigns.running()
    visitor = Visitor(app)
    for path in ("/", "/audit", f"/client?id={KNOWN}", f"/campaign?id={campaign['id']}"):
        assert visitor.open(path).status_code == 200, path


def test_recent_requests_are_shown_where_some_are_kept(visitor: Visitor, clock: Clock) -> None:
    assert "Recent requests" not in visitor.open(f"/client?id={KNOWN}").text
    worker = Worker(MemoryStore(clock=clock), {"recent_requests": 2, "base_limit": 100})
    worker.ask("ada", f"/<{HTML}>", method=HTML[:20])
    worker.ask("ada", "/login", status=401, method="POST")
    worker.limiter.flush()
    app = make_app(worker.operations)
    text = Visitor(app).open("/client?id=ada").text
    assert "<h2>Recent requests</h2>" in text
    assert "<bdi>POST /login</bdi>" in text
    assert "/&lt;&lt;img src=x onerror" in text
    assert "<img" not in text
    clock.advance(3601)
    worker.ask("ada")
    assert "None in the last hour." in Visitor(app).open("/client?id=ada").text


def test_the_model_is_shown_with_its_versions(visitor: Visitor) -> None:
    text = visitor.open("/models").text
    assert f"version {MODEL}, trained" in text
    assert "can't be read" in text
    assert "Features that matter" in text


def test_another_threshold_is_told_over_which_clients(visitor: Visitor, worker: Worker) -> None:
    keep(worker, "flagged", 9, lowest=-0.7, step=1)
    keep(worker, "odd", 12, lowest=-0.41)
    text = visitor.open("/models?threshold=-0.9").text
    assert "and 1 of the 2 flagged ones would not" in text
    assert "id=flagged" in text
    assert "of the 3 clients whose course is kept" in text
    text = visitor.open("/models?threshold=-0.4").text
    assert "<strong>1 more</strong> client would have been flagged in the last 24 hours" in text
    assert "id=odd" in text
    assert 'role="alert"' in visitor.open("/models?threshold=2").text


# Acting


@pytest.mark.parametrize(
    ("action", "amount", "told"),
    [
        ("block", 0, f"{KNOWN} is blocked until "),
        ("allow", 0, f"{KNOWN} is allowed whatever it does until "),
        ("limit", 7, f"{KNOWN} is limited to 7 requests a window until "),
    ],
)
def test_an_override_is_set_told_and_undone(
    visitor: Visitor, operations: Operations, clock: Clock, action: str, amount: int, told: str
) -> None:
    answer = visitor.change("/client", client_form(action))
    assert notice(answer).startswith(told)
    assert present(operations) == {
        "kind": action,
        "until": clock() + 600,
        "amount": amount,
        "reason": "r",
        "who": "oncall",
    }
    clock.advance(1)
    undone = visitor.undo(answer)
    assert notice(undone) == f"The override of {KNOWN} is taken back."
    assert present(operations) is None


def test_a_reset_is_asked_about_told_and_undone(
    visitor: Visitor, operations: Operations, clock: Clock
) -> None:
    before = operations.clients.describe(KNOWN)
    asked = visitor.send("/client", client_form("reset"))
    assert "It can be undone for a quarter of an hour" in asked.text
    assert operations.audit.entries()[1] == 0
    answer = visitor.change("/client", client_form("reset", sure=1))
    assert answer.status_code == 404
    assert notice(answer) == f"{KNOWN} is forgotten."
    assert operations.clients.describe(KNOWN) is None
    clock.advance(1)
    undone = visitor.undo(answer)
    assert notice(undone) == f"{KNOWN} is put back as it was before its reset."
    after = operations.clients.describe(KNOWN)
    assert before is not None and after is not None
    assert (after["step"], after["requests"]) == (before["step"], before["requests"])


def test_a_reset_that_is_too_long_ago_is_not_undone(
    visitor: Visitor, operations: Operations, clock: Clock
) -> None:
    visitor.send("/client", client_form("reset", sure=1))
    entry = operations.audit.entries()[0][0]
    clock.advance(901)
    answer = visitor.send("/undo", {"at": repr(entry["at"]), "target": KNOWN})
    assert answer.status_code == 422
    assert "is kept for 15 minutes" in answer.text


def test_a_campaign_is_shown_ended_and_put_back(
    visitor: Visitor, operations: Operations, clock: Clock
) -> None:
    [running] = operations.campaigns.running()
    assert f"/campaign?id={running['id']}" in visitor.open().text
    text = visitor.open(f"/campaign?id={running['id']}").text
    assert "Campaign <bdi>on /login</bdi>" in text
    assert "newcomers that do nothing but log in, and fail" in text
    form = {"id": running["id"], "seconds": 86_400, "reason": "ours"}
    answer = visitor.change("/campaign", form)
    assert notice(answer).startswith("The campaign on /login is ended: none is named")
    assert operations.campaigns.running() == []
    assert "An operator says that this is no attack" in answer.text
    assert operations.audit.entries()[0][0]["reason"] == "ours"
    [muted] = operations.campaigns.muted()
    assert muted["until"] == clock() + 86_400
    clock.advance(1)
    undone = visitor.undo(answer)
    assert notice(undone) == "The campaign on /login goes on."
    assert operations.campaigns.running() == [running]
    clock.advance(1)
    assert notice(visitor.undo(undone)).startswith("The campaign on /login is ended")


def test_a_campaign_that_has_ended_is_told(visitor: Visitor, operations: Operations) -> None:
    for name in ("4189c322", "", HTML):
        answer = visitor.client.get("/admin/page/campaign", query_string={"id": name})
        assert answer.status_code == 404
        visitor.open("/limits")
        form = {"id": name, "seconds": 600}
        assert visitor.send("/campaign", form).status_code == 404
    assert operations.audit.entries() == ([], 0)


def test_undo_restores_the_override_before_with_its_end(
    visitor: Visitor, operations: Operations, worker: Worker, clock: Clock
) -> None:
    override(worker, "limit", KNOWN, seconds=5000.0, reason="first")
    until = clock() + 5000
    clock.advance(1)
    answer = visitor.change("/client", client_form("block"))
    clock.advance(1)
    visitor.undo(answer)
    found = present(operations)
    assert found == {
        "kind": "limit",
        "until": until,
        "amount": 2,
        "reason": "first",
        "who": "oncall",
    }


def test_what_was_cleared_is_restored(
    visitor: Visitor, operations: Operations, worker: Worker, clock: Clock
) -> None:
    override(worker, "block", KNOWN, reason="first")
    before = present(operations)
    clock.advance(1)
    answer = visitor.change("/client", client_form("clear"))
    assert present(operations) is None
    clock.advance(1)
    visitor.undo(answer)
    assert present(operations) == {**before, "who": "oncall"}  # type: ignore[dict-item]


def test_what_another_operator_has_changed_meanwhile_is_not_undone(
    visitor: Visitor, operations: Operations, worker: Worker, clock: Clock
) -> None:
    answer = visitor.change("/client", client_form("block"))
    clock.advance(1)
    override(worker, "allow", KNOWN)
    clock.advance(1)
    fields = dict(re.findall(r'name="(at|target)" value="([^"]*)"', answer.text))
    refused = visitor.send("/undo", fields)
    assert refused.status_code == 422
    assert "nothing was undone" in refused.text
    found = operations.clients.describe(KNOWN)
    assert found is not None and found["override"] is not None
    assert found["override"]["kind"] == "allow"


def test_an_undo_can_be_undone(visitor: Visitor, operations: Operations, clock: Clock) -> None:
    answer = visitor.change("/client", client_form("block"))
    clock.advance(1)
    answer = visitor.undo(answer)
    clock.advance(1)
    visitor.undo(answer)
    assert present(operations) is not None


@pytest.mark.parametrize("verdict", ["good", "abuse"])
def test_feedback_is_noted_and_undone(
    visitor: Visitor, operations: Operations, clock: Clock, verdict: str
) -> None:
    answer = visitor.change("/client", client_form(verdict))
    assert notice(answer) == f"{KNOWN} is noted as {verdict}."
    clock.advance(1)
    visitor.undo(answer)
    found = operations.clients.describe(KNOWN)
    assert found is not None
    assert found["feedback"] is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (client_form("limit", amount="x"), 422),
        (client_form("limit", amount="0"), 422),
        (client_form("block", seconds="-1"), 422),
        (client_form("block", seconds="99999999999"), 422),
        (client_form("block", seconds=""), 422),
        (client_form("block", reason="x" * 501), 422),
        (client_form("block", reason="a\nb"), 422),
        (client_form("nothing"), 400),
        (client_form("block", id=""), 400),
        (client_form("block", id="203.0.113.0/99"), 422),
        (client_form("clear"), 404),
        (client_form("good", id="nobody"), 404),
        (client_form("reset", id="nobody", sure="1"), 404),
    ],
)
def test_a_wrong_form_changes_nothing_and_says_why(
    visitor: Visitor, operations: Operations, fields: dict[str, object], status: int
) -> None:
    before = present(operations)
    answer = visitor.send("/client", fields)
    assert answer.status_code == status
    assert "<h1>" in answer.text
    assert present(operations) == before


def test_limits_are_previewed_changed_and_undone(
    visitor: Visitor, operations: Operations, worker: Worker, clock: Clock
) -> None:
    worker.admitted(60, "busy")
    worker.limiter.flush()
    fields = {"action": "limits", "base_limit": 20, "window_seconds": 60}
    asked = visitor.send("/limits", fields)
    assert asked.status_code == 200
    told = "Of 2 clients, <strong>2</strong> would have been refused <strong>55 requests</strong>"
    assert told in asked.text
    assert "it is 0 clients and 0 requests" in asked.text
    assert "id=busy" in asked.text
    assert operations.site.limits()["base_limit"] == 100
    answer = visitor.change("/limits", {**fields, "sure": 1})
    assert notice(answer) == "Changed: base limit 20."
    assert operations.site.limits()["base_limit"] == 20
    clock.advance(1)
    visitor.undo(answer)
    assert operations.site.limits()["base_limit"] == 100
    assert operations.status.read()["changed"] == {}


def test_a_threshold_is_previewed_with_its_clients(visitor: Visitor) -> None:
    asked = visitor.send("/limits", {"action": "limits", "anomaly_threshold": "-0.2"})
    assert "of the 1 client whose course is kept" in asked.text


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "limits"},
        {"action": "limits", "base_limit": "0"},
        {"action": "limits", "base_limit": "100"},
        {"action": "limits", "anomaly_threshold": "3", "sure": "1"},
        {"action": "mode", "mode": "on", "sure": "1"},
        {"action": "mode", "mode": "enforce", "sure": "1"},
        {"action": "nothing"},
    ],
)
def test_wrong_limits_change_nothing(
    visitor: Visitor, operations: Operations, fields: dict[str, str]
) -> None:
    assert visitor.send("/limits", fields).status_code in (400, 422)
    assert operations.audit.entries() == ([], 0)


def test_the_mode_is_switched_after_its_consequences_and_undone(
    visitor: Visitor, operations: Operations, clock: Clock
) -> None:
    asked = visitor.send("/limits", {"action": "mode", "mode": "shadow"})
    assert "1 client is flagged now" in asked.text
    assert operations.site.mode() == "enforce"
    answer = visitor.change("/limits", {"action": "mode", "mode": "shadow", "sure": 1})
    assert notice(answer) == "The mode is shadow."
    clock.advance(1)
    visitor.undo(answer)
    assert operations.site.mode() == "enforce"


def test_a_model_is_rolled_back_after_a_question_and_undone(
    visitor: Visitor, operations: Operations, clock: Clock
) -> None:
    fields = {"action": "rollback", "version": OLDER_MODEL}
    asked = visitor.send("/models", fields)
    assert "takes the place of model 3" in asked.text
    assert operations.models.describe()["version"] == MODEL
    answer = visitor.change("/models", {**fields, "sure": 1, "reason": "worse"})
    assert notice(answer) == f"Model {OLDER_MODEL} is in force and pinned."
    assert operations.models.describe()["version"] == OLDER_MODEL
    clock.advance(1)
    visitor.undo(answer)
    described = operations.models.describe()
    assert (described["version"], described["pinned"]) == (MODEL, None)


def test_an_unpin_is_undone_with_its_end(
    visitor: Visitor, operations: Operations, clock: Clock
) -> None:
    operations.models.rollback(OLDER_MODEL, "ada", seconds=5000)
    until = clock() + 5000
    clock.advance(1)
    answer = visitor.change("/models", {"action": "unpin", "sure": 1})
    assert operations.models.pinned() is None
    clock.advance(1)
    visitor.undo(answer)
    pinned = operations.models.pinned()
    assert pinned is not None
    assert (pinned["version"], pinned["until"]) == (OLDER_MODEL, until)


def test_a_model_that_is_not_kept_is_told(visitor: Visitor) -> None:
    fields = {"action": "rollback", "version": 99}
    assert visitor.send("/models", fields).status_code == 404
    assert visitor.send("/models", {**fields, "sure": 1}).status_code == 404
    assert visitor.send("/models", {"action": "unpin", "sure": 1}).status_code == 404
    assert visitor.send("/models", {"action": "nothing"}).status_code == 400
    assert visitor.send("/models", {**fields, "version": "x"}).status_code == 422


def test_too_little_to_learn_from_is_told(visitor: Visitor) -> None:
    answer = visitor.send("/models", {"action": "train", "sure": 1})
    assert answer.status_code == 409


def test_a_training_is_started(visitor: Visitor, worker: Worker) -> None:
    learn(worker)
    answer = visitor.change("/models", {"action": "train", "sure": 1})
    assert notice(answer) == "A training has started."
    worker.limiter.close()


@pytest.mark.parametrize("at", ["", "x", "nan", "1.5", "1e999"])
def test_an_unknown_change_is_not_undone(visitor: Visitor, at: str) -> None:
    assert visitor.send("/undo", {"at": at, "target": KNOWN}).status_code in (400, 422)
    assert visitor.open(f"/client?id={KNOWN}&done={at}").status_code == 200


def test_limits_of_routes_are_listed(operations: Operations) -> None:
    text = Visitor(make_app(operations), WRITE).open("/limits").text
    assert "/api/data" in text
