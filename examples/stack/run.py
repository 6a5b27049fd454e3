"""Runs the stack of docker-compose.yaml without Docker and Grafana, on loopback, until Ctrl-C.

The exporter's demo, Prometheus and Alertmanager with the same files, and a receiver that prints
what Alertmanager sends. In the files, only the containers' names and ports are replaced.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
ALERTS = HERE.parent.parent / "grafana" / "alerts"
HOST = "127.0.0.1"
PORTS = {"exporter": 10077, "prometheus": 9090, "alertmanager": 9093, "receiver": 9095}
PROGRAMS = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
PATIENCE = 60.0
"""Seconds that a part has to get ready, and to stop."""

WHERE_TO_LOOK = """
The stack is running. The first alerts come within a minute, the last after half an hour.

  http://{exporter}/    the jobs, as the exporter sees them
  http://{prometheus}{alerts}    the alerts, as Prometheus sees them
  http://{alertmanager}/    Alertmanager; Debian's has no pages, so ask it with
  {amtool} alert --alertmanager.url=http://{alertmanager}

What Alertmanager sends is printed here, as it comes. Ctrl-C stops everything.
"""


class CannotRun(Exception):
    """Why the stack does not run, and what to do."""


def main() -> int:
    """Run the stack until a signal; returns the exit code."""
    # No handler raises: in the middle of a start, a part would be left behind.
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: signals.append(number))
    ports = _ports()
    try:
        _check(ports)
        with tempfile.TemporaryDirectory(prefix="adbpg-stack-") as folder:
            addresses = {name: f"{HOST}:{port}" for name, port in ports.items()}
            _run(Path(folder), addresses, signals)
    except CannotRun as problem:
        print(problem, file=sys.stderr)
        return 1
    print("\nThe stack has stopped.")
    return 0


def _ports() -> dict[str, int]:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name, port in PORTS.items():
        parser.add_argument(f"--{name}-port", type=int, default=port, metavar="PORT")
    options = parser.parse_args()
    return {name: getattr(options, f"{name}_port") for name in PORTS}


def _check(ports: Mapping[str, int]) -> None:
    missing = [program for program in PROGRAMS.values() if not shutil.which(program)]
    if missing:
        raise CannotRun(
            f"not found: {' and '.join(missing)}; `make stack` installs what is missing"
        )
    taken = [f"{HOST}:{port} (--{name}-port)" for name, port in ports.items() if _taken(port)]
    if taken:
        raise CannotRun(
            f"taken by another program: {', '.join(taken)}; stop that one, or choose another port "
            "with the flag"
        )


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def lay_out(folder: Path, addresses: Mapping[str, str]) -> None:
    """Put the files there as the containers have them, with the addresses that are used here.

    Args:
        folder: where.
        addresses: host and port of each part.
    """
    (folder / "alerts").symlink_to(ALERTS)
    for file in (HERE / "prometheus.yml", ALERTS / "alertmanager.example.yaml"):
        text = file.read_text("utf-8")
        for name, port in PORTS.items():
            text = text.replace(f"{name}:{port}", addresses[name])
        (folder / file.name).write_text(text, "utf-8")


def _commands(folder: Path, at: Mapping[str, str]) -> dict[str, list[str]]:
    return {
        "receiver": [sys.executable, str(HERE / "receiver.py"), at["receiver"]],
        "exporter": [
            *(sys.executable, "-m", "exporter", "demo"),
            f"--web.listen-address={at['exporter']}",
        ],
        "alertmanager": [
            PROGRAMS["alertmanager"],
            f"--config.file={folder}/alertmanager.example.yaml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address={at['alertmanager']}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            PROGRAMS["prometheus"],
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address={at['prometheus']}",
            f"--web.external-url=http://{at['prometheus']}/",
        ],
    }


def _run(folder: Path, addresses: Mapping[str, str], signals: Sequence[int]) -> None:
    lay_out(folder, addresses)
    with contextlib.ExitStack() as parts:
        started = {
            name: parts.enter_context(_started(command, folder / f"{name}.log", name))
            for name, command in _commands(folder, addresses).items()
        }
        deadline = time.monotonic() + PATIENCE
        while not all(_answers(addresses[name], "/-/ready") for name in ("exporter", *PROGRAMS)):
            _check_alive(started, folder)
            if time.monotonic() > deadline:
                raise CannotRun(f"not ready after {PATIENCE:.0f} seconds")
            if signals:
                return
            time.sleep(0.2)
        print(_where_to_look(addresses), flush=True)
        while not signals:
            _check_alive(started, folder)
            time.sleep(0.2)


@contextlib.contextmanager
def _started(command: list[str], log: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a part in a process group of its own, so that Ctrl-C reaches this program alone."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=None if name == "receiver" else file,
            stderr=file,
            cwd=HERE.parent.parent,
            env={**os.environ, "NO_PROXY": HOST, "no_proxy": HOST},
            process_group=0,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(address: str, path: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}{path}", timeout=5):
            return True
    except OSError:
        return False


def _where_to_look(addresses: Mapping[str, str]) -> str:
    """Tell the addresses; Debian's Prometheus has its pages in another place."""
    usual = _answers(addresses["prometheus"], "/alerts")
    return WHERE_TO_LOOK.format(
        **addresses,
        alerts="/alerts" if usual else "/classic/alerts",
        amtool=os.path.relpath(shutil.which("amtool") or "amtool"),
    )


def _check_alive(started: Mapping[str, subprocess.Popen[bytes]], folder: Path) -> None:
    for name, process in started.items():
        if process.poll() is not None:
            last = (folder / f"{name}.log").read_text("utf-8", "replace").splitlines()[-10:]
            raise CannotRun("\n".join((f"{name} ended with {process.returncode}:", *last)))


if __name__ == "__main__":
    sys.exit(main())
