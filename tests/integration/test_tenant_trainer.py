"""A trainer for an app with tenants: each gets a model of its own, or a shared one that says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask, request

from flask_irl import IntelligentLimiter, tenant_by_header
from flask_irl.web.state import state_of
from tests.servers import RedisServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0
"""Seconds for what takes two or three on an idle machine."""
TENANTS: Final[dict[str, dict[str, Any]]] = {
    "large": {},
    "small": {},
    "tiny": {},
    "alone": {"shared_model": False},
}
CLIENTS: Final = {"large": 40, "small": 10, "tiny": 8, "alone": 10}
"""Clients of each tenant, of which each gives one row or two."""
ENOUGH: Final = 40
OPTIONS: Final[dict[str, Any]] = {
    "store_timeout": 10.0,
    "min_clients": 1,
    "tenants": TENANTS,
    "tenant_rows": ENOUGH,
}
APP: Final = f"""
from flask import Flask
from flask_irl import IntelligentLimiter, tenant_by_header

app = Flask("shop")
IntelligentLimiter(app, tenant_of=tenant_by_header("X-Tenant", {list(TENANTS)}), **{OPTIONS})
"""


class Shop:
    """An app whose workers never train, a trainer beside it, and an operator's shell."""

    def __init__(self, folder: Path, store: str) -> None:
        (folder / "shop.py").write_text(textwrap.dedent(APP))
        self._folder = folder
        self._log = folder / "log"
        paths = os.pathsep.join([str(ROOT), str(folder)])
        self._environment = {**os.environ, "REDIS_URL": store, "PYTHONPATH": paths}
        self.app = Flask("web")
        IntelligentLimiter(
            self.app,
            storage_uri=store,
            background=False,
            train=False,
            admin=False,
            key_func=lambda: request.headers["X-Client"],
            tenant_of=tenant_by_header("X-Tenant", known=list(TENANTS)),
            **OPTIONS,
        )
        self.app.get("/")(lambda: "hello")
        self.state = state_of(self.app)

    def learn(self) -> None:
        """Send requests of all tenants' clients."""
        client = self.app.test_client()
        for tenant, count in CLIENTS.items():
            for number in range(count):
                for _ in range(8):
                    headers = {"X-Tenant": tenant, "X-Client": f"somebody {number}"}
                    assert client.get("/", headers=headers).status_code == 200
        self.state.flush()

    def limiter(self, tenant: str) -> Any:
        """Give the limiter of a tenant in the web worker."""
        assert self.state.tenants is not None
        return self.state.tenants.limiters.find(tenant)

    @contextmanager
    def trainer(self) -> Iterator[None]:
        """Run ``flask irl trainer``."""
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "shop", "irl", "trainer"],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield
            process.terminate()
            assert process.wait(PATIENCE) == 0, self.log
        finally:
            process.kill()
            process.wait(PATIENCE)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def irl(self, *arguments: str) -> str:
        """Run a command of an operator's in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "shop", "irl", *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with RedisServer() as server:
        shop = Shop(tmp_path_factory.mktemp("shop"), server.url)
        shop.learn()
        with shop.trainer():
            trained = ("large", "alone", "~shared")
            wait_until(lambda: all(accepted(shop.log, x) for x in trained), "three", PATIENCE)
        yield shop
        shop.state.close()


def accepted(log: str, tenant: str) -> bool:
    """Tell whether a trainer's log has a model of a tenant's."""
    lines = log.splitlines()
    return any("training_accepted" in x and x.endswith(f" tenant={tenant}") for x in lines)


def test_a_tenant_with_rows_enough_gets_a_model_of_its_own(shop: Shop) -> None:
    large = shop.limiter("large")
    large.refresh()
    assert (large.trainer.model.version, large.trainer.model.clients) == (1, CLIENTS["large"])
    shown = shop.irl("--tenant", "large", "model")
    assert re.search("^version +1$", shown, re.MULTILINE)
    assert "shared" not in shown


@pytest.mark.parametrize("tenant", ["small", "tiny"])
def test_one_with_fewer_gets_the_model_that_all_such_share_and_says_so(
    shop: Shop, tenant: str
) -> None:
    assert not accepted(shop.log, tenant)
    assert shop.limiter(tenant).store.model_versions() == []
    limiter = shop.limiter(tenant)
    limiter.refresh()
    model = limiter.trainer.model
    assert (model.version, model.clients) == (1, CLIENTS["small"] + CLIENTS["tiny"])
    told = f"shared model: this tenant has {CLIENTS[tenant]} of {ENOUGH} rows"
    for command in ("model", "status"):
        assert told in shop.irl("--tenant", tenant, command)


def test_one_that_keeps_its_rows_to_itself_is_trained_alone(shop: Shop) -> None:
    alone = shop.limiter("alone")
    alone.refresh()
    assert (alone.trainer.model.version, alone.trainer.model.clients) == (1, CLIENTS["alone"])
    assert "shared" not in shop.irl("--tenant", "alone", "model")


def test_the_app_itself_has_no_rows_and_no_model(shop: Shop) -> None:
    assert "training_refused version=0 rows=0" in shop.log
    assert shop.state.limiter.store.model_versions() == []


def test_the_trainer_ends_without_an_error(shop: Shop) -> None:
    assert "trainer_stopped signal=SIGTERM" in shop.log
    assert "Traceback" not in shop.log
