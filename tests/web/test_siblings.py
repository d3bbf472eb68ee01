"""Test how the processes of a server are told: each says what its real one was seen to say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flask_irl.web.siblings import has_siblings

GUNICORN = {"SERVER_SOFTWARE": "gunicorn/27.0.1"}
UWSGI = {"uwsgi.version": b"2.0.30"}
APACHE = {"SERVER_SOFTWARE": "Apache/2.4.71", "mod_wsgi.version": (4, 9, 4)}
GRANIAN = {"SERVER_SOFTWARE": "Granian"}


@pytest.mark.parametrize("server", [GUNICORN, UWSGI])
@pytest.mark.parametrize("several", [True, False])
def test_a_server_that_knows_is_believed(server: dict[str, Any], several: bool) -> None:
    environ = {**server, "wsgi.multiprocess": several}
    assert has_siblings(environ, ["/bin/gunicorn", "-w", "4"], {}) is several


@pytest.mark.parametrize(("processes", "several"), [(1, False), (2, True)])
def test_apache_says_so_of_one_process_too_and_mod_wsgi_knows_better(
    monkeypatch: pytest.MonkeyPatch, processes: int, several: bool
) -> None:
    module = SimpleNamespace(maximum_processes=processes)
    monkeypatch.setitem(__import__("sys").modules, "mod_wsgi", module)
    assert has_siblings({**APACHE, "wsgi.multiprocess": True}, ["mod_wsgi"], {}) is several


@pytest.mark.parametrize(
    ("arguments", "several"),
    [
        (["/v/granian/__main__.py", "--interface=wsgi", "--workers=2", "shop:app"], True),
        (["/v/bin/granian", "--workers", "2", "shop:app"], True),
        (["/v/bin/granian", "--workers", "1", "shop:app"], False),
        (["/v/bin/granian", "shop:app"], False),
        (["/v/bin/hypercorn", "-w", "3", "shop:asgi"], True),
        (["/v/bin/uvicorn", "--workers", "many", "shop:asgi"], False),
        (["/v/bin/uvicorn", "shop:asgi", "--workers"], False),
        ([], False),
    ],
)
def test_a_server_that_does_not_know_is_asked_by_its_command_line(
    arguments: list[str], several: bool
) -> None:
    granian = {**GRANIAN, "wsgi.multiprocess": False}
    assert has_siblings(granian, arguments, {"WEB_CONCURRENCY": ""}) is several


def test_a_bridge_from_asgi_that_says_so_whatever_is_so_is_not_believed() -> None:
    assert not has_siblings({"wsgi.multiprocess": True}, ["/v/bin/hypercorn", "shop:asgi"], {})
    assert not has_siblings({"wsgi.multiprocess": True}, ["serve.py"], {})


def test_workers_may_be_set_by_a_variable() -> None:
    environ = {"wsgi.multiprocess": True}
    assert has_siblings(environ, ["/v/bin/granian", "shop:app"], {"GRANIAN_WORKERS": "2"})
    assert has_siblings(environ, ["/v/bin/uvicorn", "shop:asgi"], {"WEB_CONCURRENCY": "2"})
    assert not has_siblings(environ, ["/v/bin/uvicorn", "shop:asgi"], {"GRANIAN_WORKERS": "2"})
