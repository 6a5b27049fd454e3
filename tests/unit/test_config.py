import re
from datetime import timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.config import ApiSettings, Config, JobFile, ScrapeSettings, load, read_job_file
from exporter.config.yaml_source import LARGEST_FILE
from exporter.errors import ConfigurationError
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import JobRef
from exporter.secret import Secret, SecretFile
from tests.config_files import CONFIG, DATA, ENVIRON, PLANTED, names, told

BAD_FILES = names("config", "bad-*.yaml")
GOOD_FILES = names("config", "good-*.yaml")
TARGET = """\
targets:
  - name: rag
    region_id: cn-hangzhou
    db_instance_id: gp-1
    namespace_password: ${PASSWORD}
"""


def sample(name: str) -> Config:
    """Load a sample file."""
    return load(str(DATA / "config" / name), ENVIRON)


def problems_of(text: str | bytes, folder: Path) -> str:
    """Load a file that cannot be loaded, and return the lines told."""
    path = folder / "c.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigurationError) as caught:
        load(str(path), ENVIRON)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file(name: str) -> None:
    """Each bad file is refused with exactly the lines beside it."""
    with pytest.raises(ConfigurationError) as caught:
        sample(name)

    expected = (DATA / "config" / name).with_suffix(".txt").read_text(encoding="utf-8")
    assert told("config", str(caught.value)) + "\n" == expected


@pytest.mark.parametrize("name", BAD_FILES)
def test_no_secret_in_problems(name: str) -> None:
    """No planted secret is in any message, nor in the error as a debugger shows it."""
    with pytest.raises(ConfigurationError) as caught:
        sample(name)

    shown = str(caught.value) + repr(caught.value) + repr(caught.value.problems)
    assert not [secret for secret in PLANTED if secret in shown.lower()]


@pytest.mark.parametrize("name", GOOD_FILES)
def test_no_secret_in_config(name: str) -> None:
    """No planted secret is in a configuration as a debugger shows it."""
    shown = repr(sample(name))

    assert not [secret for secret in PLANTED if secret in shown.lower()]


def test_every_bad_file_has_its_messages() -> None:
    """No file of messages is left over, and none is missing."""
    assert names("config", "bad-*.txt") == [n.replace(".yaml", ".txt") for n in BAD_FILES]


def test_defaults() -> None:
    """What a file does not say has the documented defaults."""
    config = sample("good-minimal.yaml")

    assert config.scrape == ScrapeSettings(
        min_interval=5, max_age=300, concurrency=32, max_jobs=10000, timeout=9, timeout_offset=0.5
    )
    assert config.api == ApiSettings(
        connect_timeout=3, request_timeout=5, max_response_bytes=262144, calls_per_second=100
    )
    assert config.credentials.provider == "environment"
    assert (config.deadline.entries_per_second, config.deadline.grace) == (1000, 1800)
    assert config.targets[0].time_zone == timezone(timedelta(hours=8))
    assert config.targets[0].namespace_password == Secret("planted-in-the-environment")
    assert (config.job_labels, config.jobs, config.job_files, config.warnings) == ((), (), (), ())


@pytest.mark.parametrize("name", ["byte-order-mark", "json", "nothing-below"])
def test_same_as_minimal(name: str) -> None:
    """A byte order mark, CRLF, JSON and sections with nothing in them change nothing."""
    assert sample(f"good-{name}.yaml") == sample("good-minimal.yaml")


def test_settings() -> None:
    """Durations become seconds, sizes bytes, and ${NAME} a number where one is expected."""
    config = sample("good-everything.yaml")

    assert config.scrape == ScrapeSettings(
        min_interval=10, max_age=3600, concurrency=8, max_jobs=5, timeout=90, timeout_offset=0
    )
    assert config.api == ApiSettings(
        connect_timeout=1,
        request_timeout=2,
        max_response_bytes=1 << 20,
        calls_per_second=7,
        proxy=Secret("http://planted-in-the-environment@proxy:3128"),
    )
    assert (config.deadline.entries_per_second, config.deadline.grace) == (0.5, 172_800)


def test_targets() -> None:
    """A target is taken with its password's file, its endpoint made plain, and its zone."""
    rag, chat = sample("good-everything.yaml").targets

    assert rag.namespace_password == SecretFile(str(DATA / "config" / "some.secret"))
    assert (rag.workspace_id, rag.db_instance_id, rag.namespace) == ("gp-ws-1", "", "docs")
    assert (rag.endpoint, rag.network) == ("http://localhost:8080", "vpc")
    assert rag.time_zone == timezone(-timedelta(hours=5, minutes=30))
    assert chat.endpoint == "https://[::1]:8443"
    assert chat.time_zone == ZoneInfo("Asia/Shanghai")


def test_jobs() -> None:
    """A job has its target's identity, and every declared label in the declared order."""
    assert sample("good-everything.yaml").jobs == (
        JobRef(
            target="rag",
            region_id="cn-hangzhou",
            job_id="job-1",
            collection="document",
            collection_namespace="docs",
            workspace_id="gp-ws-1",
            expected_entries=500_000,
            labels=(("team", ""), ("pipeline", "nightly")),
            kind=UPSERT_COLLECTION_DATA,
        ),
    )


def test_relative_paths() -> None:
    """Relative paths begin at the configuration file's directory, absolute ones stand."""
    config = sample("good-everything.yaml")

    here = DATA / "config"
    assert config.job_files == (str(here / "jobs/*.yaml"), "/var/lib/adbpg-jobs/*.yaml")
    assert config.credentials.access_key_id_file == str(here / "some.secret")


def test_directory_is_no_pattern(tmp_path: Path) -> None:
    """A bracket in the directory's own name does not act as a pattern."""
    folder = tmp_path / "a[b]"
    folder.mkdir()
    (folder / "c.yaml").write_text(TARGET + "job_files: ['*.yaml']\n")

    config = load(str(folder / "c.yaml"), ENVIRON)

    assert config.job_files == (f"{tmp_path}/a[[]b]/*.yaml",)


def test_any_script() -> None:
    """Ids and names are opaque text of any script; quotes make text of what YAML would not."""
    config = sample("good-any-script.yaml")

    found = [(job.job_id, job.collection, job.collection_namespace) for job in config.jobs]
    assert found == [
        ("on", "\u05d0\u05d1 \U0001f642", "\u540d\u524d\u7a7a\u9593"),
        ("0123", "c d", "\u540d\u524d\u7a7a\u9593"),
        ("a$b", "c d-${COLLECTION}", "\u540d\u524d\u7a7a\u9593"),
    ]


def test_warnings() -> None:
    """A secret in the file itself, and a space at an end of a name, are warned about."""
    warnings = "\n".join(map(str, sample("good-warnings.yaml").warnings))

    expected = (DATA / "config" / "good-warnings.txt").read_text(encoding="utf-8")
    assert told("config", warnings) + "\n" == expected


def test_file_missing(tmp_path: Path) -> None:
    """A configuration file that is not there is one problem, without a line."""
    with pytest.raises(
        ConfigurationError, match=r"nowhere\.yaml: cannot be read: No such file or .*: write it, or"
    ):
        load(str(tmp_path / "nowhere.yaml"), {})


def test_secret_file_unreadable(tmp_path: Path) -> None:
    """A directory in place of a secret's file is told when the configuration is loaded."""
    text = TARGET.replace("namespace_password: ${PASSWORD}", "namespace_password_file: .")

    found = problems_of(text, tmp_path)

    assert found.endswith("a file that holds a secret: Is a directory")


def test_too_large(tmp_path: Path) -> None:
    """A file over 4 MiB is refused without a look at what is in it."""
    assert problems_of(b"#" * (LARGEST_FILE + 1), tmp_path) == "c.yaml: expected at most 4 MiB"


def test_many_jobs(tmp_path: Path) -> None:
    """Ten thousand jobs with three labels each load, from the configuration or from a job file."""
    labels = "labels: {team: team-%d, pipeline: nightly, owner: someone}"
    entry = f"id: 231460f8-75dc-405e-a669-%012d, collection: document_%d, {labels}"
    entries = [entry % (i, i % 500, i % 50) + f", expected_entries: {i + 1}" for i in range(10_000)]
    path = tmp_path / "c.yaml"
    jobs = "".join(f"      - {{{entry}}}\n" for entry in entries)
    path.write_text(f"job_labels: [team, pipeline, owner]\n{TARGET}    jobs:\n{jobs}")

    config = load(str(path), ENVIRON)

    listed = "".join(f"- {{{entry}, target: rag}}\n" for entry in entries).encode()
    assert len(config.jobs) == 10_000
    assert len(read_job_file("jobs.yaml", listed, config, "file").jobs) == 10_000


def test_one_list_of_undeclared_labels(tmp_path: Path) -> None:
    """A label that no job may carry is told once, however many jobs carry it."""
    jobs = "".join(f"      - {{id: j{i}, collection: c, labels: {{a: b}}}}\n" for i in range(9))

    found = problems_of(f"{TARGET}    jobs:\n{jobs}", tmp_path)

    assert found.endswith("(8 more below)")
    assert len(found.splitlines()) == 1


def test_what_an_open_quote_takes_in_is_not_told(tmp_path: Path) -> None:
    """A value that has swallowed the lines after it is told no further than its own line."""
    text = TARGET.replace("name: rag", 'name: "rag').replace("${PASSWORD}", 'planted"' + "x" * 0)

    found = problems_of(text + '    namespace: "' + "y" * 300 + '"\n', tmp_path)

    assert "planted" not in found


def test_many_problems(tmp_path: Path) -> None:
    """Of very many problems the first hundred are told, and that there are more."""
    lines = problems_of("".join(f"key{i}: x\n" for i in range(5000)), tmp_path).splitlines()

    assert len(lines) == 101
    assert lines[-2].endswith("too many problems: the rest is not shown")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * LARGEST_FILE, "at most 20 levels"),
        ("{" * LARGEST_FILE, "at most 20 levels"),
        ("- " * (LARGEST_FILE // 2), "at most 20 levels"),
        ("? " * (LARGEST_FILE // 2), "at most 20 levels"),
        ("scrape: &a [" + "*a," * 100_000 + "]", "an anchor"),
        ("a: 1\n" * 90_000, "the key is given twice"),
        ("a: [" + "1," * 300_000 + "]", "too many values"),
        ("a: [" + "{}," * 130_000 + "]", "too many values"),
        ("a: [" + ",".join(map(str, range(140_000))) + "]", "too many values"),
        ("job_labels: [" + ",".join(f"a{i}" for i in range(100_000)) + "]", "targets: missing"),
        ("targets: [{name: '" + "${A}" * 1_000_000 + "'}]", "at most 32768 characters"),
        ("a: &" + "a" * 1_000_000 + " b", "unknown key"),
        ("\n" * 2_000_000 + "a: [", "expected a value here"),
        ("a" * LARGEST_FILE, "expected a mapping"),
        ("a: " + "9" * 1_000_000, "unknown key"),
        ("? " + "k" * 1_000_000 + "\n: v", "unknown key"),
    ],
    ids=[
        "lists",
        "mappings",
        "dashes",
        "keys",
        "aliases",
        "equal",
        "wide",
        "empty",
        "different",
        "labels",
        "references",
        "anchor",
        "lines",
        "long",
        "digits",
        "key",
    ],
)
def test_hostile(text: str, message: str, tmp_path: Path) -> None:
    """Deep, wide, long and self-repeating files are refused, and with few lines."""
    found = problems_of(text, tmp_path)

    assert message in found
    assert len(found) < 20_000


@pytest.mark.parametrize("name", names("jobs", "bad-*.yaml"))
def test_bad_job_file(name: str) -> None:
    """Each bad job file has exactly the mistakes that the lines beside it tell."""
    path = DATA / "jobs" / name

    try:
        found = read_job_file(name, path.read_bytes(), CONFIG, "file").problems
    except ConfigurationError as error:
        found = error.problems

    lines = "".join(f"{problem}\n" for problem in found)
    assert lines == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_good_job_file() -> None:
    """A job file's jobs are its targets' jobs; a dollar has no meaning there."""
    data = (DATA / "jobs" / "good.yaml").read_bytes()

    first, second = read_job_file("good.yaml", data, CONFIG, "file").jobs

    assert first == JobRef(
        target="rag",
        region_id="cn-hangzhou",
        job_id="job-1",
        collection="c",
        db_instance_id="gp-1",
        expected_entries=5,
        labels=(("team", "search"),),
        source="file",
        kind=UPSERT_COLLECTION_DATA,
    )
    assert (second.job_id, second.labels) == ("$job${A}$$", (("team", ""),))


@pytest.mark.parametrize("name", ["good-empty.yaml"])
def test_empty_job_file(name: str) -> None:
    """A job file with nothing in it is an empty list."""
    found = read_job_file(name, (DATA / "jobs" / name).read_bytes(), CONFIG, "file")

    assert found == JobFile()


def test_example_loads() -> None:
    """The example is a good configuration; the warning is for who forgets to name an instance."""
    path = DATA.parents[1] / "config.example.yaml"

    config = load(str(path), {"RAG_PASSWORD": "x"})

    assert config.scrape == ScrapeSettings()
    assert config.api == ApiSettings()
    assert [warning.path for warning in config.warnings] == ["targets[0].db_instance_id"]
    assert re.fullmatch("[0-9a-f-]{36}", config.jobs[0].job_id)


def job_file(text: str) -> JobFile:
    """Read a job file."""
    return read_job_file("jobs.yaml", text.encode(), CONFIG, "file")


def test_all_mistakes_of_an_entry() -> None:
    """Every mistake of an entry is told, whatever else is wrong in it; the others count."""
    found = job_file(
        "- {target: nowhere, id: 5, colection: c, expected_entries: many, labels: {x: y}}\n"
        "- {target: rag, id: good, collection: c}\n"
    )

    assert [job.job_id for job in found.jobs] == ["good"]
    assert [problem.path for problem in found.problems] == [
        "[0].target",
        "[0].id",
        "[0].colection",
        "[0].expected_entries",
        "[0].labels.x",
    ]
    assert found.left_out == {"5"}


def test_what_is_misplaced_in_one_entry_is_missing_in_another() -> None:
    """An entry that is left out always has a problem of its own."""
    found = job_file(
        "- {id: a, collection: c, labels: {target: rag}, region_id: x}\n- {id: b, target: rag}\n"
    )

    assert found.jobs == ()
    assert {problem.path[:3] for problem in found.problems} == {"[0]", "[1]"}


def test_many_wrong_entries_cost_no_good_one() -> None:
    """Of thousands of mistakes a hundred are told, and each good entry counts."""
    wrong = "".join(f"- {{target: rag, id: w{n}, colection{n}: c}}\n" for n in range(5_000))
    good = "".join(f"- {{target: rag, id: g{n}, collection: c}}\n" for n in range(5_000))

    found = job_file(wrong + good)

    assert [job.job_id for job in found.jobs] == [f"g{n}" for n in range(5_000)]
    assert len(found.problems) == 101
    assert len(found.left_out) == 5_000


@pytest.mark.parametrize(
    "value",
    [
        *("${JOB_ID}", "job-${ID}-1", "$(JOB_ID)", "{{ workflow.uid }}", "{{job_id}}", "$JOB_ID"),
        *("{job_id}", "%JOB_ID%", "<job id>", "None", "null", "NULL", "undefined", "nil", "NaN"),
        *("${JOB_ID", "{{ inputs.id", " ", "~"),
    ],
)
@pytest.mark.parametrize("key", ["id", "collection"])
def test_what_was_never_filled_in(key: str, value: str) -> None:
    """A text that looks like a template, or like nothing, is taken with a warning."""
    values = {"id": "a", "collection": "c"} | {key: value}
    found = job_file(
        f"- {{target: rag, id: '{values['id']}', collection: '{values['collection']}'}}"
    )

    assert len(found.jobs) == 1
    assert [warning.path for warning in found.warnings] == [f"[0].{key}"]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "231460f8-75dc-405e-a669-0c5204887e91",
            "a$b",
            "50%",
            "a{b}c",
            "<a",
            "nonesuch",
            "nullable",
        ),
        *("$", "%", "工作", "x.y/z:1"),
    ],
)
def test_what_only_looks_odd(value: str) -> None:
    """Other ids have no warning, whatever signs are in them."""
    assert job_file(f"- {{target: rag, id: '{value}', collection: c}}").warnings == ()


def test_a_variable_in_the_configuration_is_filled_in(tmp_path: Path) -> None:
    """In the configuration the warning is about what the environment gave."""
    path = tmp_path / "c.yaml"
    path.write_text(TARGET + '    jobs: [{id: "${JOB}", collection: "${COLLECTION}"}]\n')

    good = load(str(path), ENVIRON | {"JOB": "job-1"})
    unfilled = load(str(path), ENVIRON | {"JOB": "None"})

    assert good.warnings == ()
    assert [warning.path for warning in unfilled.warnings] == ["targets[0].jobs[0].id"]


def test_a_home_in_a_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is a home; one that there is not is refused with advice."""
    home = tmp_path / "[home]"
    monkeypatch.setenv("HOME", str(home))
    path = tmp_path / "c.yaml"
    path.write_text(TARGET + "job_files: ['~/jobs/*.yaml', '~', './~/x.yaml']\n")

    config = load(str(path), ENVIRON)

    escaped = str(tmp_path / "[[]home]")
    assert config.job_files == (f"{escaped}/jobs/*.yaml", escaped, str(tmp_path / "~/x.yaml"))
    found = problems_of(TARGET + "job_files: ['~nobody-of-this-name/x']\n", tmp_path)
    assert "there is no home '~nobody-of-this-name': write the whole path" in found


def test_a_wrong_value_makes_no_second_problem(tmp_path: Path) -> None:
    """A target with a wrong optional value is still there for what names it."""
    text = TARGET + "    network: moon\nfreshness:\n  - {target: rag, collection: c, max_age: 1d}\n"

    told = problems_of(text, tmp_path)

    assert told == "c.yaml:6:5: targets[0].network: expected public or vpc, got 'moon'"
