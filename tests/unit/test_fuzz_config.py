"""Whatever stands in a configuration, there are problems with places and no secret, or it is good.

``FUZZ_EXAMPLES=50000`` makes a long run of it.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from exporter.config import load, read_job_file
from exporter.config.yaml_source import DEEPEST, LARGEST_FILE, Scalar, YamlError, parse
from exporter.errors import ConfigurationError
from tests.config_files import CONFIG
from tests.fuzz.amount import attempt

SECRET = "s3cr3t"  # in every value that must not be told, and in nothing else
ENVIRON = {"PASSWORD": f"{SECRET}-of-environment", "TEXT": f"{SECRET} text", "NUMBER": "7"}
SEED = f"""\
scrape: {{min_interval: 10s, max_age: 1h, concurrency: 8, timeout: 1m30s, timeout_offset: 0}}
api:
  connect_timeout: 1s
  max_response_bytes: 1MiB
  calls_per_second: ${{NUMBER}}
  proxy: http://user:{SECRET}-proxy@proxy:3128
credentials:
  provider: environment
deadline: {{entries_per_second: 0.5, grace: 2d}}
job_labels: [team, pipeline]
targets:
  - name: rag
    region_id: cn-hangzhou
    workspace_id: gp-ws-1
    namespace: ${{TEXT}}
    namespace_password: ${{PASSWORD}}
    endpoint: https://user:{SECRET}-endpoint@gpdb.aliyuncs.com
    time_zone: Asia/Shanghai
    jobs:
      - id: job-1
        collection: ${{TEXT}}
        expected_entries: 500000
        labels: {{pipeline: nightly, team: "search"}}
      - {{id: 'job-2', collection: document}}
  - name: chat
    region_id: cn-beijing
    db_instance_id: gp-2
    namespace_password: '{SECRET}-inline'
    namespace_password_file: {SECRET}-path
job_files: [jobs/*.yaml]
"""
JOBS = "- {target: rag, id: job-1, collection: c, labels: {team: a}}\n" * 2 + "- target: twin\n"
SCALARS = (
    *("on", "~", "null", "0123", "1e3", "1:30", "2024-01-08", ".inf", "=", "''", '""', "{}", "[]"),
    *("${PASSWORD}", "${TEXT}", "$TEXT", "${", "$$", "*a", "&a b", "!t x", "|", ">", "%", "@", "`"),
    *("{{ x }}", "<<", "? a", "- a", "a: b", "'", '"', '"\\x', "#", "\t", "---", "...", "\ud7ff"),
    *("9" * 400, "x" * 40_000, "[" * 50, "{a: " * 50, "\u2028", "\x85", "\ufeff", "5s", "1"),
)

Lines = list[str]


@st.composite
def mutated(draw: st.DrawFn, seed: str) -> bytes:
    """Return a good file after a few of the mistakes that people and disks make."""
    lines = seed.splitlines()
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at : at + 1] = draw(_mistakes(lines[at], lines))
        lines = lines or [""]
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 4)):
        return data
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=8)) + data[at + draw(st.integers(0, 20)) :]


def _mistakes(line: str, lines: Lines) -> st.SearchStrategy[Lines]:
    """Return what can become of a line. No part of a secret is cut, or none could be searched."""
    key, colon, value = line.partition(": ")
    # A password of its own under a key that tells its value is told: nobody could know.
    others = (other.partition(": ")[2] for other in lines if f"password: '{SECRET}" not in other)
    swapped = st.sampled_from([*SCALARS, *(value for value in others if value != SECRET + "-path")])
    return st.one_of(
        st.just([]),
        st.just([line, line]),
        st.integers(1, 5).map(lambda width: [" " * width + line]),
        st.just([line.removeprefix("  ")]),
        st.just(["\t" + line]),
        st.just([line.replace(": ", ":", 1)]),
        st.just([line.replace(":", "", 1)]),
        swapped.map(lambda scalar: [key + colon + scalar]),
        st.sampled_from(SCALARS).map(lambda scalar: [scalar + colon + value]),
        st.sampled_from(SCALARS).map(lambda scalar: [line, scalar]),
        st.sampled_from(SCALARS).map(lambda scalar: [line + scalar]),
        st.sampled_from(lines).map(lambda other: [line, other]),
        st.just([line.replace("'", "", 1).replace("}", "", 1)]),
    )


def problems_of(data: bytes) -> str:
    """Load a configuration; return its problems, or its warnings, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(data)
        try:
            config = load(str(path), ENVIRON)
        except ConfigurationError as error:
            return _checked(error)
        assert SECRET not in repr(config.targets) + repr(config.api)
        return "\n".join(map(str, config.warnings))


def _checked(error: ConfigurationError) -> str:
    assert error.problems
    for problem in error.problems:
        assert problem.line >= 1, problem
        assert problem.column >= 1, problem
        assert problem.message
        assert len(str(problem)) < 1000
    return str(error) + repr(error)


def check_configurations(batch: list[bytes]) -> None:
    """Fail where a message holds a secret."""
    for data in batch:
        assert SECRET not in problems_of(data)


def check_job_files(batch: list[bytes]) -> None:
    """Fail where there is neither a good list nor a problem."""
    for data in batch:
        try:
            found = read_job_file("jobs.yaml", data, CONFIG, "file")
        except ConfigurationError as error:
            _checked(error)
        else:
            assert all(job.target in {"rag", "twin"} for job in found.jobs)


def test_mutated_configurations() -> None:
    """A configuration with mistakes is problems with places, and no secret is in them."""
    attempt(check_configurations, mutated(SEED), short=600, batch=4)


def test_mutated_job_files() -> None:
    """A job file with mistakes is jobs, or problems with places."""
    attempt(check_job_files, mutated(JOBS), short=300)


def test_any_bytes() -> None:
    """Any bytes, and any text of the signs of YAML, are problems with places."""
    signs = st.text("-:[]{}&*!|>'\"%@`#,?\t\n a1$", max_size=80).map(str.encode)
    attempt(check_configurations, st.one_of(st.binary(max_size=200), signs), short=600)


@pytest.mark.parametrize(
    ("opening", "line", "column"),
    [
        ("[", 1, 21),
        ("{", 1, 21),
        ("- ", 1, 41),
        ("? ", 1, 41),
        ("[{a: ", 1, 48),
        ("{? ", 1, 61),
        ("- ? ", 1, 41),
        ("[\n", 21, 1),
    ],
)
@pytest.mark.parametrize("depth", [DEEPEST + 1, 100_000, LARGEST_FILE])
def test_depth(opening: str, line: int, column: int, depth: int) -> None:
    """The first level too many is what is refused, also where libyaml gives up a file itself."""
    with pytest.raises(YamlError, match=f"at most {DEEPEST} levels") as caught:
        parse((opening * depth)[:LARGEST_FILE].encode())

    assert (caught.value.line, caught.value.column) == (line, column)


def test_depth_not_reached() -> None:
    """A list that cannot begin where it stands is a mistake of syntax, however often."""
    with pytest.raises(YamlError, match="expected a value here"):
        parse(b"- [" * 100_000)


def test_deepest() -> None:
    """The deepest nesting that is documented is taken, and one more is not."""
    root = parse(b"[" * DEEPEST + b"]" * DEEPEST)

    assert not isinstance(root, Scalar)
    with pytest.raises(YamlError, match=f"at most {DEEPEST} levels"):
        parse(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))
