"""examples/pipeline/: how a pipeline hands a job over."""

import importlib.util
import json
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.namespaces import needs_root
from tests.processes import KEY, PATIENCE, run

ROOT = Path(__file__).parents[2]
ANNOUNCE = ROOT / "examples" / "pipeline" / "announce_job.py"
_SPEC = importlib.util.spec_from_file_location("announce_job", ANNOUNCE)
assert _SPEC is not None
assert _SPEC.loader is not None
announce_job = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(announce_job)

CONFIGURATION = """\
targets:
  - {name: main, region_id: cn-hangzhou, db_instance_id: gp-1, namespace_password: "${PASSWORD}"}
job_files: ["jobs/*.yaml"]
"""


NAMES = ("document", "../../etc", ".hidden", "a b: c", "文档" * 128, 'o\'clock "#"', "a: [")


def test_whatever_they_are_called(tmp_path: Path) -> None:
    """Collections of any name have good job files in the folder, readable for all."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    folder = tmp_path / "jobs"
    folder.mkdir()

    paths = [announce_job.announce(folder, "main", name, "job-1", 20_000) for name in NAMES]
    document = announce_job.announce(folder, "main", "document", "d-1", kind="upload_document")
    paths.append(document)

    done = run("check-config", environ={**KEY, "PASSWORD": "x"}, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"config.yaml: good: 1 target, {len(paths)} jobs\n"
    assert {*folder.iterdir()} == {*paths}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o644}


def test_told_again(tmp_path: Path) -> None:
    """A job that is told again takes the place of itself; another one stands beside it."""
    first = announce_job.announce(tmp_path, "main", "document", "job-1")
    other = announce_job.announce(tmp_path, "main", "document", "job-2")

    again = announce_job.announce(tmp_path, "main", "document", "job-1", 20_000)

    assert again == first
    assert {*tmp_path.iterdir()} == {first, other}
    assert "20000" in first.read_text("utf-8")


def test_half_way(tmp_path: Path) -> None:
    """What is left when it ends half-way is no job file."""
    path = announce_job.announce(tmp_path, "main", "document", "job-1")
    path.unlink()
    path.mkdir()  # so that the rename fails

    with pytest.raises(OSError, match="directory"):
        announce_job.announce(tmp_path, "main", "document", "job-1")

    assert [*tmp_path.iterdir()] == [path]


def test_the_lines_for_a_shell(tmp_path: Path) -> None:
    """What docs/deployment.md shows for a shell leaves one good job file, and nothing else."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION.replace("main", "rag-prod"))
    folder = tmp_path / "jobs"
    folder.mkdir()
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    _, _, after = page.partition("In a shell:\n\n")
    script = after.partition("\n\n")[0].replace("/var/lib/adbpg-jobs", str(folder))

    subprocess.run(["sh", "-euc", script], env={"JOB_ID": "5e1-0"}, check=True, timeout=PATIENCE)

    assert [file.name for file in folder.iterdir()] == ["job-5e1-0.yaml"]
    done = run("check-config", environ={**KEY, "PASSWORD": "x"}, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "config.yaml: good: 1 target, 1 job\n"


# Python and the script may lie where only root may read: another user begins after the imports.
AS_ANOTHER_USER = """\
import locale, os, runpy, sys
main = runpy.run_path(sys.argv[1])["main"]
user = int(sys.argv[2])
os.setgroups([]), os.setgid(user), os.setuid(user)
sys.exit(main(sys.argv[3:]))
"""


def announced(*arguments: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script as a pipeline does."""
    ours = [str(ANNOUNCE)] if user is None else ["-c", AS_ANOTHER_USER, str(ANNOUNCE), str(user)]
    return subprocess.run(
        [sys.executable, *ours, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_all_that_it_can_say_of_a_job(tmp_path: Path) -> None:
    """Number of entries and labels arrive as the exporter takes them."""
    configuration = CONFIGURATION + "job_labels: [team, stage]\n"
    (tmp_path / "config.yaml").write_text(configuration)
    folder = tmp_path / "jobs"
    folder.mkdir()
    job = ("main", "document", "job-1", "20000", "--label=team=a=b 文", "--label=stage=")

    done = announced(str(folder), *job)

    (path,) = folder.iterdir()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
    checked = run("check-config", environ={**KEY, "PASSWORD": "x"}, cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    (entry,) = json.loads(path.read_text("utf-8"))
    assert entry["expected_entries"] == 20_000
    assert entry["labels"] == {"team": "a=b 文", "stage": ""}


JOB = ("main", "document", "job-1")
MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "no folder": (("nowhere", *JOB), "nowhere: there is no such folder: create it, and name it"),
    "a file": (("file", *JOB), "file: cannot be written to: Not a directory"),
    "an empty id": ((".", "main", "document", ""), "argument JOB_ID: expected a text, got an empt"),
    "an id of spaces": ((".", "main", "document", " "), "argument JOB_ID: expected a text, got an"),
    "a line break": (
        (".", "main", "document", "a\nb"),
        "argument JOB_ID: expected at most 256 pri",
    ),
    "an id too long": (
        (".", "main", "document", "x" * 257),
        "argument JOB_ID: expected at most 256",
    ),
    "no UTF-8": (
        (".", "main", "doc\udcff", "job"),
        "argument COLLECTION: expected at most 256 prin",
    ),
    "no number": (
        (".", *JOB, "many"),
        "argument EXPECTED_ENTRIES: expected a whole number of at le",
    ),
    "no entries": (
        (".", *JOB, "0"),
        "argument EXPECTED_ENTRIES: expected a whole number of at leas",
    ),
    "no label": ((".", *JOB, "--label=team"), "argument --label: expected NAME=VALUE, got 'team'"),
    "a bad name": (
        (".", *JOB, "--label=a-b=c"),
        "argument --label: expected NAME=VALUE, got 'a-b=",
    ),
    "too little": ((".", "main"), "the following arguments are required: COLLECTION, JOB_ID"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each mistake is said in one line that names what is meant, and leaves no file."""
    arguments, expected = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")

    done = announced(*arguments)

    assert done.returncode in (1, 2)
    assert done.stderr.startswith(f"announce_job.py: {expected}")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


PIPELINE, STRANGER = 61_001, 61_002  # ids of users that nobody has


@needs_root
def test_the_folder_that_the_page_makes() -> None:
    """Of the folder in docs/deployment.md, members of its group may write, and all may read."""
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    (command,) = re.findall(
        "^    (install .*-g adbpg-jobs /var/lib/adbpg-jobs)$", page, re.MULTILINE
    )
    (kept,) = re.findall("^    d /var/lib/adbpg-jobs ([0-9]+) root adbpg-jobs", page, re.MULTILINE)
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "jobs"
        script = command.replace("/var/lib/adbpg-jobs", str(folder))
        script = script.replace("-g adbpg-jobs", f"-g {PIPELINE}")

        subprocess.run(["sh", "-euc", script], check=True, timeout=PATIENCE)
        member = announced(str(folder), *JOB, user=PIPELINE)
        stranger = announced(str(folder), *JOB, user=STRANGER)

        assert f"{stat.S_IMODE(folder.stat().st_mode):o}" == kept
        assert member.returncode == 0, member.stderr
        (path,) = folder.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH
        assert stranger.returncode == 1
        assert stranger.stderr == (
            f"announce_job.py: {folder}: this user may not write there: see docs/deployment.md "
            "for the folder's group\n"
        )
