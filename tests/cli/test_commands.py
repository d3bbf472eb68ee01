from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.views import MethodView

from flask_irl import IntelligentLimiter
from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.cli import irl
from flask_irl.telemetry.log import logger
from flask_irl.training.fit import fit_here
from flask_irl.web.state import state_of
from tests.servers import HOST, RedisServer, free_port

ROOT = Path(__file__).parents[2]
STAMP = "10/Oct/2000:13:{:02d}:{:02d} +0000"
COMMANDS: list[list[str]] = [
    ["status"],
    ["train"],
    ["client", "192.0.2.1"],
    ["reset", "192.0.2.1"],
    ["model"],
]


class Site:
    """Run commands of an app."""

    def __init__(self, uri: str = "memory://", **options: Any) -> None:
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app,
            storage_uri=uri,
            background=False,
            **{"base_limit": 40, "store_timeout": 5.0, **options},
        )
        self.engine = state_of(self.app).limiter
        # A child process for each training would take a second; that it is one is tested elsewhere.
        self.engine.trainer._fit = fit_here
        self.app.add_url_rule("/", "index", lambda: "hello")
        self.app.cli.add_command(irl)

    def run(self, *arguments: str) -> Result:
        """Run ``flask irl …``; whatever happens, it isn't a traceback."""
        result = self.app.test_cli_runner().invoke(args=["irl", *arguments])
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    def json(self, *arguments: str) -> Any:
        """Run a command, and read its JSON strictly."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return strict(result.stdout)

    def ask(self, client: str = "192.0.2.1", count: int = 1) -> list[int]:
        return [
            self.app.test_client().get("/", environ_base={"REMOTE_ADDR": client}).status_code
            for _ in range(count)
        ]

    def learn(self) -> None:
        """Send requests enough for a model."""
        for number in range(12):
            self.ask(f"198.51.100.{number}", 8)
        self.engine.flush()


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


Make = Callable[..., Site]


@pytest.fixture
def make() -> Iterator[Make]:
    sites: list[Site] = []

    def build(uri: str = "memory://", **options: Any) -> Site:
        sites.append(Site(uri, **options))
        return sites[-1]

    yield build
    for site in sites:
        site.engine.close()


@pytest.fixture(params=["memory", "redis"])
def site(request: pytest.FixtureRequest, make: Make) -> Site:
    return make("memory://" if request.param == "memory" else request.getfixturevalue("redis_url"))


def test_flask_finds_the_commands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["flask.commands"]["irl"] == "flask_irl.cli:irl"
    assert {"status", "train", "client", "reset", "model", "replay"} <= set(irl.commands)


def test_the_embedded_store_is_pointed_out_beside_the_answer(make: Make) -> None:
    result = make().run("status", "--json")
    assert "memory://" in result.stderr
    strict(result.stdout)


def test_a_shared_store_needs_no_remark(make: Make, redis_url: str) -> None:
    assert make(redis_url).run("status").stderr == ""


# status


def test_status(site: Site) -> None:
    assert site.ask(count=42) == [*[200] * 40, 429, 429]
    site.engine.flush()
    found = site.json("status")
    assert (found["total_requests"], found["refused"]) == (42, 2)
    assert found["refused_share"] == pytest.approx(2 / 42)
    assert (found["mode"], found["strategy"]) == ("enforce", "sliding-window-counter")
    assert (found["model_version"], found["model_trained_at"]) == (0, None)
    text = site.run("status").stdout
    assert "42 requests, 2 refused (4.8%)" in text
    assert "40 per 60 seconds" in text


def test_status_of_a_new_site(site: Site) -> None:
    found = site.json("status")
    assert (found["total_requests"], found["refused_share"], found["training_rows"]) == (0, 0.0, 0)


# train, model


def test_train_without_enough_says_why_and_fails(site: Site) -> None:
    site.ask(count=3)
    result = site.run("train")
    assert result.exit_code == 1
    assert "3 requests observed, at least 50 are needed" in result.stdout
    assert strict(site.run("train", "--json").stdout)["result"] == "refused"


def test_train_then_model(site: Site) -> None:
    site.learn()
    found = site.json("train")
    assert (found["result"], found["version"], found["clients"]) == ("accepted", 1, 12)
    assert found["rows"] >= 12
    model = site.json("model")
    assert (model["version"], model["clients"], model["advisory"]) == (1, 12, True)
    assert model["features"] == list(FEATURE_NAMES)
    assert model["versions"] == [1]
    assert model["trained_at"].endswith("Z")
    assert "flagged_share" in model["gate"]
    assert site.run("model").exit_code == 0
    assert site.json("status")["model_version"] == 1


def test_a_model_that_another_process_trained_is_seen(make: Make, redis_url: str) -> None:
    trainer = make(redis_url)
    trainer.learn()
    trainer.json("train")
    assert make(redis_url).json("model")["version"] == 1


def test_without_a_model_model_says_so_and_fails(site: Site) -> None:
    result = site.run("model")
    assert result.exit_code == 1
    assert "no model is in force yet" in result.stderr


# client, reset


def test_client_before_and_after_its_requests_were_learned(site: Site) -> None:
    site.ask(count=9)
    assert site.json("client", "192.0.2.1")["requests"] == 0
    site.engine.flush()
    found = site.json("client", "192.0.2.1")
    assert (found["client"], found["step"], found["limit"]) == ("192.0.2.1", 0, 40)
    assert found["requests"] == 9
    assert set(FEATURE_NAMES) == set(found["features"])
    assert found["last_seen"].endswith("Z")
    assert site.run("client", "192.0.2.1").exit_code == 0


@pytest.mark.parametrize("name", ["192.0.2.99", "", " ", "a/b", "x" * 9_999, "ü\r\n{}", "\x1b[31m"])
def test_a_client_that_is_not_known(site: Site, name: str) -> None:
    for command in ("client", "reset"):
        result = site.run(command, name)
        assert result.exit_code == 1
        assert "is not known" in result.stderr
        assert "\x1b" not in result.output


@pytest.mark.parametrize("name", ["2001:db8::/64", "user:a/b", "ü", "x" * 500, "two words"])
def test_whatever_a_client_is_called_it_is_found_by_its_name_and_its_stored_key(
    make: Make, redis_url: str, name: str
) -> None:
    site = make(redis_url, key_func=lambda: name)
    site.ask()
    found = site.json("client", name)
    assert site.json("client", found["client"]) == found
    assert site.run("reset", name).exit_code == 0
    assert site.run("client", found["client"]).exit_code == 1


def test_reset_lets_a_client_in_again(site: Site) -> None:
    assert site.ask(count=41)[-1] == 429
    result = site.run("reset", "192.0.2.1")
    assert (result.exit_code, result.stdout) == (0, "client 192.0.2.1 is forgotten\n")
    assert site.ask(count=41) == [*[200] * 40, 429]


# What is wrong


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_a_server_it_is_a_line_and_exit_1(make: Make, command: list[str]) -> None:
    site = make(f"redis://:geheim@{HOST}:{free_port()}/0")
    result = site.run(*command)
    assert result.exit_code == 1
    assert "refuses connections" in result.output
    assert "geheim" not in result.output


def test_a_frozen_server_keeps_nobody_waiting_for_ever(make: Make) -> None:
    with RedisServer() as server:
        site = make(server.url)
        server.freeze()
        result = site.run("mode")
        assert result.exit_code == 1
        assert "does not answer" in result.stderr


@pytest.mark.parametrize(
    "command", [*COMMANDS, ["replay", __file__]], ids=lambda command: command[0]
)
def test_without_a_limiter_it_is_a_line_and_exit_1(command: list[str]) -> None:
    app = Flask("site")
    app.cli.add_command(irl)
    result = app.test_cli_runner().invoke(args=["irl", *command])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)


def test_a_disabled_limiter_still_answers(make: Make) -> None:
    assert make(enabled=False).run("status").exit_code == 0


@pytest.mark.parametrize("arguments", [["client"], ["replay"], ["status", "--xml"], ["nothing"]])
def test_wrong_usage_is_exit_2(make: Make, arguments: list[str]) -> None:
    result = make().run(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.output


# replay


def clf(times: list[int], client: str = "192.0.2.1", request: str = "GET / HTTP/1.1") -> list[str]:
    """Write lines of the Common Log Format, at these seconds after 13:00."""
    return [f'{client} - - [{STAMP.format(t // 60, t % 60)}] "{request}" 200 512' for t in times]


def replayed(site: Site, folder: Path, lines: list[str], *, name: str = "log") -> Any:
    """Replay a log, and read its report; the summary must agree."""
    log, report = folder / name, folder / "report.json"
    data = "\n".join(lines).encode()
    log.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    result = site.run("replay", str(log), "--report", str(report))
    assert result.exit_code == 0, result.output
    found = strict(report.read_text())
    assert f"{found['requests']:,} requests of {len(found['clients']):,} clients" in result.stdout
    return found


@pytest.mark.parametrize("name", ["access.log", "access.log.gz"])
def test_a_replay_accounts_for_every_line(make: Make, tmp_path: Path, name: str) -> None:
    lines = [*clf(list(range(50))), "this is no line of a log", "", *clf([70], "192.0.2.2")]
    found = replayed(make(), tmp_path, lines, name=name)
    assert found["requests"] + found["unreadable_lines"] == 52
    assert found["unreadable_lines"] == 1
    assert (found["refused"], found["static_refused"]) == (10, 10)
    assert {c["client"]: c["requests"] for c in found["clients"]} == {
        "192.0.2.1": 50,
        "192.0.2.2": 1,
    }


def test_a_line_that_can_not_be_read_is_shown(make: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join([*clf([1]), "nonsense \x1b[31m"]))
    result = make().run("replay", str(log))
    assert result.exit_code == 0
    assert "line 2 can't be read" in result.stderr
    assert "\x1b" not in result.output


def test_a_replay_shows_what_it_takes_the_log_for_before_it_runs(
    make: Make, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(f"shop.example {line}" for line in clf([1, 2, 3, 4])))
    stderr = make().run("replay", str(log)).stderr
    assert stderr.startswith("guessed: Common Log Format; client: the first address\n")
    header, _, *examples = stderr.split("\n")[1:6]
    assert header.split() == ["client", "method", "path", "status", "time"]
    assert [line.split()[:4] for line in examples] == [["192.0.2.1", "GET", "/", "200"]] * 3
    assert [line.split()[-1] for line in examples] == ["13:00:01", "13:00:02", "13:00:03"]


def test_a_replay_takes_the_clients_from_where_it_is_told(make: Make, tmp_path: Path) -> None:
    log, report = tmp_path / "log", tmp_path / "report.json"
    log.write_text("\n".join(f"198.51.100.1, {line}" for line in clf(list(range(30)))))
    options = ["--client-from", "xff:last", "--format", "combined"]
    result = make().run("replay", str(log), *options, "--report", str(report))
    assert result.stderr.startswith("read: Common Log Format")
    assert [c["client"] for c in strict(report.read_text())["clients"]] == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "nothing"], "format is 'nothing'; allowed are alb, apache"),
        (["--client-from", ":"], "no named fields such as ':'"),
        (["--client-from", "0"], "client_from is '0'; allowed are peer, xff"),
    ],
)
def test_a_replay_refuses_a_format_or_client_that_there_is_not(
    make: Make, tmp_path: Path, options: list[str], words: str
) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(clf([1])))
    result = make().run("replay", str(log), *options)
    assert result.exit_code > 0
    assert words in result.stderr


def test_requests_that_no_app_saw_are_neither_replayed_nor_unreadable(
    make: Make, tmp_path: Path
) -> None:
    rubbish = [
        *clf(list(range(100, 150)), "203.0.113.5", r"\x16\x03\x01\x00"),
        *clf([200], "203.0.113.5", "-"),
    ]
    rubbish = [line.replace('" 200 ', '" 400 ') for line in rubbish]
    found = replayed(make(), tmp_path, [*clf([1, 2]), *rubbish])
    assert (found["requests"], found["refused"], found["unreadable_lines"]) == (2, 0, 0)
    assert found["server_answered_lines"] == 51
    result = make().run("replay", str(tmp_path / "log"))
    assert "51 lines are of requests that no app saw" in result.stdout


@pytest.mark.parametrize(
    ("clients", "doubt"),
    [
        (["unix:"] * 30, "all 30 requests are of one client, unix:"),
        ([f"192.0.2.{n}" for n in range(30)], "each of the 30 requests has a client of its own"),
        (["192.0.2.1", "192.0.2.2"] * 15, ""),
    ],
)
def test_a_replay_doubts_a_log_of_one_client_or_of_none_twice(
    make: Make, tmp_path: Path, clients: list[str], doubt: str
) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(clf([n], who)[0] for n, who in enumerate(clients)))
    stderr = make().run("replay", str(log)).stderr
    assert doubt in stderr
    assert ("--client-from" in stderr) is bool(doubt)


def test_a_replay_of_csv_with_labels_not_quite_sorted(make: Make, tmp_path: Path) -> None:
    rows = [(1_000_000_000 + t, "bot" if t % 2 else "ann") for t in range(60)]
    rows[10], rows[11] = rows[11], rows[10]
    lines = [
        "ts,client,method,path,status,bytes,ua_class,label",
        *(f"{ts},{who},GET,/x/{ts},200,10,,{who}-label" for ts, who in rows),
    ]
    found = replayed(make(base_limit=20), tmp_path, lines)
    assert {c["label"]: c["refused"] for c in found["clients"]} == {
        "bot-label": 10,
        "ann-label": 10,
    }


def test_a_replay_is_the_same_twice(make: Make, tmp_path: Path) -> None:
    lines = [
        line
        for client in range(20)
        for line in clf(list(range(client, 700, 13 + client)), f"192.0.2.{client}")
    ]
    one = replayed(make(), tmp_path, lines)
    two = replayed(make(), tmp_path, lines)
    assert one == two
    assert one["models"]


def test_a_replay_leaves_the_apps_own_state_alone(
    make: Make, tmp_path: Path, redis_url: str, redis_server: RedisServer
) -> None:
    site = make(redis_url)
    replayed(site, tmp_path, clf(list(range(50))))
    with redis_server.client() as client:
        assert client.dbsize() == 0
    assert site.ask() == [200]


def test_a_replay_does_not_log_what_it_reports(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    level = logger.level
    replayed(make(), tmp_path, clf([1] * 100))
    assert [record for record in caplog.records if record.name == "flask_irl"] == []
    assert logger.level == level


def test_the_apps_own_routes_limits_hold_where_a_path_fits(make: Make, tmp_path: Path) -> None:
    site = make(default_limits="9/minute")
    limit = site.limiter.limit
    site.app.add_url_rule("/item/<int:n>", "item", limit("4/minute")(lambda n: ""))
    site.app.add_url_rule("/other", "other", lambda: "")
    site.app.add_url_rule("/free", "free", site.limiter.exempt(lambda: ""))
    site.app.add_url_rule("/ask", "ask", limit(lambda: "1/minute")(lambda: ""))

    def refused(path: str) -> int:
        lines = [x for n in range(12) for x in clf([n], request=f"GET {path} HTTP/1.1")]
        found = replayed(site, tmp_path, lines)
        assert found["requests"] == 12
        assert found["static_refused"] == found["refused"]
        return int(found["refused"])

    assert refused("/item/7?page=2") == 8
    assert refused("/other") == 3
    assert refused("/free") == 0
    assert refused("/static/a.css") == 0
    # No route, and a limit that can't be known: only the limit on everything holds.
    assert refused("/nothing/7") == 0
    assert refused("/ask") == 0


def test_a_replay_finds_a_route_however_a_server_has_escaped_its_path(
    make: Make, tmp_path: Path
) -> None:
    site = make()
    site.app.add_url_rule("/caf\u00e9", "cafe", site.limiter.limit("2/minute")(lambda: ""))
    paths = (r"/caf\xC3\xA9", r"/caf\xc3\xa9", "/caf%C3%A9", "/caf\u00e9")
    lines = [x for n, path in enumerate(paths) for x in clf([n], request=f"GET {path} HTTP/1.1")]
    assert replayed(site, tmp_path, lines)["refused"] == 2


def test_a_replay_knows_rules_of_one_text_apart_by_their_methods(
    make: Make, tmp_path: Path
) -> None:
    site = make()
    limit = site.limiter.limit
    site.app.add_url_rule("/x", "read", limit("9/minute")(lambda: ""), methods=["GET"])
    site.app.add_url_rule("/x", "write", limit("2/minute")(lambda: ""), methods=["POST"])

    def refused(method: str) -> int:
        lines = [x for n in range(12) for x in clf([n], request=f"{method} /x HTTP/1.1")]
        return int(replayed(site, tmp_path, lines)["refused"])

    # What neither serves is a 405, which is under the limit on everything alone.
    assert [refused(m) for m in ("GET", "HEAD", "POST", "DELETE")] == [3, 3, 10, 0]


def test_a_replay_knows_a_view_classs_methods(make: Make, tmp_path: Path) -> None:
    site = make()

    class Page(MethodView):
        @site.limiter.limit("2/minute")
        def post(self) -> str:
            return ""

        def get(self) -> str:
            return ""

    site.app.add_url_rule("/x", view_func=Page.as_view("x"))
    lines = [x for n in range(6) for x in clf([n], request="POST /x HTTP/1.1")]
    lines += [x for n in range(6) for x in clf([n], request="GET /x HTTP/1.1")]
    assert replayed(site, tmp_path, lines)["refused"] == 4


def test_a_limit_of_a_day_is_not_forgotten_in_an_idle_hour(make: Make, tmp_path: Path) -> None:
    site = make(profile_ttl_seconds=60)
    site.app.add_url_rule("/daily", "daily", site.limiter.limit("2/day")(lambda: ""))
    # "/" comes first, when nothing is known of a limit that long.
    start = 1_000_000_000
    paths = [(0, "/"), (1, "/daily"), (2, "/daily"), (3, "/"), (7200, "/"), (14_400, "/daily")]
    lines = ["ts,client,method,path,status", *(f"{start + t},c,GET,{p},200" for t, p in paths)]
    assert replayed(site, tmp_path, lines)["refused"] == 1


def test_a_replay_says_why_no_model_was_trained(make: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(clf([1, 2, 3])))
    result = make().run("replay", str(log))
    assert "no model was trained: the log is shorter" in result.stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b"BZh91AY&SY", "bzip2"),
        (b"hello\nworld\n", "no known format"),
        (b"ts,client\n1,2\n", "method"),
    ],
)
def test_a_log_that_can_not_be_read_is_a_line_and_exit_1(
    make: Make, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    log = tmp_path / "log"
    if content is not None:
        log.write_bytes(content)
    result = make().run("replay", str(log))
    assert result.exit_code == 1
    assert reason in result.stderr
    assert str(log) in result.stderr


def test_a_report_that_can_not_be_written_is_told_before_the_replay(
    make: Make, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(clf([1])))
    result = make().run("replay", str(log), "--report", str(tmp_path / "no" / "folder.json"))
    assert result.exit_code == 1
    assert "can't be written" in result.stderr
    assert "requests of" not in result.stdout


def test_a_replay_draws(make: Make, tmp_path: Path) -> None:
    log, picture = tmp_path / "log", tmp_path / "out.png"
    log.write_text("\n".join(clf(list(range(100)))))
    result = make().run("replay", str(log), "--plot", str(picture))
    assert result.exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
