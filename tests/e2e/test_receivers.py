"""examples/receivers: a real Alertmanager tells a listener in the place of the chats."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request

import pytest
import yaml

from tests.monitoring import alertmanager
from tests.processes import PATIENCE, send, tool

pytestmark = pytest.mark.prometheus

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "receivers"
CONFIGURATION = FOLDER / "alertmanager.yaml"
GROUPS = yaml.safe_load((ROOT / "grafana/alerts/adbpg-job-exporter.rules.yaml").read_text("utf-8"))
RULES: dict[str, Any] = {
    rule["alert"]: rule for group in GROUPS["groups"] for rule in group["rules"] if "alert" in rule
}
JOB = {
    "job": "adbpg",
    "target": "main",
    "collection": "product_manuals",
    "collection_namespace": "rag",
    "db_instance_id": "gp-bp1test",
    "kind": "upsert_collection_data",
}
START, END = "2026-01-02T03:04:05Z", "2026-01-02T04:05:06Z"
FIELDS = {
    "alerts", "annotations", "commonAnnotations", "commonLabels", "endsAt", "externalURL",
    "generatorURL", "groupLabels", "labels", "receiver", "startsAt", "status",
}  # fmt: skip


def alert(name: str, **labels: str) -> dict[str, Any]:
    """Return an alert with what its rule gives it; the numbers in its description are left out."""
    rule = RULES[name]
    labels |= {"alertname": name} | rule["labels"]

    def filled(text: str) -> str:
        text = re.sub(r"\(toTime \$value\)\.Format \"[^\"]+\"", "$labels.since", text)
        text = re.sub(
            r"{{ \$labels\.(\w+)(?: \| urlquery)? }}", lambda it: labels.get(it[1], ""), text
        )
        return re.sub(r"{{.*?}}", "", text)

    annotations = {key: filled(text) for key, text in rule["annotations"].items()}
    return {"labels": labels, "annotations": annotations, "startsAt": START}


@dataclass
class Chats:
    """Who is told: keeps each request, as path with query and JSON."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    _told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, path: str, message: dict[str, Any]) -> None:
        """Keep a message."""
        with self._changed:
            self._told.append((path, message))
            self._changed.notify_all()

    def wait_for(self, path: str, part: str) -> tuple[str, dict[str, Any]]:
        """Return the first message for a path that has a text in it, once it is there."""

        def found() -> list[tuple[str, dict[str, Any]]]:
            return [it for it in self._told if it[0].startswith(path) and part in str(it[1])]

        with self._changed:
            assert self._changed.wait_for(found, PATIENCE), self._told
            return found()[0]


@dataclass(frozen=True)
class Wired:
    """An Alertmanager with the example, and who it tells."""

    url: str
    chats: Chats

    def tell(self, *alerts: dict[str, Any]) -> None:
        """Send alerts as Prometheus does."""
        body = json.dumps(alerts).encode()
        request = Request(self.url + "/api/v2/alerts", body, {"Content-Type": "application/json"})
        assert send(request)[0] == 200


def quick(url: str) -> str:
    """Return the example with short times and a listener's address in the place of all others."""
    configuration = yaml.safe_load(CONFIGURATION.read_text("utf-8"))

    def hurry(route: dict[str, Any]) -> None:
        route |= {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
        for child in route.get("routes", ()):
            hurry(child)

    hurry(configuration["route"])
    for receiver in configuration["receivers"]:
        for webhook in receiver.get("webhook_configs", ()):
            webhook["url"] = re.sub(r"^http://[^/]+", url, webhook["url"])
        for wechat in receiver.get("wechat_configs", ()):
            wechat["api_url"] = url + "/cgi-bin/"
    return yaml.safe_dump(configuration)


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    """Alertmanager runs with the example's templates."""
    folder = tmp_path_factory.mktemp("receivers")
    shutil.copytree(FOLDER / "templates", folder / "templates")
    chats = Chats()

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            chats.asked.append(self.path)
            self._answer({"errcode": 0, "access_token": "token-of-the-listener"})

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer({"errcode": 0})
            chats.take(self.path, message)

        def _answer(self, what: dict[str, Any]) -> None:
            body = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests need no log of requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        chats.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            with alertmanager(quick(chats.url), folder) as decides:
                yield Wired(decides.url, chats)
        finally:
            server.shutdown()
            thread.join()


def test_the_bridge_of_dingtalk_is_told(wired: Wired) -> None:
    """A critical alert goes to the bridge's path, with the labels and annotations of the rule."""
    told = alert("AdbpgApiAuthFailing", job="adbpg", target="main", reason="auth")
    wired.tell(told)

    path, message = wired.chats.wait_for("/dingtalk/", "AdbpgApiAuthFailing")

    assert path == "/dingtalk/adbpg/send"
    assert message["alerts"][0]["labels"] == told["labels"]
    assert message["alerts"][0]["annotations"] == told["annotations"]


def test_the_bridge_of_feishu_is_told(wired: Wired) -> None:
    """An info alert goes to PrometheusAlert, which is told the template and not to split."""
    told = alert("AdbpgJobCancelled", **JOB, job_id="cancelled")
    wired.tell(told)

    path, message = wired.chats.wait_for("/prometheusalert", "cancelled")

    query = parse_qs(urlsplit(path).query)
    assert query == {"type": ["fs"], "tpl": ["adbpg-fs"], "split": ["false"]}
    assert message["alerts"][0]["labels"] == told["labels"]


def test_wecom_gets_the_rendered_text(wired: Wired) -> None:
    """A warning asks for a token, and sends the text with job, place, times and links."""
    told = alert("AdbpgJobFailed", **JOB, job_id="failed-one")
    wired.tell(told)

    path, message = wired.chats.wait_for("/cgi-bin/message/send", "failed-one")

    assert path.endswith("?access_token=token-of-the-listener")
    asked = parse_qs(urlsplit(wired.chats.asked[0]).query)
    assert asked == {"corpid": ["YOUR_CORP_ID"], "corpsecret": ["YOUR_APP_SECRET"]}
    text = message["text"]["content"]
    assert text.startswith("[FIRING] AdbpgJobFailed product_manuals\n")
    for part in ("Collection: product_manuals", "Target: main", "FIRING job failed-one"):
        assert part in text
    assert "Since 2026-01-02 03:04 UTC" in text
    for part in told["annotations"].values():
        assert part in text


def test_wecom_is_told_what_is_resolved(wired: Wired) -> None:
    """A resolved alert is marked, with its job and its end."""
    told = alert("AdbpgJobStalled", **JOB, job_id="moves-again")
    wired.tell(told)
    wired.chats.wait_for("/cgi-bin/message/send", "FIRING job moves-again")
    wired.tell(told | {"endsAt": END})

    _, message = wired.chats.wait_for("/cgi-bin/message/send", "RESOLVED job moves-again")

    text = message["text"]["content"]
    assert text.startswith("[RESOLVED] AdbpgJobStalled product_manuals\n")
    assert "2026-01-02 03:04 to 2026-01-02 04:05 UTC" in text


def notification(firing: int, resolved: int = 0) -> dict[str, Any]:
    """Return a message as Alertmanager renders it, for a group of jobs that failed."""
    alerts = [
        alert("AdbpgJobFailed", **JOB, job_id=f"231460f8-75dc-405e-a669-{each:012}")
        | {"status": "firing" if each < firing else "resolved", "endsAt": END}
        for each in range(firing + resolved)
    ]
    annotations = alerts[0]["annotations"]
    return {
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "groupLabels": {"alertname": "AdbpgJobFailed"},
        "commonLabels": {**JOB, "alertname": "AdbpgJobFailed"},
        "commonAnnotations": {key: annotations[key] for key in ("summary", "runbook_url")},
    }


def render(folder: Path, files: str, text: str, data: dict[str, Any]) -> str:
    """Return what amtool makes of a template."""
    (folder / "data.json").write_text(json.dumps(data), "utf-8")
    return _amtool(
        "template",
        "render",
        f"--template.glob={files}",
        f"--template.text={text}",
        f"--template.data={folder}/data.json",
    )


def test_a_message_for_wecom_is_not_cut(tmp_path: Path) -> None:
    """Of many alerts two are told in full and the others counted: WeCom takes 2048 bytes."""
    text = render(
        tmp_path,
        str(FOLDER / "templates" / "*.tmpl"),
        '{{ template "adbpg.message" . }}',
        notification(9, 8),
    )

    assert (text.count("FIRING job"), text.count("RESOLVED job")) == (2, 2)
    assert "and 7 more firing" in text
    assert "and 6 more resolved" in text
    assert len(text.encode()) <= 2048


def test_the_template_of_dingtalk_renders(tmp_path: Path) -> None:
    """By Alertmanager's engine, less the bridge's `markdown`, it tells five alerts of a kind."""
    template = (FOLDER / "dingtalk.tmpl").read_text("utf-8").replace(" | markdown", "")
    (tmp_path / "dingtalk.tmpl").write_text(template, "utf-8")
    message = yaml.safe_load((FOLDER / "dingtalk.yml").read_text("utf-8"))["targets"]["adbpg"]

    text = render(
        tmp_path, f"{tmp_path}/dingtalk.tmpl", message["message"]["text"], notification(7, 6)
    )

    assert (text.count("**FIRING**"), text.count("**RESOLVED**")) == (5, 5)
    assert "and 2 more firing" in text
    assert "and 1 more resolved" in text
    assert "Collection: product_manuals" in text
    assert "[Runbook](https://runbooks.example.com/" in text


def test_the_template_of_feishu_has_fields_of_the_webhook() -> None:
    """Each field in front of our labels and annotations is one of Alertmanager's JSON."""
    template = (FOLDER / "feishu.tmpl").read_text("utf-8")
    paths = re.findall(r"(?:\$alert|(?<=[\s(]))\.([A-Za-z_.]+)", template)

    assert {path.split(".")[0] for path in paths if path[0] != "."} <= FIELDS


def test_the_template_of_feishu_renders(tmp_path: Path) -> None:
    """By Alertmanager's engine, with its names for the fields, it tells five alerts of seven."""
    template = (FOLDER / "feishu.tmpl").read_text("utf-8")
    for name in FIELDS:
        template = re.sub(rf"\.{name}\b", "." + name[0].upper() + name[1:], template)

    text = render(tmp_path, str(FOLDER / "templates" / "*.tmpl"), template, notification(4, 3))

    assert (text.count("**firing**"), text.count("**resolved**")) == (4, 1)
    assert "and 2 more" in text
    assert "[Runbook](https://runbooks.example.com/" in text


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=AdbpgExporterDown severity=critical", "adbpg-dingtalk"),
        ("alertname=AdbpgJobStalled severity=warning", "adbpg-wecom"),
        ("alertname=AdbpgJobCancelled severity=info", "adbpg-feishu"),
        ("alertname=SomebodyElses severity=critical", "others"),
    ],
)
def test_each_severity_has_its_chat(labels: str, receiver: str) -> None:
    """By amtool, the routes lead each severity, and what is not ours, to one receiver."""
    done = _amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", *labels.split())

    assert done.split() == [receiver]


def test_amtool_accepts_the_example() -> None:
    """`amtool check-config` has nothing against the configuration and its templates."""
    said = _amtool("check-config", str(CONFIGURATION))

    assert said.count("SUCCESS") == 2


def test_it_mutes_what_the_bundles_example_mutes() -> None:
    """Its rules of inhibition are those of grafana/alerts/alertmanager.example.yaml."""
    bundle = ROOT / "grafana" / "alerts" / "alertmanager.example.yaml"
    ours, theirs = (yaml.safe_load(it.read_text("utf-8")) for it in (CONFIGURATION, bundle))

    assert ours["inhibit_rules"] == theirs["inhibit_rules"]


def _amtool(*arguments: str) -> str:
    done = subprocess.run(
        [tool("amtool"), *arguments], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return done.stdout
