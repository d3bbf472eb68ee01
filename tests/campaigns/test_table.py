"""Keep campaigns and what is usual in the store, whatever others have written there."""

from __future__ import annotations

import json

import pytest

from flask_irl.campaigns import criteria, news
from flask_irl.campaigns.activity import HOUR, MINUTE, SHORT, Activity
from flask_irl.campaigns.campaign import ALL, Campaign, Subject, Table, decode
from flask_irl.campaigns.site_view import MOST_LOGINS, MOST_NETWORKS, SiteView

LOGIN = Subject("login", "/login", "direct")
RUNNING = Campaign(LOGIN, 1_700_000_000.0, 12.0, 34.0, 0.5, slow=True)
NOT_JSON = (b"", b"x", b"[]", b"5", b"null", b"\xff", b"{" * 5000, b'{"campaigns": 5}')


def _kind_of(value: object) -> str:
    return str(value)[:4]


def test_a_table_comes_back_with_what_is_muted() -> None:
    table = Table({LOGIN: RUNNING}, {Subject("network", "n", "taking"): 5.0}, workers=3)
    assert decode(table.encode()) == table


def test_what_a_later_version_writes_into_a_table_is_read_as_far_as_it_is_known() -> None:
    members = json.loads(Table({LOGIN: RUNNING}).encode())
    members["campaigns"][0]["colour"] = "red"
    members["campaigns"].append({"subject": ["planet", "x", "y"], "since": 5})
    assert decode(json.dumps({**members, "more": [1]}).encode()) == Table({LOGIN: RUNNING})


@pytest.mark.parametrize("data", NOT_JSON)
def test_a_damaged_table_is_empty(data: bytes) -> None:
    assert decode(data) == Table()


@pytest.mark.parametrize(
    "number", ["x", None, -1, 10**400, float("nan"), float("inf"), [], {}], ids=_kind_of
)
def test_a_campaign_with_a_number_that_is_none_is_left_out(number: object) -> None:
    members = json.loads(Table({LOGIN: RUNNING}, {LOGIN: 5.0}).encode())
    members["campaigns"][0]["per_minute"] = number
    assert decode(json.dumps(members).encode()) == Table({}, {LOGIN: 5.0})


@pytest.mark.parametrize("until", ["x", None, 10**400], ids=_kind_of)
def test_a_muted_subject_without_a_time_is_left_out(until: object) -> None:
    members = json.loads(Table({LOGIN: RUNNING}, {LOGIN: 5.0}).encode())
    members["muted"][0][3] = until
    assert decode(json.dumps(members).encode()) == Table({LOGIN: RUNNING})


def test_a_number_that_was_written_as_text_is_a_number() -> None:
    members = json.loads(Table({LOGIN: RUNNING}).encode())
    members["campaigns"][0]["per_minute"] = "0.5"
    assert decode(json.dumps(members).encode()) == Table({LOGIN: RUNNING})


@pytest.mark.parametrize("number", [10**400, float("nan"), float("inf"), -1], ids=_kind_of)
def test_a_view_with_a_time_that_is_none_learns_anew(number: float) -> None:
    view = SiteView.decode(json.dumps({"learned_at": number, "learned": number}).encode())
    assert view.encode() == SiteView().encode()


@pytest.mark.parametrize("data", NOT_JSON)
def test_a_damaged_view_begins_anew(data: bytes) -> None:
    assert SiteView.decode(data).activities == {}


@pytest.mark.parametrize("data", [*NOT_JSON, b'{"latest": "nan", "counts": []}'])
def test_damaged_news_are_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^."):
        news.decode(data)


def test_a_view_comes_back() -> None:
    view = SiteView()
    view.add([{LOGIN: {"failed": 3.0, "clients": 2.0}}], 1000.0)
    view.look(Table(), 1000.0)
    view.look(Table(), 1020.0)
    again = SiteView.decode(view.encode())
    assert again.encode() == view.encode()
    assert again.activities[LOGIN].count("failed", HOUR) == pytest.approx(3.0, rel=0.01)


def test_a_view_keeps_a_bounded_number_of_networks() -> None:
    view = SiteView()
    for number in range(MOST_NETWORKS + 50):
        view.add([{Subject("network", str(number), "taking"): {"odd": 1, "judged": 1}}], number)
    assert len(view.activities) == MOST_NETWORKS
    assert Subject("network", "0", "taking") not in view.activities


def test_an_attacked_login_is_kept_on_a_site_with_many_routes_that_change_things() -> None:
    view, table = SiteView(), Table()
    for now in range(1000, 1600, 3):
        busy = {
            Subject("login", f"/api/{route}", sort): {"done": 2.0}
            for route in range(MOST_LOGINS)
            for sort in (ALL, "visitor")
        }
        attack = {LOGIN: {"failed": 3.0, "clients": 3.0}, LOGIN._replace(sort=ALL): {"failed": 3.0}}
        view.add([{**busy, **attack}], now, table.campaigns)
        table = view.look(table, now).table
    assert table.campaigns.keys() == {LOGIN}


def test_counts_fade_and_go_on_after_the_clock_was_set_back() -> None:
    activity = Activity(1000.0)
    activity.add({"failed": 10.0}, 1000.0)
    activity.fade(1300.0)
    faded = [activity.count("failed", place) for place in (MINUTE, SHORT, HOUR)]
    assert faded == pytest.approx([0.0674, 3.679, 9.2], rel=0.01)
    activity.fade(500.0)
    activity.fade(800.0)
    assert activity.count("failed", SHORT) == pytest.approx(1.353, rel=0.01)


def test_a_campaign_begins_and_ends_in_time_after_the_clock_was_set_back() -> None:
    view, table = SiteView(), Table()

    def look(start: int, end: int, failed: float) -> Table:
        running = table
        for now in range(start, end, 3):
            counts = {"failed": failed, "clients": failed}
            view.add([{LOGIN: counts}] if failed else [], now, running.campaigns)
            running = view.look(running, now).table
        return running

    table = look(9000, 9030, 3.0)
    assert not table.campaigns
    table = look(5400, 5460, 3.0)
    assert table.campaigns.keys() == {LOGIN}
    table = look(5460, 5700, 0.0)
    assert table.campaigns[LOGIN].calm_since
    table = look(1800, 2160, 0.0)
    assert not table.campaigns


@pytest.mark.parametrize("quiet", [0, 2 * 3600])
@pytest.mark.parametrize(("odd", "seconds"), [(1, 12), (1, 3), (2, 3)])
def test_newcomers_that_are_of_a_sort_from_the_first_are_usual_there(
    odd: int, seconds: int, quiet: int
) -> None:
    view, table = SiteView(), Table()
    leafing = Subject("site", "", "leafing")
    for now in range(10_000 - quiet, 10_000, 10):
        view.add([{LOGIN._replace(sort=ALL): {"done": 1}}], now)
        view.look(table, now)
    for now in range(10_000, 10_000 + 2 * 3600, seconds):
        view.add([{leafing: {"judged": 2, "odd": odd}}], now, table.campaigns)
        table = view.look(table, now).table
        assert not table.campaigns, f"after {now - 10_000} s"


@pytest.mark.parametrize(("done", "failed", "goes_on"), [(1, 0, False), (0, 1, True)])
def test_those_that_are_refused_keep_no_campaign_up_where_those_let_through_log_in_well(
    done: int, failed: int, goes_on: bool
) -> None:
    view, table = SiteView(), Table({LOGIN: RUNNING})
    for minute in range(60):
        # Many more than usual, all but one in two minutes of them refused.
        let = minute % 2
        counts = {"done": done * let, "failed": failed * let, "refused": 20}
        now = RUNNING.since + 60.0 * minute
        view.add([{LOGIN: counts}], now, table.campaigns)
        table = view.look(table, now).table
    assert bool(table.campaigns) is goes_on


def test_a_campaign_of_newcomers_ends_at_last_and_is_not_named_again() -> None:
    leafing = Subject("site", "", "leafing")
    view, table = SiteView(), Table()
    began = 0
    for now in range(0, 12 * 3600, 10):
        odd = 0 if now < 3600 else 2
        view.add([{leafing: {"judged": 2, "odd": odd}}], now, table.campaigns)
        outcome = view.look(table, now)
        table, began = outcome.table, began + len(outcome.began)
        longest = [now - campaign.since for campaign in table.campaigns.values()]
        assert not longest or max(longest) < criteria.LONGEST_SECONDS
    assert began == 1
    assert not table.campaigns


def test_a_burst_teaches_little_of_what_is_usual() -> None:
    activity = Activity(0.0)
    for second in range(0, 600, 10):
        activity.add({"failed": 100.0}, second)
        activity.learn(10.0)
    assert activity.expected("failed", SHORT) < 3.0
