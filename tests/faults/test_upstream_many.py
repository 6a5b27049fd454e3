"""Many jobs, and many hosts of which one is dead."""

import json
import re
import threading
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
from tests.faults.raw import rounds
from tests.processes import (
    ACCESS_KEYS,
    ONE_NAMESPACE,
    PATIENCE,
    eventually,
    exporter,
    get,
    simulator,
)
from tests.processes import Upstream as Simulated
from tests.upstream import Behaviour, Request, Upstream, Wire, both, hang, reset

MANY = rounds(2_000, 10_000)
RATE = MANY // 8  # calls a second
SHORT = 1.0  # seconds of a scrape, so that none can ask about all of them at this rate
UNSEEN = 'adbpg_exporter_jobs{source="config",state="unseen"}'
LATE = 'adbpg_exporter_scrape_jobs{result="late"}'


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
        f"api: {{calls_per_second: {RATE}, request_timeout: 1m}}\n"
    )
    with (
        simulator(scenario, tmp_path) as api,
        exporter(api.configuration(settings), tmp_path) as process,
    ):
        pages: list[Scrape] = []

        def have_all_had_their_turn() -> bool:
            pages.append(scrape(process, SHORT))
            asked = counts(api)
            least = min(asked.values()) if len(asked) == MANY else 0
            # Nobody is asked twice before everybody was asked once.
            assert max(asked.values(), default=0) - least <= 1
            return not value(pages[-1], UNSEEN)

        eventually(have_all_had_their_turn, "all have had their turn")

    record_testsuite_property(f"scrapes until {MANY} jobs had their turn", len(pages))
    assert value(pages[0], LATE) > 0
    assert pages[-1].text.count("adbpg_job_up{") == MANY
    assert not re.search(r"^adbpg_exporter_api_errors_total.* [^0]", pages[-1].text, re.MULTILINE)


HOSTS = [f"host-{number}" for number in range(10)]
DEAD = HOSTS[3]
RESETS, HANGS = rounds(20, 185), rounds(3, 15)
HUNG = 5.0  # seconds of a scrape in which the dead host answers nothing


class Hosts:
    """Ten hosts on two servers: one dies, and nine live."""

    def __init__(self) -> None:
        self.is_well = True
        self.hangs = False
        self._asked = threading.Condition()
        self._calls = 0

    def dead(self, request: Request) -> Behaviour:
        """Answer as the host that dies: it holds each call until the nine others were asked."""
        if self.is_well:
            return well(request)
        return hang() if self.hangs else both(self._hold, reset())

    def alive(self, request: Request) -> Behaviour:
        """Answer as the nine others."""
        with self._asked:
            self._calls += 1
            self._asked.notify_all()
        return well(request)

    def begin(self) -> None:
        """Count the calls of the nine from here on."""
        with self._asked:
            self._calls = 0

    def _hold(self, _: Wire) -> None:
        with self._asked:
            assert self._asked.wait_for(lambda: self._calls == len(ALIVE), PATIENCE)


JOBS = {name: [f"{name}-{n}" for n in range(12 if name == DEAD else 2)] for name in HOSTS}
ALIVE = [job for name in HOSTS if name != DEAD for job in JOBS[name]]


def test_one_of_ten_hosts_is_dead(tmp_path: Path) -> None:
    """Fault 48: beside a host that resets or hangs nine are complete in each scrape.

    The nine are asked while the dead host holds all the calls that it gets.
    """
    hosts, pages = Hosts(), list[Scrape]()
    with Upstream(hosts.dead) as sick, Upstream(hosts.alive) as other:
        text = configuration(
            *(target(n, (sick if n == DEAD else other).url, JOBS[n]) for n in HOSTS),
            scrape={"concurrency": 10},  # fewer than the dead host has jobs to hold them with
            api={"request_timeout": "30s", "calls_per_second": 9999},  # longer than a scrape
        )
        with exporter(text, tmp_path) as process:
            pages.append(scrape(process))  # a host that never was well is trusted less
            hosts.is_well = False
            for _ in range(RESETS):
                hosts.begin()
                pages.append(scrape(process))
            hosts.hangs = True
            pages.extend(scrape(process, HUNG) for _ in range(HANGS))

    for page in pages:
        assert value(page, 'adbpg_exporter_scrape_jobs{result="fresh"}') >= len(ALIVE)
    calls = Counter(map(asked_for, other.requests))
    assert {calls[job] for job in ALIVE} == {1 + RESETS + HANGS}
    assert set(pages[-1].errors()) == {(DEAD, "connection")}
    assert pages[-1].up(f"{DEAD}-0") == 0
    assert all(pages[-1].is_complete(job) for job in ALIVE)
