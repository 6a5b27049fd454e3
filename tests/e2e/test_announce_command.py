"""The commands ``announce`` and ``forget``, by HTTP and by job files."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.bench import well
from tests.faults.raw import configuration
from tests.processes import Process, exporter, run, scrape
from tests.upstream import Upstream, message, send

TOKEN = "planted-token-of-nightly"
NAMES = ("document", "../../etc", ".hidden", "a b: c", "文档" * 128, 'o\'clock "#"', "a: [")


class Running(NamedTuple):
    """An exporter, and the folder that it runs in."""

    process: Process
    folder: Path


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An exporter that takes announced jobs and job files, of which the latter are in `jobs`."""
    folder = tmp_path_factory.mktemp("exporter")
    (folder / "token").write_text(TOKEN)
    (folder / "jobs").mkdir()
    extra = (
        "scrape: {min_interval: 0s}\njob_labels: [team]\njob_files: ['jobs/*.yaml']\n"
        "registration:\n  tokens: [{name: nightly, token_file: token, targets: [main]}]\n"
    )
    with Upstream(well) as api, exporter(configuration(api=api.url, extra=extra), folder) as it:
        yield Running(it, folder)


def hand_over(name: str, *flags: str, folder: Path, where: str = "") -> tuple[int, str]:
    """Run a command; return exit code and standard error. Standard output stays empty."""
    done = run(name, where, "--target=main", *flags, environ={}, cwd=folder)
    assert done.stdout == ""
    assert TOKEN not in done.stderr
    return done.returncode, done.stderr


def by_http(it: Running) -> tuple[str, str]:
    """Return the flags of an announcement over HTTP."""
    return f"--url={it.process.url}", "--token-file=token"


def test_a_job_by_http(it: Running) -> None:
    """It is in the next page with what was said of it, and gone when it is forgotten."""
    (it.folder / "data.jsonl").write_text('{"v": [1]}\n\n{"v": [2]}\n{"v": [3]}')
    url, token = by_http(it)

    done = hand_over(
        "announce",
        token,
        "--id=job-1",
        "--collection=c",
        "--file=data.jsonl",
        "--deadline=45m",
        "--label=team=search",
        folder=it.folder,
        where=url,
    )

    assert done == (0, "")
    page = scrape(it.process)
    assert page.value("adbpg_job_info", job_id="job-1", team="search") == 1
    assert page.value("adbpg_job_expected_entries", job_id="job-1") == 3
    assert hand_over("forget", token, "--id=job-1", folder=it.folder, where=url) == (0, "")
    assert scrape(it.process).value("adbpg_job_up", job_id="job-1") is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--label=nobody=x",), "answered 400: labels.nobody: "),
        (("--kind=upload_document", "--expected-entries=3"), "answered 400: expected_entries: "),
        (("--target=elsewhere",), "answered 403: "),
        (("--file=empty.jsonl",), "empty.jsonl: expected lines, one for each vector"),
        (("--file=nowhere.jsonl",), "nowhere.jsonl: No such file or directory"),
        (("--token-file=nowhere",), "the token file nowhere cannot be read"),
        (("--token-file=empty.jsonl",), "expected a token of printable ASCII"),
        (("--token-file=wrong",), "answered 401: "),
    ],
)
def test_what_is_refused(it: Running, flags: tuple[str, ...], said: str) -> None:
    """A mistake ends with 1, and says which."""
    (it.folder / "empty.jsonl").write_text("\n")
    (it.folder / "wrong").write_text("a-token-of-nobody-at-all")
    url, token = by_http(it)

    code, text = hand_over(
        "announce", token, "--id=job-2", "--collection=c", *flags, folder=it.folder, where=url
    )

    assert code == 1
    assert said in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("name", ["announce", "forget"])
@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_an_exporter_that_is_away(tmp_path: Path, name: str, status: int) -> None:
    """It is a warning and 0, and with --strict 1: no upload fails for it."""
    (tmp_path / "token").write_text(TOKEN)
    answer = message(b"later", status=status or 500, headers=[("Retry-After", "60")])
    collection = ("--collection=c",) if name == "announce" else ()
    with Upstream(lambda _: send(answer)) as there:
        url = there.url if status else "http://127.0.0.1:9"
        flags = ("--token-file=token", "--id=job-1", *collection)

        usual = hand_over(name, *flags, folder=tmp_path, where=f"--url={url}")
        strict = hand_over(name, *flags, "--strict", folder=tmp_path, where=f"--url={url}")

    assert (usual[0], strict[0]) == (0, 1)
    assert usual[1] == strict[1]
    assert usual[1].startswith("adbpg-job-exporter: warning: the exporter at http://127.0.0.1:")


def test_announcing_is_off(tmp_path: Path) -> None:
    """An exporter without tokens is named as such."""
    (tmp_path / "token").write_text(TOKEN)
    with exporter(configuration("job"), tmp_path) as plain:
        flags = ("--token-file=token", "--id=job-1", "--collection=c")
        code, text = hand_over("announce", *flags, folder=tmp_path, where=f"--url={plain.url}")

    assert code == 1
    assert "answered 404: announcing is off there (registration.tokens)" in text


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--url=http://127.0.0.1:9",),
        ("--job-file=.", "--token-file=token"),
        ("--job-file=.", "--url=http://127.0.0.1:9"),
        ("--job-file=.", "--expected-entries=0"),
        ("--job-file=.", "--expected-entries=3", "--file=x"),
        ("--job-file=.", "--deadline=soon"),
        ("--job-file=.", "--label=team"),
        ("--job-file=.", "--label=team=" + "x" * 201),
        ("--job-file=.", "--kind=dance"),
        ("--job-file=.", "--collection= "),
        ("--job-file=.", "--id=" + "x" * 257),
    ],
)
def test_wrong_usage(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Flags that do not fit end with 2, and nothing is written."""
    done = run("announce", "--target=main", "--id=1", "--collection=c", *flags, cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith("adbpg-job-exporter")
    assert [*tmp_path.iterdir()] == []


def test_job_files_whatever_they_are_called(it: Running) -> None:
    """Jobs of any name have a good file each in the folder, readable for all."""
    jobs = it.folder / "jobs"

    for name in NAMES:
        flags = (f"--id={name}", f"--collection={name}", "--expected-entries=2000")
        assert hand_over("announce", *flags, folder=it.folder, where="--job-file=jobs") == (0, "")

    page = scrape(it.process)
    assert {page.value("adbpg_job_up", job_id=name) for name in NAMES} == {1}
    assert page.value("adbpg_exporter_config_problems") in (None, 0)
    assert len([*jobs.iterdir()]) == len(NAMES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in jobs.iterdir()} == {0o644}
    assert any(path.name.startswith("main-document-") for path in jobs.iterdir())
    for name in NAMES:
        hand_over("forget", f"--id={name}", folder=it.folder, where="--job-file=jobs")
    assert [*jobs.iterdir()] == []


def test_a_job_file_again(tmp_path: Path) -> None:
    """A job that is announced again replaces its file; another one stands beside it."""
    for job, entries in (("a-b", 1), ("a_b", 2), ("a-b", 3)):
        flags = (f"--id={job}", "--collection=c", f"--expected-entries={entries}")
        hand_over("announce", *flags, folder=tmp_path, where="--job-file=.")

    written = [json.loads(path.read_text("utf-8"))[0] for path in tmp_path.iterdir()]
    assert {(job["id"], job["expected_entries"]) for job in written} == {("a-b", 3), ("a_b", 2)}


def test_a_job_file_that_would_be_broken(tmp_path: Path) -> None:
    """What the exporter would not take of a job file is refused before it is written."""
    flags = ("--id=x", "--collection=c", "--kind=upload_document", "--expected-entries=3")

    code, text = hand_over("announce", *flags, folder=tmp_path, where="--job-file=.")

    assert (code, [*tmp_path.iterdir()]) == (1, [])
    assert "a job of kind upload_document has a percentage and no entries" in text


def test_forgetting_what_is_not_there(tmp_path: Path) -> None:
    """It is safe."""
    assert hand_over("forget", "--id=x", folder=tmp_path, where="--job-file=.") == (0, "")


@pytest.mark.parametrize("name", ["announce", "forget"])
def test_a_folder_that_is_missing(tmp_path: Path, name: str) -> None:
    """A folder that cannot be used is a mistake; nothing is left half written."""
    collection = ("--collection=c",) if name == "announce" else ()
    (tmp_path / "file").touch()

    missing = hand_over(name, "--id=x", *collection, folder=tmp_path, where="--job-file=nowhere")
    no_folder = hand_over(name, "--id=x", *collection, folder=tmp_path, where="--job-file=file")

    assert missing[0] == 1
    assert "there is no such folder: create it" in missing[1]
    assert no_folder == (1, "adbpg-job-exporter: --job-file=file: Not a directory\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
