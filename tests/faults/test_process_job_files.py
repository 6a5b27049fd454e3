"""Job files that other programs write while they are read, and jobs that stand in two places."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.bench import well
from tests.faults.raw import configuration
from tests.faults.test_process_reload import Scrapers
from tests.processes import Page, Process, eventually, exporter, run, scrape
from tests.upstream import Upstream

FILE_ERROR = "adbpg_exporter_job_file_error"
SWAPS = 100


def job_file(*ids: str, collection: str = "c") -> str:
    """Return a job file."""
    jobs = [{"target": "main", "id": each, "collection": collection} for each in ids]
    return json.dumps(jobs)


@contextmanager
def watching(folder: Path, *own: str) -> Iterator[Process]:
    """An exporter of a folder of job files, and of jobs of its own."""
    (folder / "jobs").mkdir()
    with Upstream(well) as api:
        text = configuration(*own, api=api.url, extra="job_files: [jobs/*.yaml]\n")
        with exporter(text, folder) as it:
            yield it


def watched(page: Page) -> set[str]:
    """Return the jobs that are watched and answered."""
    return {s.labels["job_id"] for s in page.samples if s.name == "adbpg_job_up" and s.value}


def told(process: Process, part: str) -> list[str]:
    """Return the log lines with a part in them."""
    return [line for line in process.log if part in line]


def test_a_half_written_job_file(tmp_path: Path) -> None:
    """Fault 36: while a job file is half-written its old jobs stay, and a gauge tells."""
    with watching(tmp_path, "own") as it:
        file = tmp_path / "jobs/a.yaml"
        file.write_text(job_file("old"))
        before = watched(scrape(it))
        text = job_file("old", "new")
        halves = [text[:length] for length in range(1, len(text), 9)]

        for half in halves:
            file.write_text(half)
            page = scrape(it)
            assert watched(page) == {"own", "old"}
            assert page.value(FILE_ERROR) == 1
        file.write_text(text)
        page = scrape(it)

        assert before == {"own", "old"}
        assert watched(page) == {"own", "old", "new"}
        assert page.value(FILE_ERROR) == 0


@pytest.mark.parametrize("content", ["", "[]", "# none today\n", "\n"], ids=repr)
def test_an_emptied_job_file(tmp_path: Path, content: str) -> None:
    """Fault 36: an empty job file is good and lists no jobs; those of other files stay."""
    with watching(tmp_path, "own") as it:
        (tmp_path / "jobs/a.yaml").write_text(job_file("a"))
        (tmp_path / "jobs/b.yaml").write_text(job_file("b"))
        before = watched(scrape(it))
        (tmp_path / "jobs/a.yaml").write_text(content)
        page = scrape(it)

        assert before == {"own", "a", "b"}
        assert watched(page) == {"own", "b"}
        assert page.value(FILE_ERROR, file=str(tmp_path / "jobs/a.yaml")) in (0, None)


def test_a_deleted_job_file(tmp_path: Path) -> None:
    """Fault 36: jobs go with their file, or with its folder, and come back with it."""
    with watching(tmp_path, "own") as it:
        file = tmp_path / "jobs/a.yaml"
        file.write_text(job_file("a"))
        seen = [watched(scrape(it))]
        file.unlink()
        seen.append(watched(scrape(it)))
        file.parent.rmdir()
        seen.append(watched(scrape(it)))
        file.parent.mkdir()
        file.write_text(job_file("a"))
        seen.append(watched(scrape(it)))

        assert seen == [{"own", "a"}, {"own"}, {"own"}, {"own", "a"}]


class ConfigMap:
    """A folder as the kubelet keeps it: each file is a symlink into ``..data``, which is one too.

    An update writes a new folder, swaps ``..data`` by a rename, and removes the old folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def update(self, text: str) -> None:
        """Put new content into place."""
        old = self._folder / f"..v{self._number}"
        self._number += 1
        new = self._folder / f"..v{self._number}"
        new.mkdir()
        (new / "jobs.yaml").write_text(text)
        fresh = self._folder / "..data_tmp"
        fresh.symlink_to(new.name)
        fresh.rename(self._folder / "..data")
        if self._number == 1:
            (self._folder / "jobs.yaml").symlink_to("..data/jobs.yaml")
            return
        (old / "jobs.yaml").unlink()
        old.rmdir()


def test_a_config_map_is_swapped_under_scraping(tmp_path: Path) -> None:
    """Fault 36: through symlink swaps each scrape is wholly of one list, and none is broken."""
    lists = [("a1", "a2", "a3"), ("b1", "b2")]
    with watching(tmp_path) as it:
        config_map = ConfigMap(tmp_path / "jobs")
        config_map.update(job_file(*lists[0]))
        scrapers = Scrapers()
        with scrapers.at_work(it):
            for number in range(SWAPS):
                config_map.update(job_file(*lists[number % 2]))
                _after_another_page(scrapers)
        pages = [Page(text) for status, text in scrapers.pages if status == 200]

        assert len(pages) == len(scrapers.pages)
        assert {frozenset(_listed(page)) for page in pages} == set(map(frozenset, lists))
        assert {page.value(FILE_ERROR) for page in pages} == {None}
        assert not told(it, "refused")


def _after_another_page(scrapers: Scrapers) -> None:
    number, pause = len(scrapers.pages), threading.Event()
    while len(scrapers.pages) == number:
        pause.wait(0.001)


def _listed(page: Page) -> Iterable[str]:
    return (s.labels["job_id"] for s in page.samples if s.name == "adbpg_job_info")


@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_a_job_twice_in_the_configuration(tmp_path: Path, command: str) -> None:
    """Fault 55: a job that stands twice in the configuration is refused, with both places."""
    (tmp_path / "config.yaml").write_text(configuration("same", "other", "same"))

    result = run(command, cwd=tmp_path)

    assert result.returncode == 1
    told = "config.yaml:10:9: targets[0].jobs[2]: the same job as targets[0].jobs[0]"
    assert any(line.startswith(told) for line in result.stderr.splitlines())


def test_a_job_twice_in_a_job_file(tmp_path: Path) -> None:
    """Fault 55: of a job that a file lists twice the second entry is left out, and reported."""
    with watching(tmp_path, "own") as it:
        (tmp_path / "jobs/a.yaml").write_text(job_file("same", "same"))
        page = scrape(it)

        assert sorted(_listed(page)) == ["own", "same"]
        assert page.value(FILE_ERROR) == 1
        it.wait_for_log("[1]: the same job as [0]")


def test_a_job_in_two_sources(tmp_path: Path) -> None:
    """Fault 55: of two sources the configuration wins, then the first file; one warning each."""
    with watching(tmp_path, "own") as it:
        (tmp_path / "jobs/a.yaml").write_text(job_file("own", "a"))
        (tmp_path / "jobs/b.yaml").write_text(job_file("a", "b"))
        pages = [scrape(it) for _ in range(5)]
        eventually(lambda: len(told(it, "watched already")) >= 2, "both files are told of")

        for page in pages:
            assert sorted(_listed(page)) == ["a", "b", "own"]
            assert page.value("adbpg_exporter_jobs", source="config", state="active") == 1
            assert page.value("adbpg_exporter_jobs", source="file", state="active") == 2
        assert len(told(it, "watched already")) == 2
