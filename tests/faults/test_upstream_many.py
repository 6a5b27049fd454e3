"""Many jobs, and many hosts of which one is dead."""

import json
import re
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
from tests.processes import ACCESS_KEYS, ONE_NAMESPACE, exporter, get, simulator
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


def test_one_of_ten_hosts_is_dead(tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 48: beside a host that is dead in every way, nine are complete, 200 times."""
    refused = 0

    def dead(_: Request) -> Behaviour:
        nonlocal refused
        refused += 1
        return hang() if refused % 40 == 0 else reset()

    with Upstream(dead) as sick, Upstream(well) as other:
        targets = [
            target(name, (sick if name == DEAD else other).url, [f"{name}-{n}" for n in range(4)])
            for name in HOSTS
        ]
        # Fewer calls at once than the dead host has jobs to hold them with.
        limits = {"concurrency": 10, "max_age": "1m"}
        text = configuration(
            *targets,
            scrape=limits,
            api={
                "connect_timeout": "500ms",
                "request_timeout": "500ms",
                "calls_per_second": 10_000,
            },
        )
        with exporter(text, tmp_path) as process:
            pages = [scrape(process, 1.0) for _ in range(200)]

    record_testsuite_property("overshoot with a dead host", max(p.overshoot for p in pages))
    record_testsuite_property("longest scrape with a dead host", max(p.seconds for p in pages))
    calls = Counter(map(asked_for, other.requests))
    alive = [f"{name}-{n}" for name in HOSTS if name != DEAD for n in range(4)]
    assert {calls[job] for job in alive} == {200}
    for page in pages:
        assert page.value("adbpg_exporter_scrape_jobs", result="fresh") == 36
        assert {at for at, _ in page.errors()} == {DEAD}
        assert page.up(f"{DEAD}-0") == 0
        page.check_time()
    for job in alive:
        assert pages[-1].is_complete(job)
