"""Test the commands on models: their changes and their output."""

from __future__ import annotations

import datetime
import re
from typing import NoReturn

import pytest

from flask_irl.errors import TrainingRefused
from flask_irl.model.model import Model
from flask_irl.operations import models
from tests.cli.shell import (
    Site,
    cells,
    is_moment,
    strict,
)

# model, models, rollback


def test_without_a_model_models_are_none_and_model_is_a_complaint(site: Site) -> None:
    assert (site.done("models"), site.json("models")) == ("none\n", [])
    assert "no model is in force yet" in site.failed("model")


def test_model_tells_of_the_one_in_force(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    found = site.json("model")
    assert {
        *("version", "detector", "trained_at", "rows", "clients", "requests", "advisory"),
        *("threshold", "schema", "features", "gate", "versions", "pinned"),
    } == found.keys()
    assert (found["version"], found["versions"], found["clients"]) == (2, [2, 1], 40)
    assert is_moment(found["trained_at"])
    assert re.search(r"^version +2$", site.done("model"), re.MULTILINE)


def test_models_are_listed_newest_first_with_the_one_in_force_marked(
    site: Site, trained: Model
) -> None:
    site.publish(trained, 1, 2)
    found = site.json("models")
    assert [(entry["version"], entry["in_force"]) for entry in found] == [(2, True), (1, False)]
    assert {
        *("version", "trained_at", "age_seconds", "kind", "rows", "clients", "requests"),
        *("flagged_share", "advisory", "readable", "in_force", "pinned"),
    } == found[0].keys()
    assert is_moment(found[0]["trained_at"])
    shown = cells(site.done("models"))
    assert [(line["version"], line["in_force"]) for line in shown] == [
        ("2", "yes"),
        ("1", "no"),
    ]


def test_a_newest_model_that_can_not_be_read_hides_nothing_of_the_others(
    site: Site, trained: Model
) -> None:
    site.publish(trained, 1)
    assert site.engine.store.publish(1, 2, b"nonsense")
    damaged, sound = cells(site.done("models"))
    assert (damaged["version"], damaged["readable"], damaged["rows"]) == ("2", "no", "-")
    assert (sound["version"], sound["readable"], sound["rows"]) == ("1", "yes", str(trained.rows))
    assert [entry["readable"] for entry in site.json("models")] == [False, True]


def test_rollback_puts_an_earlier_model_in_force(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    assert site.done("rollback", "1").startswith("model 1 is in force")
    assert site.json("model")["version"] == 1
    site.engine.refresh()
    assert site.engine.trainer.model.version == 1


def test_rollback_pins_until_unpin(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    told = site.done("rollback", "1", "--reason", "flags our partners")
    assert told.startswith('model 1 is in force and pinned until "unpin"')
    assert site.json("model")["pinned"]["reason"] == "flags our partners"
    assert site.json("status")["rollback"]["version"] == 1
    assert [line["pinned"] for line in cells(site.done("models"))] == ["no", "yes"]
    assert site.done("unpin").startswith("model 1 is no longer pinned")
    assert site.json("status")["rollback"] is None
    assert site.failed("unpin") == "no model is pinned"


def test_a_training_while_a_version_is_pinned_is_no_failure(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    site.done("rollback", "1")
    site.learn()
    found = site.json("train")
    assert (found["result"], found["reason"]) == ("kept_aside", "version 1 is pinned")
    assert site.json("model")["version"] == 1


@pytest.mark.parametrize(
    "given",
    [
        ["--hours", "1.5"],
        ["--until", "2099-01-01T00:00:00Z"],
        ["--until", "2099-01-01T00:00:00+02:00"],
    ],
    ids=" ".join,
)
def test_rollback_pins_for_a_time(
    site: Site, trained: Model, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MAX_SECONDS", 1e10)
    site.publish(trained, 1)
    found = site.json("rollback", "1", *given)
    until = datetime.datetime.fromisoformat(found["until"])
    wanted = (
        datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1.5)
        if given[0] == "--hours"
        else datetime.datetime.fromisoformat(given[1])
    )
    assert abs(until - wanted) < datetime.timedelta(minutes=1)
    assert is_moment(site.json("status")["rollback"]["until"])
    assert is_moment(site.json("model")["pinned"]["until"])


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--hours", "0"], "give a number above 0"),
        (["--hours", "-1"], "give a number above 0"),
        (["--hours", "nan"], "give a number above 0"),
        (["--hours", "many"], "not a valid float"),
        (["--until", "2026-11-27T15:40:00"], "give a time with its zone"),
        (["--until", "tomorrow"], "give a time with its zone"),
        (["--until", "0001-01-01T00:00:00+14:00"], "give a time"),
        (["--until", "2020-01-01T00:00:00Z"], "give a time to come"),
        (["--hours", "1", "--until", "2099-01-01T00:00:00Z"], "not both"),
    ],
    ids=str,
)
def test_a_time_that_is_none_is_wrong_usage_and_changes_nothing(
    local: Site, trained: Model, given: list[str], complaint: str
) -> None:
    local.publish(trained, 1, 2)
    told = " ".join(local.misused("rollback", "1", *given).split())
    assert complaint in told
    assert local.json("model")["version"] == 2


def test_models_show_their_ages_in_words(
    local: Site, trained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.publish(trained, 1)
    for seconds, word in ((1, "1 s"), (119, "119 s"), (300, "5 min"), (7200, "2 h"), (2e5, "2 d")):
        monkeypatch.setattr(local.engine.store, "now", lambda: trained.trained_at + seconds)  # noqa: B023
        assert cells(local.done("models"))[0]["age"] == word


@pytest.mark.parametrize("version", ["3", "999999999", "9" * 40])
def test_rollback_to_a_version_that_is_not_kept_changes_nothing(
    site: Site, trained: Model, version: str
) -> None:
    site.publish(trained, 1, 2)
    assert f"there is no model {version}" in site.failed("rollback", version)
    assert site.json("model")["version"] == 2


def test_rollback_to_a_model_that_can_not_be_read_changes_nothing(
    site: Site, trained: Model
) -> None:
    store = site.engine.store
    assert store.publish(0, 1, b"nonsense")
    site.publish(trained, 2)
    assert "model 1 can't be read" in site.failed("rollback", "1")
    assert store.model_version() == 2


@pytest.mark.parametrize("version", ["0", "-1", "1.5", "one", ""])
def test_a_version_that_is_none_is_wrong_usage(local: Site, version: str) -> None:
    assert "VERSION" in local.misused("rollback", "--", version)


# train


def test_train_tells_what_came_of_it(site: Site) -> None:
    site.learn()
    found = site.json("train")
    members = {"result", "reason", "version", "rows", "clients", "requests", "seconds"}
    assert found.keys() == members
    assert (found["result"], found["reason"], found["version"]) == ("accepted", None, 1)
    results = [entry["after"]["result"] for entry in site.json("audit")]
    assert results == ["accepted", "started"]


@pytest.mark.parametrize(
    ("error", "result"),
    [(TrainingRefused("too few of them"), "refused"), (ValueError("too few of them"), "failed")],
    ids=["refused", "failed"],
)
def test_a_training_that_no_model_comes_of_is_exit_1_with_the_reason(
    site: Site, error: Exception, result: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    site.shell.engine.trainer._fit = fail
    site.learn()
    shown = site.run("train", "--json")
    assert shown.exit_code == 1
    told = strict(shown.stdout)
    assert told["result"] == result
    assert "too few of them" in told["reason"]
    assert re.search(rf"^result +{result}$", site.run("train").stdout, re.MULTILINE)
