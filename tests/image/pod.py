"""Runs the image as Kubernetes' restricted profile would, without a cluster.

The process is number 1 of a namespace of its own. Its root file system is read only, its user is
the image's, it has no capability and can gain none. The network is this machine's, unless told
otherwise.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import KEY, PATIENCE, Process, started

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ,
    reason="only root may mount the image's file system, and enter namespaces",
)
GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL, where a pod does not say otherwise."""

# Arguments: the root, what to mount, "--", a command.
_ENTER = """\
set -e
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
while shift; [ "$1" != -- ]; do
    case $1 in
        tmpfs:*) mount -t tmpfs tmpfs "$root${1#*:}" ;;
        *) mount --bind "${1%%:*}" "$root${1#*:}" ;;
    esac
done
shift
mount -o remount,bind,ro "$root"
exec "$@"
"""
_LOOPBACK = 'ip link set lo up && exec "$@"'


@dataclass(frozen=True)
class Image:
    """The built image.

    Attributes:
        name: in buildah's storage.
        said: all that `buildah inspect` prints of it.
        root: its file system.
        layer: what it has beside its base, as a tar file.
    """

    name: str
    said: str
    root: Path
    layer: Path

    @property
    def config(self) -> Mapping[str, object]:
        """What the image says of itself, in Docker's words."""
        config: dict[str, object] = json.loads(self.said)["Docker"]["config"]
        return config

    def words(self, key: str) -> list[str]:
        """Return a list of the configuration."""
        found = self.config[key]
        assert isinstance(found, list), found
        return found

    def process(self, environ: Mapping[str, str]) -> list[str]:
        """Return a command line that becomes the image's, of its user, in its environment."""
        uid, gid = str(self.config["User"]).split(":")
        variables = [*self.words("Env"), *(f"{name}={value}" for name, value in environ.items())]
        place = [f"--root={self.root}", f"--wd={self.config['WorkingDir']}"]
        user = ["unshare", *place, f"--setuid={uid}", f"--setgid={gid}", "--"]
        limits = ["setpriv", "--no-new-privs", "--clear-groups"]
        return ["env", "-i", *variables, *limits, *user]


def pod(
    image: Image, *mounts: str, environ: Mapping[str, str] = KEY, network: bool = True
) -> list[str]:
    """Return a command line to which the one to run in the image is appended.

    Args:
        image: to run.
        mounts: folders as ``SOURCE:TARGET``, or ``tmpfs:TARGET``.
        environ: beside the image's.
        network: that of this machine; otherwise one of its own, with nothing but loopback.
    """
    spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    if not network:
        spaces += ["--net", "sh", "-c", _LOOPBACK, "sh"]
    enter = ["sh", "-c", _ENTER, "sh", str(image.root), *mounts, "--"]
    return [*spaces, *enter, *image.process(environ)]


def run_in_pod(image: Image, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the image, with no place to write, and return what it said."""
    return subprocess.run(
        [*pod(image), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextlib.contextmanager
def started_in_pod(
    image: Image,
    *arguments: str,
    address: str,
    mounts: tuple[str, ...] = (),
    environ: Mapping[str, str] = KEY,
    network: bool = True,
) -> Iterator[Process]:
    """Start a command of ours in the image, by its entrypoint."""
    prefix = pod(image, *mounts, environ=environ, network=network)
    program = image.words("Entrypoint")
    with started(*arguments, address=address, prefix=prefix, program=program) as process:
        yield process


def number_one(process: Process) -> int:
    """Return the process id, on this machine, of a pod's process 1."""
    pid = process.popen.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return int(children[0])


def terminate(process: Process) -> int:
    """Stop a pod as Kubernetes does, and return the exit code."""
    os.kill(number_one(process), signal.SIGTERM)
    return process.popen.wait(GRACE)


def enter(image: Image, process: Process, *arguments: str) -> int:
    """Run a command in a pod that runs, as `docker exec` does, and return its exit code."""
    uid, gid = str(image.config["User"]).split(":")
    spaces = [f"--target={number_one(process)}", "--mount", "--pid", "--net", "--root", "--wd"]
    user = [f"--setuid={uid}", f"--setgid={gid}"]
    done = subprocess.run(
        ["env", "-i", *image.words("Env"), "nsenter", *spaces, *user, *arguments],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode
