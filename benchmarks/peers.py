"""What would be used instead of the exporter, each a process: see README.md.

obvious: an exporter of requests, prometheus_client and a pool of threads.
sdk: a script with the official SDK that pushes to Pushgateway.
bare: the same calls with http.client in threads, and nothing else.
"""

import argparse
import http.client
import json
import queue
import ssl
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from prometheus_client import CollectorRegistry, Gauge, Metric, push_to_gateway, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from benchmarks.processes import INSTANCE, KEY_ID, KEY_SECRET, PASSWORD, REGION
from exporter.gpdb.client import SignedRequest, random_nonce, sign_request
from exporter.gpdb.credentials import AccessKey
from exporter.secret import Secret

ACTION = "GetUpsertCollectionDataJob"
LABELS = ["job_id", "collection", "collection_namespace", "db_instance_id", "workspace_id"]
STATUSES = ["Start", "Running", "Cancelling", "Cancelled", "Success", "Failed", "Unknown"]
FACTS: dict[str, Callable[[dict[str, Any]], float]] = {
    "up": lambda _: 1.0,
    "completed": lambda job: float(job["Completed"]),
    "progress_entries": lambda job: float(job["Progress"]),
    "expected_entries": lambda _: 100000.0,
    "error": lambda job: float(bool(job.get("Error"))),
    "created_timestamp_seconds": lambda job: _time(job["CreateTime"]),
    "updated_timestamp_seconds": lambda job: _time(job["UpdateTime"]),
    "age_seconds": lambda job: datetime.now(UTC).timestamp() - _time(job["CreateTime"]),
}  # fmt: skip


def _time(text: str) -> float:
    return datetime.fromisoformat(f"{text}+08:00").timestamp()


def _labels(job: str) -> list[str]:
    return [job, f"c{int(job[-6:]) % 500}", "public", INSTANCE, ""]


def _signed(host: str, job: str) -> SignedRequest:
    return sign_request(
        host=host,
        action=ACTION,
        query={"DBInstanceId": INSTANCE, "RegionId": REGION},
        form={"Collection": _labels(job)[1], "JobId": job, "NamespacePassword": PASSWORD},
        key=AccessKey(KEY_ID, Secret(KEY_SECRET)),
        date=datetime.now(UTC),
        nonce=random_nonce(),
    )


class Obvious(Collector):
    """The exporter that one writes first: a session, a pool of threads, a collector."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._jobs = options.jobs
        self._api = options.api
        self._host = urlsplit(options.api).netloc
        self._session = requests.Session()
        self._session.verify = options.ca
        size = options.concurrency
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=size))
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=size))
        self._pool = ThreadPoolExecutor(size)

    def describe(self) -> Iterable[Metric]:
        """Say nothing before the first scrape."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Ask about all jobs, and make their metrics."""
        answers = list(self._pool.map(self._ask, self._jobs))
        status = GaugeMetricFamily("adbpg_job_status", "Status.", labels=[*LABELS, "status"])
        for job, answer in zip(self._jobs, answers, strict=True):
            for name in STATUSES:
                status.add_metric([*_labels(job), name], float(answer["Status"] == name))
        yield status
        for fact, value in FACTS.items():
            family = GaugeMetricFamily(f"adbpg_job_{fact}", "A fact.", labels=LABELS)
            for job, answer in zip(self._jobs, answers, strict=True):
                family.add_metric(_labels(job), value(answer))
            yield family

    def _ask(self, job: str) -> dict[str, Any]:
        signed = _signed(self._host, job)
        answer = self._session.post(
            f"{self._api}/?{signed.query}",
            data=signed.body,
            headers=dict(signed.headers),
            timeout=5,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()["Job"]
        return found


def obvious(options: argparse.Namespace) -> None:
    """Serve until killed."""
    registry = CollectorRegistry()
    server, thread = start_http_server(0, "127.0.0.1", registry)
    registry.register(Obvious(options))
    print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
    thread.join()


def sdk(options: argparse.Namespace) -> None:
    """For each line: ask about all jobs with the official SDK, and push their metrics."""
    from alibabacloud_gpdb20160503 import models  # noqa: PLC0415  0.7 s and 40 MB
    from alibabacloud_gpdb20160503.client import Client  # noqa: PLC0415  likewise
    from alibabacloud_tea_openapi.utils_models import Config  # noqa: PLC0415  likewise

    api = urlsplit(options.api)
    client = Client(
        Config(
            access_key_id=KEY_ID,
            access_key_secret=KEY_SECRET,
            endpoint=api.netloc,
            protocol=api.scheme.upper(),
            region_id=REGION,
            ca=options.ca,
        )
    )

    def ask(job: str) -> dict[str, Any]:
        request = models.GetUpsertCollectionDataJobRequest(
            dbinstance_id=INSTANCE,
            region_id=REGION,
            collection=_labels(job)[1],
            job_id=job,
            namespace_password=PASSWORD,
        )
        found: dict[str, Any] = client.get_upsert_collection_data_job(request).body.to_map()["Job"]
        return found

    registry = CollectorRegistry()
    status = Gauge("adbpg_job_status", "Status.", [*LABELS, "status"], registry=registry)
    gauges = {f: Gauge(f"adbpg_job_{f}", "A fact.", LABELS, registry=registry) for f in FACTS}

    def one_pass(ask_all: Callable[..., Iterable[dict[str, Any]]]) -> None:
        for job, answer in zip(options.jobs, ask_all(options.jobs), strict=True):
            for name in STATUSES:
                status.labels(*_labels(job), name).set(answer["Status"] == name)
            for fact, gauge in gauges.items():
                gauge.labels(*_labels(job)).set(FACTS[fact](answer))
        push_to_gateway(options.pushgateway, "bench", registry)

    with ThreadPoolExecutor(options.concurrency) as pool:
        _passes(lambda: one_pass(partial(pool.map, ask)))


def bare(options: argparse.Namespace) -> None:
    """For each line: make the calls, on connections that are kept."""
    api = urlsplit(options.api)
    todo: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[None] = queue.SimpleQueue()

    def work() -> None:
        connection = http.client.HTTPConnection(api.netloc)
        if api.scheme == "https":
            context = ssl.create_default_context(cafile=options.ca)
            connection = http.client.HTTPSConnection(api.netloc, context=context)
        while (job := todo.get()) is not None:
            signed = _signed(api.netloc, job)
            connection.request("POST", f"/?{signed.query}", signed.body, dict(signed.headers))
            assert json.loads(connection.getresponse().read())["Job"]["Status"]
            done.put(None)

    for _ in range(options.concurrency):
        threading.Thread(target=work, daemon=True).start()

    def one_pass() -> None:
        for job in options.jobs:
            todo.put(job)
        for _ in options.jobs:
            done.get()

    _passes(one_pass)


def _passes(one_pass: Callable[[], None]) -> None:
    print("ready -", flush=True)
    for _ in sys.stdin:
        one_pass()
        print("done", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=["obvious", "sdk", "bare"])
    parser.add_argument("--api", required=True)
    parser.add_argument("--ca", default="")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--pushgateway", default="")
    parser.add_argument("--jobs", type=int, default=1000)
    options = parser.parse_args()
    options.jobs = [f"job-{number:06d}" for number in range(options.jobs)]
    {"obvious": obvious, "sdk": sdk, "bare": bare}[options.peer](options)
