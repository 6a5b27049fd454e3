"""Reloads: of files that cannot be used, and a great many under constant scraping."""

import contextlib
import re
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.bench import well
from tests.faults.raw import back_to, configuration, rounds, vitals
from tests.processes import Process, exporter, get, post, scrape
from tests.upstream import Upstream

LIFECYCLE = "--web.enable-lifecycle"
SUCCESSFUL = "adbpg_exporter_config_last_reload_successful"
SCRAPERS = 3


def unreadable(file: Path) -> None:
    """Put something there that cannot be read even by root."""
    file.unlink()
    file.mkdir()


BROKEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "an unknown key": ("config.yaml:4:5: ", lambda f: f.write_text(_with("db_inst", "db_isnt"))),
    "not YAML": ("config.yaml:4:19: ", lambda f: f.write_text(_with("cn-hangzhou", "[cn"))),
    "half of it": ("config.yaml:3:5: ", lambda f: f.write_text(configuration("job")[:30])),
    "a job twice": (
        "config.yaml:9:9: ",
        lambda f: f.write_text(configuration("job", "job")),
    ),
    "empty": ("config.yaml:1:1: ", lambda f: f.write_text("")),
    "gone": ("config.yaml: ", Path.unlink),
    "unreadable": ("config.yaml: ", unreadable),
    "not text": ("config.yaml:", lambda f: f.write_bytes(b"\xff\xfe\x00" * 99)),
}


def _with(old: str, new: str) -> str:
    return configuration("job").replace(old, new, 1)


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("how", ["POST", "SIGHUP"])
def test_reload_of_a_broken_file(tmp_path: Path, broken: str, how: str) -> None:
    """Fault 35: a broken file gets a 400 with its place, and the old configuration goes on."""
    place, spoil = BROKEN[broken]
    with Upstream(well) as api:
        good = configuration("job", api=api.url)
        with exporter(good, tmp_path, LIFECYCLE) as it:
            file = tmp_path / "config.yaml"
            spoil(file)
            status, problems = _reload(it, how, place)
            page = scrape(it)

            assert status == 400
            assert place in problems
            assert page.value(SUCCESSFUL) == 0
            assert page.value("adbpg_job_up", job_id="job") == 1
            assert "planted" not in problems
            file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
            file.write_text(good)
            assert post(it.url + "/-/reload")[0] == 200
            assert scrape(it).value(SUCCESSFUL) == 1


def _reload(process: Process, how: str, place: str) -> tuple[int, str]:
    """Return the answer to a reload; to a signal it is the line in the log that tells a place."""
    if how == "POST":
        return post(process.url + "/-/reload")
    process.popen.send_signal(signal.SIGHUP)
    return 400, process.wait_for_log(f'"configuration not reloaded" problem="{place}')


@dataclass
class Scrapers:
    """Servers that scrape without a pause.

    Attributes:
        pages: status and text of each page.
    """

    pages: list[tuple[int, str]] = field(default_factory=list)

    @contextlib.contextmanager
    def at_work(self, process: Process) -> Iterator[None]:
        """Scrape from here to the end of the block."""
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                self.pages.append(get(process.url + "/metrics"))

        threads = [threading.Thread(target=work) for _ in range(SCRAPERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


def looks(text: str) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    """Return what of a page is a configuration's: its jobs with their labels, in all families."""
    infos = tuple(line for line in text.splitlines() if line.startswith("adbpg_job_info{"))
    jobs = frozenset(re.findall(r'job_id="([^"]*)"', text))
    gauges = re.findall(r'^adbpg_exporter_\w*suspect\{target="([^"]*)"', text, re.MULTILINE)
    return infos, jobs, frozenset(gauges)


def test_many_reloads_under_load(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Fault 37: through reloads under load no scrape fails or mixes, and nothing is left behind."""
    with Upstream(well) as api:
        # As many calls at once as the first scrape makes: it hires all the threads there will be.
        calls = "scrape: {concurrency: 3}\n"
        a = configuration("a1", "a2", "a3", api=api.url, extra=calls + "job_labels: [team]\n")
        b = configuration("b1", "b2", api=api.url, extra=calls + "job_labels: [pipeline]\n")
        b = b.replace("name: main", "name: other").replace("gp-1", "gp-2")
        with exporter(a, tmp_path, LIFECYCLE) as it:
            known = [looks(get(it.url + "/metrics")[1])]
            scrapers = Scrapers()
            before = vitals(it)
            with scrapers.at_work(it):
                for number in range(rounds(200, 1_000)):
                    (tmp_path / "config.yaml").write_text(a if number % 2 else b)
                    assert post(it.url + "/-/reload") == (200, "Reloaded.\n")
                    if number == 0:
                        known.append(looks(get(it.url + "/metrics")[1]))
            pages = scrapers.pages

            assert [len(infos) for infos, *_ in known] == [3, 2]
            assert {status for status, _ in pages} == {200}
            assert {looks(text) for _, text in pages} <= set(known)
            assert not [text for _, text in pages if re.search(r"\nadbpg_job_up{.*} 0", text)]
            back_to(it, before, pooled=2)  # a first scrape asks with one call alone
            record_testsuite_property("fault 37: scrapes", len(pages))
            late = sum('scrape_jobs{result="late"} 0' not in text for _, text in pages)
            record_testsuite_property("fault 37: late", late)
