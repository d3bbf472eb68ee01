"""The tests' own Prometheus: which one is taken, how it is installed, what it answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import prometheus
from tests.prometheus import PrometheusServer, scrape_config
from tests.scripts import write_script
from tests.servers import HOST, free_port, wait_until


def test_the_one_on_path_is_taken_wherever_it_writes_its_version(bare_path: Path) -> None:
    server = write_script(
        bare_path / "prometheus", "echo 'prometheus, version 2.42.0+ds (branch: x)'"
    )
    tool = write_script(bare_path / "promtool", "echo 'promtool, version 2.42.0+ds' >&2")
    found = prometheus.find_prometheus()
    assert (found.prometheus, found.promtool) == (server, tool)
    assert found.description.startswith("Prometheus 2.42.0 (")


def test_a_named_one_goes_before_that_on_path(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("prometheus", "promtool", "another"):
        write_script(bare_path / name, "echo 'prometheus, version 3.1.0'")
    monkeypatch.setenv(prometheus.OVERRIDES["prometheus"], str(bare_path / "another"))
    assert prometheus.find_prometheus().prometheus == bare_path / "another"


def test_one_that_does_not_run_is_refused(bare_path: Path) -> None:
    write_script(bare_path / "prometheus", "exit 127")
    write_script(bare_path / "promtool", "echo 'promtool, version 2.42.0'")
    with pytest.raises(prometheus.NoPrometheusError, match="prometheus does not run"):
        prometheus.find_prometheus()


def test_a_missing_one_is_installed(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_script(
        bare_path / "apt-get",
        f"""[ "$1" = install ] || exit 0
        for name in prometheus promtool; do
          printf '#!/bin/sh\\necho $0, version 2.42.0\\n' > {bare_path}/$name
          /bin/chmod +x {bare_path}/$name
        done""",
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert prometheus.main() == 0
    output = capfd.readouterr().out
    assert "install --yes --no-install-recommends prometheus" in output
    assert "Prometheus of the tests: Prometheus 2.42.0" in output


def test_who_may_not_install_is_told_what_to_install(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_script(bare_path / "apt-get", "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert prometheus.main() == 1
    output, errors = capfd.readouterr()
    assert output == ""
    assert "no prometheus on PATH" in errors
    assert "apt-get install prometheus" in errors


@pytest.mark.integration
@pytest.mark.slow
def test_it_scrapes_answers_and_leaves_nothing_behind() -> None:
    nobody = f"{HOST}:{free_port()}"
    with PrometheusServer(scrape_config({"nobody": nobody})) as server:
        wait_until(lambda: server.query("up"), "a scrape")
        [sample] = server.query("up")
        assert (sample.labels["instance"], sample.value) == (nobody, 0)
        assert server.value("sum(up) + 2") == 2
        assert server.value("nothing") is None
        assert server.query("1 + 1")[0].value == 2
        with pytest.raises(ValueError, match="unclosed left parenthesis"):
            server.query("sum(")
        [target] = server.api("targets")["activeTargets"]
        assert target["health"] == "down"
    assert not server.folder.exists()


@pytest.mark.integration
def test_a_configuration_that_it_refuses_is_told_with_its_reason() -> None:
    with pytest.raises(RuntimeError, match="field nonsense not found"):
        PrometheusServer("nonsense: 1").__enter__()
