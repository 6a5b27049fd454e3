"""The workflows of GitHub, and the scripts that only they run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from tests.processes import PATIENCE

PROJECT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yaml"))
BIN = Path(sys.executable).parent
WRITES = {
    ("release.yaml", "packages"): {"id-token", "attestations"},
    ("release.yaml", "image"): {"packages", "id-token", "attestations"},
    ("release.yaml", "chart"): {"packages", "id-token", "attestations"},
    ("release.yaml", "release"): {"contents"},
}
PINNED = re.compile(r"(\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\$/\.github/workflows/\S+)")


def run(*command: str | Path, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def jobs() -> dict[tuple[str, str], dict[str, dict[str, str]]]:
    """Return each job by its workflow and name."""
    return {
        (path.name, name): job
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items()
    }


def test_zizmor_finds_nothing() -> None:
    """No finding of the security linter, without any that is silenced."""
    done = run(BIN / "zizmor", "--offline", "--no-progress", "--no-ignores", ".github/workflows")

    assert done.returncode == 0, done.stdout


def test_schema() -> None:
    """Each workflow is one by GitHub's schema."""
    schema = "--builtin-schema=vendor.github-workflows"
    done = run(BIN / "check-jsonschema", schema, *WORKFLOWS)

    assert [path.name for path in WORKFLOWS] == ["ci.yaml", "newest.yaml", "release.yaml"]
    assert done.returncode == 0, done.stdout


def test_actions_are_pinned() -> None:
    """Each action is pinned by its commit, with the version beside it for people."""
    for path in WORKFLOWS:
        used = re.findall(r"uses: (.+)", path.read_text("utf-8"))
        assert used
        assert [text for text in used if not PINNED.fullmatch(text)] == []


def test_no_job_may_more_than_it_does() -> None:
    """A workflow has no permission of its own; a job has the few that it needs."""
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {}
    for key, job in jobs().items():
        writes = {name for name, right in job["permissions"].items() if right == "write"}
        assert writes == WRITES.get(key, set()), key


def test_nothing_is_released_untested() -> None:
    """What others can see, an image, a chart or a release, waits for the tests."""
    known = jobs()

    def waits_for(name: str) -> set[str]:
        needs = set(known["release.yaml", name].get("needs", ()))
        return needs.union(*(waits_for(need) for need in needs))

    for name in ("image", "chart", "release"):
        assert {"test", "packages"} <= waits_for(name), name


def test_what_the_workflows_call_is_there() -> None:
    """Each file, make target and build argument that a workflow names exists."""
    text = "\n".join(path.read_text("utf-8") for path in WORKFLOWS)
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    dockerfile = (PROJECT / "Dockerfile").read_text("utf-8")

    scripts = set(re.findall(r"\.ci/[\w.]+", text))
    words = {word for line in re.findall(r"run: make (.+)", text) for word in line.split()}
    targets = {word for word in words if "=" not in word}
    arguments = set(re.findall(r"^ +([A-Z]+)=\$\{\{", text, re.MULTILINE))
    assert scripts == {".ci/run", ".ci/notes.sh"}
    assert all((PROJECT / script).is_file() for script in scripts)
    assert targets == {"dist", "lock", "sbom"}
    assert all(f"\n{target}:" in makefile for target in targets)
    assert arguments == {"VERSION", "REVISION"}
    assert all(f"\nARG {argument}=" in dockerfile for argument in arguments)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source whose changelog knows two versions."""
    for name in (".ci", "exporter"):
        (tmp_path / name).mkdir()
    shutil.copy(PROJECT / ".ci/notes.sh", tmp_path / ".ci")
    shutil.copy(PROJECT / "exporter/__init__.py", tmp_path / "exporter")
    (tmp_path / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## [Unreleased]\n\n- Later.\n\n"
        f"## [{__version__}] - 2026-01-01\n\n### Added\n\n- This.\n\n"
        f"## [{__version__}0] - 2025-01-01\n\n- That.\n"
    )
    return tmp_path


def test_notes_are_those_of_the_version(tree: Path) -> None:
    """A release's notes are the changelog's section of its version, and no other."""
    done = run("sh", ".ci/notes.sh", f"v{__version__}", cwd=tree)

    assert done.stdout == "\n### Added\n\n- This.\n"
    assert done.returncode == 0


def test_wrong_tag_is_refused(tree: Path) -> None:
    """A tag that is not the version in the source makes no release, and says which it should be."""
    done = run("sh", ".ci/notes.sh", "v999.0.0", cwd=tree)

    assert done.returncode == 1
    assert f"the tag should be v{__version__}" in done.stderr


def test_changelog_without_the_version_is_refused(tree: Path) -> None:
    """A version without notes makes no release, and the message says what to do."""
    (tree / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- All.\n")

    done = run("sh", ".ci/notes.sh", f"v{__version__}", cwd=tree)

    assert (done.returncode, done.stdout) == (1, "")
    assert "move there what is under Unreleased" in done.stderr
