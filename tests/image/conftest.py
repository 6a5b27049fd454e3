"""Builds the image once, for all tests."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import __version__
from tests.image.bases import make_bases
from tests.image.buildah import PROJECT, alone, buildah, container
from tests.image.pod import Image

REVISION = "0123456789abcdef0123456789abcdef01234567"
PLANTED = "planted-in-the-build-context"
_CONTEXT = ("Dockerfile", ".dockerignore", "requirements.lock", "exporter")
_BESIDE = ("config.yaml", ".env", ".git/config", "tests/data/key.pem", "exporter/__pycache__/x.pyc")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, built from a source with secrets beside it, on bases of Debian's packages."""
    folder = tmp_path_factory.mktemp("image")
    context = folder / "context"
    _copy_source(context)
    name = f"localhost/adbpg-job-exporter:{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    build, base = make_bases()
    with alone():
        _build(context, name, BUILD_BASE=build, BASE=base, REVISION=REVISION, VERSION=__version__)
    try:
        buildah("push", "--quiet", name, f"dir:{folder}/pushed")
        manifest = json.loads((folder / "pushed/manifest.json").read_text("utf-8"))
        layer = folder / "pushed" / manifest["layers"][-1]["digest"].removeprefix("sha256:")
        said = buildah("inspect", "--type=image", name)
        with container(name) as running:
            yield Image(name, said, Path(buildah("mount", running)), layer)
    finally:
        buildah("rmi", name)


def _copy_source(context: Path) -> None:
    context.mkdir()
    for name in _CONTEXT:
        source, target = PROJECT / name, context / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for name in _BESIDE:
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PLANTED)


def _build(context: Path, name: str, **arguments: str) -> None:
    flags = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    buildah(
        *("build", "--pull-never", "--format=docker", *flags, f"--tag={name}", str(context)),
        patience=600,
        environ={"ALIBABA_CLOUD_ACCESS_KEY_SECRET": PLANTED},
    )
