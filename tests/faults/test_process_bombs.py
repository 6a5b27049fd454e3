"""Configurations that are made to hurt: each refused soon, in little memory, without a secret."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.raw import MIB, configuration, forget_peak, vitals
from tests.processes import KEY, PATIENCE, command, exporter, plain_environ, post

GOOD = configuration("job")
PLANTED = "planted-in-line"
MOST_MEMORY = 32 * MIB  # beside what a good start takes
SOON = 5.0  # seconds of processor time; docs/reliability.md tells the true figures
HEAVY = ["aliases", "merges", "flow depth", "100 MB", "values", "keys", "jobs", "problems"]


def laughs() -> str:
    """Nine levels of nine aliases each: a billion texts."""
    lines = [f"  - &a0 [{PLANTED}]"]
    for level in range(1, 10):
        aliases = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"  - &a{level} [{aliases}]")
    return GOOD + "job_labels:\n" + "\n".join(lines)


def merges() -> str:
    """Mappings that merge the one before many times over."""
    lines = [f"m0: &m0 {{password: {PLANTED}}}"]
    for level in range(1, 30):
        merged = ", ".join([f"*m{level - 1}"] * 9)
        lines.append(f"m{level}: &m{level}\n  <<: [{merged}]")
    return "\n".join(lines) + "\nscrape: {<<: *m29}\n" + GOOD


BOMBS: dict[str, tuple[str, Callable[[], str | bytes]]] = {
    "aliases": ("an anchor", laughs),
    "merges": ("a merge key", merges),
    "merge key": (
        "a merge key",
        lambda: GOOD.replace("    region_id", "    <<: {}\n    region_id"),
    ),
    "flow depth": ("levels of nesting", lambda: GOOD + "x: " + "[" * 1_000_000),
    "flow mapping depth": ("levels of nesting", lambda: GOOD + "x: " + "{a: " * 1_000_000),
    "block depth": (
        "levels of nesting",
        lambda: GOOD + "".join(f"{' ' * n}x:\n" for n in range(2_000)),
    ),
    "100 MB": ("at most 4 MiB", lambda: GOOD + "# " + "x" * (100 << 20)),
    "values": ("values", lambda: GOOD + "x: [" + "a," * 2_000_000 + "a]"),
    "keys": ("values", lambda: GOOD + "x: {" + ",".join(map(str, range(600_000))) + "}"),
    "jobs": ("values", lambda: configuration(*(f"j{n}" for n in range(60_000)))),
    "problems": ("too many problems", lambda: GOOD + "x: 1\n" + "".join(_unknown(20_000))),
    "long text": ("label", lambda: GOOD + 'job_labels: ["' + "\\0" * 2_000_000 + '"]'),
    "tag": ("a tag", lambda: GOOD + f"job_files: !!python/object/apply:os.system [{PLANTED}]"),
    "own tag": ("a tag", lambda: GOOD.replace(PLANTED, f"!vault {PLANTED}")),
    "duplicate key": ("given twice", lambda: GOOD + f"targets: {PLANTED}\n"),
    "two documents": ("a second document", lambda: f"{GOOD}---\n{GOOD}"),
    "UTF-16": ("save the file as UTF-8", lambda: GOOD.encode("utf-16")),
    "a BOM inside": ("", lambda: GOOD.replace("    endpoint", "\ufeff    endpoint")),
    "tabs": ("a tab", lambda: GOOD.replace("    region_id", "\tregion_id")),
    "NUL": ("control character", lambda: GOOD.replace(PLANTED, f"{PLANTED}\0")),
    "not UTF-8": ("UTF-8", lambda: GOOD.encode().replace(b"planted", b"\xffplanted")),
    "a list": ("expected a mapping", lambda: f"- {PLANTED}\n"),
    "a text": ("expected a mapping", lambda: PLANTED),
    "wrong types": ("put it in quotes", lambda: GOOD.replace("id: job", "id: 0123")),
    "a boolean": ("put it in quotes", lambda: GOOD.replace("name: main", "name: on")),
    "a password in a list": ("expected", lambda: GOOD.replace(PLANTED, f"[{PLANTED}]")),
}


def _unknown(count: int) -> list[str]:
    return [f"unknown_{number}: {PLANTED}\n" for number in range(count)]


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        code: its exit code.
        seconds: of processor time.
        memory: the most bytes in memory.
        text: its standard error.
    """

    code: int
    seconds: float
    memory: int
    text: str


# A process is charged with the memory of the one that starts it: so pytest cannot do that itself.
METER = """
import json, os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss]))
"""


def cost(folder: Path, *arguments: str) -> Cost:
    """Run a command of ours to its end."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", METER, *command(*arguments)],
        env={**plain_environ(), **KEY},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    code, seconds, kibibytes = json.loads(done.stdout.splitlines()[-1])
    return Cost(code, seconds, kibibytes << 10, done.stderr)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Cost:
    """What a good configuration takes."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "config.yaml").write_text(GOOD)
    found = cost(folder, "check-config")
    assert found.code == 0
    return found


def plant(folder: Path, content: str | bytes) -> None:
    """Write the configuration."""
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "config.yaml").write_bytes(data)


@pytest.mark.parametrize(
    ("how", "bomb"),
    [("check-config", bomb) for bomb in BOMBS] + [("serve", bomb) for bomb in HEAVY],
)
def test_a_bomb_at_start(
    tmp_path: Path,
    good: Cost,
    bomb: str,
    how: str,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """Fault 38: a bomb is refused within a second and 32 MiB, clearly and with no secret."""
    part, make = BOMBS[bomb]
    plant(tmp_path, make())

    found = cost(tmp_path, how)

    more = found.memory - good.memory
    figures = f"{found.seconds - good.seconds:.2f} s, {more / MIB:.1f} MiB"
    record_testsuite_property(f"fault 38: {bomb}, {how}", figures)
    assert found.code == 1
    assert part in found.text
    assert "config.yaml:" in found.text
    assert "Traceback" not in found.text
    assert "planted" not in found.text
    assert len(found.text) < 40_000
    assert found.seconds < SOON
    assert more < MOST_MEMORY


def test_bombs_at_a_reload(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Fault 38: a reload refuses each of them likewise, one after the other, and serves on."""
    with exporter(GOOD, tmp_path, "--web.enable-lifecycle") as it:
        for bomb, (part, make) in BOMBS.items():
            plant(tmp_path, make())
            forget_peak(it)
            before = vitals(it)
            status, text = post(it.url + "/-/reload")
            after = vitals(it)
            seconds, more = after.cpu - before.cpu, after.peak - before.resident

            figures = f"{seconds:.2f} s, {more / MIB:.1f} MiB"
            record_testsuite_property(f"fault 38: {bomb}, reload", figures)
            assert status == 400, bomb
            assert part in text, bomb
            assert "planted" not in text, bomb
            assert seconds < SOON, bomb
            assert more < MOST_MEMORY, bomb
        assert not [line for line in it.log if "planted" in line]
        plant(tmp_path, GOOD)
        assert post(it.url + "/-/reload")[0] == 200
