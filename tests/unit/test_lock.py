"""What is installed: the locks beside pyproject.toml, for the image and for the tests."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
IMAGE, TESTS = "requirements.lock", "requirements-dev.lock"
SBOM, MUTANTS = ".ci/sbom.lock", ".ci/mutants.lock"
NPM = ("tests/grafana/package-lock.json", "grafana/viewer/package-lock.json")
EXTRAS = {IMAGE: ("ram",), TESTS: ("ram", "dev")}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

Entry = tuple[Requirement, list[str]]


def locked(lock: str) -> dict[str, Entry]:
    """Return each entry of a lock by its name, with its hashes."""
    text = (PROJECT / lock).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    entries = "\n".join(lines).replace("\\\n", " ").splitlines()
    found: dict[str, Entry] = {}
    for entry in entries:
        name, *hashes = re.split(r"\s+--hash=", entry.strip())
        requirement = Requirement(name)
        found[canonicalize_name(requirement.name)] = (requirement, hashes)
    return found


def wanted(lock: str) -> list[Requirement]:
    """Return what pyproject.toml declares for a lock."""
    project = PYPROJECT["project"]
    optional = project["optional-dependencies"]
    texts = project["dependencies"] + [text for extra in EXTRAS[lock] for text in optional[extra]]
    if lock == TESTS:
        texts += PYPROJECT["build-system"]["requires"]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("lock", EXTRAS)
def test_all_that_is_needed_is_locked(lock: str) -> None:
    """Each dependency is locked, to a version that it allows; so is what builds the packages."""
    entries = locked(lock)

    for requirement in wanted(lock):
        entry, _ = entries[canonicalize_name(requirement.name)]
        (pin,) = entry.specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("lock", [IMAGE, TESTS, SBOM, MUTANTS])
def test_every_entry_has_hashes(lock: str) -> None:
    """Nothing is taken that nobody has seen: one version, and the hash of each of its files."""
    entries = locked(lock)

    assert entries
    for name, (requirement, hashes) in entries.items():
        assert [pin.operator for pin in requirement.specifier] == ["=="], name
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in hashes), name


def test_the_tests_run_with_what_the_image_holds() -> None:
    """Each entry of the image's lock stands in that of the tests as well."""
    tests = locked(TESTS)

    for name, (requirement, hashes) in locked(IMAGE).items():
        there, hashes_there = tests[name]
        assert (requirement.specifier, hashes) == (there.specifier, hashes_there)


@pytest.mark.parametrize("lock", [IMAGE, TESTS, SBOM, *NPM])
def test_no_lock_names_a_registry(lock: str) -> None:
    """What is locked is locked by its hash, and comes from whichever registry is set up."""
    text = (PROJECT / lock).read_text("utf-8")
    asks_for_money = re.compile(r'"url": "https://[^"]*"')

    assert "://" not in asks_for_money.sub("", text)


def test_every_dependency_holds_for_every_image() -> None:
    """What we ask for is locked for each Python and each architecture that a base may have."""
    entries = locked(IMAGE)

    for python in PYTHONS:
        for machine in ("x86_64", "aarch64"):
            environment = {
                **{key: str(value) for key, value in default_environment().items()},
                "python_version": python,
                "python_full_version": f"{python}.0",
                "platform_machine": machine,
                "sys_platform": "linux",
            }
            for requirement in wanted(IMAGE):
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


def test_make_takes_nothing_else() -> None:
    """Each install of the Makefile and its scripts is of a lock, or of this source alone."""
    files = [PROJECT / "Makefile", *(PROJECT / ".ci").glob("*.sh")]
    text = "\n".join(file.read_text("utf-8") for file in files).replace("\\\n", " ")
    text = text.replace("$(PIP)", "pip install --no-deps").replace("$(LOCKED)", "--require-hashes")
    installs = re.findall(r"\bpip install .*", text)

    assert len(installs) == 8  # one is the definition of $(PIP)
    assert all("--no-deps" in line for line in installs)
    resolved = [line for line in installs if "--require-hashes" not in line]
    assert [line.split("--no-deps")[1].strip() for line in resolved] == [
        "",
        "--no-build-isolation --editable .",
    ]
    assert set(re.findall(r"\bnpm (ci|i|install|update|exec)\b", text)) == {"ci"}
    assert not re.search(r"\buvx\b|\buv\"? tool\b|\bnpx\b", text)
