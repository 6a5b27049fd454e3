"""How long a scrape of many running jobs takes, beside a bare loop that makes the same calls.

The simulated API, the exporter and the bare loop are three processes on loopback. See README.md.
"""

import argparse
import http.client
import json
import multiprocessing
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from exporter.gpdb.client import sign_request
from exporter.gpdb.credentials import AccessKey
from exporter.secret import Secret
from exporter.simulator.configuration import exporter_configuration
from exporter.simulator.scenario_file import load_scenario

KEY = AccessKey("LTAI5tBenchAccessKey00", Secret("BenchSecretOfTheSimulator00000"))
PASSWORD = "password-of-the-bench"
ENVIRON = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": KEY.id,
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY.secret.reveal(),
}


def main() -> None:
    """Measure, and print one line a figure."""
    options = _options()
    ideal = options.jobs * options.latency / options.concurrency
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenario = folder / "scenario.yaml"
        scenario.write_text(_scenario(options.jobs, options.latency), "utf-8")
        with _simulator(scenario) as api, _exporter(folder, scenario, api, options) as page:
            _measure(options, ideal, api, page)


def _measure(options: argparse.Namespace, ideal: float, api: str, page: str) -> None:
    walls: dict[str, list[float]] = {"exporter": [], "bare loop": []}
    for _ in range(options.runs + 1):  # in turn, so that a slow moment hits both
        walls["exporter"].append(_timed(lambda: _scrape(page, options.jobs)))
        walls["bare loop"].append(_in_another_process(api, options.jobs, options.concurrency))
    print(
        f"{options.jobs} running jobs, {options.latency * 1000:.0f} ms a call, "
        f"{options.concurrency} at once: ideal {ideal:.3f} s; {options.runs} runs after a warm-up"
    )
    for name, seconds in walls.items():
        counted = seconds[1:]
        median = statistics.median(counted)
        print(
            f"{name:<10} {median:.3f} s (min {min(counted):.3f}, max {max(counted):.3f})"
            f"  = {median / ideal:.3f} x ideal"
        )
    pairs = zip(walls["exporter"][1:], walls["bare loop"][1:], strict=True)
    print(
        f"exporter / bare loop, median of pairs: {statistics.median(a / b for a, b in pairs):.3f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds a call (0.05)")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


def _scenario(jobs: int, latency: float) -> str:
    head = (
        f"access_keys: [{{id: {KEY.id}, secret: {KEY.secret.reveal()}}}]\n"
        "namespaces:\n"
        "  - {name: bench, region_id: cn-hangzhou, db_instance_id: gp-bp1bench,"
        f" password: {PASSWORD}}}\n"
        f"latency: {latency * 1000:.0f}ms\n"
        "jobs:\n"
    )
    return head + "".join(
        f"  - {{id: job-{n}, collection: c{n}, namespace: bench, entries: 900000000}}\n"
        for n in range(jobs)
    )


@contextmanager
def _command(pattern: str, *arguments: str, cwd: Path | None = None) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=cwd,
        env=ENVIRON,
    )
    try:
        assert process.stdout is not None
        found = next(filter(None, (re.search(pattern, line) for line in process.stdout)))
        yield f"http://{found[1]}"
    finally:
        process.kill()
        process.communicate()


def _simulator(scenario: Path) -> AbstractContextManager[str]:
    return _command(
        r"API on http://([^\s:]+:\d+)",
        "simulate",
        "--web.listen-address=127.0.0.1:0",
        f"--scenario.file={scenario}",
    )


@contextmanager
def _exporter(folder: Path, scenario: Path, api: str, options: argparse.Namespace) -> Iterator[str]:
    settings = (
        f"scrape: {{min_interval: 0s, timeout: 60s, concurrency: {options.concurrency}}}\n"
        "api: {calls_per_second: 10000}\n"
    )
    configuration = exporter_configuration(load_scenario(str(scenario)), api)
    (folder / "config.yaml").write_text(settings + configuration, "utf-8")
    listen = "--web.listen-address=127.0.0.1:0"
    with _command(r"listening on (\S+)", listen, "--log.level=error", cwd=folder) as url:
        yield f"{url}/metrics"


def _scrape(page: str, jobs: int) -> None:
    with urllib.request.urlopen(page, timeout=120) as answer:
        text = answer.read().decode()
    answered = len(re.findall(r"^adbpg_job_up\{.*\} 1$", text, re.MULTILINE))
    assert answered == jobs, f"only {answered} of {jobs} jobs were answered"


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _in_another_process(api: str, jobs: int, concurrency: int) -> float:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds: float = pool.apply(bare_loop, (api, jobs, concurrency))
    return seconds


def bare_loop(api: str, jobs: int, concurrency: int) -> float:
    """Make the same signed calls with threads and http.client, and nothing else.

    Returns:
        Seconds from the first call to the last answer, connections opened before.
    """
    todo = iter(range(jobs))
    ready = threading.Barrier(concurrency + 1)

    def work() -> None:
        host = urlsplit(api).netloc
        connection = http.client.HTTPConnection(host)
        connection.connect()
        ready.wait()
        for number in todo:  # a range's iterator hands each number to one thread
            _bare_call(connection, host, number)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def _bare_call(connection: http.client.HTTPConnection, host: str, number: int) -> None:
    signed = sign_request(
        host=host,
        action="GetUpsertCollectionDataJob",
        query={"DBInstanceId": "gp-bp1bench", "RegionId": "cn-hangzhou"},
        form={
            "Collection": f"c{number}",
            "JobId": f"job-{number}",
            "NamespacePassword": PASSWORD,
        },
        key=KEY,
        date=datetime.now(UTC),
        nonce=secrets.token_hex(16),
    )
    connection.request("POST", f"/?{signed.query}", signed.body, dict(signed.headers))
    document = json.loads(connection.getresponse().read())
    assert document["Job"]["Status"] == "Running", document


if __name__ == "__main__":
    main()
