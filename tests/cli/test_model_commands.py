"""Test the commands on models: their changes and their output."""

from __future__ import annotations

import re
from typing import NoReturn

import pytest

from flask_irl.errors import TrainingRefused
from flask_irl.model.model import Model
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
        *("threshold", "schema", "features", "gate", "versions"),
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
        *("version", "trained_at", "rows", "clients", "requests", "advisory"),
        *("readable", "in_force"),
    } == found[0].keys()
    assert is_moment(found[0]["trained_at"])
    shown = cells(site.done("models"))
    assert [(line["version"], line["in_force"]) for line in shown] == [
        ("2", "True"),
        ("1", "False"),
    ]


def test_a_newest_model_that_can_not_be_read_hides_nothing_of_the_others(
    site: Site, trained: Model
) -> None:
    site.publish(trained, 1)
    assert site.engine.store.publish(1, 2, b"nonsense")
    damaged, sound = cells(site.done("models"))
    assert (damaged["version"], damaged["readable"], damaged["rows"]) == ("2", "False", "-")
    assert (sound["version"], sound["readable"], sound["rows"]) == ("1", "True", str(trained.rows))
    assert [entry["readable"] for entry in site.json("models")] == [False, True]


def test_rollback_puts_an_earlier_model_in_force(site: Site, trained: Model) -> None:
    site.publish(trained, 1, 2)
    assert site.done("rollback", "1").startswith("model 1 is in force")
    assert site.json("model")["version"] == 1
    site.engine.refresh()
    assert site.engine.trainer.model.version == 1


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
