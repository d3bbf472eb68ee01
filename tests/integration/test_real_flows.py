"""Real clients of real apps, with the limiter's defaults: nobody ordinary is refused or flagged."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3
import pytest
import requests
import strawberry
from apiflask import APIFlask, Schema
from apiflask.fields import String
from apiflask.validators import Length
from botocore.config import Config
from botocore.exceptions import ClientError
from dash import Dash, Input, Output, dcc, html
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api, Blueprint
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from strawberry.flask.views import GraphQLView

from flask_irl import IntelligentLimiter
from flask_irl.limiter.open import open_limiter
from tests.chromium import chromium_with
from tests.conftest import Clock
from tests.integration.host import PATIENCE, Host
from tests.servers import wait_until

# Its types allow only the names of services, and export nothing.
moto_server: Any = importlib.import_module("moto.server")

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def left_since(before: set[threading.Thread]) -> list[str]:
    """Name the threads that are new and aren't of the test's own server.

    That has one for each connection, which the browser may keep open.
    """
    names = (thread.name for thread in set(threading.enumerate()) - before)
    return [name for name in names if "process_request_thread" not in name]


@pytest.fixture(autouse=True)
def quiet(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """See to it that a flow leaves no thread, no output on standard error and no log line."""
    before = set(threading.enumerate())
    caplog.set_level(logging.WARNING, "flask_irl")
    yield
    # Closing waits for none of them.
    wait_until(lambda: not left_since(before), "an end of all threads", PATIENCE)
    assert capfd.readouterr().err == ""
    assert [record.getMessage() for record in caplog.records] == []


@pytest.fixture
def moto() -> Iterator[Host]:
    """Serve moto, whose apps come into being with the first request of each service."""
    apps: list[Flask] = []

    def limited(service: str) -> Flask:
        app: Flask = moto_server.create_backend_app(service)
        IntelligentLimiter(app)
        apps.append(app)
        return app

    with Host(moto_server.DomainDispatcherApplication(limited), lambda: apps) as host:
        yield host


def test_boto3_keeps_files_in_moto(moto: Host) -> None:
    # One try each: none of them may be needed twice.
    config = Config(retries={"total_max_attempts": 1})
    account = {"aws_access_key_id": "somebody", "aws_secret_access_key": "secret"}
    s3 = boto3.client("s3", "us-east-1", endpoint_url=moto.url, config=config, **account)
    s3.create_bucket(Bucket="files")
    names = [f"{number}.txt" for number in range(20)]
    for name in names:
        with pytest.raises(ClientError, match="404"):
            s3.head_object(Bucket="files", Key=name)
        s3.put_object(Bucket="files", Key=name, Body=name.encode(), IfNoneMatch="*")
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.put_object(Bucket="files", Key=name, Body=b"another", IfNoneMatch="*")
        assert s3.get_object(Bucket="files", Key=name)["Body"].read() == name.encode()
    assert s3.list_objects_v2(Bucket="files")["KeyCount"] == len(names)
    s3.close()
    assert (moto.learned, moto.refused, moto.flagged) == (4 * len(names) + 2, 0, [])


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Start a browser."""
    with chromium_with(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


def test_a_dash_page_updates_itself(chromium: Chrome) -> None:
    dash = Dash("board")
    dash.layout = html.Div(
        [
            html.B("tick", id="ticks"),
            dcc.Interval(id="interval", interval=250),
        ]
    )

    @dash.callback(Output("ticks", "data-ticks"), Input("interval", "n_intervals"))
    def show(ticks: int | None) -> str:
        return str(ticks or 0)

    IntelligentLimiter(dash.server)
    with Host.of(dash.server) as host:
        chromium.get(host.url)
        ticks = (By.CSS_SELECTOR, "[data-ticks]")
        WebDriverWait(chromium, PATIENCE).until(
            lambda page: any(
                int(found.get_attribute("data-ticks") or 0) >= 12
                for found in page.find_elements(*ticks)
            )
        )
        chromium.get("about:blank")
        assert host.learned > 20
        assert (host.refused, host.flagged) == (0, [])


class Account(Schema):
    """A form's only field."""

    name = String(required=True, validate=Length(min=20))


def test_an_apiflask_form_checks_at_each_key(
    session: requests.Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_irl.web.state.open_limiter", partial(open_limiter, clock=clock))
    app = APIFlask("shop")

    @app.post("/account/check")
    @app.input(Account)
    def check(json_data: dict[str, Any]) -> dict[str, Any]:
        return {"free": True, "name": json_data["name"]}

    IntelligentLimiter(app)
    name = "bartholomew-of-bavaria"
    with Host.of(app) as host:
        statuses = []
        for end in range(1, len(name) + 1):
            answer = session.post(f"{host.url}/account/check", json={"name": name[:end]})
            statuses.append(answer.status_code)
            clock.advance(1.0)
            assert host.flagged == []
        assert statuses == [422] * 19 + [200] * 3
        assert host.refused == 0


@strawberry.type
class Query:
    """What the GraphQL client asks."""

    @strawberry.field
    def book(self, number: int) -> str:
        """Name a book, if there is one of that number."""
        if number % 2:
            raise ValueError(f"no book {number}")
        return f"book {number}"


def test_a_graphql_client_reads_books_and_errors() -> None:
    app = Flask("library")
    view = GraphQLView.as_view("graphql", schema=strawberry.Schema(Query))
    app.add_url_rule("/graphql", view_func=view)
    IntelligentLimiter(app)
    with Host.of(app) as host:
        transport = RequestsHTTPTransport(f"{host.url}/graphql")
        with Client(transport=transport, fetch_schema_from_transport=True) as client:
            for number in range(40):
                query = gql(f"{{ book(number: {number}) }}")
                if number % 2:
                    with pytest.raises(TransportQueryError, match=f"no book {number}"):
                        client.execute(query)
                else:
                    assert client.execute(query) == {"book": f"book {number}"}
        assert (host.learned, host.refused, host.flagged) == (41, 0, [])


class Pets(MethodView):
    """An endpoint of the host's own API."""

    def get(self) -> list[dict[str, str]]:
        """List the pets."""
        return [{"name": "Bello"}]


def test_a_flask_smorest_api_of_the_hosts_own_stands_beside_ours(
    session: requests.Session,
) -> None:
    app = Flask("pets")
    app.config.update(API_TITLE="Pets", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
    app.config.update(OPENAPI_URL_PREFIX="/docs")
    blueprint = Blueprint("pets", "pets", url_prefix="/pets")
    blueprint.route("/")(Pets)
    Api(app).register_blueprint(blueprint)
    IntelligentLimiter(app, admin_token="token-of-the-flow")
    bearer = {"Authorization": "Bearer token-of-the-flow"}
    with Host.of(app) as host:
        for _ in range(30):
            assert session.get(f"{host.url}/pets/").json() == [{"name": "Bello"}]
        theirs = session.get(f"{host.url}/docs/openapi.json").json()
        assert (theirs["info"]["title"], list(theirs["paths"])) == ("Pets", ["/pets/"])
        ours = session.get(f"{host.url}/admin/openapi.json").json()
        assert "/admin/stats" in ours["paths"]
        assert "/pets/" not in ours["paths"]
        assert host.learned == 31
        assert session.get(f"{host.url}/admin/stats", headers=bearer).json()["refused"] == 0
        assert host.flagged == []


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Keep one connection open, as browsers do."""
    with requests.Session() as session:
        yield session
