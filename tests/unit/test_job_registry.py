import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import ScrapeSettings
from exporter.jobs import Batch, ConfiguredJobs, Listing, Registry
from exporter.jobs.registry import choose
from exporter.model import JobRef, Target
from tests.config_files import BROKEN, CONFIG, Watched, configured, ids, jobs, messages
from tests.fakes import LIMIT


def test_configuration_wins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A job that is in the configuration too is taken from there, with one warning."""
    (tmp_path / "1.yaml").write_text(jobs("a", "b"))
    sources = Watched(configured(tmp_path, "b"))

    watched = [sources.current() for _ in range(3)]

    assert [(job.job_id, job.source) for job in watched[-1].jobs] == [
        ("b", "config"),
        ("a", "file"),
    ]
    assert len(messages(caplog, logging.WARNING)) == 1


def test_first_file_wins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A job in two files is taken from the first; by identity, whatever its target is called."""
    (tmp_path / "1.yaml").write_text(jobs("a"))
    (tmp_path / "2.yaml").write_text(jobs("a", "b", target="twin"))
    sources = Watched(configured(tmp_path))

    watched = [sources.current() for _ in range(3)]

    assert [(job.job_id, job.target) for job in watched[-1].jobs] == [("a", "rag"), ("b", "twin")]
    assert len(messages(caplog, logging.WARNING)) == 1


def test_doubles_are_told_again_when_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another double is another warning; a change elsewhere is none."""
    path = tmp_path / "1.yaml"
    path.write_text(jobs("a"))
    sources = Watched(configured(tmp_path, "a", "b"))
    sources.current()

    path.write_text(jobs("a", "b"))
    sources.current()
    (tmp_path / "2.yaml").write_text(jobs("c"))
    sources.current()

    assert [record.__dict__["jobs"] for record in caplog.records] == [1, 2]


def test_max_jobs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Jobs over the limit are dropped from the end, counted, and told when the number changes."""
    path = tmp_path / "1.yaml"
    sources = Watched(configured(tmp_path, "a", "b", scrape=ScrapeSettings(max_jobs=3)))
    watched = []

    for each in (["c", "d", "e"], ["f", "g", "h"], ["f", "g", "h", "i"], []):
        path.write_text(jobs(*each))
        watched.append(ids(sources.current()))

    assert watched == [["a", "b", "c"], ["a", "b", "f"], ["a", "b", "f"], ["a", "b"]]
    assert [record.__dict__["dropped"] for record in caplog.records] == [2, 3]
    assert sources.current().dropped == 0


def test_reload_hands_over(tmp_path: Path) -> None:
    """After a reload a broken file still has its last good list, with the new labels."""
    path = tmp_path / "1.yaml"
    path.write_text("- {target: rag, id: a, collection: c, labels: {team: x}}\n" + jobs("b"))
    old = Watched(configured(tmp_path))
    old.current()
    path.write_text(BROKEN)
    labels = ("pipeline", "team")
    moved = tuple(replace(each, namespace="docs") for each in CONFIG.targets)

    watched = Watched(configured(tmp_path, targets=moved, job_labels=labels), old).current()

    assert ids(watched) == ["a", "b"]
    assert watched.jobs[0].labels == (("pipeline", ""), ("team", "x"))
    assert watched.jobs[0].collection_namespace == "docs"
    assert watched.file_errors == {str(path): True}


def test_reload_forgets_targets(tmp_path: Path) -> None:
    """After a reload the jobs of a target that is gone are no longer watched."""
    path = tmp_path / "1.yaml"
    path.write_text(jobs("a") + jobs("b", target="twin"))
    old = Watched(configured(tmp_path))
    old.current()

    watched = Watched(configured(tmp_path, targets=CONFIG.targets[:1]), old).current()

    assert ids(watched) == ["a"]
    assert watched.file_errors == {str(path): True}


def test_reload_reads_good_files_anew(tmp_path: Path) -> None:
    """After a reload a good file is read with the new configuration."""
    (tmp_path / "1.yaml").write_text(jobs("a"))
    old = Watched(configured(tmp_path))
    old.current()
    without_labels = configured(tmp_path, job_labels=())

    watched = Watched(without_labels, old).current()

    assert watched.jobs[0].labels == ()
    assert watched.file_errors == {}


class Ends:
    """Mimics the poller: knows which of the jobs that were watched have ended, and when."""

    def __init__(self) -> None:
        self.of: dict[str, float] = {}
        self.watched: set[str] = set()

    def __call__(self, identity: tuple[str, ...], _target: Target) -> float | None:
        """See ``EndedAt``."""
        return self.of.get(identity[0]) if identity[0] in self.watched else None


def scraped(sources: Watched, ends: Ends, **ended: float) -> list[str]:
    """Return the jobs that a scrape watches, of which some end in it."""
    sources.files.refresh()
    found = ids(sources.registry.current(ends))
    ends.watched = set(found)  # what is not watched any more, the poller forgets
    ends.of |= {name: at for name, at in ended.items() if name in found}
    return found


def test_unfinished_jobs_are_watched_first(tmp_path: Path) -> None:
    """Ended jobs make room for those that have not ended, the oldest ends first."""
    path = tmp_path / "1.yaml"
    path.write_text(jobs("a", "b", "c"))
    sources, ends = Watched(configured(tmp_path, scrape=ScrapeSettings(max_jobs=3))), Ends()
    scraped(sources, ends, a=300.0, b=100.0, c=200.0)
    (tmp_path / "2.yaml").write_text(jobs("d"))

    one_more = [scraped(sources, ends) for _ in range(3)]
    (tmp_path / "3.yaml").write_text(jobs("e"))
    two_more = [scraped(sources, ends) for _ in range(3)]

    assert one_more == [["a", "c", "d"]] * 3
    assert two_more == [["a", "d", "e"]] * 3
    watched = sources.registry.latest
    assert (watched.dropped, watched.dropped_unfinished) == (2, 0)


def test_a_watched_job_is_not_given_up_for_another(tmp_path: Path) -> None:
    """Of too many unfinished jobs those that are watched stay, whatever the files are called."""
    (tmp_path / "5.yaml").write_text(jobs("a", "b"))
    sources, ends = Watched(configured(tmp_path, scrape=ScrapeSettings(max_jobs=2))), Ends()
    scraped(sources, ends)
    (tmp_path / "1.yaml").write_text(jobs("c", "d"))

    while_they_run = [scraped(sources, ends) for _ in range(3)]
    scraped(sources, ends, a=100.0)
    room = [scraped(sources, ends) for _ in range(3)]
    watched = sources.registry.latest
    scraped(sources, ends, b=50.0)
    both = [scraped(sources, ends) for _ in range(3)]

    assert while_they_run == [["a", "b"]] * 3
    assert room == [["c", "b"]] * 3
    assert (watched.dropped, watched.dropped_unfinished) == (2, 1)
    assert both == [["c", "d"]] * 3
    assert sources.registry.latest.dropped_unfinished == 0


def test_what_ended_is_remembered_while_it_is_left_out(tmp_path: Path) -> None:
    """An ended job that is left out does not come back as one that was never asked about."""
    (tmp_path / "1.yaml").write_text(jobs("a", "b", "c"))
    sources, ends = Watched(configured(tmp_path, scrape=ScrapeSettings(max_jobs=1))), Ends()
    seen = []
    for name, at in (("a", 10.0), ("b", 30.0), ("c", 20.0)):
        seen.append(scraped(sources, ends, **{name: at}))

    settled = [scraped(sources, ends) for _ in range(3)]

    assert seen == [["a"], ["b"], ["c"]]
    assert settled == [["b"]] * 3
    assert sources.registry.latest.dropped_unfinished == 0


def test_a_reload_keeps_what_is_watched(tmp_path: Path) -> None:
    """A reload forgets neither which jobs ended nor which were watched, unless targets change."""
    (tmp_path / "5.yaml").write_text(jobs("a", "b", "c"))
    config = configured(tmp_path, scrape=ScrapeSettings(max_jobs=1))
    old, ends = Watched(config), Ends()
    scraped(old, ends, a=10.0)
    scraped(old, ends)
    (tmp_path / "1.yaml").write_text(jobs("d"))
    elsewhere = tuple(replace(each, region_id="cn-beijing") for each in CONFIG.targets)

    same = scraped(Watched(config, old), ends)
    ended = Watched(config, old).registry.ends({t.name: t for t in config.targets})
    other = Watched(config, old).registry.ends({t.name: t for t in elsewhere})

    assert same == ["b"]
    assert [identity[0] for identity in ended] == ["a"]
    assert other == {}


def test_choosing_among_a_hundred_thousand() -> None:
    """Each job is looked at a fixed number of times, however many there are."""
    identities = [(f"job-{number}",) for number in range(100_000)]
    ends = [None if number % 20 else float(number) for number in range(100_000)]

    kept = choose(identities, ends, 10_000, {*identities[50_000:60_000]})

    assert len(kept) == 10_000
    assert kept == sorted(kept)
    unfinished_and_watched = [n for n in range(50_000, 60_000) if n % 20]
    assert {*unfinished_and_watched} <= {*kept}
    assert all(number % 20 for number in kept)


def test_the_list_stays_the_same_object(tmp_path: Path) -> None:
    """While nothing changes there is one list, with one number, also where jobs are left out."""
    (tmp_path / "1.yaml").write_text(jobs("a", "b", "c"))
    sources, ends = Watched(configured(tmp_path, scrape=ScrapeSettings(max_jobs=2))), Ends()
    sources.files.refresh()

    lists = {id(sources.registry.current(ends)) for _ in range(3)}

    assert len(lists) == 1


def test_what_is_watched_is_logged_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When all sources have been read once, a line says what they name."""
    caplog.set_level(logging.INFO)
    (tmp_path / "1.yaml").write_text(jobs("a", "b"))
    sources = Watched(configured(tmp_path, "own"))

    for _ in range(3):
        sources.registry.refresh(LIMIT)

    (line,) = [record for record in caplog.records if record.message == "watching"]
    facts = {name: vars(line)[name] for name in ("targets", "jobs_config", "jobs_file", "files")}
    assert facts == {"targets": 2, "jobs_config": 1, "jobs_file": 2, "files": 1}
    assert vars(line)["pattern"] == str(tmp_path / "*.yaml")


class SlowSource:
    """Mimics a source whose look takes until it is let go."""

    name = "slow"

    def __init__(self, job: JobRef) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.looks = 0
        self._job = job
        self._listing = Listing(0, ())

    def refresh(self) -> None:
        """See ``JobSource``."""
        self.begun.set()
        assert self.go.wait(LIMIT)
        self.looks += 1
        self._listing = Listing(self.looks, (Batch("", (self._job,)),))

    def listing(self) -> Listing:
        """See ``JobSource``."""
        return self._listing


def test_a_slow_source_holds_up_nobody(tmp_path: Path) -> None:
    """Who waits no longer sees what the other sources name; the slow one's jobs come later."""
    config = configured(tmp_path, "own", "slow")
    own, slow = config.jobs
    source = SlowSource(slow)
    config = replace(config, jobs=(own,))
    registry = Registry(config, (ConfiguredJobs(config), source))
    ends = Ends()

    registry.refresh(0.0)
    assert source.begun.wait(LIMIT)
    meanwhile = ids(registry.current(ends))
    source.go.set()
    registry.refresh(LIMIT)
    after = ids(registry.current(ends))

    assert (meanwhile, after) == (["own"], ["own", "slow"])
