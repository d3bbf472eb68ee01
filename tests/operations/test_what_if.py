"""Test what another threshold or limit would do, on both stores."""

from __future__ import annotations

import pytest

from flask_irl.errors import ConfigurationError
from tests.operations.worker import Site, Worker, override


def asked(worker: Worker, site: Site, client: str, times: int) -> None:
    """Send requests of a client within a second, and learn from them."""
    for path in range(times):
        worker.ask(client, path=path)
    worker.limiter.flush()


def test_a_threshold_names_those_that_it_would_flag(site: Site, here: Worker) -> None:
    for number, score in enumerate((-0.1, -0.3, -0.45, -0.9)):
        asked(here, site, f"c{number}", 10)
        here.flag(f"c{number}", score, step=int(score < -0.5))
    found = here.operations.what_if.threshold(-0.25)
    assert [client["client"] for client in found["more"]] == ["c2", "c1"]
    assert (found["clients"], found["flagged"], found["fewer_total"]) == (4, 1, 0)
    found = here.operations.what_if.threshold("-0.95")
    assert found["more"] == []
    assert [client["client"] for client in found["fewer"]] == ["c3"]


def test_those_that_are_overridden_or_not_judged_yet_are_left_out(site: Site, here: Worker) -> None:
    asked(here, site, "held", 10)
    asked(here, site, "new", 2)
    for client in ("held", "new"):
        here.flag(client, -0.4, step=0)
    override(here, "allow", "held")
    assert here.operations.what_if.threshold(-0.25)["more_total"] == 0


def test_a_limit_tells_who_would_be_refused_how_much(site: Site, here: Worker) -> None:
    for client, times in (("a", 4), ("b", 8), ("c", 10)):
        asked(here, site, client, times)
    found = here.operations.what_if.base_limit(6, 60)
    assert [client["client"] for client in found["affected"]] == ["c", "b"]
    assert (found["clients"], found["refused_clients"]) == (3, 2)
    assert found["refused_per_minute"] == pytest.approx(6, abs=0.5)
    assert (found["present_clients"], found["present_per_minute"]) == (0, 0.0)
    # A window of half a minute has half the rate.
    assert here.operations.what_if.base_limit(3, 30)["refused_clients"] == 2


@pytest.mark.parametrize("value", ["x", 1, None, "nan"])
def test_what_is_no_threshold_is_named(here: Worker, value: object) -> None:
    with pytest.raises(ConfigurationError, match="anomaly_threshold"):
        here.operations.what_if.threshold(value)


def test_what_is_no_limit_is_named(here: Worker) -> None:
    with pytest.raises(ConfigurationError, match="base_limit"):
        here.operations.what_if.base_limit(0, 60)
    with pytest.raises(ConfigurationError, match="window_seconds"):
        here.operations.what_if.base_limit(5, 0)


def test_without_a_client_nothing_would_change(here: Worker) -> None:
    assert here.operations.what_if.threshold(-0.1)["clients"] == 0
    assert here.operations.what_if.base_limit(1, 60)["refused_clients"] == 0


# Limits with what is left


def test_what_is_left_is_told_and_nothing_is_counted(site: Site, here: Worker) -> None:
    here.admitted(4)
    for _ in range(2):
        [left] = here.operations.quota.left("c")
        assert (left["scope"], left["limit"], left["remaining"]) == ("", 10, 6)


def test_what_is_left_of_an_unknown_client_is_all(here: Worker) -> None:
    [left] = here.operations.quota.left("nobody")
    assert left["remaining"] == left["limit"] == 10


def test_a_client_that_is_allowed_everything_has_no_limits(here: Worker) -> None:
    override(here, "allow")
    assert here.operations.quota.left("c") == []


def test_a_blocked_client_has_nothing_left(here: Worker) -> None:
    override(here, "block")
    [left] = here.operations.quota.left("c")
    assert (left["limit"], left["remaining"]) == (0, 0)
