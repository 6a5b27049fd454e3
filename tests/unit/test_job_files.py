import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.jobs.files import read_regular_file
from exporter.model import PatternReport
from tests.config_files import BROKEN, Watched, configured, ids, jobs, messages


def later() -> int:
    """Return a time at which every file here is long settled."""
    return time.time_ns() + 3600 * 10**9


class CountingReader:
    """Reads files, and notes which."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __call__(self, path: str) -> tuple[os.stat_result, bytes]:
        """Note the path and read the file."""
        self.paths.append(path)
        return read_regular_file(path)


def test_configured_jobs_only(tmp_path: Path) -> None:
    """Without a job file the configured jobs and targets are watched."""
    watched = Watched(configured(tmp_path, "b", "a")).current()

    assert ids(watched) == ["b", "a"]
    assert list(watched.targets) == ["rag", "twin"]
    assert watched.file_errors == {}


def test_order(tmp_path: Path) -> None:
    """Configured jobs come first, then the files in sorted order, each in its own order."""
    (tmp_path / "2.yaml").write_text(jobs("z", "y"))
    (tmp_path / "1.yaml").write_text(jobs("x", "w"))
    (tmp_path / "other.txt").write_text(BROKEN)

    watched = Watched(configured(tmp_path, "v")).current()

    assert ids(watched) == ["v", "x", "w", "z", "y"]
    assert [job.source for job in watched.jobs] == ["config", *["file"] * 4]
    assert watched.file_errors == {}
    assert watched.patterns == (PatternReport(str(tmp_path / "*.yaml"), files=2),)


def test_two_patterns_one_file(tmp_path: Path) -> None:
    """A file that two patterns match is read once."""
    (tmp_path / "1.yaml").write_text(jobs("a"))
    patterns = (str(tmp_path / "*.yaml"), str(tmp_path / "1.*"), str(tmp_path / "none" / "*"))

    watched = Watched(configured(tmp_path, job_files=patterns)).current()

    assert ids(watched) == ["a"]


def test_unchanged_is_not_read_again(tmp_path: Path) -> None:
    """A settled file that has not changed is not opened again, and the list is the same."""
    (tmp_path / "1.yaml").write_text(jobs("a"))
    (tmp_path / "2.yaml").write_text(BROKEN)
    reader = CountingReader()
    sources = Watched(configured(tmp_path), clock=later, read=reader)
    first = sources.current()

    again = [sources.current() for _ in range(5)]

    assert all(each is first for each in again)
    assert reader.paths == [str(tmp_path / "1.yaml"), str(tmp_path / "2.yaml")]


def test_only_the_changed_file_is_read(tmp_path: Path) -> None:
    """A change of one file leaves the others unread."""
    (tmp_path / "1.yaml").write_text(jobs("a"))
    (tmp_path / "2.yaml").write_text(jobs("b"))
    reader = CountingReader()
    sources = Watched(configured(tmp_path), clock=later, read=reader)
    sources.current()
    reader.paths.clear()
    (tmp_path / "2.yaml").write_text(jobs("b", "c"))

    watched = sources.current()

    assert ids(watched) == ["a", "b", "c"]
    assert reader.paths == [str(tmp_path / "2.yaml")]


def test_change_within_a_tick(tmp_path: Path) -> None:
    """A young file is read again, since a second change may leave its stat as it was."""
    path = tmp_path / "1.yaml"
    path.write_text(jobs("a"))
    status, content = path.stat(), [jobs("a").encode(), jobs("b").encode()]
    sources = Watched(
        configured(tmp_path),
        clock=lambda: status.st_mtime_ns,
        read=lambda _: (status, content.pop(0)),
    )
    sources.current()

    watched = sources.current()

    assert ids(watched) == ["b"]


def test_new_and_deleted(tmp_path: Path) -> None:
    """A new file adds its jobs at the next look, a deleted one takes them away."""
    sources = Watched(configured(tmp_path))
    before = ids(sources.current())
    path = tmp_path / "1.yaml"

    path.write_text(jobs("a"))
    added = ids(sources.current())
    path.unlink()
    after = sources.current()

    assert (before, added, ids(after)) == ([], ["a"], [])
    assert after.file_errors == {}


def test_emptied(tmp_path: Path) -> None:
    """An empty file is an empty list, not an error."""
    path = tmp_path / "1.yaml"
    path.write_text(jobs("a"))
    sources = Watched(configured(tmp_path))
    sources.current()
    path.write_text("")

    watched = sources.current()

    assert ids(watched) == []
    assert watched.file_errors == {}


def test_half_written_then_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While a file is broken its last good list stays; when it is whole, its new one counts."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "1.yaml"
    other = tmp_path / "2.yaml"
    path.write_text(jobs("a"))
    other.write_text(jobs("z"))
    sources = Watched(configured(tmp_path))
    sources.current()

    path.write_text(BROKEN)
    broken = [sources.current() for _ in range(3)]
    path.write_text(jobs("b"))
    mended = sources.current()

    assert [ids(each) for each in broken] == [["a", "z"]] * 3
    assert broken[-1].file_errors == {str(path): True}
    assert broken[-1].patterns[0].broken == 1
    assert ids(mended) == ["b", "z"]
    assert mended.file_errors == {str(path): False}
    assert mended.patterns[0].broken == 0
    assert messages(caplog, logging.ERROR) == ["job file refused"]
    assert "job file is good again" in messages(caplog, logging.INFO)


def test_every_problem_is_logged_once_per_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each problem is a line of its own, told again only when the content is another."""
    path = tmp_path / "1.yaml"
    path.write_text("- id: a\n")
    sources = Watched(configured(tmp_path))

    for _ in range(3):
        sources.current()
    path.write_text("- id: b\n")
    for _ in range(3):
        sources.current()

    told = [getattr(record, "problem", "") for record in caplog.records]
    one_round = [
        f"{path}:1:3: [0].collection: missing, but required",
        f"{path}:1:3: [0].target: missing, but required",
    ]
    assert told == one_round * 2


def test_broken_from_the_start(tmp_path: Path) -> None:
    """A file that was never good has no jobs and is an error; the others are not touched."""
    (tmp_path / "1.yaml").write_text(BROKEN)
    (tmp_path / "2.yaml").write_text(jobs("a"))

    watched = Watched(configured(tmp_path)).current()

    assert ids(watched) == ["a"]
    assert watched.file_errors[str(tmp_path / "1.yaml")] is True


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path)])
def test_unreadable(make: Callable[[Path], None], tmp_path: Path) -> None:
    """What cannot be read, or has no end, is an error and does not hang."""
    path = tmp_path / "1.yaml"
    make(path)

    sources = Watched(configured(tmp_path))

    assert sources.current().file_errors == {str(path): True}
    assert "1.yaml: cannot be read: " in str(sources.problems()[0])


def test_unreadable_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that stays unreadable keeps its list, and is told once."""
    path = tmp_path / "1.yaml"
    path.write_text(jobs("a"))
    sources = Watched(configured(tmp_path))
    sources.current()
    path.unlink()
    os.mkfifo(path)

    watched = [sources.current() for _ in range(3)]

    assert ids(watched[-1]) == ["a"]
    assert messages(caplog, logging.ERROR) == ["job file cannot be used"]


def test_directory_is_no_job_file(tmp_path: Path) -> None:
    """A directory that the pattern matches is passed over."""
    (tmp_path / "lost+found.yaml").mkdir()

    watched = Watched(configured(tmp_path)).current()

    assert watched.file_errors == {}


def test_symlink_swap(tmp_path: Path) -> None:
    """A mounted ConfigMap that is swapped shows its new content at the next look."""
    for version in "12":
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "jobs.yaml").write_text(jobs(f"v{version}"))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "jobs.yaml").symlink_to("..data/jobs.yaml")
    sources = Watched(configured(tmp_path), clock=later)
    before = ids(sources.current())

    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    after = ids(sources.current())

    assert (before, after) == (["v1"], ["v2"])


def test_dangling(tmp_path: Path) -> None:
    """A symlink to what is away keeps the last list, and is an error until it leads somewhere."""
    target = tmp_path / "target"
    target.write_text(jobs("a"))
    (tmp_path / "1.yaml").symlink_to(target)
    sources = Watched(configured(tmp_path))
    sources.current()

    target.unlink()
    looks = [sources.current() for _ in range(3)]
    target.write_text(jobs("b"))
    back = sources.current()

    assert [ids(each) for each in looks] == [["a"]] * 3
    assert {*looks[-1].file_errors.values()} == {True}
    assert (ids(back), {*back.file_errors.values()}) == (["b"], {False})


def test_gone_between_list_and_open(tmp_path: Path) -> None:
    """A file that vanishes before it is opened is no error."""
    (tmp_path / "1.yaml").write_text(jobs("a"))

    def read(path: str) -> tuple[os.stat_result, bytes]:
        Path(path).unlink(missing_ok=True)
        raise FileNotFoundError(path)

    watched = Watched(configured(tmp_path), read=read).current()

    assert (ids(watched), watched.file_errors) == ([], {})


def test_problems(tmp_path: Path) -> None:
    """Every problem of every file is told at once, as the files are now."""
    for name in ("1", "2"):
        (tmp_path / f"{name}.yaml").write_text("- id: a\n")
    (tmp_path / "3.yaml").write_text(jobs("a"))
    sources = Watched(configured(tmp_path))

    found = sources.problems()

    assert [Path(problem.file).name for problem in found] == ["1.yaml"] * 2 + ["2.yaml"] * 2


def test_many_threads(tmp_path: Path) -> None:
    """While a file is replaced again and again, every thread sees one of its versions."""
    path = tmp_path / "1.yaml"
    versions = [jobs("a", "b"), jobs("c", "d", "e")]
    path.write_text(versions[0])
    sources = Watched(configured(tmp_path))
    stop = threading.Event()

    def write() -> None:
        for turn in range(200):
            fresh = tmp_path / "fresh"
            fresh.write_text(versions[turn % 2])
            fresh.rename(path)
        stop.set()

    def look() -> set[tuple[str, ...]]:
        seen = set()
        while not stop.is_set():
            seen.add(tuple(ids(sources.current())))
        return seen

    with ThreadPoolExecutor() as pool:
        looks = [pool.submit(look) for _ in range(4)]
        pool.submit(write).result()

    assert set().union(*[each.result() for each in looks]) <= {("a", "b"), ("c", "d", "e")}
    assert sources.problems() == ()
