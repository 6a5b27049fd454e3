"""What goes into the image: requirements.lock beside pyproject.toml."""

import re
import tomllib
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent.parent
EXTRAS = ("ram",)
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def locked() -> dict[str, tuple[Requirement, list[str]]]:
    """Return each entry by its name, with its hashes."""
    text = (PROJECT / "requirements.lock").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    entries = "\n".join(lines).replace("\\\n", " ").splitlines()
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for entry in entries:
        name, *hashes = re.split(r"\s+--hash=", entry.strip())
        requirement = Requirement(name)
        found[canonicalize_name(requirement.name)] = (requirement, hashes)
    return found


def wanted() -> list[Requirement]:
    """Return what pyproject.toml says that the image needs."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    texts = project["dependencies"] + [text for extra in EXTRAS for text in optional[extra]]
    return [Requirement(text) for text in texts]


def test_all_that_is_needed_is_locked() -> None:
    """Each dependency is locked, to a version that it allows."""
    entries = locked()

    for requirement in wanted():
        entry, _ = entries[canonicalize_name(requirement.name)]
        (pin,) = entry.specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{requirement}: run `make lock`"


def test_every_entry_has_hashes() -> None:
    """Nothing is taken that nobody has seen: one version, and the hash of each of its files."""
    for name, (requirement, hashes) in locked().items():
        assert [pin.operator for pin in requirement.specifier] == ["=="], name
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in hashes), name


def test_every_dependency_holds_for_every_image() -> None:
    """What we ask for is locked for each Python and each architecture that a base may have."""
    entries = locked()

    for python in PYTHONS:
        for machine in ("x86_64", "aarch64"):
            environment = {
                **{key: str(value) for key, value in default_environment().items()},
                "python_version": python,
                "python_full_version": f"{python}.0",
                "platform_machine": machine,
                "sys_platform": "linux",
            }
            for requirement in wanted():
                marker = entries[canonicalize_name(requirement.name)][0].marker
                assert marker is None or marker.evaluate(environment), f"{requirement}, {python}"


def test_the_image_takes_nothing_else() -> None:
    """The Dockerfile installs wheels of the lock, checks their hashes, and resolves nothing."""
    text = (PROJECT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")

    (install,) = re.findall(r"^RUN .*\bpip install\b.*$", text, re.MULTILINE)
    flags = set(install.split(" && ")[0].split()[5:])
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:", "--no-cache-dir"} <= flags
    assert "--requirement=/requirements.lock" in flags
    assert {flag for flag in flags if not flag.startswith("--")} == set()
