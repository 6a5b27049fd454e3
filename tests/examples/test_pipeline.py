"""examples/pipeline/: how a pipeline hands a job over."""

import importlib.util
import stat
import subprocess
from pathlib import Path

import pytest

from tests.processes import KEY, PATIENCE, run

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location(
    "announce_job", ROOT / "examples" / "pipeline" / "announce_job.py"
)
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

    done = run("check-config", environ={**KEY, "PASSWORD": "x"}, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"config.yaml: good: 1 target, {len(NAMES)} jobs\n"
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

    assert [*tmp_path.glob("*.yaml")] == [path]


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
