"""A pipeline's two lines: the official SDK starts a job, and the exporter watches it."""

import asyncio
import json
import logging
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.pipeline import announce, forget, watched
from exporter.secret import Secret
from exporter.simulator.operations import BY_ACTION
from exporter.simulator.scenario import AccessKey, Job, Namespace, Scenario
from exporter.simulator.server import Simulator
from tests.certificates import Authority
from tests.processes import KEY, Process, exporter, scrape
from tests.sdk_wire import METHODS, STARTS, sdk_client, sdk_model
from tests.upstream import Upstream, drip, message, send

# The SDK's core asks datetime.utcnow() for the date; Python 3.12 and later warn about it.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

TOKEN = "planted-token-of-nightly"
KEY_ID, KEY_SECRET = KEY["ALIBABA_CLOUD_ACCESS_KEY_ID"], KEY["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]
PASSWORD = "pw-of-rag-namespace"
SCENARIO = Scenario(
    access_keys=(AccessKey(KEY_ID, Secret(KEY_SECRET)),),
    namespaces=(
        Namespace("main", "cn-hangzhou", Secret(PASSWORD), db_instance_id="gp-1", namespace="rag"),
    ),
    jobs=(Job("of-the-graph", "c", "main", kind="graph_rag", entries=10**9),),
)
SUBJECT = {
    "DBInstanceId": "gp-1",
    "RegionId": "cn-hangzhou",
    "Namespace": "rag",
    "NamespacePassword": PASSWORD,
    "Collection": "c",
}


@pytest.fixture(scope="module")
def api() -> Iterator[Simulator]:
    """The simulated API."""
    with Simulator(SCENARIO) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def it(api: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An exporter of the simulated API that takes announced jobs."""
    folder = tmp_path_factory.mktemp("exporter")
    with exporter(configuration(api.url, folder), folder) as process:
        yield process


def configuration(api: str, folder: Path, name: str = "main") -> str:
    """Return a configuration with a token, and write its file."""
    (folder / "token").write_text(TOKEN)
    return (
        "scrape: {min_interval: 0s}\n"
        f"registration:\n  tokens: [{{name: nightly, token_file: token, targets: [{name}]}}]\n"
        f"targets:\n  - name: {name}\n    region_id: cn-hangzhou\n    db_instance_id: gp-1\n"
        f"    namespace: rag\n    namespace_password: {PASSWORD}\n    endpoint: {api}\n"
    )


def started(client: Any, action: str, form: str) -> str:
    """Start a job with one of the SDK's methods of an operation; return its id."""
    name = METHODS[action]
    request = sdk_model(f"{action}Request", SUBJECT | STARTS[action])
    with_options = "_with_options" if hasattr(client, f"{name}_with_options") else "with_options"
    method = getattr(client, f"{name}{form.replace('_with_options', with_options)}")
    options = () if form in ("", "_async") else (sdk_options(),)
    answer = method(request, *options)
    answer = asyncio.run(answer) if form.endswith("_async") else answer
    return str(answer.body.job_id)


def sdk_options() -> Any:
    """Return the SDK's runtime options, which give up soon."""
    from darabonba.runtime import RuntimeOptions  # noqa: PLC0415  see tests.sdk_wire

    return RuntimeOptions()


@pytest.mark.parametrize("form", ["", "_with_options", "_async", "_with_options_async"])
@pytest.mark.parametrize("action", STARTS)
def test_a_watched_client_announces(
    api: Simulator, it: Process, tmp_path: Path, action: str, form: str
) -> None:
    """A job that the SDK starts, by whichever of its methods, is in the next page."""
    (tmp_path / "token").write_text(TOKEN)
    sdk = sdk_client(api.url.removeprefix("http://"), KEY_ID, KEY_SECRET)
    client = watched(sdk, url=it.url, target="main", token_file=str(tmp_path / "token"))

    job_id = started(client, action, form)

    page = scrape(it)
    assert page.value("adbpg_job_up", job_id=job_id) == 1
    assert page.value("adbpg_job_info", job_id=job_id, kind=BY_ACTION[action].kind) == 1
    assert forget(job_id, url=it.url, target="main", token=TOKEN)
    assert scrape(it).value("adbpg_job_up", job_id=job_id) is None


class Uploader:
    """Mimics the SDK's client, whose methods for a stream call those for a file."""

    def upload_document_async_with_options(self, request: object, _runtime: object) -> object:
        """Start a job."""
        del request
        return SimpleNamespace(body=SimpleNamespace(job_id="of-a-stream"))

    def upload_document_async_advance(self, request: object, runtime: object) -> object:
        """Send a stream, and start a job with it."""
        return self.upload_document_async_with_options(request, runtime)


def test_an_upload_of_a_stream_is_announced_once() -> None:
    """A method that calls another one announces the job once."""
    good = send(message({"jobs": []}, status=201))
    with Upstream(lambda _: good) as there:
        client = watched(Uploader(), url=there.url, target="main", token=TOKEN)
        client.upload_document_async_advance(SimpleNamespace(collection="c"), None)

    (request,) = there.requests
    assert json.loads(request.body) == {
        "target": "main",
        "id": "of-a-stream",
        "collection": "c",
        "kind": "upload_document",
    }


@pytest.mark.parametrize("action", STARTS)
def test_an_exporter_that_is_away(
    api: Simulator, action: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The upload works all the same, and the warning has the job's id."""
    sdk = sdk_client(api.url.removeprefix("http://"), KEY_ID, KEY_SECRET)
    client = watched(sdk, url="http://127.0.0.1:9", target="main", token=TOKEN)

    with caplog.at_level(logging.WARNING, logger="exporter.pipeline"):
        job_id = started(client, action, "")

    (record,) = caplog.records
    assert job_id in record.getMessage()
    assert TOKEN not in record.getMessage()


def test_a_slow_answer_holds_up_no_longer_than_the_timeout() -> None:
    """An exporter, or what stands in its place, that drips for ever costs the timeout."""
    with Upstream(
        lambda _: drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000, every=0.2)
    ) as slow:
        began = time.monotonic()
        done = announce(
            "job-1", url=slow.url, target="main", collection="c", token=TOKEN, timeout=0.5
        )
        took = time.monotonic() - began

    assert done is False
    assert took < 30.0  # for hangs only


def test_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate is checked; one of an authority of one's own is good by SSL_CERT_FILE."""
    authority = Authority(tmp_path)
    good = send(message({"jobs": []}, status=201))
    with Upstream(lambda _: good, tls=authority.server()) as there:
        job: dict[str, Any] = {
            "url": there.url,
            "target": "main",
            "collection": "c",
            "token": TOKEN,
        }
        before = announce("job-1", **job)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        after = announce("job-1", **job)

    assert (before, after) == (False, True)


def test_a_busy_exporter_is_asked_again(it: Process) -> None:
    """Beyond 50 requests a second the announcement waits for its turn, within its timeout."""
    results: list[bool] = []

    def work(number: int) -> None:
        job_id = f"busy-{number}"
        results.append(
            announce(job_id, url=it.url, target="main", collection="c", token=TOKEN, timeout=60)
        )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [True] * 80


def test_the_readmes_curl(tmp_path: Path) -> None:
    """What the README shows announces a job, which is in the next page."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    (command,) = re.findall(r"```\n(curl [^`]*/api/v1/jobs[^`]*)```", readme)
    with Simulator(SCENARIO) as api:
        text = configuration(api.url, tmp_path, "rag-prod")
        with exporter(text, tmp_path) as process:
            done = subprocess.run(
                ["/bin/sh", "-c", command.replace("http://localhost:10077", process.url)],
                env={"PATH": "/usr/bin:/bin", "TOKEN": TOKEN},
                capture_output=True,
                text=True,
                check=False,
            )
            page = scrape(process)

    (job_id,) = re.findall(r'"id": "([^"]+)"', command)
    assert '"result": "created"' in done.stdout
    assert page.value("adbpg_job_up", job_id=job_id) == 0  # the simulated API does not know it
