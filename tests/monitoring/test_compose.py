"""The compose stack: well-formed, pinned, confined, and its parts agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from flask_irl.config.options import OPTIONS
from monitoring import runbook
from monitoring.grafana import build_dashboard

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "demo_app" / "Dockerfile"
EXAMPLE = ROOT / ".env.example"
SCRAPED = ROOT / "monitoring" / "prometheus" / "prometheus.yml"
OURS = ("app", "trainer")
EXACT = re.compile(r"v?\d+\.\d+\.\d+(-[a-z0-9.-]+)?")
"""Tags that say a version to the last digit."""


def read(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", YAML(typ="safe").load(path))


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", read(COMPOSE)["services"])


def run(tool: str, *arguments: str | Path) -> None:
    """Run a tool of the environment; what it finds is the test's failure."""
    done = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_fits_the_schema() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_the_dockerfile_has_no_known_mistakes() -> None:
    run("hadolint", "--no-color", DOCKERFILE)


def test_the_stack_is_whole(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {"app", "trainer", "redis", "prometheus", "grafana"}


def test_every_image_has_an_exact_version(services: dict[str, dict[str, Any]]) -> None:
    tags = {name: service["image"].partition(":")[2] for name, service in services.items()}
    assert {name: tag for name, tag in tags.items() if not EXACT.fullmatch(tag)} == {}


def test_both_stages_of_the_image_begin_with_one_exact_python() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.M)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    name, _, tag = bases[0].partition(":")
    assert name == "python"
    assert EXACT.fullmatch(tag)


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    last_stage = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    users = re.findall(r"^USER (\d+):(\d+)$", last_stage, re.M)
    assert len(users) == 1
    assert all(int(number) > 0 for number in users[0])


@pytest.mark.parametrize(
    ("variable", "service"), [("IRL_ADMIN_TOKEN", "app"), ("GF_SECURITY_ADMIN_PASSWORD", "grafana")]
)
def test_without_its_secret_a_service_does_not_start(
    services: dict[str, dict[str, Any]], variable: str, service: str
) -> None:
    # `:?` refuses what is empty, too; `?` alone would not.
    assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", services[service]["environment"][variable])


def test_no_secret_is_written_down() -> None:
    named = re.findall(r"^(\w*(?:TOKEN|PASSWORD)\w*)=(.*)$", EXAMPLE.read_text(), re.M)
    assert dict(named) == {"IRL_ADMIN_TOKEN": "", "GRAFANA_ADMIN_PASSWORD": ""}


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_confined(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert [mount.partition(":")[0] for mount in service["tmpfs"]] == ["/tmp"]  # noqa: S108
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["depends_on"]["redis"]["condition"] == "service_healthy"


def test_no_service_has_more_rights_than_it_needs(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name


def test_ports_are_published_on_this_machine_alone(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert "ports" not in services["redis"]


def test_the_web_workers_leave_training_to_the_trainer(
    services: dict[str, dict[str, Any]],
) -> None:
    assert services["app"]["environment"]["IRL_TRAIN"] == "false"
    assert "IRL_TRAIN" not in services["trainer"]["environment"]
    assert services["trainer"]["command"][:5] == ["flask", "--app", "demo_app", "irl", "trainer"]
    assert services["trainer"]["image"] == services["app"]["image"]


def test_app_and_trainer_share_their_options(services: dict[str, dict[str, Any]]) -> None:
    app, trainer = (services[name]["environment"] for name in OURS)
    assert {name: app.get(name) for name in trainer} == trainer
    assert trainer["REDIS_URL"] == "redis://redis:6379/0"


def test_the_model_acts_within_minutes_of_the_first_requests(
    services: dict[str, dict[str, Any]],
) -> None:
    options = services["trainer"]["environment"]
    names = ("TRAINING_INTERVAL", "IRL_LEARNING_MINUTES", "IRL_MIN_CLIENTS")
    defaults = {name: re.fullmatch(rf"\$\{{{name}:-(\d+)\}}", options[name]) for name in names}
    values = {name: int(found[1]) for name, found in defaults.items() if found is not None}
    assert values.keys() == set(names)
    assert values["TRAINING_INTERVAL"] + values["IRL_LEARNING_MINUTES"] <= 5
    assert values["IRL_MIN_CLIENTS"] <= 10


def test_every_option_that_the_stack_sets_is_one(services: dict[str, dict[str, Any]]) -> None:
    known = {name for spec in OPTIONS.values() for name in (spec.config_key, spec.variable)}
    names = {name for service in OURS for name in services[service]["environment"]}
    assert {name for name in names if name.startswith("IRL_")} <= known


def test_redis_is_well_only_when_it_serves(services: dict[str, dict[str, Any]]) -> None:
    # Without -e, redis-cli ends with 0 for a server that answers that it is still loading.
    assert services["redis"]["healthcheck"]["test"] == ["CMD", "redis-cli", "-e", "ping"]


def test_redis_keeps_what_it_has_and_refuses_rather_than_forgets(
    services: dict[str, dict[str, Any]],
) -> None:
    words = services["redis"]["command"]
    given = dict(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == "redis-server"
    assert given["--appendonly"] == "yes"
    assert given["--maxmemory-policy"] == "noeviction"
    assert given["--maxmemory"]
    assert services["redis"]["volumes"] == ["redis-data:/data"]


def test_every_file_that_is_mounted_is_there(services: dict[str, dict[str, Any]]) -> None:
    mounts = [m for service in services.values() for m in service.get("volumes", ())]
    ours = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    assert len(ours) == 3
    assert [path for path in ours if not any((ROOT / path).iterdir())] == []
    assert [m for m in mounts if m.startswith(".") and not m.endswith(":ro")] == []


def test_every_volume_is_declared(services: dict[str, dict[str, Any]]) -> None:
    mounts = [m.split(":")[0] for service in services.values() for m in service.get("volumes", ())]
    assert {name for name in mounts if not name.startswith(".")} == set(read(COMPOSE)["volumes"])


def test_prometheus_scrapes_the_ports_that_are_served(services: dict[str, dict[str, Any]]) -> None:
    targets = {
        target
        for job in read(SCRAPED)["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    app_port = re.search(r"BIND=\S+:(\d+)", DOCKERFILE.read_text())
    assert app_port is not None
    command = services["trainer"]["command"]
    trainer_port = command[command.index("--metrics-port") + 1]
    assert {f"app:{app_port[1]}", f"trainer:{trainer_port}"} <= targets
    assert {target.partition(":")[0] for target in targets} <= {*services, "localhost"}
    assert services["app"]["ports"][0].endswith(f":{app_port[1]}")


def test_prometheus_is_given_the_config_that_is_mounted(
    services: dict[str, dict[str, Any]],
) -> None:
    assert "--config.file=/etc/prometheus/prometheus.yml" in services["prometheus"]["command"]
    assert "./monitoring/prometheus:/etc/prometheus:ro" in services["prometheus"]["volumes"]


def test_prometheus_serves_the_runbook_that_alerts_and_panels_link_to(
    services: dict[str, dict[str, Any]],
) -> None:
    command = services["prometheus"]["command"]
    assert "--web.console.templates=/etc/prometheus/consoles" in command
    [url] = [word for word in command if word.startswith("--web.external-url=")]
    port = services["prometheus"]["ports"][0].removesuffix(":9090")
    assert url == f"--web.external-url=http://{port}"
    shown = re.sub(r"\$\{\w+:-(\d+)\}", r"\1", url.partition("=")[2])
    assert runbook.URL.replace("{{ $externalURL }}", shown) == build_dashboard.RUNBOOK
    assert runbook.PAGE.relative_to(ROOT / "monitoring" / "prometheus").parts[0] == "consoles"


def test_grafana_finds_its_prometheus_and_its_dashboards(
    services: dict[str, dict[str, Any]],
) -> None:
    provisioning = ROOT / "monitoring" / "grafana" / "provisioning"
    source = read(provisioning / "datasources" / "prometheus.yml")["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    folder = read(provisioning / "dashboards" / "provider.yml")["providers"][0]["options"]["path"]
    mounts = dict(m.removesuffix(":ro").split(":") for m in services["grafana"]["volumes"])
    assert mounts["./monitoring/grafana/dashboards"] == folder
    assert mounts["./monitoring/grafana/provisioning"] == "/etc/grafana/provisioning"


def test_the_example_explains_every_variable_that_the_stack_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    assert set(re.findall(r"^(\w+)=", EXAMPLE.read_text(), re.M)) == asked


def test_every_environment_variable_of_the_options_is_in_the_example() -> None:
    variables = {variable for spec in OPTIONS.values() for variable in spec.variables}
    named = set(re.findall(r"\w+", EXAMPLE.read_text()))
    assert variables - named == set()
    assert {name for name in named if name.startswith("IRL_")} - variables == set()


def test_the_image_gets_what_it_copies_and_nothing_secret() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.M)
    assert "*" in lines
    assert kept == {name for names in copied for name in names.split()}
