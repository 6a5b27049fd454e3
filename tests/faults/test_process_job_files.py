"""Job files that other programs write while they are read, and jobs that stand in two places."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.bench import asked_for, job_answer
from tests.faults.raw import configuration
from tests.faults.test_process_reload import Scrapers
from tests.processes import Page, Process, eventually, exporter, get, run, scrape
from tests.rights import refused
from tests.upstream import Behaviour, Request, Upstream, message, send

FILE_ERROR = "adbpg_exporter_job_file_error"
SWAPS = 100


def answer(request: Request) -> Behaviour:
    """Answer a call as the API does; jobs that are called so have ended."""
    job_id = asked_for(request)
    fields = {"Status": "Success", "Completed": True} if job_id.startswith("ended") else {}
    return send(message(job_answer(job_id, **fields)))


def job_file(*ids: str, collection: str = "c") -> str:
    """Return a job file."""
    jobs = [{"target": "main", "id": each, "collection": collection} for each in ids]
    return json.dumps(jobs)


@contextmanager
def watching(folder: Path, *own: str, extra: str = "") -> Iterator[Process]:
    """An exporter of a folder of job files, and of jobs of its own."""
    (folder / "jobs").mkdir()
    with Upstream(answer) as api:
        extra = f"job_files: [{folder}/jobs/*.yaml]\n{extra}"
        with exporter(
            configuration(*own, api=api.url, extra=extra), folder, prefix=refused()
        ) as it:
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
        (tmp_path / "jobs/a.yaml").write_text(job_file("ended-a"))
        (tmp_path / "jobs/b.yaml").write_text(job_file("b"))
        before = watched(scrape(it))
        (tmp_path / "jobs/a.yaml").write_text(content)
        page = scrape(it)

        assert before == {"own", "ended-a", "b"}
        assert watched(page) == {"own", "b"}
        assert page.value(FILE_ERROR, file=str(tmp_path / "jobs/a.yaml")) in (0, None)


def test_a_deleted_job_file(tmp_path: Path) -> None:
    """Fault 36: jobs that have ended go with their file, and come back with it."""
    with watching(tmp_path, "own") as it:
        file = tmp_path / "jobs/a.yaml"
        file.write_text(job_file("ended-a"))
        seen = [watched(scrape(it))]
        file.unlink()
        seen.append(watched(scrape(it)))
        file.parent.rmdir()
        seen.append(watched(scrape(it)))
        file.parent.mkdir()
        file.write_text(job_file("ended-a"))
        seen.append(watched(scrape(it)))

        assert seen == [{"own", "ended-a"}, {"own"}, {"own"}, {"own", "ended-a"}]


def test_a_job_outlives_its_file(tmp_path: Path) -> None:
    """Fault 79: a job that has not ended stays watched, as a drained one."""
    with watching(tmp_path, "own") as it:
        file = tmp_path / "jobs/a.yaml"
        file.write_text(job_file("a"))
        before = scrape(it)
        file.unlink()
        page = scrape(it)

        assert before.value("adbpg_exporter_jobs", source="file", state="active") == 1
        assert watched(page) == {"own", "a"}
        assert page.value("adbpg_exporter_jobs", source="file", state="active") == 0
        assert page.value("adbpg_exporter_jobs", source="drained", state="active") == 1


@pytest.mark.parametrize("mode", [None, 0, 0o311], ids=["away", "forbidden", "not listable"])
def test_a_folder_of_job_files_that_cannot_tell(tmp_path: Path, mode: int | None) -> None:
    """Fault 70: while the folder is away or forbidden its jobs stay, and all can see why."""
    folder, away = tmp_path / "jobs", tmp_path / "away"
    with watching(tmp_path, "own") as it:
        (folder / "a.yaml").write_text(job_file("a"))
        before = watched(scrape(it))
        if mode is None:
            folder.rename(away)
        else:
            folder.chmod(mode)
        during = [scrape(it) for _ in range(3)]
        page = get(it.url + "/")[1]
        it.wait_for_log("job files cannot be found")
        checked = run("check-config", cwd=tmp_path, prefix=refused())
        if mode is None:
            away.rename(folder)
        else:
            folder.chmod(0o755)
        after = scrape(it)

        pattern = str(folder / "*.yaml")
        assert before == {"own", "a"}
        for each in during:
            assert watched(each) == {"own", "a"}
            assert each.value("adbpg_exporter_job_files_readable", pattern=pattern) == 0
            assert each.value("adbpg_exporter_job_files", pattern=pattern) == 1
            assert each.value(FILE_ERROR, file=pattern) == 1
        assert "Job files are not found" in page
        assert (checked.returncode, "warning: " in checked.stderr) == (0, True)
        assert watched(after) == {"own", "a"}
        assert after.value("adbpg_exporter_job_files_readable", pattern=pattern) == 1
        assert after.value(FILE_ERROR, file=pattern) == 0


def test_a_wrong_entry_of_a_job_file(tmp_path: Path) -> None:
    """Fault 71: a wrong entry costs only itself, and the job of its id stays as it was good."""
    with watching(tmp_path, "own") as it:
        file = tmp_path / "jobs/a.yaml"
        file.write_text(job_file("a"))
        scrape(it)
        file.write_text(job_file("a", "b", "c").replace('"collection"', '"colection"', 2))
        page = scrape(it)

        assert set(_listed(page)) == {"own", "a", "c"}
        assert page.value(FILE_ERROR, file=str(file)) == 1
        assert page.value("adbpg_exporter_job_files_broken") == 1
        it.wait_for_log("[1].colection: unknown key")


def test_more_jobs_than_the_limit(tmp_path: Path) -> None:
    """Fault 72: jobs that have ended push no unfinished one out; those left out are counted."""
    with watching(tmp_path, extra="scrape: {max_jobs: 2}\n") as it:
        for name in ("a", "b"):
            (tmp_path / f"jobs/{name}.yaml").write_text(job_file(f"ended-{name}"))
        scrape(it)
        (tmp_path / "jobs/z.yaml").write_text(job_file("new"))
        pages = [scrape(it) for _ in range(3)]

        for page in pages:
            assert "new" in set(_listed(page))
            assert len({*_listed(page)}) == 2
            assert page.value("adbpg_exporter_jobs_dropped") == 1
        assert len({frozenset(_listed(page)) for page in pages}) == 1


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
    lists = [("ended-a1", "ended-a2", "ended-a3"), ("ended-b1", "ended-b2")]
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
