"""Reloading, job files and stopping, with real processes and signals."""

import http.client
import signal
import threading
from pathlib import Path
from urllib.parse import urlsplit

from tests.processes import (
    ACCESS_KEYS,
    ONE_NAMESPACE,
    Process,
    eventually,
    exporter,
    get,
    post,
    scrape,
    simulator,
)

SCENARIO = (
    ACCESS_KEYS
    + ONE_NAMESPACE
    + """
jobs:
  - {id: first, collection: c1, namespace: main, entries: 9000000}
  - {id: second, collection: c2, namespace: main, entries: 9000000}
"""
)
SECOND = '      - id: "second"\n        collection: "c2"\n'
RELOAD = "--web.enable-lifecycle"
SUCCESSFUL = "adbpg_exporter_config_last_reload_successful"


def _jobs(process: Process) -> set[str]:
    page = scrape(process)
    return {s.labels["job_id"] for s in page.samples if s.name == "adbpg_job_up"}


def test_post_reload_takes_a_changed_configuration(tmp_path: Path) -> None:
    """A job that is taken out of the configuration is gone after the reload; the other stays."""
    with simulator(SCENARIO, tmp_path) as api:
        text = api.configuration()
        with exporter(text, tmp_path, RELOAD) as it:
            before = _jobs(it)
            (tmp_path / "config.yaml").write_text(text.replace(SECOND, ""))
            answer = post(it.url + "/-/reload")

            assert before == {"first", "second"}
            assert answer == (200, "Reloaded.\n")
            assert _jobs(it) == {"first"}


def test_sighup_reloads(tmp_path: Path) -> None:
    """SIGHUP does the same, with no flag."""
    with simulator(SCENARIO, tmp_path) as api:
        text = api.configuration()
        with exporter(text, tmp_path) as it:
            (tmp_path / "config.yaml").write_text(text.replace(SECOND, ""))
            it.popen.send_signal(signal.SIGHUP)
            it.wait_for_log("configuration reloaded")

            assert _jobs(it) == {"first"}


def test_reload_is_off_unless_asked_for(tmp_path: Path) -> None:
    """Without --web.enable-lifecycle a POST to /-/reload is refused, and says how to allow it."""
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        status, text = post(it.url + "/-/reload")

        assert status == 403
        assert RELOAD in text


def test_a_broken_configuration_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """A reload of a broken file answers 400 with the place, sets the gauge, and changes nothing."""
    with simulator(SCENARIO, tmp_path) as api:
        text = api.configuration()
        with exporter(text, tmp_path, RELOAD) as it:
            before = scrape(it).value(SUCCESSFUL)
            (tmp_path / "config.yaml").write_text(text.replace("region_id", "regionid"))
            status, problems = post(it.url + "/-/reload")
            after = scrape(it)

            assert before == 1
            assert status == 400
            assert "config.yaml:3:5: targets[0].regionid: unknown key" in problems
            assert after.value(SUCCESSFUL) == 0
            assert after.value("adbpg_job_up", job_id="second") == 1


def test_a_reload_keeps_what_was_seen(tmp_path: Path) -> None:
    """A reload asks nothing again: the jobs that stay are shown from their last answers."""
    settings = "scrape: {min_interval: 1h, max_age: 2h}\n"
    with simulator(SCENARIO, tmp_path) as api:
        text = api.configuration(settings)
        with exporter(text, tmp_path, RELOAD) as it:
            scrape(it)
            post(it.url + "/-/reload")
            page = scrape(it)

            assert api.calls() == 2
            assert page.value("adbpg_job_status", job_id="first", status="Running") == 1


def test_a_job_file_is_seen_at_the_next_scrape(tmp_path: Path) -> None:
    """A job that another program writes into a job file is there at once, and stays till it ends.

    Its file may vanish before: it is drained then, and nothing else says what becomes of it.
    """
    with simulator(SCENARIO, tmp_path) as api:
        text = api.configuration().replace(SECOND, "") + "job_files: [jobs/*.yaml]\n"
        folder = tmp_path / "jobs"
        folder.mkdir()
        with exporter(text, tmp_path) as it:
            seen = [_jobs(it)]
            (folder / "a.yaml").write_text("- {target: main, id: second, collection: c2}\n")
            seen.append(_jobs(it))
            (folder / "a.yaml").unlink()
            seen.append(_jobs(it))

            assert seen == [{"first"}, {"first", "second"}, {"first", "second"}]
            assert scrape(it).value("adbpg_exporter_jobs", source="drained", state="active") == 1


def test_a_broken_job_file_keeps_its_last_good_list(tmp_path: Path) -> None:
    """A job file that breaks costs nothing but its gauge, and is told once."""
    with simulator(SCENARIO, tmp_path) as api:
        text = api.configuration().replace(SECOND, "") + "job_files: [jobs.yaml]\n"
        file = tmp_path / "jobs.yaml"
        file.write_text("- {target: main, id: second, collection: c2}\n")
        with exporter(text, tmp_path) as it:
            scrape(it)
            file.write_text("- {target: main, id: second, colection: c2}\n")
            page = scrape(it)

            assert page.value("adbpg_exporter_job_file_error") == 1
            assert page.value("adbpg_job_up", job_id="second") == 1
            assert "jobs.yaml:1:30: " in it.wait_for_log("[0].colection: unknown key")


def test_sigterm_lets_a_scrape_end(tmp_path: Path) -> None:
    """A scrape that is under way when SIGTERM comes is answered whole; the exit code is 0."""
    with (
        simulator(SCENARIO + "latency: 2s\n", tmp_path) as api,
        exporter(api.configuration(), tmp_path) as it,
    ):
        answers: list[tuple[int, str]] = []
        scraper = threading.Thread(target=lambda: answers.append(get(it.url + "/metrics")))
        scraper.start()
        eventually(lambda: api.calls() == 2, "both calls are under way")
        code = it.stop()
        scraper.join()

        assert code == 0
        assert answers[0][0] == 200
        assert "adbpg_job_up{" in answers[0][1]


def test_not_ready_while_stopping(tmp_path: Path) -> None:
    """From SIGTERM on a kept connection is told that we are no longer ready, or is closed."""
    with (
        simulator(SCENARIO + "latency: 2s\n", tmp_path) as api,
        exporter(api.configuration(), tmp_path) as it,
    ):
        scraper = threading.Thread(target=get, args=(it.url + "/metrics",))
        scraper.start()
        eventually(lambda: api.calls() == 2, "both calls are under way")
        it.popen.send_signal(signal.SIGTERM)
        it.wait_for_log("msg=stopping")

        def refused() -> bool:
            connection = http.client.HTTPConnection(urlsplit(it.url).netloc, timeout=60)
            try:
                connection.request("GET", "/-/ready")
                return connection.getresponse().status == 503
            except OSError:
                return True
            finally:
                connection.close()

        eventually(refused, "new requests are refused")
        scraper.join()


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """With an API that hangs, a second SIGTERM does not wait for the scrape."""
    with (
        simulator(SCENARIO + "latency: 1h\n", tmp_path) as api,
        exporter(api.configuration("api: {request_timeout: 8s}\n"), tmp_path) as it,
    ):
        scraper = threading.Thread(target=lambda: _ignoring_reset(it.url + "/metrics"), daemon=True)
        scraper.start()
        eventually(lambda: api.calls() == 2, "both calls are under way")
        it.popen.send_signal(signal.SIGTERM)
        it.wait_for_log("msg=stopping")

        assert it.stop() == 0
        assert not any("Traceback" in line for line in it.log)


def _ignoring_reset(url: str) -> None:
    try:
        get(url)
    except (OSError, http.client.HTTPException):
        return


def test_an_idle_exporter_stops_at_once(tmp_path: Path) -> None:
    """SIGINT with no scrape under way is exit code 0, and the log says why it ended."""
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        assert it.stop(signal.SIGINT) == 0
        assert "signal=2" in it.wait_for_log("msg=stopping")


def test_several_addresses(tmp_path: Path) -> None:
    """--web.listen-address may be given twice; both answer, and port 0 prints the port."""
    second = "--web.listen-address=127.0.0.2:0"
    with (
        simulator(SCENARIO, tmp_path) as api,
        exporter(api.configuration(), tmp_path, second) as it,
    ):
        line = it.wait_for_log("address=127.0.0.2:")
        other = "http://" + line.rsplit("address=", 1)[1]

        assert get(it.url + "/-/healthy")[0] == 200
        assert get(other + "/-/healthy")[0] == 200


def test_a_reload_changes_how_the_api_is_called(tmp_path: Path) -> None:
    """After a reload with a shorter request_timeout, a slow API is timed out."""
    with simulator(SCENARIO + "latency: 1500ms\n", tmp_path) as api:
        text = "scrape: {min_interval: 0s}\n" + api.configuration()
        with exporter(text, tmp_path, RELOAD) as it:
            before = scrape(it)
            settings = "api: {connect_timeout: 300ms, request_timeout: 300ms}\n"
            (tmp_path / "config.yaml").write_text(settings + text)
            post(it.url + "/-/reload")
            after = scrape(it)

            assert before.value("adbpg_job_up", job_id="first") == 1
            assert after.value("adbpg_job_up", job_id="first") == 0
