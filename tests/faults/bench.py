"""What the fault tests share: a sick API, a healthy one, and an exporter that watches both.

The target ``sick`` has the jobs ``sick`` and ``neighbour``, which is answered well by the same
server; the target ``well`` has the job ``well`` on a server of its own. A fault must cost the
first job and nothing else: see ``Scrape.lost``.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.processes import KEY, Page, Process, exporter, get
from tests.upstream import Behaviour, Request, Script, Upstream, message, send

BUDGET = 60.0
"""Seconds that a scrape may take, unless a test says otherwise: even a busy machine needs less."""
CALL = 10.0
"""Seconds that a call may take, likewise: a hung one ends so, and a good one always sooner."""
OFFSET = 0.1
"""Seconds that are taken off the scraper's header: ``scrape.timeout_offset``."""

COMPLETE = {
    "adbpg_job_info",
    "adbpg_job_up",
    "adbpg_job_status",
    "adbpg_job_waiting",
    "adbpg_job_completed",
    "adbpg_job_progress_entries",
    "adbpg_job_expected_entries",
    "adbpg_job_progress_ratio",
    "adbpg_job_error",
    "adbpg_job_inconsistent",
    "adbpg_job_created_timestamp_seconds",
    "adbpg_job_updated_timestamp_seconds",
    "adbpg_job_age_seconds",
    "adbpg_job_progress_changed_timestamp_seconds",
    "adbpg_job_turn_timestamp_seconds",
    "adbpg_job_deadline_timestamp_seconds",
    "adbpg_job_last_success_timestamp_seconds",
}
"""The metrics of a healthy job."""

RUNNING: Mapping[str, object] = {
    "Completed": False,
    "CreateTime": "2024-01-08 16:52:04.864664",
    "UpdateTime": "2024-01-08 16:53:04.864664",
    "Status": "Running",
    "Progress": 1600,
}

Recorder = Callable[[str, object], None]
"""pytest's ``record_testsuite_property``: a figure for the report of ``--junit-xml``."""


def asked_for(request: Request) -> str:
    """Return the id of the job that a call asks about."""
    return parse_qs(request.body.decode())["JobId"][0]


def job_answer(job_id: str, **fields: object) -> bytes:
    """Return the body of a good answer about a running job, with these fields changed."""
    job = {"Id": job_id, **RUNNING, **fields}
    return json.dumps({"RequestId": "R", "Status": "success", "Job": job}).encode()


def well(request: Request) -> Behaviour:
    """Answer a call as the API does."""
    return send(message(job_answer(asked_for(request))))


def only_sick(*behaviours: Behaviour) -> Script:
    """Give the job ``sick`` these answers in turn, the last one for ever; the others are well."""
    left = list(behaviours)

    def pick(request: Request) -> Behaviour:
        if asked_for(request) != "sick":
            return well(request)
        return left.pop(0) if len(left) > 1 else left[0]

    return pick


def target(name: str, url: str, jobs: Sequence[str], **settings: object) -> dict[str, object]:
    """Return a target of a configuration."""
    return {
        "name": name,
        "region_id": "cn-hangzhou",
        "db_instance_id": "gp-bp1test",
        "namespace_password": "pw-of-rag",
        "endpoint": url,
        # Each its own collection: uploads to one wait for each other.
        "jobs": [
            {"id": job, "collection": f"c-{job}", "expected_entries": 9_000_000} for job in jobs
        ],
        **settings,
    }


def configuration(
    *targets: Mapping[str, object],
    scrape: Mapping[str, object] | None = None,
    api: Mapping[str, object] | None = None,
    **sections: object,
) -> str:
    """Return a configuration. JSON is YAML too."""
    call = (api or {}).get("request_timeout", f"{CALL:.0f}s")
    settings: dict[str, Any] = {
        "scrape": {
            "min_interval": "0s",
            "timeout_offset": f"{OFFSET * 1000:.0f}ms",
            **(scrape or {}),
        },
        "api": {"request_timeout": call, "connect_timeout": call, **(api or {})},
        "targets": targets,
        **sections,
    }
    return json.dumps(settings, indent=1)


@dataclass(frozen=True)
class Scrape:
    """A scrape that was answered with 200.

    Attributes:
        text: as it came.
        budget: seconds that it had.
        seconds: that it took.
    """

    text: str
    budget: float
    seconds: float

    @cached_property
    def page(self) -> Page:
        """Its samples, as Prometheus' own parser reads them."""
        return Page(self.text)

    @property
    def overshoot(self) -> float:
        """Seconds over the budget; negative when there was time left."""
        return self.seconds - self.budget

    def value(self, name: str, **labels: str) -> float | None:
        """See ``Page.value``."""
        return self.page.value(name, **labels)

    def up(self, job: str) -> float | None:
        """Return whether the last query of a job worked; None before the first."""
        return self.value("adbpg_job_up", job_id=job)

    def errors(self) -> dict[tuple[str, str], float]:
        """Return the errors counted since the start, by target and reason."""
        return {
            (sample.labels["target"], sample.labels["reason"]): sample.value
            for sample in self.page.samples
            if sample.name == "adbpg_exporter_api_errors_total" and sample.value
        }

    def is_complete(self, job: str) -> bool:
        """Whether everything about a healthy job is there, as the API said it."""
        return (
            self.page.names(job_id=job) == COMPLETE
            and self.up(job) == 1
            and self.value("adbpg_job_progress_entries", job_id=job) == RUNNING["Progress"]
        )

    def check_time(self) -> None:
        """Fail unless it ended by itself, and not by its budget: no call outlasted its timeout."""
        assert self.seconds < self.budget, f"{self.seconds:.2f} s for a budget of {self.budget} s"

    def lost(self, reason: str, times: int = 1, where: str = "") -> None:
        """Fail unless the job ``sick`` alone was lost, for this reason, in so many queries.

        Args:
            reason: the only one that is counted for its target.
            times: that it is counted.
            where: which of the targets that a ``ward`` has.
        """
        name = f"sick {where}".strip()
        assert self.up(name) == 0
        counted = {why: count for (at, why), count in self.errors().items() if at == name}
        assert counted == {reason: times}
        self.check_others(where)

    def check_others(self, where: str = "") -> None:
        """Fail unless the other jobs are complete, in time."""
        assert self.is_complete(f"neighbour {where}".strip())
        assert self.is_complete("well")
        assert not [target for target, _ in self.errors() if target == "well"]
        self.check_time()


def scrape(process: Process, budget: float = BUDGET) -> Scrape:
    """Scrape, as a Prometheus that gives this budget."""
    timeout = str(round(budget + OFFSET, 3))
    started = time.monotonic()
    status, text = get(process.url + "/metrics", X_Prometheus_Scrape_Timeout_Seconds=timeout)
    seconds = time.monotonic() - started
    assert status == 200, text
    return Scrape(text, budget, seconds)


@dataclass(frozen=True)
class Bench:
    """An exporter between two servers.

    Attributes:
        process: the exporter.
        sick: the server of the targets's ``sick`` and ``neighbour``.
        well: the server of the job ``well``.
    """

    process: Process
    sick: Upstream
    well: Upstream

    def scrape(self, budget: float = BUDGET) -> Scrape:
        """Scrape the exporter."""
        return scrape(self.process, budget)

    def calls(self, job: str = "sick") -> int:
        """Return how often the sick server was asked about a job."""
        return sum(asked_for(request) == job for request in self.sick.requests)


@contextlib.contextmanager
def bench(
    sick: Upstream,
    folder: Path,
    *,
    environ: Mapping[str, str] = KEY,
    prefix: Sequence[str] = (),
    endpoint: str = "",
    flags: Sequence[str] = (),
    **sections: Any,
) -> Iterator[Bench]:
    """Start the exporter between a sick server and a healthy one.

    Args:
        sick: serves the target ``sick``; not yet entered.
        folder: for the configuration.
        environ: of the exporter.
        prefix: of its command.
        endpoint: of the target ``sick``, when it is not the server's address.
        flags: of its command line.
        sections: further parts of the configuration.
    """
    with sick, Upstream(well) as other:
        text = configuration(
            target("sick", endpoint or sick.url, ["sick", "neighbour"]),
            target("well", other.url, ["well"]),
            **sections,
        )
        with exporter(text, folder, *flags, environ=environ, prefix=prefix) as process:
            yield Bench(process, sick, other)


@contextlib.contextmanager
def ward(behaviours: Mapping[str, Behaviour], folder: Path, **sections: Any) -> Iterator[Bench]:
    """Start the exporter between a healthy server and one that is sick in many ways at once.

    For each behaviour there is a target ``sick <name>`` with the jobs ``sick <name>`` and
    ``neighbour <name>``.

    Args:
        behaviours: what is done for a call about the sick job, by name.
        folder: for the configuration.
        sections: further parts of the configuration.
    """

    def pick(request: Request) -> Behaviour:
        kind, _, name = asked_for(request).partition(" ")
        return behaviours[name] if kind == "sick" else well(request)

    with Upstream(pick) as sick, Upstream(well) as other:
        targets = [
            target(f"sick {name}", sick.url, [f"sick {name}", f"neighbour {name}"])
            for name in behaviours
        ]
        text = configuration(*targets, target("well", other.url, ["well"]), **sections)
        with exporter(text, folder) as process:
            yield Bench(process, sick, other)


@dataclass
class Memory:
    """How much memory a process takes, and how much it has taken at most since ``reset``."""

    process: Process
    before: int = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin to watch here."""
        (self._proc / "clear_refs").write_text("5")  # the peak becomes what is taken now
        self.before = status(self.process, "VmRSS") * 1024

    @property
    def growth(self) -> int:
        """Bytes that the peak since then lies above the start."""
        return status(self.process, "VmHWM") * 1024 - self.before

    @property
    def _proc(self) -> Path:
        return Path(f"/proc/{self.process.popen.pid}")


def status(process: Process, name: str) -> int:
    """Return a number of ``/proc/<pid>/status``: a count, or KiB."""
    lines = Path(f"/proc/{process.popen.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
