"""What is in the image, and what it says of itself."""

import re
import subprocess
import tarfile

import pytest

from exporter import __version__
from exporter.cli.main import PORT
from tests.image.buildah import PROJECT
from tests.image.conftest import PLANTED, REVISION
from tests.image.pod import Image, needs_root
from tests.planted import forms
from tests.processes import PATIENCE

pytestmark = [pytest.mark.image, needs_root]

FOLDERS = {"etc", "etc/adbpg-job-exporter", "opt", "opt/adbpg-job-exporter"}
OURS = re.compile(r"opt/adbpg-job-exporter/.*")
NOT_WANTED = re.compile(r".*/(pip|setuptools|wheel|\.cache|bin)(/.*|-.*)?|.*\.(whl|sh|conf)")
SHELLS_AND_INSTALLERS = ("sh", "bash", "dash", "apt", "apt-get", "dpkg", "pip", "pip3", "curl")


@pytest.fixture(scope="module")
def members(image: Image) -> dict[str, tarfile.TarInfo]:
    """The members of our layer, by their names."""
    with tarfile.open(image.layer) as layer:
        return {member.name.strip("./"): member for member in layer}


def test_hadolint_accepts_the_dockerfile() -> None:
    """Hadolint has nothing to say, not even an advice."""
    done = subprocess.run(
        [PROJECT / ".venv/bin/hadolint", "--failure-threshold=style", "Dockerfile"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_bases_are_pinned() -> None:
    """Each stage begins with an argument whose default has a tag to read and a digest to hold."""
    lines = (PROJECT / "Dockerfile").read_text("utf-8").splitlines()

    stages = [line.split()[1] for line in lines if line.startswith("FROM ")]
    defaults = dict(line[4:].split("=", 1) for line in lines if re.match(r"ARG \w*BASE=", line))
    assert set(stages) == {f"${{{name}}}" for name in defaults}
    for name, base in defaults.items():
        assert re.fullmatch(r"[a-z0-9./-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}", base), name


def test_what_it_says_of_itself(image: Image) -> None:
    """User, port, entrypoint, health check and labels are those that the documentation tells."""
    config = image.config
    labels = config["Labels"]
    assert isinstance(labels, dict)
    said = {key.removeprefix("org.opencontainers.image."): text for key, text in labels.items()}

    assert config["User"] == "10001:10001"
    assert config["ExposedPorts"] == {f"{PORT}/tcp": {}}
    assert config["Entrypoint"] == ["python3", "-m", "exporter"]
    assert not config["Cmd"]
    assert not config["Volumes"]
    assert "Healthcheck" in config
    assert said["version"] == __version__
    assert said["revision"] == REVISION
    assert said["licenses"] == "Apache-2.0"
    assert said["title"] == "adbpg-job-exporter"
    assert said["description"]


def test_only_what_runs(members: dict[str, tarfile.TarInfo]) -> None:
    """The layer has the exporter, what it needs, bytecode, and nothing else: no installer, no
    cache, no file that a build left.
    """  # noqa: D205  one claim
    assert {name for name in members if not OURS.fullmatch(name)} == FOLDERS
    assert {name for name in members if NOT_WANTED.fullmatch(name)} == set()


def test_its_process_cannot_change_it(members: dict[str, tarfile.TarInfo]) -> None:
    """All in the layer belongs to root, nobody else may write to it, and nothing is set-uid."""
    loose = {
        name
        for name, member in members.items()
        if member.uid or member.gid or (member.mode & 0o6022 and not member.issym())
    }

    assert loose == set()


def test_no_shell(image: Image) -> None:
    """On a base without a shell there is none in the image, and no installer."""
    found = {
        name
        for name in SHELLS_AND_INSTALLERS
        for folder in ("bin", "usr/bin", "usr/local/bin")
        if (image.root / folder / name).exists()
    }

    assert found == set()


def test_no_secret(image: Image) -> None:
    """What lies beside the source, and keys in the builder's environment, are in no layer, no
    label and no history.
    """  # noqa: D205  one claim
    with tarfile.open(image.layer) as layer:
        contents = {
            member.name: file.read() for member in layer if (file := layer.extractfile(member))
        }
    planted = [form.encode() for form in forms(PLANTED)]

    assert len(contents) > 100
    assert {name for name, data in contents.items() if any(p in data for p in planted)} == set()
    assert not any(form in image.said for form in forms(PLANTED))
