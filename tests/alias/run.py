"""Run Flask-Limiter's own tests on ``flask_irl.compat``, in memory and on Redis.

Its source is fetched for the run and unpacked into a temporary folder; nothing of it is kept.
``make test-compat`` sets up the environment that this runs the tests in.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import redis

from tests.find_redis import redis_binary

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / ".venv-alias" / "bin" / "python"
VERSION: Final = "4.1.1"
SOURCE_HASH: Final = "sha256:ca11608fc7eec43dcea606964ca07c3bd4ec1ae89043a0f67f717899a4f48106"
PORT: Final = 46379
"""The port of Redis that the tests themselves name."""
STORES: Final = ("memory://", f"redis://127.0.0.1:{PORT}")
START_SECONDS: Final = 30.0

INTERNALS: Final[Mapping[str, str]] = {
    "test_storage.test_fixed_window[memcached://localhost:31211]": "needs Memcached",
    "test_storage.test_fixed_window[mongodb://localhost:47017]": "needs MongoDB",
    "test_storage.test_moving_window[mongodb://localhost:47017]": "needs MongoDB",
    "test_flask_ext.test_reset_unsupported": "needs Memcached",
    "test_error_handling.test_swallow_error": "patches the strategies of limits",
    "test_error_handling.test_swallow_error_conditional_deduction": (
        "patches the strategies of limits"
    ),
    "test_error_handling.test_no_swallow_error": "patches the strategies of limits",
    "test_error_handling.test_no_swallow_error_conditional_deduction": (
        "patches the strategies of limits"
    ),
    "test_error_handling.test_fallback_to_memory_config": "reads limiter._in_memory_fallback",
    "test_error_handling.test_fallback_to_memory_backoff_check": "patches redis.Redis",
    "test_error_handling.test_fallback_to_memory_with_global_override": "patches redis.Redis",
    "test_error_handling.test_fallback_to_memory": "patches redis.Redis",
    "test_configuration.test_constructor_arguments_over_config": "reads limiter._limiter",
    "test_commands.test_limits_with_test": "spies on limiter.limiter",
    "test_commands.test_limits_with_test_storage_down": "spies on limiter.storage",
    "test_flask_ext.test_custom_meta_limits": "reads limiter._key_func",
}
"""Tests that reach into Flask-Limiter or into storages that there aren't, and how."""


def main() -> int:
    """Run the tests on each store, and print what came of them; 0 if all public ones pass."""
    if not PYTHON.exists():
        print("There is no environment for these tests: make test-compat", file=sys.stderr)
        return 2
    failed = 0
    with tempfile.TemporaryDirectory() as name, _redis():
        folder = _fetch(Path(name))
        for store in STORES:
            results = _run(folder, store, sys.argv[1:])
            failed += _report(store, results)
    return 1 if failed else 0


def _fetch(folder: Path) -> Path:
    """Fetch the source, and unpack it; returns the folder that has the tests."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"flask-limiter=={VERSION} --hash={SOURCE_HASH}\n")
    subprocess.run(
        [
            *(PYTHON, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"),
            *("--require-hashes", "--requirement", wanted, "--dest", folder),
        ],
        check=True,
    )
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    tests = folder / "run"
    tests.mkdir()
    # Alone, so that what they import isn't Flask-Limiter.
    (unpacked / "tests").rename(tests / "tests")
    return tests


def _run(folder: Path, store: str, arguments: list[str]) -> dict[str, str]:
    """Run the tests on a store; returns what came of each, by module and name."""
    report = folder / "report.xml"
    environment = {
        **os.environ,
        "ALIAS_STORE": store,
        "PYTHONPATH": str(Path(__file__).parent),
    }
    subprocess.run(
        [
            *(PYTHON, "-m", "pytest", "-c", os.devnull, "--rootdir", folder, "-q", "--tb=short"),
            *("-p", "alias_plugin", "-p", "no:cacheprovider", "-W", "ignore"),
            *(f"--junit-xml={report}", "tests", *arguments),
        ],
        cwd=folder,
        env=environment,
        check=False,
    )
    results = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        module = case.get("classname", "").rpartition(".")[2]
        outcomes = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        outcome = outcomes[0] if outcomes else "passed"
        results[f"{module}.{case.get('name')}"] = outcome
    return results


def _report(store: str, results: Mapping[str, str]) -> int:
    """Print what came of the tests; returns how many of the public ones didn't pass."""
    public = {name: x for name, x in results.items() if name not in INTERNALS}
    failed = sorted(name for name, x in public.items() if x != "passed")
    passed = sum(x == "passed" for x in results.values())
    print(f"\nFlask-Limiter {VERSION} on flask_irl.compat, {store.partition('://')[0]}:")
    print(f"  {len(public) - len(failed)} of {len(public)} tests of the public API passed")
    print(f"  {passed} of all {len(results)} passed; not, of those that reach further:")
    for name, reason in INTERNALS.items():
        if results.get(name, "passed") != "passed":
            print(f"    {name}: {reason}")
    for name in failed:
        print(f"  FAILED {name}")
    print(flush=True)
    return len(failed)


@contextmanager
def _redis() -> Iterator[None]:
    """Run a Redis server on the port that the tests name."""
    binary, _ = redis_binary()
    with tempfile.TemporaryDirectory() as folder:
        arguments = ("--port", str(PORT), "--save", "", "--dir", folder, "--bind", "127.0.0.1")
        with subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL) as server:
            try:
                _wait()
                yield
            finally:
                server.terminate()


def _wait() -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(host="127.0.0.1", port=PORT) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


if __name__ == "__main__":
    sys.exit(main())
