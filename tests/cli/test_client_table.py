"""Test the list of clients for people: no line exceeds 80 columns, whatever they are called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.cli.client_table import COLUMNS, print_clients
from flask_irl.limits.keys import canonical
from flask_irl.operations.results import ClientEntry

HASH = canonical("a name with spaces")
API_KEY = "key:" + "0123456789abcdef01234567"


def entry(client: str = "203.0.113.7", **given: Any) -> ClientEntry:
    made: ClientEntry = {
        "client": client,
        "label": None,
        "country": None,
        "step": 0,
        "factor": 1.0,
        "limit": 100,
        "score": -0.08,
        "is_anomalous": False,
        "override": None,
        "amount": 0,
        "since": None,
        "until": None,
        "reason": "",
        "who": None,
        "last_seen": 1_700_000_000.0,
        "requests_per_minute": 6.25,
        "refused_share": 0.004,
    }
    made.update(given)  # type: ignore[typeddict-item]
    return made


def lines(capsys: pytest.CaptureFixture[str], *entries: ClientEntry) -> list[str]:
    print_clients(entries, False)
    return capsys.readouterr().out.splitlines()


def test_a_client_has_the_figures_that_an_operator_needs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert lines(capsys, entry(), entry("198.51.100.100", requests_per_minute=1371.4)) == [
        "client          limit  req/min  refused  score",
        "203.0.113.7       100      6.2     0.4%  -0.08",
        "198.51.100.100    100    1,371     0.4%  -0.08",
    ]


@pytest.mark.parametrize(
    ("given", "limit", "note"),
    [
        (
            {"override": "block", "until": 1_700_000_000.0, "who": "ann", "reason": "Scrapes."},
            *("blocked", "  blocked by ann until 2023-11-14T22:13:20"),
        ),
        ({"override": "allow", "until": 1.7e9}, "none", "  allowed until 2023-11-14T22:13:20"),
        (
            {"override": "limit", "amount": 7, "until": 1.7e9},
            *("7", "  own limit until 2023-11-14T22:13:20"),
        ),
        (
            {"step": 1, "factor": 0.3, "limit": 30, "reason": "580 requests a minute"},
            *("30", "  step 1: 580 requests a minute"),
        ),
        (
            {"step": 3, "factor": 0.0, "limit": 0, "until": 1.7e9, "reason": "Scans."},
            *("blocked", "  blocked until 2023-11-14T22:13:20"),
        ),
        ({}, "100", None),
        ({"limit": None}, "none", None),
    ],
)
def test_who_is_held_or_let_pass_has_a_line_on_until_when_and_why(
    capsys: pytest.CaptureFixture[str], given: dict[str, Any], limit: str, note: str | None
) -> None:
    _, line, *more = lines(capsys, entry(**given))
    assert line.split()[1] == limit
    assert [text.startswith(note or "-") for text in more] == [True] * (note is not None)
    assert not more or more[0].endswith(str(given.get("reason", "")))


@pytest.mark.parametrize("client", [HASH, API_KEY, "203.0.113.7", "2001:db8:1234:5678::/64"])
def test_an_id_is_shown_whole_with_a_name_beside_it(
    capsys: pytest.CaptureFixture[str], client: str
) -> None:
    heading, line = lines(capsys, entry(client, label="Acme Limited", requests_per_minute=99_999.0))
    assert line.startswith(f"{client}  Acme Limi")
    assert heading.split()[:2] == ["client", "label"]


TEXTS = st.text(max_size=70)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, st.floats(0, 1e7)), min_size=1, max_size=4))
def test_no_line_exceeds_a_terminal(drawn: list[tuple[str, str, str, float]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("click.echo", printed.append)
        print_clients(
            [
                entry(
                    canonical(client),
                    label=label,
                    reason=reason,
                    requests_per_minute=rate,
                    override="block",
                    until=1.7e9,
                    who="somebody with a name that is long",
                )
                for client, label, reason, rate in drawn
            ],
            False,
        )
    assert len(printed) == 1 + 2 * len(drawn)
    assert max(map(len, printed)) <= COLUMNS
    assert all(line.isprintable() for line in printed)
