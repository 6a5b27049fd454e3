import logging
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import ScrapeSettings
from tests.config_files import BROKEN, CONFIG, Watched, configured, ids, jobs, messages


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
