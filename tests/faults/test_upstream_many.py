"""Many jobs, and many hosts of which one is dead."""

import json
import re
import time
from collections import Counter
from pathlib import Path

from tests.faults.bench import (
    OFFSET,
    Recorder,
    Scrape,
    asked_for,
    configuration,
    scrape,
    target,
    well,
)
from tests.processes import ACCESS_KEYS, ONE_NAMESPACE, Process, exporter, get, simulator
from tests.processes import Upstream as Simulated
from tests.upstream import Behaviour, Request, Upstream, hang, reset

MANY = 10_000
SHORT = 1.0  # seconds of a scrape that cannot ask about all of them
UNSEEN = 'adbpg_exporter_jobs{source="config",state="unseen"}'
LATE = 'adbpg_exporter_scrape_jobs{result="late"}'
DEADLINE = 40  # scrapes, within which all must have had their turn


def counts(api: Simulated) -> Counter[str]:
    """Return how often the simulator was asked about each job."""
    _, text = get(api.process.url + "/-/calls")
    return Counter({job: count["asked"] for job, count in json.loads(text)["jobs"].items()})


def value(page: Scrape, sample: str) -> float:
    """Return the value of a sample that is written so: parsing all of these pages takes long."""
    found = re.search(f"^{re.escape(sample)} (.*)$", page.text, re.MULTILINE)
    assert found, sample
    return float(found[1])


def test_more_jobs_than_a_budget(tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 47: of more jobs than a scrape can ask about, the longest unasked come first."""
    scenario = (
        f"{ACCESS_KEYS}{ONE_NAMESPACE}jobs:\n  - {{id: j, collection: c, namespace: main, "
        f"entries: 900000000, repeat: {{every: 0s, times: {MANY}}}}}\n"
    )
    settings = (
        f"scrape: {{min_interval: 0s, timeout_offset: {OFFSET * 1000:.0f}ms}}\n"
        "api: {calls_per_second: 10000}\n"
    )
    with (
        simulator(scenario, tmp_path) as api,
        exporter(api.configuration(settings), tmp_path) as process,
    ):
        pages = [scrape(process, SHORT)]
        spread = [0]
        while value(pages[-1], UNSEEN):
            assert len(pages) < DEADLINE
            pages.append(scrape(process, SHORT))
            asked = counts(api)
            spread.append(max(asked.values()) - (min(asked.values()) if len(asked) == MANY else 0))

    overshoot = max(page.overshoot for page in pages)
    record_testsuite_property("scrapes until 10,000 jobs had their turn", len(pages))
    record_testsuite_property("overshoot with 10,000 jobs", overshoot)
    assert 0 < value(pages[0], LATE) < MANY
    # Nobody was asked twice before everybody was asked once.
    assert max(spread) == 1
    assert pages[-1].text.count("adbpg_job_up{") == MANY
    assert not re.search(r"^adbpg_exporter_api_errors_total.* [^0]", pages[-1].text, re.MULTILINE)
    # Writing 10,000 jobs down comes on top of the budget.
    assert overshoot < 6.0


HOSTS = [f"host-{number}" for number in range(10)]
DEAD = HOSTS[3]


class Hosts:
    """Ten hosts on two servers: one dies, in turn by resetting and by hanging, and nine live."""

    def __init__(self) -> None:
        self.behaviour: Behaviour | None = None
        self.last_call = 0.0

    def dead(self, request: Request) -> Behaviour:
        """Answer as the host that dies."""
        return self.behaviour or well(request)

    def alive(self, request: Request) -> Behaviour:
        """Answer as the nine others."""
        self.last_call = time.monotonic()
        return well(request)

    def scrape(self, process: Process, number: int) -> tuple[Scrape, float]:
        """Make one of 200 scrapes; return the seconds, too, until the nine were all asked."""
        if number:  # at first it is well: a host that never was is trusted less
            self.behaviour = hang() if number % 40 >= 37 else reset()
        started = time.monotonic()
        return scrape(process, 0.5), self.last_call - started


def test_one_of_ten_hosts_is_dead(tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 48: beside a host that resets or hangs, nine are complete in each of 200 scrapes."""
    hosts = Hosts()
    jobs = {name: [f"{name}-{n}" for n in range(12 if name == DEAD else 2)] for name in HOSTS}
    with Upstream(hosts.dead) as sick, Upstream(hosts.alive) as other:
        text = configuration(
            *(target(n, (sick if n == DEAD else other).url, jobs[n]) for n in HOSTS),
            scrape={"concurrency": 10},  # fewer than the dead host has jobs to hold them with
            api={"request_timeout": "2s", "calls_per_second": 9999},  # longer than a scrape
        )
        with exporter(text, tmp_path) as process:
            scrapes = [hosts.scrape(process, number) for number in range(200)]

    pages = [page for page, _ in scrapes]
    asked = sorted(seconds for _, seconds in scrapes)
    record_testsuite_property("overshoot with a dead host", max(p.overshoot for p in pages))
    record_testsuite_property("nine hosts asked: median, latest", f"{asked[100]}, {asked[-1]}")
    alive = [job for name in HOSTS if name != DEAD for job in jobs[name]]
    for page in pages:
        assert value(page, 'adbpg_exporter_scrape_jobs{result="fresh"}') >= len(alive)
        page.check_time()
    calls = Counter(map(asked_for, other.requests))
    assert {calls[job] for job in alive} == {200}
    assert set(pages[-1].errors()) == {(DEAD, "connection"), (DEAD, "timeout")}
    assert pages[-1].up(f"{DEAD}-0") == 0
    assert all(pages[-1].is_complete(job) for job in alive)
