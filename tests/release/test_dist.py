"""What a release gives to people: packages that are the same each time, and that work."""

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter import __version__
from tests.processes import PATIENCE, scrape, started
from tests.unit.test_lock import IMAGE, locked

PROJECT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
AUTHOR = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "x"), ("EMAIL", "x@example.com"), ("DATE", "1790000000 +0800"))
}


def run(*command: str | Path, environ: Mapping[str, str] | None = None, cwd: Path = PROJECT) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(
        command,
        env={**os.environ, **(environ or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This source as a git repository of one commit, whether or not it came from one."""
    folder = tmp_path_factory.mktemp("repository")
    git = ["git", f"--git-dir={folder}/.git"]
    run("git", "init", "--quiet", folder)
    run(*git, f"--work-tree={PROJECT}", "add", "--all")
    run(*git, "commit", "--quiet", "--no-gpg-sign", "--message=All", environ=AUTHOR)
    run(*git, f"--work-tree={folder}", "checkout", "--force", "HEAD", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def built(repository: Path) -> dict[str, bytes]:
    """The files that `make dist` builds of it, by their names."""
    run("sh", ".ci/dist.sh", BIN / "python", cwd=repository)
    return {path.name: path.read_bytes() for path in (repository / "dist").iterdir()}


@pytest.fixture(scope="module")
def environment(
    built: dict[str, bytes], repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A clean environment with the wheel, and what it needs, as pip chooses it."""
    (wheel,) = [name for name in built if name.endswith(".whl")]
    folder = tmp_path_factory.mktemp("environment")
    run(BIN / "uv", "venv", "--quiet", "--clear", "--python", BIN / "python", folder)
    python = folder / "bin/python"
    run(BIN / "uv", "pip", "install", "--quiet", "--python", python, repository / "dist" / wheel)
    return folder


def test_same_bytes_each_time(repository: Path, built: dict[str, bytes]) -> None:
    """Wheel and source distribution are the same bytes, whenever, wherever and by whom built."""
    elsewhere = repository.parent / "clone"
    run("git", "clone", "--quiet", repository, elsewhere)
    run("git", "-C", elsewhere, "checkout", "--quiet", "HEAD")
    for path in elsewhere.rglob("*.py"):
        path.touch()

    run(
        *("sh", "-c", 'umask 077 && exec sh .ci/dist.sh "$0"', BIN / "python"),
        environ={"TZ": "Asia/Shanghai", "LANG": "C", "PYTHONHASHSEED": "7"},
        cwd=elsewhere,
    )

    again = {path.name: path.read_bytes() for path in (elsewhere / "dist").iterdir()}
    assert sorted(built) == [
        f"adbpg_job_exporter-{__version__}-py3-none-any.whl",
        f"adbpg_job_exporter-{__version__}.tar.gz",
    ]
    assert again == built


def test_source_distribution_is_the_commit(repository: Path, built: dict[str, bytes]) -> None:
    """It holds every file of the commit, so all that the tests need, its revision and its time."""
    committed = set(run("git", "ls-files", cwd=repository).splitlines())
    name = f"adbpg_job_exporter-{__version__}"
    with tarfile.open(fileobj=io.BytesIO(built[f"{name}.tar.gz"])) as archive:
        held = {path.removeprefix(name + "/") for path in archive.getnames()}
        times = {member.mtime for member in archive}

    assert {"Makefile", "requirements.lock", "tests/release/test_dist.py"} <= committed
    assert held == committed | {"PKG-INFO", "exporter/revision.txt"}
    assert times == {1790000000}, "the time of the commit"


def test_wheel_has_the_package_alone(built: dict[str, bytes]) -> None:
    """The wheel installs the package `exporter` and its metadata, and no test."""
    (wheel,) = [content for name, content in built.items() if name.endswith(".whl")]
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        folders = {name.split("/")[0] for name in archive.namelist()}

    assert folders == {"exporter", f"adbpg_job_exporter-{__version__}.dist-info"}


def test_installed_wheel_runs_the_demo(repository: Path, environment: Path) -> None:
    """In a clean environment the command of the wheel runs the demo, and tells its commit."""
    with started(
        *("demo", "--web.listen-address=127.0.0.1:0"),
        address=r"http://(\S+)/metrics ",
        environ={"PYTHONPATH": ""},
        program=[str(environment / "bin/adbpg-job-exporter")],
        cwd=environment,
    ) as it:
        page = scrape(it)
        code = it.stop()

    commit = run("git", "rev-parse", "HEAD", cwd=repository)
    assert "adbpg_job_status" in page.names()
    assert page.value("adbpg_exporter_build_info", version=__version__, revision=commit) == 1
    assert code == 0


def test_sbom_is_the_lock(tmp_path: Path) -> None:
    """The bill of materials names what is locked, each with version, licence and package URL, and
    says what depends on what; it is the same each time.
    """  # noqa: D205  one claim
    run("sh", ".ci/sbom.sh", BIN, tmp_path / "one.json")
    run("sh", ".ci/sbom.sh", BIN, tmp_path / "two.json")

    bill = json.loads((tmp_path / "one.json").read_text("utf-8"))
    parts = {part["purl"]: part for part in bill["components"]}
    entries = {
        f"pkg:pypi/{name}@{next(iter(pin.specifier)).version}"
        for name, (pin, _) in locked(IMAGE).items()
        if pin.marker is None or pin.marker.evaluate()
    }
    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in bill["dependencies"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "adbpg-job-exporter"
    assert set(parts) == entries
    assert all(part["licenses"] for part in parts.values())
    assert any(part.startswith("urllib3==") for part in edges["root-component"])
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
