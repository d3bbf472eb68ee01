"""Test the program that measures how far a Redis goes; its speed is not tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")
pytest.importorskip("throttled", reason="needs the dependency group bench")

from loadtests.bench.cases.subject import BenchError
from loadtests.scale import workers
from loadtests.scale.__main__ import main, table_of
from loadtests.scale.sites import Site
from loadtests.scale.workers import Scaled, measure
from loadtests.tables import as_text
from tests.servers import HOST, free_port


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WARM_SECONDS", {"sparse": 0.0, "dense": 0.0})


@pytest.mark.integration
@pytest.mark.slow
def test_a_redis_and_a_cluster_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scale.json"
    command = "--workers 1,2 --masters 0,1 --clustered 1 --clients 20 --seconds 0.1 --json"
    assert main([*command.split(), str(path)]) == 0
    found = json.loads(path.read_text())["scaled"]
    assert [(each["masters"], each["shape"], each["workers"]) for each in found] == [
        (0, "sparse", 1),
        (0, "sparse", 2),
        (0, "dense", 1),
        (0, "dense", 2),
        (1, "sparse", 1),
        (1, "dense", 1),
    ]
    assert all(each["rate"] > 0 and each["server"] > 0 for each in found)
    assert capsys.readouterr().out.count("cluster of 1") == 2


def test_a_store_that_does_not_decide_is_no_figure() -> None:
    site = Site(0, f"redis://{HOST}:{free_port()}/0", ())
    with pytest.raises(BenchError, match="worker 0: BenchError: a client was answered"):
        measure(site, "sparse", clients=1, workers=1, seconds=0.1)


def test_the_table_tells_where_a_redis_is_full() -> None:
    busy = Scaled(0, "sparse", 8, rate=24_000.0, busiest=0.96, server=40.0, worker=70.0)
    idle = Scaled(3, "dense", 8, rate=30_000.0, busiest=0.25, server=8.4, worker=70.0)
    first, second = as_text(table_of([busy, idle])).splitlines()[-2:]
    assert first.split() == "one Redis sparse 8 24,000 96% (full) 25,000 40 70".split()
    assert second.split() == "cluster of 3 dense 8 30,000 25% 120,000 8 70".split()


def test_numbers_that_are_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--workers", "1,two"])
    assert "'1,two' is no list of numbers" in capsys.readouterr().err
