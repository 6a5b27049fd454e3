import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.jobs import JobFiles
from exporter.jobs.files import read_regular_file
from exporter.model import PatternReport
from tests.config_files import BROKEN, Watched, configured, ids, jobs, messages
from tests.rights import without_override


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


def test_unreadable_beside_a_pattern_that_names_the_folder(tmp_path: Path) -> None:
    """A file that one pattern finds is an error, though another pattern names its folder."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "1.yaml").symlink_to("nowhere")
    (folder / "2.yaml").write_text(BROKEN)
    patterns = (str(folder / "*.yaml"), str(folder))

    sources = Watched(configured(tmp_path, job_files=patterns))
    watched = sources.current()

    assert watched.file_errors == dict.fromkeys(
        (str(folder), str(folder / "1.yaml"), str(folder / "2.yaml")), True
    )
    assert [(each.files, each.broken) for each in watched.patterns] == [(2, 2), (0, 0)]
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


def gone(folder: Path) -> Iterator[None]:
    """Let a folder be away."""
    folder.rename(folder.parent / "elsewhere")
    yield
    (folder.parent / "elsewhere").rename(folder)


def forbidden(folder: Path) -> Iterator[None]:
    """Let a folder be of no use to us."""
    folder.chmod(0)
    with without_override():
        yield
    folder.chmod(0o755)


def unlistable(folder: Path) -> Iterator[None]:
    """Let a folder's files be open to who knows their names."""
    folder.chmod(0o311)
    with without_override():
        yield
    folder.chmod(0o755)


def dangling(folder: Path) -> Iterator[None]:
    """Let a folder be a symlink to what is away."""
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to("nowhere")
    yield
    folder.unlink()
    (folder.parent / "elsewhere").rename(folder)


@pytest.mark.parametrize("fault", [gone, forbidden, unlistable, dangling])
@pytest.mark.parametrize("pattern", ["*.yaml", "1.yaml"])
def test_a_folder_that_cannot_tell(
    fault: Callable[[Path], Iterator[None]],
    pattern: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A folder that is away or forbidden deletes nothing: its lists stay, and all can see why."""
    caplog.set_level(logging.INFO)
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "1.yaml").write_text(jobs("a", "b"))
    text = str(folder / pattern)
    sources = Watched(configured(tmp_path, job_files=(text,)), clock=later)
    sources.current()

    with contextmanager(fault)(folder):
        during = [sources.current() for _ in range(3)]
    after = sources.current()

    assert [ids(each) for each in during] == [["a", "b"]] * 3
    is_known_by_name = fault is unlistable and pattern == "1.yaml"
    report = during[-1].patterns[0]
    assert (report.files, bool(report.error)) == (1, not is_known_by_name)
    assert during[-1].file_errors == ({} if is_known_by_name else {text: True})
    assert ids(after) == ["a", "b"]
    assert after.patterns == (PatternReport(text, 1),)
    assert after.file_errors == ({} if is_known_by_name else {text: False})
    told = [] if is_known_by_name else ["job files cannot be found: the last list stays"]
    assert messages(caplog, logging.ERROR) == told
    assert ("job files can be found again" in messages(caplog, logging.INFO)) == bool(told)


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """A folder where the pattern names one file hides that file, as a mount does: its jobs stay."""
    path = tmp_path / "jobs.yaml"
    path.write_text(jobs("a"))
    sources = Watched(configured(tmp_path, job_files=(str(path),)), clock=later)
    sources.current()
    path.rename(tmp_path / "aside")
    path.mkdir()

    during = sources.current()
    path.rmdir()
    (tmp_path / "aside").rename(path)
    after = sources.current()

    assert ids(during) == ids(after) == ["a"]
    assert "is a folder" in during.patterns[0].error
    assert not after.patterns[0].error


def test_a_folder_that_is_empty(tmp_path: Path) -> None:
    """A folder that is there and lists nothing says that its files are gone."""
    (tmp_path / "1.yaml").write_text(jobs("a"))
    sources = Watched(configured(tmp_path))
    sources.current()
    (tmp_path / "1.yaml").unlink()

    watched = sources.current()

    assert ids(watched) == []
    assert watched.patterns == (PatternReport(str(tmp_path / "*.yaml"), 0),)


def test_a_reload_while_the_folder_is_away(tmp_path: Path) -> None:
    """A reload, too, keeps the last lists of a folder that cannot be listed."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "1.yaml").write_text(jobs("a"))
    config = configured(folder)
    old = Watched(config)
    old.current()
    folder.rename(tmp_path / "elsewhere")

    watched = Watched(config, old).current()

    assert ids(watched) == ["a"]
    assert watched.patterns[0].error


def test_a_reload_keeps_all_facts_of_a_job(tmp_path: Path) -> None:
    """Until its file is read again, a job has the deadline and entries that it had."""
    (tmp_path / "1.yaml").write_text(
        "- {target: rag, id: a, collection: c, expected_entries: 7, deadline: 1h}\n"
    )
    config = configured(tmp_path)
    old = Watched(config)
    (before,) = old.current().jobs

    (handed_over,) = old.files.last_good(config).values()

    assert handed_over == (before,)
    assert (before.expected_entries, before.deadline) == (7, 3600.0)


@pytest.mark.parametrize(
    ("pattern", "warning"),
    [
        ("nothing-*.yaml", "matches no file"),
        ("away/*.yaml", "cannot be listed: No such file or directory"),
        ("sub", "is a folder: expected files, such as"),
        ("su*", "matches no file, but a folder: expected files, such as"),
    ],
)
def test_warnings_of_patterns(pattern: str, warning: str, tmp_path: Path) -> None:
    """check-config can say of a pattern that it finds nothing, and why."""
    (tmp_path / "sub").mkdir()
    sources = Watched(configured(tmp_path, job_files=(str(tmp_path / pattern),)))
    sources.current()

    (found,) = sources.registry.warnings()

    assert warning in found.message
    assert sources.problems() == ()


def test_a_wrong_entry_costs_only_itself(tmp_path: Path) -> None:
    """The others of its file count, those that are new too; the file is an error."""
    path = tmp_path / "1.yaml"
    path.write_text(jobs("a"))
    sources = Watched(configured(tmp_path))
    sources.current()
    path.write_text("- {target: rag, id: wrong}\n" + jobs("a", "b"))

    watched = sources.current()

    assert ids(watched) == ["a", "b"]
    assert watched.file_errors == {str(path): True}
    assert [problem.path for problem in sources.problems()] == ["[0].collection"]


def test_an_entry_that_was_good(tmp_path: Path) -> None:
    """A job whose entry becomes wrong stays as it was, until the entry is right or gone."""
    path = tmp_path / "1.yaml"
    wrong = "- {target: rag, id: a, collection: c, expected_entries: many}\n"
    path.write_text("- {target: rag, id: a, collection: c, expected_entries: 7}\n")
    sources = Watched(configured(tmp_path))
    sources.current()

    path.write_text(wrong + jobs("b"))
    during = sources.current()
    path.write_text(wrong + jobs("c"))
    still = sources.current()
    path.write_text(jobs("a", "c"))
    right = sources.current()
    path.write_text(wrong + jobs("c"))
    sources.current()
    path.write_text(jobs("c"))
    taken_out = sources.current()

    expected = {job.job_id: job.expected_entries for job in during.jobs}
    assert expected == {"b": None, "a": 7}
    assert ids(still) == ["c", "a"]
    assert ids(right) == ["a", "c"]
    assert ids(taken_out) == ["c"]


def test_unfilled_ids_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A job whose id was never filled in is watched, with a warning once."""
    (tmp_path / "1.yaml").write_text("- {target: rag, id: '${JOB_ID}', collection: c}\n")
    sources = Watched(configured(tmp_path))

    watched = [sources.current() for _ in range(3)]

    assert ids(watched[-1]) == ["${JOB_ID}"]
    assert [problem.path for problem in sources.registry.warnings()] == ["[0].id"]
    assert len(messages(caplog, logging.WARNING)) == 1


def test_what_comes_and_goes_is_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each look that finds something different logs one line with the numbers."""
    caplog.set_level(logging.INFO)
    for name in "123":
        (tmp_path / f"{name}.yaml").write_text(jobs(f"job-{name}"))
    sources = Watched(configured(tmp_path))
    sources.current()
    (tmp_path / "1.yaml").unlink()
    (tmp_path / "2.yaml").write_text(jobs("job-2", "x", "y"))
    (tmp_path / "4.yaml").write_text(jobs("job-4"))

    for _ in range(3):
        sources.current()

    (line,) = [each for each in caplog.records if each.message == "job files changed"]
    facts = {
        name: value for name, value in vars(line).items() if name.startswith(("files_", "jobs_"))
    }
    assert facts == {
        "files_new": 1,
        "files_gone": 1,
        "files_changed": 1,
        "jobs_new": 3,
        "jobs_gone": 1,
    }


def test_many_broken_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of broken files make a hundred series and a hundred lines, and are counted."""
    for number in range(130):
        (tmp_path / f"{number:03}.yaml").write_text(BROKEN)

    watched = Watched(configured(tmp_path)).current()

    assert len(watched.file_errors) == 100
    assert watched.patterns[0].broken == 130
    assert len(messages(caplog, logging.ERROR)) == 100
    assert caplog.records[-1].__dict__["not_shown"] == 30


def test_a_replaced_file_is_noticed_at_once(tmp_path: Path) -> None:
    """However many files there are, one that is renamed into place counts at the next look."""
    for number in range(5_000):
        (tmp_path / f"{number:04}.yaml").write_text("")
    sources = Watched(configured(tmp_path), clock=later)
    sources.current()
    (tmp_path / "fresh").write_text(jobs("a"))
    (tmp_path / "fresh").rename(tmp_path / "4999.yaml")

    assert ids(sources.current()) == ["a"]


def test_an_edit_in_place_is_noticed_in_turn(tmp_path: Path) -> None:
    """Of 5,000 files each one's own stat is looked at within three looks, and 2,000 at each."""
    for number in range(5_000):
        (tmp_path / f"{number:04}.yaml").write_text("")
    reader = CountingReader()
    sources = Watched(configured(tmp_path), clock=later, read=reader)
    sources.current()
    reader.paths.clear()
    for name in ("0000", "2500", "4999"):
        (tmp_path / f"{name}.yaml").write_text(jobs(f"job-{name}"))

    looks = [ids(sources.current()) for _ in range(3)]

    assert sorted(looks[-1]) == ["job-0000", "job-2500", "job-4999"]
    assert len(looks[0]) < 3
    assert len(reader.paths) == 3


def test_a_folder_that_gives_no_inodes(tmp_path: Path) -> None:
    """Where a folder's entries do not say which file they are, each file is looked at."""
    (tmp_path / "1.yaml").write_text(jobs("a"))
    sources = Watched(configured(tmp_path), clock=later)
    sources.current()
    (tmp_path / "link.yaml").symlink_to("1.yaml")

    sources.current()
    (tmp_path / "1.yaml").write_text(jobs("b"))

    assert ids(sources.current()) == ["b"]


def test_a_long_first_look_shows_what_it_has(tmp_path: Path) -> None:
    """While thousands of files are read for the first time, those that are read count already."""
    for number in range(1_001):
        (tmp_path / f"{number:04}.yaml").write_text(jobs(f"job-{number}"))
    known: list[int] = []

    def read(path: str) -> tuple[os.stat_result, bytes]:
        known.append(sum(len(batch.jobs) for batch in files.listing().batches))
        return read_regular_file(path)

    files = JobFiles(configured(tmp_path), clock=later, read=read)
    files.refresh()

    assert sorted({*known}) == [0, 500, 1_000]


def test_a_file_system_that_does_not_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a minute without progress the lists stay, and every pattern is reported."""
    (tmp_path / "1.yaml").write_text(jobs("a"))
    now = [0.0]
    listings = []

    def read(path: str) -> tuple[os.stat_result, bytes]:
        if (tmp_path / "2.yaml").exists():
            listings.append(files.listing())
            now[0] += 61.0
            listings.extend(files.listing() for _ in range(2))
        return read_regular_file(path)

    files = JobFiles(configured(tmp_path), clock=later, monotonic=lambda: now[0], read=read)
    files.refresh()
    (tmp_path / "2.yaml").write_text(jobs("b"))
    files.refresh()
    after = files.listing()

    pattern = str(tmp_path / "*.yaml")
    before, stuck, again = listings
    assert (before.patterns[0].error, stuck is again) == ("", True)
    assert "has not answered for 60 seconds" in stuck.patterns[0].error
    assert stuck.file_errors == {pattern: True}
    assert [job.job_id for batch in stuck.batches for job in batch.jobs] == ["a"]
    assert stuck.version not in (before.version, after.version)
    assert (after.patterns[0].error, after.file_errors) == ("", {pattern: False})
    assert len(messages(caplog, logging.ERROR)) == 1
