"""Stand-ins for the two bases of the Dockerfile, made of Debian's packages.

The true ones are on registries, which a test must not depend on. Like the true base, the one that
the image ends on has an interpreter, no shell, no pip, and no bytecode of the standard library.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.image.buildah import TOOLS, alone, buildah, container, exists

_BUILD_ONLY = {
    *("coreutils", "dash", "libacl1", "libattr1", "libgmp10", "libpcre2-8-0", "libselinux1"),
    *("python3-distutils", "python3-lib2to3", "python3-pip"),
}
_PACKAGES = TOOLS / "packages"
_SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_USERS = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"


def make_bases() -> tuple[str, str]:
    """Return the names of both images, the one to build on first; make those that are not there."""
    packages = sorted(_PACKAGES.glob("*.deb"))
    assert packages, f"no packages in {_PACKAGES}: `make test` downloads them"
    names = "\n".join(path.name for path in packages) + Path(__file__).read_text("utf-8")
    tag = hashlib.sha256(names.encode()).hexdigest()[:12]
    build, runtime = f"localhost/build-base:{tag}", f"localhost/base:{tag}"
    with alone():
        if not exists(runtime):
            _commit(runtime, [path for path in packages if _name(path) not in _BUILD_ONLY])
        if not exists(build):
            _commit(build, packages, _pip_configuration())
    return build, runtime


def _name(package: Path) -> str:
    return package.name.split("_")[0]


def _commit(image: str, packages: list[Path], pip: str = "") -> None:
    with container("scratch") as name:
        root = Path(buildah("mount", name))
        for package in packages:
            subprocess.run(["dpkg", "-x", package, root], check=True)
        _configure(root, pip)
        buildah("config", "--env=PATH=/usr/bin:/bin", "--env=LANG=C.UTF-8", name)
        buildah("commit", "--quiet", "--format=docker", name, image)


def _configure(root: Path, pip: str) -> None:
    """Do what the packages' scripts would have done."""
    (root / "etc/passwd").write_text(_USERS)
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = "".join(path.read_text("ascii") for path in authorities)
    if pip:
        (root / "etc/pip.conf").write_text(pip)
        bundle = _SYSTEM_AUTHORITIES.read_text("utf-8")  # this machine's may have more
    (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    (root / "etc/ssl/certs/ca-certificates.crt").write_text(bundle)


def _pip_configuration() -> str:
    """Return this machine's settings of pip, which say where it finds packages."""
    settings = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    pairs = (line.split("=", 1) for line in settings.stdout.splitlines())
    kept = {key.rsplit(".", 1)[1]: value.strip("'") for key, value in pairs}
    kept.pop("find-links", None)  # a folder of this machine
    kept["cert"] = str(_SYSTEM_AUTHORITIES)
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in kept.items()), ""])
