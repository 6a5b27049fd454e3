"""The commands ``simulate`` and ``demo``."""

import argparse
import itertools
import logging
import secrets
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter import config
from exporter.cli import serve
from exporter.cli.invocation import Surroundings
from exporter.cli.loading import load_both
from exporter.cli.printing import print_line
from exporter.clock import Clock
from exporter.config import Config
from exporter.errors import ConfigurationError, Problem
from exporter.pipeline import announce, forget
from exporter.service import Exporter
from exporter.simulator.command import run_simulator, start_simulator
from exporter.simulator.configuration import (
    announcing_configuration,
    exporter_job_file,
    told_passwords,
)
from exporter.simulator.demo import demo_configuration, demo_scenario
from exporter.simulator.operations import BY_ACTION
from exporter.simulator.scenario import Scenario
from exporter.simulator.server import Simulator
from exporter.simulator.uploads import start_job
from exporter.web.addresses import Address, format_address
from exporter.wiring import build

_SCRAPE_INTERVAL = 5.0  # seconds
_UPLOAD_INTERVAL = 40.0  # seconds
_PATIENCE = 5.0  # seconds
_KEPT_JOBS = 20  # that the demo's pipeline has announced and not forgotten

logger = logging.getLogger(__name__)


def simulate(options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Serve a simulated API until a signal ends the process."""
    run_simulator(
        options.listen_address, options.scenario_file or "", print_line, threading.Event()
    )
    return 0


def demo(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve the metrics of a simulated API until a signal to stop."""
    stopping = threading.Event()
    options.signals.take()  # a folder is to be removed
    scenario = demo_scenario()
    simulator = start_simulator(scenario, ("127.0.0.1", 0))
    try:
        with _folder() as folder:
            is_whole = options.shard.of == 1  # announced jobs of shards share a PostgreSQL
            pipeline = _Pipeline(scenario, Path(folder), simulator)
            pipeline.write_configuration(announces=is_whole)

            def load() -> Config:
                return config.load(str(pipeline.config_file), {})

            loaded, web = load_both(load, options.web_config_file)
            exporter = build(
                loaded,
                load,
                environ={},  # a key of the reader's own is none of the demo's business
                clock=Clock(),
                redactor=options.redactor,
                shard=options.shard,
            )
            command = Surroundings.observe(environ).query_command(str(pipeline.config_file))
            servers = serve.start_servers(exporter, options, web, command, lifecycle=True)
            scheme = "https" if web and web.current().tls else "http"
            here = f"{scheme}://{_reachable(servers[0].address)}{serve.route_prefix(options)}"
            print_line(_where_to_look(here, options.telemetry_path))
            works = [pipeline.write_job_files, _scraper(exporter)]
            if is_whole and scheme == "http":  # it knows no certificate of the reader's
                works.append(lambda stopping: pipeline.announce_jobs(here, stopping))
            threads = [threading.Thread(target=w, args=(stopping,), daemon=True) for w in works]
            for thread in threads:
                thread.start()
            serve.wait(exporter, servers, options.signals)
            stopping.set()
            for thread in threads:  # they write to the folder
                thread.join(_PATIENCE)
    finally:
        simulator.stop()
    return 0


def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for the demo's files.

    Raises:
        ConfigurationError: there is none to write to, as in a container that is read only.
    """
    try:
        # A thread may still be writing there: what is left over is no reason to end with an error.
        return tempfile.TemporaryDirectory(
            prefix="adbpg-job-exporter-demo-", ignore_cleanup_errors=True
        )
    except OSError:
        wanted = "needs a folder to write its files to: mount one at /tmp, or name it by TMPDIR"
        raise ConfigurationError([Problem("demo", 0, 0, "", wanted)]) from None


class _Pipeline:
    """Plays the team whose jobs these are: its configuration, and the jobs that it starts."""

    def __init__(self, scenario: Scenario, folder: Path, simulator: Simulator) -> None:
        self._scenario = scenario
        self._folder = folder
        self._simulator = simulator
        self._job_file = folder / "jobs.yaml"
        self._token_file = folder / "token"
        self.config_file = folder / "config.yaml"

    def write_configuration(self, *, announces: bool) -> None:
        """Write what the exporter, and the command ``query`` beside it, read.

        Args:
            announces: whether jobs will be announced.
        """
        key = self._scenario.access_keys[0]
        (self._folder / "access-key-id").write_text(key.id, "utf-8")
        (self._folder / "access-key-secret").write_text(key.secret.reveal(), "utf-8")
        for target, password in told_passwords(self._scenario).items():
            (self._folder / target).write_text(password, "utf-8")
        text = demo_configuration(
            self._simulator.url,
            job_files=[str(self._job_file)],
            passwords_in=str(self._folder),
            access_key_in=str(self._folder),
        )
        if announces:
            self._token_file.write_text(secrets.token_hex(32), "utf-8")
            text += announcing_configuration(
                [namespace.name for namespace in self._scenario.namespaces],
                str(self._token_file),
                str(self._folder / "jobs.sqlite"),
            )
        self.config_file.write_text(text, "utf-8")
        self._write_jobs()

    def write_job_files(self, stopping: threading.Event) -> None:
        """Keep the job file up to date while the demo runs."""
        while not stopping.wait(1.0):
            self._write_jobs()

    def announce_jobs(self, url: str, stopping: threading.Event) -> None:
        """Start uploads, announce each, and forget it when nobody looks at it any more.

        Args:
            url: of the exporter.
            stopping: ends it.
        """
        known: deque[str] = deque()
        target = self._scenario.namespaces[0].name
        token_file = str(self._token_file)
        for upload in itertools.cycle(_UPLOADS):
            collection = upload.parameters["Collection"]
            job_id = self._start(upload)
            if job_id and announce(
                job_id,
                url=url,
                target=target,
                collection=collection,
                token_file=token_file,
                kind=BY_ACTION[upload.action].kind,
                expected_entries=upload.entries,
            ):
                known.append(job_id)
            while len(known) > _KEPT_JOBS:
                forget(known.popleft(), url=url, target=target, token_file=token_file)
            if stopping.wait(_UPLOAD_INTERVAL):
                return

    def _start(self, upload: "_Upload") -> str:
        """Start a job and return its id; empty where the simulator does not answer."""
        try:
            return start_job(
                self._simulator.url,
                self._scenario.access_keys[0],
                self._scenario.namespaces[0],
                upload.action,
                upload.parameters,
            )
        except OSError as error:
            logger.warning("the demo's upload failed", extra={"error": str(error)})
            return ""

    def _write_jobs(self) -> None:
        text = exporter_job_file(self._scenario, self._simulator.seconds)
        if self._job_file.exists() and self._job_file.read_text("utf-8") == text:
            return
        fresh = self._job_file.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(self._job_file)  # never half written


@dataclass(frozen=True, slots=True)
class _Upload:
    """What the demo's pipeline starts: the operation, its parameters, and its entries if known."""

    action: str
    parameters: Mapping[str, str]
    entries: int | None = None


_FILES = "https://demo.oss-cn-hangzhou.example.com"
_UPLOADS = (
    _Upload(
        "UpsertCollectionDataAsync",
        {"Collection": "blog_posts", "FileUrl": f"{_FILES}/blog_posts.jsonl"},
        entries=60_000,
    ),
    _Upload(
        "UploadDocumentAsync",
        {"Collection": "policies", "FileName": "guide.pdf", "FileUrl": f"{_FILES}/guide.pdf"},
    ),
    _Upload(
        "UpsertCollectionDataAsync",
        {"Collection": "price_lists", "FileUrl": f"{_FILES}/price_lists.jsonl"},
        entries=40_000,
    ),
)


def _scraper(exporter: Exporter) -> Callable[[threading.Event], None]:
    """Return what stands in for Prometheus: the exporter makes no call unless it is scraped."""

    def scrape(stopping: threading.Event) -> None:
        while True:
            exporter.scrape("", (), exporter.config.scrape.timeout)
            if stopping.wait(_SCRAPE_INTERVAL):
                return

    return scrape


def _reachable(address: Address) -> str:
    """Return host and port to connect to: one listens on all addresses, but connects to one."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])  # noqa: S104  compared, not bound
    return format_address((host, address[1]))


def _where_to_look(base: str, telemetry_path: str) -> str:
    return (
        "\nThe demo is running: a simulated API, its jobs, and the exporter that watches them.\n"
        f"It scrapes itself every {_SCRAPE_INTERVAL:.0f} seconds, as Prometheus would.\n\n"
        f"  {base}/           the jobs, for people\n"
        f"  {base}{telemetry_path}    the metrics, for Prometheus\n\n"
        f"  curl -s {base}{telemetry_path} | grep ^adbpg_job_status\n\n"
        "Ctrl-C stops it.\n"
    )
