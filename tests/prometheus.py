"""Run the real Prometheus and promtool of the tests, and install them if they are missing."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.find_redis import install_with_apt
from tests.redis_server import HOST, Closing, end, free_port, wait_until

OVERRIDES = {"prometheus": "TEST_PROMETHEUS", "promtool": "TEST_PROMTOOL"}
"""Environment variable by command: the path of another program than that on PATH."""

PACKAGE = "prometheus"
"""Debian's package, which holds both."""

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0
ANSWER_TIMEOUT = 30.0
TOOL_TIMEOUT = 120.0
"""Seconds, on a busy machine; the first start reads a large program from the disk."""


class NoPrometheusError(RuntimeError):
    """Report that there is no usable Prometheus, why, and the package to install."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Name a Prometheus server, and the promtool that came with it."""

    prometheus: Path
    promtool: Path
    description: str
    """Description for people, such as ``Prometheus 2.42.0 (/usr/bin/prometheus)``."""


class Sample(NamedTuple):
    """Give the value of one series at an instant."""

    labels: Mapping[str, str]
    """Labels, with ``__name__`` if the query keeps it."""
    value: float


def find_prometheus() -> Programs:
    """Choose the programs: ``prometheus`` and ``promtool`` on PATH.

    The environment variables TEST_PROMETHEUS and TEST_PROMTOOL name others.

    Raises:
        NoPrometheusError: One of the two isn't there or doesn't run.
    """
    (server, version), (tool, _) = (_find(command) for command in OVERRIDES)
    return Programs(server, tool, f"Prometheus {version} ({server}, with {tool})")


def install_prometheus_if_missing() -> None:
    """Install Debian's package with apt-get if it isn't complete and this user may; print it."""
    if any(_path_of(command) is None for command in OVERRIDES):
        install_with_apt("Prometheus", PACKAGE)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; its output is in ``stdout``, errors included."""
    return subprocess.run(
        [find_prometheus().promtool, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TOOL_TIMEOUT,
    )


def scrape_config(
    targets: Mapping[str, str], *, interval: str = "1s", rule_files: tuple[Path, ...] = ()
) -> str:
    """Write a configuration that scrapes some addresses.

    Args:
        targets: ``host:port`` by the name of the job.
        interval: Time between scrapes, and between evaluations of rules.
        rule_files: Absolute paths of rules.
    """
    config = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(path) for path in rule_files],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]}
            for job, address in targets.items()
        ],
    }
    # All JSON is YAML.
    return json.dumps(config, indent=2)


class PrometheusServer(Closing):
    """Run a server on a free loopback port, its data in a temporary folder, in a ``with`` block.

    Args:
        config: Configuration in YAML; ``scrape_config()`` writes a simple one.
        arguments: Further arguments of the command line.
    """

    def __init__(self, config: str, *arguments: str) -> None:
        self.port = free_port()
        self.programs = find_prometheus()
        self.folder = Path(tempfile.mkdtemp(prefix="irl-prometheus-"))
        self._config = config
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        _open_servers.add(self)

    @property
    def url(self) -> str:
        """Give the address at which it answers."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """Read its log."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it is ready; raises ``RuntimeError`` with its log if it ends."""
        config = self.folder / "prometheus.yml"
        config.write_text(self._config)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self.programs.prometheus,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address={HOST}:{self.port}",
                    f"--web.external-url={self.url}",
                    "--log.level=warn",
                    *self._arguments,
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._ready, f"Prometheus at {self.url}", START_TIMEOUT)

    def close(self) -> None:
        """End it and remove its folder."""
        process, self._process = self._process, None
        if process is not None:
            end(process, STOP_TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)
        _open_servers.discard(self)

    def query(self, expression: str, *, at: float | None = None) -> list[Sample]:
        """Evaluate an expression whose answer is a vector or a scalar.

        Args:
            expression: In PromQL.
            at: When, in seconds since the epoch; now if not given.

        Raises:
            ValueError: Prometheus can't evaluate it; the message is its own.
        """
        moment = {} if at is None else {"time": str(at)}
        data = self.api("query", query=expression, **moment)
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(each["metric"], float(each["value"][1])) for each in data["result"]]

    def value(self, expression: str) -> float | None:
        """Evaluate an expression that gives one series at most; None if it gives none.

        Raises:
            ValueError: It gives several.
        """
        series = self.query(expression)
        if len(series) > 1:
            raise ValueError(f"{expression} gives {len(series)} series")
        return series[0].value if series else None

    def api(self, path: str, **parameters: str) -> Any:
        """Fetch the ``data`` of an answer of ``/api/v1``, such as ``targets`` or ``alerts``.

        Raises:
            ValueError: Prometheus refuses; the message is its own.
        """
        url = f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        try:
            # Its own address, so never another scheme than http.
            with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT) as response:  # noqa: S310
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                answer = error.read().decode(errors="replace")
            raise ValueError(f"Prometheus refuses {path} {parameters}: {answer}") from error

    @property
    def owned(self) -> bool:
        """Tell whether this process made it, and did not merely inherit it in a fork."""
        return self._owner == os.getpid()

    def _ready(self) -> bool:
        # First: the port could have been taken by another server in the meantime.
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"Prometheus ended at its start:\n{self.log[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=ANSWER_TIMEOUT) as response:  # noqa: S310
                return bool(response.status == 200)
        except OSError:
            return False


def main() -> int:
    """Make sure that there is a Prometheus, and print its version and path."""
    install_prometheus_if_missing()
    try:
        programs = find_prometheus()
    except NoPrometheusError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Prometheus of the tests: {programs.description}", flush=True)
    return 0


def _find(command: str) -> tuple[Path, str]:
    path = _path_of(command)
    if path is None:
        raise _no_prometheus(f"no {command} on PATH")
    version = _version(path)
    if version is None:
        raise _no_prometheus(f"{path} does not run")
    return path, version


def _path_of(command: str) -> Path | None:
    path = os.environ.get(OVERRIDES[command]) or shutil.which(command)
    return Path(path) if path else None


def _version(path: Path) -> str | None:
    try:
        # Old ones write it to stderr.
        result = subprocess.run(
            [path, "--version"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TOOL_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"version (\d+(?:\.\d+)+)", result.stdout)
    return match[1] if result.returncode == 0 and match else None


def _no_prometheus(reason: str) -> NoPrometheusError:
    return NoPrometheusError(
        f"The tests need Prometheus and its promtool: {reason}. Install both (Debian: apt-get "
        f"install {PACKAGE}) or name them in {' and '.join(OVERRIDES.values())}."
    )


_open_servers: set[PrometheusServer] = set()


@atexit.register
def _close_servers() -> None:
    for server in list(_open_servers):
        if server.owned:
            server.close()
