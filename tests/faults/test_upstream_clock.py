"""Clocks that are wrong, jump, or tell another zone."""

import time
from pathlib import Path

import pytest

from tests.faults.bench import (
    Scrape,
    bench,
    configuration,
    job_answer,
    only_sick,
    scrape,
    target,
    well,
)
from tests.faults.clocks import Clocks
from tests.processes import ACCESS_KEYS, KEY, ONE_NAMESPACE, exporter, get, simulator
from tests.upstream import Upstream, Wire, message, send

SKEW = "adbpg_exporter_clock_skew_seconds"
CREATED = "adbpg_job_created_timestamp_seconds"
SHOWN_TIMES = {
    "adbpg_job_progress_changed_timestamp_seconds",
    "adbpg_job_last_success_timestamp_seconds",
}
OWN_CLOCK = {"adbpg_job_age_seconds", *SHOWN_TIMES}
RELOADED = "adbpg_exporter_config_last_reload_success_timestamp_seconds"


@pytest.mark.parametrize("minutes", [20, -20])
def test_clock_off(minutes: int, tmp_path: Path) -> None:
    """Fault 18: with 20 minutes between the clocks that is the reason, and a gauge tells them."""
    scenario = (
        f"{ACCESS_KEYS}{ONE_NAMESPACE}clock_offset: {minutes}m\n"
        "jobs: [{id: sick, collection: c, namespace: main, entries: 9000000}]\n"
    )
    with simulator(scenario, tmp_path) as api, Upstream(well) as other:
        text = configuration(
            target("sick", api.process.url, ["sick"], namespace="rag"),
            target("well", other.url, ["well"]),
        )
        with exporter(text, tmp_path) as process:
            page = scrape(process)

    assert page.up("sick") == 0
    assert page.errors() == {("sick", "clock_skew"): 1}
    skew = page.value(SKEW, target="sick")
    assert skew is not None
    assert abs(skew - 60 * minutes) < 60
    assert page.is_complete("well")
    page.check_time()


@pytest.fixture
def clock(tmp_path: Path) -> Clocks:
    """The exporter's wall clock, apart from its monotonic one."""
    return Clocks(tmp_path, monotonic=False)


JUMPS = ["+1h", "-1h"]


@pytest.mark.parametrize("offset", JUMPS)
def test_a_jump_ages_nothing(offset: str, clock: Clocks, tmp_path: Path) -> None:
    """Fault 19: a wall clock that jumps an hour makes no answer old, and no job due."""
    scrape_settings = {"min_interval": "10m", "max_age": "20m"}
    upstream = Upstream(well)
    with bench(upstream, tmp_path, environ=clock.environ, scrape=scrape_settings) as it:
        before = it.scrape()
        clock.set(offset)
        after = it.scrape()

        assert jumped(before, "0h")
        assert jumped(after, offset)
        assert after.is_complete("sick")
        assert it.calls() == 1
        assert after.value("adbpg_exporter_scrape_jobs", result="cached") == 3
        after.check_others()


@pytest.mark.parametrize("offset", JUMPS)
def test_a_jump_stalls_no_job(offset: str, clock: Clocks, tmp_path: Path) -> None:
    """Fault 19: what happened a moment ago is shown so, by the clock as it stands after a jump."""
    settings = {"min_interval": "10m", "max_age": "20m"}
    with bench(Upstream(well), tmp_path, environ=clock.environ, scrape=settings) as it:
        it.scrape()
        clock.set(offset)
        after = it.scrape()
        page = get(it.process.url)[1]

        assert jumped(after, offset)
        now = time.time() + 3600 * float(offset.removesuffix("h"))
        for name in SHOWN_TIMES:
            shown = after.value(name, job_id="well")
            assert shown is not None
            assert abs(now - shown) < 60
        assert abs(now - (after.value(RELOADED) or 0)) < 60
        assert "Progress has not changed" not in page  # as of a job that is stalled


@pytest.mark.parametrize("offset", JUMPS)
def test_a_jump_moves_no_deadline(offset: str, clock: Clocks, tmp_path: Path) -> None:
    """Fault 19: a jump in the middle of a call ends neither the call nor the scrape."""

    def late(wire: Wire) -> None:
        clock.set(offset)
        wire.pause(1.0)
        wire.send(message(job_answer("sick")))

    with bench(Upstream(only_sick(late)), tmp_path, environ=clock.environ) as it:
        page = it.scrape()

        assert jumped(page, offset)
        assert page.is_complete("sick")
        page.check_others()


@pytest.mark.parametrize("offset", JUMPS)
def test_a_jump_keeps_no_call(offset: str, clock: Clocks, tmp_path: Path) -> None:
    """Fault 19: a call that hangs while the clock jumps runs out of time when it should."""

    def stuck(wire: Wire) -> None:
        clock.set(offset)
        wire.pause()

    with bench(Upstream(only_sick(stuck)), tmp_path, environ=clock.environ) as it:
        page = it.scrape()

        assert jumped(page, offset)
        page.lost("timeout")


def jumped(page: Scrape, offset: str) -> bool:
    """Whether the exporter's wall clock did jump: without that, a test would prove nothing."""
    age = page.value("adbpg_job_age_seconds", job_id="well")
    created = page.value(CREATED, job_id="well")
    assert age is not None
    assert created is not None
    return abs(created + age - time.time() - 3600 * float(offset.removesuffix("h"))) < 60


ZONES = ["UTC", "America/New_York", "Asia/Shanghai"]


def test_time_zone_of_the_process(tmp_path: Path) -> None:
    """Fault 20: TZ changes no value of any page."""
    date = "Mon, 08 Jan 2024 08:52:04 -0000"
    answer = message(job_answer("sick"), headers=[("Date", date)])
    pages = []
    for zone in ZONES:
        folder = tmp_path / zone.replace("/", "-")
        folder.mkdir()
        with bench(Upstream(only_sick(send(answer))), folder, environ={**KEY, "TZ": zone}) as it:
            pages.append(it.scrape())

    assert pages[0].value(CREATED, job_id="sick") == 1704703924.864664
    for page in pages:
        assert fixed_values(page) == fixed_values(pages[0])
        for name in OWN_CLOCK | {SKEW}:
            assert abs(distance(page, name) - distance(pages[0], name)) < 60


def fixed_values(page: Scrape) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The job metrics that the time of the test does not change."""
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for sample in page.page.samples
        if sample.name.startswith("adbpg_job_") and sample.name not in OWN_CLOCK
    }


def distance(page: Scrape, name: str) -> float:
    """The value of the sick job or target. The tests of a run are minutes apart, zones hours."""
    labels = {"target": "sick"} if name == SKEW else {"job_id": "sick"}
    value = page.value(name, **labels)
    assert value is not None
    return value
