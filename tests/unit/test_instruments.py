import platform
import threading

import pytest
from prometheus_client import generate_latest

from exporter.errors import REASONS, NotFound, TimedOut
from exporter.instruments import Instruments

ACTION = "GetUpsertCollectionDataJob"
REQUESTS = "adbpg_exporter_api_requests_total"
ERRORS = "adbpg_exporter_api_errors_total"
SECONDS = "adbpg_exporter_api_request_duration_seconds"


@pytest.fixture
def instruments() -> Instruments:
    """Instruments that watch the targets a and b."""
    made = Instruments("1.2.3", "0123abc")
    made.watch({"a": [ACTION], "b": [ACTION]})
    return made


def value(instruments: Instruments, name: str, **labels: str) -> float | None:
    """Return a sample's value; None where there is no such sample."""
    return instruments.registry.get_sample_value(name, labels)


def ours(instruments: Instruments) -> list[str]:
    """Return the lines of our own metrics; those of the process change by themselves."""
    lines = generate_latest(instruments.registry).decode().splitlines()
    return [line for line in lines if line.startswith("adbpg_")]


def test_all_is_there_from_the_start(instruments: Instruments) -> None:
    """Before the first query, each target has its counters, for each reason, at 0."""
    for target in ("a", "b"):
        assert value(instruments, REQUESTS, target=target, action=ACTION) == 0
        for reason in REASONS:
            assert value(instruments, ERRORS, target=target, action=ACTION, reason=reason) == 0
    assert value(instruments, f"{SECONDS}_count", action=ACTION) == 0


def test_a_good_query_is_counted(instruments: Instruments) -> None:
    """A query counts as a request and in the histogram, and as no error."""
    instruments.called("a", ACTION, 0.3)

    assert value(instruments, REQUESTS, target="a", action=ACTION) == 1
    assert value(instruments, REQUESTS, target="b", action=ACTION) == 0
    assert value(instruments, f"{SECONDS}_sum", action=ACTION) == 0.3
    assert value(instruments, f"{SECONDS}_bucket", action=ACTION, le="0.25") == 0
    assert value(instruments, f"{SECONDS}_bucket", action=ACTION, le="0.5") == 1
    for reason in REASONS:
        assert value(instruments, ERRORS, target="a", action=ACTION, reason=reason) == 0


def test_a_failed_query_is_counted_with_its_reason(instruments: Instruments) -> None:
    """A failure counts as a request too, and under its reason alone."""
    instruments.called("a", ACTION, 5.0, TimedOut("x"))
    instruments.called("a", ACTION, 0.1, NotFound("x"))
    instruments.called("a", ACTION, 0.1, NotFound("x"))

    counts = {r: value(instruments, ERRORS, target="a", action=ACTION, reason=r) for r in REASONS}
    assert value(instruments, REQUESTS, target="a", action=ACTION) == 3
    assert counts == dict.fromkeys(REASONS, 0) | {"timeout": 1, "not_found": 2}


def test_a_reload_takes_the_series_of_removed_targets(instruments: Instruments) -> None:
    """A target that is gone has no series left; one that stays keeps its counts."""
    instruments.called("a", ACTION, 0.1, TimedOut("x"))
    instruments.called("b", ACTION, 0.1, TimedOut("x"))

    instruments.watch({"b": [ACTION], "c": [ACTION]})

    page = generate_latest(instruments.registry).decode()
    assert 'target="a"' not in page
    assert value(instruments, REQUESTS, target="b", action=ACTION) == 1
    assert value(instruments, ERRORS, target="b", action=ACTION, reason="timeout") == 1
    assert value(instruments, REQUESTS, target="c", action=ACTION) == 0


def test_a_late_answer_brings_no_target_back(instruments: Instruments) -> None:
    """The answer of a target that a reload took away is not counted."""
    instruments.watch({"b": [ACTION]})

    instruments.called("a", ACTION, 0.1, TimedOut("x"))

    assert 'target="a"' not in generate_latest(instruments.registry).decode()


def test_a_reload_among_many_queries(instruments: Instruments) -> None:
    """Queries that end while targets come and go leave no series of a target that is gone."""
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            instruments.called("a", ACTION, 0.1, TimedOut("x"))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        instruments.watch({"a": [ACTION], "b": [ACTION]})
        instruments.watch({"b": [ACTION]})
    stop.set()
    for thread in threads:
        thread.join()

    assert 'target="a"' not in generate_latest(instruments.registry).decode()


def test_watching_again_changes_nothing(instruments: Instruments) -> None:
    """A reload without other targets keeps every count."""
    instruments.called("a", ACTION, 0.1)
    before = ours(instruments)

    instruments.watch({"a": [ACTION], "b": [ACTION]})

    assert ours(instruments) == before


def test_invalid_fields_are_counted(instruments: Instruments) -> None:
    """Each field that could not be read counts by its name."""
    instruments.invalid(("Progress", "CreateTime"))
    instruments.invalid(("Progress",))
    instruments.invalid(())

    name = "adbpg_exporter_invalid_fields_total"
    assert value(instruments, name, field="Progress") == 2
    assert value(instruments, name, field="CreateTime") == 1


def test_reloads(instruments: Instruments) -> None:
    """A failed reload shows until the next good one; the time is that of the last good one."""
    successful = "adbpg_exporter_config_last_reload_successful"
    timestamp = "adbpg_exporter_config_last_reload_success_timestamp_seconds"

    instruments.reloaded(lambda: 1_704_700_000.5)
    first = value(instruments, successful), value(instruments, timestamp)
    instruments.reload_failed()
    second = value(instruments, successful), value(instruments, timestamp)
    instruments.reloaded(lambda: 1_704_700_100.0)
    third = value(instruments, successful), value(instruments, timestamp)

    assert [first, second, third] == [
        (1, 1_704_700_000.5),
        (0, 1_704_700_000.5),
        (1, 1_704_700_100.0),
    ]


def test_build_info(instruments: Instruments) -> None:
    """What is running can be seen."""
    labels = {"version": "1.2.3", "revision": "0123abc", "python": platform.python_version()}

    assert value(instruments, "adbpg_exporter_build_info", **labels) == 1


def test_process_and_platform_metrics(instruments: Instruments) -> None:
    """The usual metrics of the process and the platform are on the same registry."""
    page = generate_latest(instruments.registry).decode()

    for name in ("process_resident_memory_bytes ", "process_open_fds ", "python_info{"):
        assert f"\n{name}" in page


def test_counters_have_no_created_series(instruments: Instruments) -> None:
    """No second series for each counter."""
    instruments.called("a", ACTION, 0.1)

    assert "_created" not in generate_latest(instruments.registry).decode()


def test_two_exporters_in_one_process() -> None:
    """Nothing is kept at module level: a second one starts at 0."""
    first = Instruments("1.2.3")
    first.watch({"a": [ACTION]})
    first.called("a", ACTION, 0.1)
    second = Instruments("1.2.3")
    second.watch({"a": [ACTION]})

    assert value(second, REQUESTS, target="a", action=ACTION) == 0


def test_without_a_web_configuration_there_is_no_gauge_of_it(instruments: Instruments) -> None:
    """A 1 for what does not exist would be invented; once it exists, its last reading is shown."""
    name = "adbpg_exporter_web_config_last_reload_successful"
    assert value(instruments, name) is None

    instruments.web_config_read(good=True)
    assert value(instruments, name) == 1

    instruments.web_config_read(good=False)
    assert value(instruments, name) == 0
