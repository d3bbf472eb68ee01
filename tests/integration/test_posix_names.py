"""Test that nothing but POSIX has is needed: import, requests over both stores, commands.

The names that Windows lacks are taken away once the libraries are loaded, which have their own ways
there. It is no Windows: what it does otherwise isn't seen here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = pytest.mark.integration

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 60

SCRIPT: Final = r"""
import importlib, json, logging, os, pkgutil, select, signal, socket, sys, time

# What a name of POSIX is needed for at their import.
import apscheduler.schedulers.background, asyncio, concurrent.futures.thread, subprocess
import flask, flask.cli, flask.testing, limits, numpy, redis, redis.cluster, redis.sentinel
import flask_smorest, flask_swagger_ui, matplotlib.figure, prometheus_client, rich.table
import prometheus_flask_exporter.multiprocess, flask_login, sklearn.ensemble

NAMES = {
    os: '''fork forkpty register_at_fork nice getuid geteuid getgid getegid getgroups setuid setgid
        setsid getsid getpgid getpgrp setpgid killpg uname getloadavg sysconf confstr statvfs
        sched_getaffinity sched_yield chown fchown fchmod chroot mkfifo mknod posix_spawn pipe2
        wait wait3 wait4 WIFEXITED WEXITSTATUS WIFSIGNALED WTERMSIG WNOHANG ctermid openpty
        pread pwrite sendfile lockf get_blocking set_blocking getxattr memfd_create eventfd
        O_NONBLOCK O_CLOEXEC O_NOFOLLOW O_DIRECTORY O_SYNC EX_OK''',
    socket: '''AF_UNIX AF_NETLINK AF_PACKET MSG_DONTWAIT MSG_NOSIGNAL MSG_EOR SO_REUSEPORT
        SO_PEERCRED SCM_RIGHTS CMSG_LEN CMSG_SPACE send_fds recv_fds sethostname TCP_DEFER_ACCEPT
        TCP_USER_TIMEOUT''',
    signal: '''SIGALRM SIGHUP SIGKILL SIGUSR1 SIGUSR2 SIGCHLD SIGPIPE SIGQUIT SIGSTOP SIGCONT
        SIGTSTP SIGWINCH setitimer getitimer ITIMER_REAL alarm pause pthread_kill pthread_sigmask
        sigwait sigpending siginterrupt sigtimedwait''',
    select: "poll epoll EPOLLIN POLLIN",
    time: "tzset pthread_getcpuclockid clock_gettime clock_settime",
}
MODULES = "fcntl resource pwd grp spwd crypt termios tty pty syslog posix curses readline".split()
taken = []
for module, names in NAMES.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
            taken.append(name)
for name in MODULES:
    sys.modules[name] = None

import flask_irl

modules = [m.name for m in pkgutil.walk_packages(flask_irl.__path__, "flask_irl.")]
for name in modules:
    importlib.import_module(name)

logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
told = {}
for kind, uri in (("memory", "memory://"), ("redis", sys.argv[1])):
    app = flask.Flask("site")
    limiter = flask_irl.IntelligentLimiter(
        app, storage_uri=uri, base_limit=3, store_timeout=10.0, authorize=lambda scope: "ann"
    )
    app.add_url_rule("/", "index", lambda: "hello")
    client = app.test_client()
    codes = [client.get("/").status_code for _ in range(5)]
    with app.app_context():
        limiter.flush()
        healthy = limiter.healthy
    status = app.test_cli_runner().invoke(flask_irl.cli.irl, ["status", "--json"])
    block = app.test_cli_runner(env={n: "" for n in ("LOGNAME", "USER", "LNAME", "USERNAME")})
    blocked = block.invoke(flask_irl.cli.irl, ["block", "127.0.0.1", "--seconds", "60"])
    told[kind] = {
        "codes": codes,
        "healthy": healthy,
        "seen": client.get("/admin/stats").get_json()["total_requests"],
        "status": status.exit_code,
        "block": [blocked.exit_code, repr(blocked.exception)],
        "then": client.get("/").status_code,
    }
    limiter.close()
print()
print(json.dumps([len(taken), len(modules), told]))
"""


@pytest.mark.slow
def test_without_the_names_of_posix_it_is_imported_and_serves(redis_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, redis_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    taken, modules, told = json.loads(done.stdout.splitlines()[-1])
    assert (taken > 50, modules > 100) == (True, True)
    expected: dict[str, Any] = {
        "codes": [200, 200, 200, 429, 429],
        "healthy": True,
        "seen": 5,
        "status": 0,
        "block": [0, "None"],
        "then": 429,
    }
    assert told == {"memory": expected, "redis": expected}
    assert done.stderr == ""
