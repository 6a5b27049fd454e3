"""Prometheus, Alertmanager and who it tells, as real processes on loopback."""

import contextlib
import json
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.processes import PATIENCE, eventually, get, plain_environ, tool

SCRAPE_OFTEN = """\
global: {scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 1s}
scrape_configs:
  - job_name: adbpg
    static_configs: [{targets: [TARGET]}]
"""


@dataclass(frozen=True)
class Server:
    """A program of the Prometheus family that runs.

    Attributes:
        url: where it listens.
        log: its lines so far.
    """

    url: str
    log: list[str] = field(default_factory=list)


@contextlib.contextmanager
def prometheus(target: str, folder: Path, further: str = "") -> Iterator[Server]:
    """Start a Prometheus that scrapes a target every three seconds.

    Args:
        target: its address; several with commas between.
        folder: for its files.
        further: lines of its scrape configuration, or after it.
    """
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        SCRAPE_OFTEN.replace("TARGET", target.replace("http://", "")) + further, "utf-8"
    )
    flags = (f"--config.file={configuration}", f"--storage.tsdb.path={folder}/prometheus")
    with running("prometheus", *flags) as server:
        yield server


@contextlib.contextmanager
def alertmanager(configuration: str, folder: Path) -> Iterator[Server]:
    """Start an Alertmanager, alone.

    Args:
        configuration: the text of its file.
        folder: for its files.
    """
    file = folder / "alertmanager.yaml"
    file.write_text(configuration, "utf-8")
    flags = (f"--config.file={file}", f"--storage.path={folder}/alertmanager")
    with running("prometheus-alertmanager", *flags, "--cluster.listen-address=") as server:
        yield server


@contextlib.contextmanager
def running(program: str, *flags: str) -> Iterator[Server]:
    """Start a program of the Prometheus family on a free port, and wait until it is ready."""
    process = subprocess.Popen(
        [tool(program), *flags, "--web.listen-address=127.0.0.1:0", "--log.level=debug"],
        env=plain_environ(),
        stderr=subprocess.PIPE,
        text=True,
    )
    log: list[str] = []
    listening = threading.Event()

    def follow() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line)
            if "Listening on" in line:
                listening.set()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        assert listening.wait(PATIENCE), "".join(log)
        line = next(line for line in log if "Listening on" in line)
        url = "http://" + line.rsplit("address=", 1)[1].strip()
        eventually(lambda: get(url + "/-/ready")[0] == 200, f"{program} is ready")
        yield Server(url, log)
    finally:
        process.kill()
        process.wait()
        follower.join()
        if process.stderr:
            process.stderr.close()


def ask(server: Server, query: str) -> list[dict[str, Any]]:
    """Return the result of an instant query."""
    _, text = get(f"{server.url}/api/v1/query?query={urllib.parse.quote(query)}")
    result: list[dict[str, Any]] = json.loads(text)["data"]["result"]
    return result


def once(server: Server, metric: str) -> list[str]:
    """Return the ids of the jobs that a metric has; none of them is there twice."""
    found: list[str] = [row["metric"]["job_id"] for row in ask(server, metric)]
    assert len(found) == len(set(found)), found
    return found


@dataclass
class Pager:
    """Who Alertmanager tells: keeps every alert of every message, as it came.

    Attributes:
        url: where its webhooks are.
    """

    url: str = ""
    _told: list[dict[str, Any]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, path: str, message: Mapping[str, Any]) -> None:
        """Keep what a message tells, with its receiver and the webhook's path."""
        receiver = {"receiver": message["receiver"], "path": path}
        with self._changed:
            self._told += [{**alert, **receiver} for alert in message["alerts"]]
            self._changed.notify_all()

    def told(self, status: str = "", **labels: str) -> list[dict[str, Any]]:
        """Return the alerts told so far that have these labels, the oldest first.

        Args:
            status: firing or resolved; empty for both.
            labels: each must be there.
        """
        with self._changed:
            return [
                alert
                for alert in self._told
                if status in {"", alert["status"]} and labels.items() <= alert["labels"].items()
            ]

    def wait_for(self, status: str, **labels: str) -> dict[str, Any]:
        """Return the first alert with this status and these labels, once it has been told."""

        def found() -> list[dict[str, Any]]:
            return self.told(status, **labels)

        with self._changed:
            assert self._changed.wait_for(found, PATIENCE), f"{status} {labels}: {self.summary()}"
            return found()[0]

    def summary(self) -> list[str]:
        """Return what was told so far, for a failed test."""
        return [f"{a['status']} {a['labels']}" for a in self.told()]


@contextlib.contextmanager
def pager() -> Iterator[Pager]:
    """Listen for Alertmanager's webhooks."""
    it = Pager()
    with ThreadingHTTPServer(("127.0.0.1", 0), _webhook(it.take)) as server:
        it.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield it
        finally:
            server.shutdown()
            thread.join()


def _webhook(take: Callable[[str, Mapping[str, Any]], None]) -> type[BaseHTTPRequestHandler]:
    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            take(self.path, json.loads(body))

        def log_message(self, *_: object) -> None:
            """Tests need no log of requests."""

    return Webhook
