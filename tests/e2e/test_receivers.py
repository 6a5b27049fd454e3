"""examples/receivers/: a real Alertmanager tells a listener in the place of the chats."""

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.monitoring import Server, alertmanager
from tests.processes import PATIENCE, send, tool

pytestmark = pytest.mark.prometheus

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "receivers"
ALERTS = ROOT / "grafana" / "alerts"
FAILED = {
    "labels": {
        "alertname": "AdbpgJobFailed",
        "severity": "warning",
        "collection": "document",
        "target": "rag-prod",
        "job_id": "231460f8",
    },
    "annotations": {
        "summary": "Job 231460f8 of document failed",
        "description": "It got to 60 %.",
        "runbook_url": "https://runbooks.example.com/runbook.md#adbpgjobfailed",
        "dashboard_url": "https://grafana.example.com/d/adbpg-job",
    },
}


class Chats(ThreadingHTTPServer):
    """Stands in the place of the bridges and of WeCom's API, and remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, Any]] = []
        self.changed = threading.Condition()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait_for(self, path: str, text: str) -> Any:
        """Return the first message to a path that has a text in it."""

        def found() -> Any:
            return next(
                (body for sent, body in self.received if path in sent and text in str(body)), None
            )

        with self.changed:
            assert self.changed.wait_for(found, PATIENCE), self.received
            return found()


class _Handler(BaseHTTPRequestHandler):
    server: Chats

    def do_GET(self) -> None:
        """Give WeCom's token."""
        self._answer({"errcode": 0, "errmsg": "ok", "access_token": "of-wecom"})

    def do_POST(self) -> None:
        """Take a message."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.changed:
            self.server.received.append((self.path, body))
            self.server.changed.notify_all()
        self._answer({"errcode": 0, "errmsg": "ok"})

    def _answer(self, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        """Write no line for each message."""


def configuration(url: str) -> str:
    """Return the example's routes with these receivers, which all lead to one listener."""
    text = (FOLDER / "receivers.yaml").read_text("utf-8")
    text = re.sub(r"http://(dingtalk-bridge|prometheus-alert):\d+", url, text)
    text = text.replace("https://qyapi.weixin.qq.com/cgi-bin/", f"{url}/cgi-bin/")
    text = text.replace("/etc/alertmanager/templates", str(FOLDER))
    receivers = yaml.safe_load(text)
    example = yaml.safe_load((ALERTS / "alertmanager.example.yaml").read_text("utf-8"))
    (route,) = example["route"]["routes"]
    for each in (example["route"], route, *route["routes"]):
        each |= {"group_wait": "0s", "group_interval": "1s"}
    return yaml.safe_dump(example | receivers)


class World(NamedTuple):
    """An Alertmanager, who listens, and where its configuration is."""

    alertmanager: Server
    chats: Chats
    file: Path

    def post(self, *alerts: dict[str, Any]) -> None:
        """Send alerts, as Prometheus does."""
        body = json.dumps(alerts).encode()
        headers = {"Content-Type": "application/json"}
        url = f"{self.alertmanager.url}/api/v2/alerts"
        assert send(urllib.request.Request(url, body, headers))[0] == 200


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All of it, for all tests here."""
    folder = tmp_path_factory.mktemp("receivers")
    with Chats() as chats:
        thread = threading.Thread(target=chats.serve_forever, daemon=True)
        thread.start()
        with alertmanager(configuration(chats.url), folder) as server:
            yield World(server, chats, folder / "alertmanager.yaml")
        chats.shutdown()


def test_messages(world: World) -> None:
    """Each chat is told what has failed, and later that it is over."""
    world.post(FAILED)

    dingtalk = world.chats.wait_for("/dingtalk/adbpg/send", "firing")
    feishu = world.chats.wait_for("type=fs&tpl=adbpg", "firing")
    wecom = world.chats.wait_for("/cgi-bin/message/send?access_token=of-wecom", "231460f8")
    for webhook in (dingtalk, feishu):
        (alert,) = webhook["alerts"]
        assert alert["labels"] == FAILED["labels"]
        assert alert["annotations"] == FAILED["annotations"]
    message = wecom["markdown"]["content"]
    assert message.startswith("### [1] AdbpgJobFailed document\n")
    assert "**Job 231460f8 of document failed**\nIt got to 60 %.\nJob: 231460f8\n" in message
    assert "[Runbook](https://runbooks.example.com/runbook.md#adbpgjobfailed)" in message
    assert "[Dashboard](https://grafana.example.com/d/adbpg-job)" in message

    world.post({**FAILED, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:01:00Z"})

    message = world.chats.wait_for("/cgi-bin/", "resolved")["markdown"]["content"]
    assert message.startswith("### [resolved] AdbpgJobFailed document\n")
    assert "Resolved:\n\n**Job 231460f8 of document failed**" in message


def test_many_alerts_fit(world: World) -> None:
    """Of many alerts the first three are shown, within the 2,048 bytes that WeCom takes."""
    labels = {**FAILED["labels"], "collection": "crowded"}
    world.post(
        *(
            {
                "labels": labels | {"job_id": f"job-{number}"},
                "annotations": FAILED["annotations"] | {"description": "x" * 300},
            }
            for number in range(20)
        )
    )

    message = world.chats.wait_for("/cgi-bin/", "3 of 20")["markdown"]["content"]

    assert message.count("Job: job-") == 3
    assert "The first 3 of 20 are shown." in message
    assert len(message.encode()) <= 2048


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=AdbpgExporterDown", "severity=critical"], "adbpg-critical"),
        (["alertname=AdbpgJobFailed", "severity=warning"], "adbpg-warning"),
        (["alertname=AdbpgJobsDropped", "severity=info"], "adbpg-info"),
        (["alertname=Other", "severity=critical"], "others"),
    ],
)
def test_routes(world: World, labels: list[str], receiver: str) -> None:
    """Each severity has its receiver; what is not ours goes where it went."""
    command = [tool("amtool"), "config", "routes", "test", f"--config.file={world.file}", *labels]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, receiver)


def test_the_files_fit_each_other() -> None:
    """The bridges' templates name what is there: templates of ours, fields of the webhook."""
    dingtalk = yaml.safe_load((FOLDER / "dingtalk.yaml").read_text("utf-8"))
    ours = (FOLDER / "adbpg.tmpl").read_text("utf-8")
    feishu = (FOLDER / "feishu.tmpl").read_text("utf-8")

    for text in dingtalk["targets"]["adbpg"]["message"].values():
        (name,) = re.findall(r'template "([^"]+)"', text)
        assert f'define "{name}"' in ours
    fields = {*re.findall(r"\$alert\.([a-zA-Z]+)", feishu)}
    assert fields <= {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL"}
