"""``make image`` and ``make image-push``: what they have docker, podman or buildah do."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from exporter import __version__
from tests.processes import PATIENCE
from tests.release.test_dist import AUTHOR, PROJECT, run

IMAGE = f"adbpg-job-exporter:{__version__}"
NEEDED = ("cat", "dirname", "git", "sed", "sh")  # by the script, beside the tool
STUB = """\
#!/bin/sh
{ printf '%s\\n' "${0##*/}" "$@"; echo; } >>"${0%/*}/calls"
"""

Make = Callable[..., tuple[list[list[str]], subprocess.CompletedProcess[str]]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What the targets need of the source, as a git repository of one commit."""
    folder = tmp_path / "source"
    for name in ("Makefile", ".ci/image.sh", "exporter/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    git = ["git", "-C", str(folder)]
    run(*git, "init", "--quiet")
    run(*git, "add", "--all")
    run(*git, "commit", "--quiet", "--no-gpg-sign", "--message=All", environ=AUTHOR)
    return folder


@pytest.fixture
def make(source: Path, tmp_path: Path) -> Make:
    """Makes something where only some tools are there; returns their calls, and how it ended."""

    def made(
        *words: str, tools: Sequence[str]
    ) -> tuple[list[list[str]], subprocess.CompletedProcess[str]]:
        programs = tmp_path / "programs"
        programs.mkdir()
        for name in NEEDED:
            (programs / name).symlink_to(str(shutil.which(name)))
        for name in tools:
            (programs / name).write_text(STUB)
            (programs / name).chmod(0o755)
        done = subprocess.run(
            [str(shutil.which("make")), *words],
            env={"PATH": str(programs)},
            cwd=source,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        calls = programs / "calls"
        text = calls.read_text() if calls.exists() else ""
        return [call.splitlines() for call in text.split("\n\n") if call], done

    return made


@pytest.mark.parametrize(
    ("tools", "begins"),
    [
        (["docker", "podman", "buildah"], ["docker", "build"]),
        (["podman", "buildah"], ["podman", "build", "--format=docker"]),
        (["buildah"], ["buildah", "build", "--format=docker"]),
    ],
    ids=["docker", "podman", "buildah"],
)
def test_the_first_tool_builds(
    make: Make, source: Path, tools: list[str], begins: list[str]
) -> None:
    """The first of the three that is there builds the image, with its version and its commit."""
    calls, done = make("image", tools=tools)

    commit = run("git", "rev-parse", "HEAD", cwd=source)
    arguments = ["--build-arg", f"VERSION={__version__}", "--build-arg", f"REVISION={commit}"]
    assert calls == [[*begins, "--tag", IMAGE, *arguments, "."]]
    assert done.returncode == 0


def test_an_unpacked_source_distribution(make: Make, source: Path) -> None:
    """Without a repository, the commit is the one that the source distribution has written down."""
    shutil.rmtree(source / ".git")
    (source / "exporter/revision.txt").write_text("0123abc\n")

    calls, _ = make("image", tools=["docker"])

    assert "REVISION=0123abc" in calls[0]


@pytest.mark.parametrize("tool", ["docker", "podman", "buildah"])
@pytest.mark.parametrize("registry", ["registry.example.com/team", "registry.example.com/team/"])
def test_push(make: Make, tool: str, registry: str) -> None:
    """What was built gets the registry's name and is pushed there."""
    calls, done = make("image-push", f"REGISTRY={registry}", tools=[tool])

    there = f"registry.example.com/team/{IMAGE}"
    assert calls == [[tool, "tag", IMAGE, there], [tool, "push", there]]
    assert done.returncode == 0


def test_push_to_nowhere(make: Make) -> None:
    """Without a registry nothing is done, and one line says what is missing."""
    calls, done = make("image-push", tools=["docker"])

    [line] = done.stderr.splitlines()
    assert "say where to: make image-push REGISTRY=registry.example.com" in line
    assert (calls, done.stdout) == ([], "")
    assert done.returncode != 0


def test_nothing_builds(make: Make) -> None:
    """Where none of the three is there, the message names them."""
    calls, done = make("image", tools=[])

    assert "install docker, podman or buildah" in done.stderr
    assert calls == []
    assert done.returncode != 0
