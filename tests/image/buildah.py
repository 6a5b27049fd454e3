"""Buildah with a storage of its own, which needs no daemon and no kernel driver."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.processes import PATIENCE

PROJECT = Path(__file__).parent.parent.parent
TOOLS = (PROJECT / ".tools").resolve() / "image"
_STORAGE = f"""\
[storage]
driver = "vfs"
graphroot = "{TOOLS}/storage"
runroot = "{TOOLS}/run"
"""


def buildah(
    *arguments: str, patience: float = 5 * PATIENCE, environ: Mapping[str, str] | None = None
) -> str:
    """Run buildah to its end and return what it printed."""
    assert shutil.which("buildah"), "buildah is missing: `make test` installs it"
    done = subprocess.run(
        ["buildah", *arguments],
        env={
            **os.environ,
            **(environ or {}),
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(_settings()),
        },
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )
    assert done.returncode == 0, f"buildah {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def _settings() -> Path:
    path = TOOLS / "storage.conf"
    if not path.exists():
        TOOLS.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(_STORAGE)
        fresh.replace(path)  # never half written: other test processes read it
    return path


def exists(image: str) -> bool:
    """Whether an image of this name is in the storage."""
    return any(image in (entry["names"] or []) for entry in json.loads(buildah("images", "--json")))


@contextlib.contextmanager
def container(image: str) -> Iterator[str]:
    """Make a working container of an image; gives its name."""
    name = buildah("from", "--pull-never", image)
    try:
        yield name
    finally:
        buildah("rm", name)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other test processes out: the storage and what is in it are shared."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
