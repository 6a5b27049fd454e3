"""examples/stack: its files by schema and by the programs that read them, and `make stack`."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.monitoring import running
from tests.processes import PATIENCE, eventually, get, plain_environ, tool

pytestmark = pytest.mark.prometheus

ROOT = Path(__file__).parents[2]
STACK = ROOT / "examples" / "stack"
SCHEMA = ROOT / "tests" / "data" / "compose" / "compose-spec.json"
COMPOSE: dict[str, Any] = yaml.safe_load((STACK / "docker-compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PORTS = {"exporter": 10077, "prometheus": 9090, "alertmanager": 9093, "receiver": 9095}


def mounts(service: str) -> dict[Path, str]:
    """Return what a service mounts: the file or folder here, and its path in the container."""
    volumes = (volume.split(":") for volume in SERVICES[service].get("volumes", ()))
    return {STACK / source: target for source, target, mode in volumes if mode == "ro"}


def test_the_compose_file_keeps_to_the_specification() -> None:
    """The JSON Schema of Compose files, which knows every key, accepts the file."""
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(COMPOSE)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_safe_to_start(name: str) -> None:
    """A fixed version or our own build, a health check, ports for this machine only."""
    service = SERVICES[name]

    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_file_is_there(name: str) -> None:
    """What is built or mounted is in the repository, and cannot be written by a container."""
    if "build" in SERVICES[name]:
        assert (STACK / SERVICES[name]["build"] / "Dockerfile").is_file()
    assert len(mounts(name)) == len(SERVICES[name].get("volumes", ()))
    assert [source for source in mounts(name) if not source.exists()] == []


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    """The data source is the service's address; the dashboards are read where they are mounted."""
    targets = {target: source for source, target in mounts("grafana").items()}
    provisioning = "/etc/grafana/provisioning"
    sources = yaml.safe_load(targets[f"{provisioning}/datasources/adbpg.yaml"].read_text("utf-8"))
    provider = yaml.safe_load(targets[f"{provisioning}/dashboards/adbpg.yaml"].read_text("utf-8"))

    assert sources["datasources"][0]["url"] == f"http://prometheus:{PORTS['prometheus']}"
    folder = targets[provider["providers"][0]["options"]["path"]]
    assert list(folder.glob("*.json"))


def as_in_container(service: str, root: Path) -> list[str]:
    """Lay a service's mounts out below a folder; returns its flags with their paths there."""
    for source, target in sorted(mounts(service).items(), key=lambda mount: mount[1]):
        place = root / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)
    return [re.sub(r"=(/\w)", rf"={root}\1", flag) for flag in SERVICES[service]["command"]]


@pytest.mark.parametrize(
    ("service", "program", "check"),
    [
        ("prometheus", "prometheus", ["promtool", "check", "config"]),
        ("alertmanager", "prometheus-alertmanager", ["amtool", "check-config"]),
    ],
)
def test_the_programs_start_with_these_files(
    service: str, program: str, check: list[str], tmp_path: Path
) -> None:
    """By its own tool the file is right, and the program starts with the flags of the service."""
    flags = as_in_container(service, tmp_path)
    file = flags[0].removeprefix("--config.file=")

    done = subprocess.run(
        [tool(check[0]), *check[1:], file], capture_output=True, text=True, check=False
    )
    with running(program, *flags) as server:
        assert done.returncode == 0, done.stdout + done.stderr
        assert [line for line in server.log if "level=error" in line] == []
        if service == "prometheus":
            groups = json.loads(get(server.url + "/api/v1/rules")[1])["data"]["groups"]
            # One language of them: with both, every rule would be there twice.
            (file,) = {group["file"] for group in groups}
            assert file.endswith("/adbpg-job-exporter.rules.yaml")


def free_ports() -> dict[str, int]:
    """Return a free port for each part."""
    with contextlib.ExitStack() as held:
        sockets = {name: held.enter_context(socket.socket()) for name in PORTS}
        for it in sockets.values():
            it.bind(("127.0.0.1", 0))
        return {name: it.getsockname()[1] for name, it in sockets.items()}


@contextlib.contextmanager
def make_stack(ports: Mapping[str, int]) -> Iterator[subprocess.Popen[str]]:
    """Run what `make stack` runs, on other ports."""
    flags = (f"--{name}-port={port}" for name, port in ports.items())
    with subprocess.Popen(
        [sys.executable, str(STACK / "run.py"), *flags],
        env=plain_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        guard = threading.Timer(2 * PATIENCE, process.kill)
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.terminate()


def lines_until(process: subprocess.Popen[str], part: str) -> str:
    """Return what is printed up to the line that has ``part`` in it."""
    assert process.stdout is not None
    assert process.stderr is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if part in line:
            return printed
    raise AssertionError(printed + process.stderr.read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_make_stack_is_stopped_while_it_starts(number: int) -> None:
    """A signal during the start, and any that follow, leave nothing behind, and no traceback."""
    ports = free_ports()
    with make_stack(ports) as process:
        eventually(lambda: _answers(ports["receiver"]), "the first part runs")
        for _ in range(3):
            process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0
    assert said == ""
    assert [name for name, port in ports.items() if _answers(port)] == []


def test_make_stack_runs_everything_until_ctrl_c() -> None:
    """The parts know each other, what Alertmanager sends is printed, and Ctrl-C leaves nothing."""
    ports = free_ports()
    at = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with make_stack(ports) as process:
        told = lines_until(process, "Ctrl-C stops everything")
        for name in ("exporter", "prometheus", "alertmanager"):
            assert at[name] in told
        server, knows = at["prometheus"], at["alertmanager"] + "/api/v2/alerts"
        scraped = [at["exporter"] + "/metrics"]
        eventually(lambda: _urls(server, "targets", "scrapeUrl") == scraped, "the demo is scraped")
        eventually(lambda: _urls(server, "alertmanagers", "url") == [knows], "alerts can be told")
        _send(at["alertmanager"], alertname="AdbpgExporterDown", severity="critical", target="t9")
        assert "critical firing   AdbpgExporterDown t9" in lines_until(process, "ExporterDown")

        process.send_signal(signal.SIGINT)

        assert process.wait(PATIENCE) == 0
    assert [name for name, port in ports.items() if _answers(port)] == []


def _urls(server: str, what: str, field: str) -> list[str]:
    data = json.loads(get(f"{server}/api/v1/{what}")[1])["data"]
    return [it[field] for it in data["active" + what.capitalize()]]


def _send(alertmanager: str, **labels: str) -> None:
    body = json.dumps([{"labels": labels, "annotations": {"summary": "Said so."}}]).encode()
    request = urllib.request.Request(
        alertmanager + "/api/v2/alerts", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=PATIENCE).close()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_make_stack_names_the_ports_that_are_taken() -> None:
    """A port that another program has is told with its flag, before anything starts."""
    ports = free_ports()
    with socket.create_server(("127.0.0.1", ports["prometheus"])), make_stack(ports) as process:
        said, problem = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert said == ""
    assert problem == (
        f"taken by another program: 127.0.0.1:{ports['prometheus']} (--prometheus-port); stop that "
        "one, or choose another port with the flag\n"
    )
