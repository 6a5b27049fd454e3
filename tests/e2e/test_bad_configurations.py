"""Each bad configuration and job file beside its messages: at check, at start and at reload."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.config_files import BAD_JOB_FILES, CONFIG_OF_JOB_FILES, DATA, ENVIRON, PLANTED, names
from tests.driver import Commands, one_process
from tests.processes import KEY, Process, exporter, get, post, run, scrape

BAD_FILES = names("config", "bad-*.yaml")
SUCCESSFUL = "adbpg_exporter_config_last_reload_successful"
AS_PROCESSES = ["typo-job", "utf16", "env-unset"]
GOOD = """\
targets:
  - name: before
    region_id: cn-hangzhou
    db_instance_id: gp-1
    namespace_password: ${PASSWORD}
    endpoint: http://127.0.0.1:9
    jobs:
      - {id: watched-before, collection: c}
"""


def messages(name: str) -> str:
    """Return the text beside a bad configuration."""
    return (DATA / "config" / name).with_suffix(".txt").read_text("utf-8")


def environ() -> Mapping[str, str]:
    """Return what the sample files refer to, and an access key."""
    return {**KEY, **ENVIRON}


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """Run commands of ours in the sample folder, all in one process."""
    with one_process(DATA / "config", environ()) as commands:
        yield commands


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_refused_by_a_command(commands: Commands, command: str, name: str) -> None:
    """Checked or started with a bad configuration, we print exactly its lines, and exit with 1."""
    assert commands(command, f"--config.file={name}") == (1, "", messages(name))


@pytest.mark.parametrize("name", names("config", "good-*.yaml"))
def test_good_files_are_good(commands: Commands, name: str) -> None:
    """Checked with a good configuration, we say so, and exit with 0."""
    code, out, told = commands("check-config", f"--config.file={name}")

    assert code == 0
    assert out.startswith(f"{name}: good: ")
    assert all(line.startswith("warning: ") for line in told.splitlines())


@pytest.mark.parametrize("command", ["check-config", "serve"])
@pytest.mark.parametrize("name", AS_PROCESSES)
def test_refused_as_users_start_it(command: str, name: str) -> None:
    """A process of its own does the same."""
    flag = f"--config.file=bad-{name}.yaml"

    done = run(command, flag, environ=environ(), cwd=DATA / "config")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == messages(f"bad-{name}.yaml")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Path]]:
    """An exporter that watches one job, with the folder of its configuration."""
    folder = tmp_path_factory.mktemp("running")
    for path in (DATA / "config").glob("*.secret"):
        shutil.copy(path, folder)
    with exporter(GOOD, folder, "--web.enable-lifecycle", environ=environ()) as process:
        yield process, folder / "config.yaml"


@pytest.mark.parametrize("name", BAD_FILES)
def test_refused_by_a_reload(running: tuple[Process, Path], name: str) -> None:
    """A reload of a bad configuration is answered with 400 and exactly its lines."""
    process, file = running
    shutil.copy(DATA / "config" / name, file)

    status, text = post(process.url + "/-/reload")

    assert status == 400
    assert text.rstrip("\n") + "\n" == messages(name).replace(name, "config.yaml")


def test_the_old_configuration_serves_on(running: tuple[Process, Path]) -> None:
    """After the bad files the gauge is 0 and the first one counts; the next good one is taken."""
    process, file = running
    file.write_text("targets: []\n")
    assert post(process.url + "/-/reload")[0] == 400

    during = scrape(process)
    file.write_text(GOOD.replace("watched-before", "watched-after"))
    status, _ = post(process.url + "/-/reload")
    after = scrape(process)

    assert during.value(SUCCESSFUL) == 0
    assert during.value("adbpg_job_info", job_id="watched-before") == 1
    assert (status, after.value(SUCCESSFUL)) == (200, 1)
    assert after.value("adbpg_job_info", job_id="watched-after") == 1
    assert not [secret for secret in PLANTED if secret in "\n".join(process.log)]


@pytest.fixture
def with_job_files(tmp_path: Path) -> Path:
    """A folder with a configuration, every bad job file and a good one."""
    (tmp_path / "jobs").mkdir()
    for name in (*BAD_JOB_FILES, "good.yaml"):
        shutil.copy(DATA / "jobs" / name, tmp_path / "jobs")
    (tmp_path / "config.yaml").write_text(CONFIG_OF_JOB_FILES)
    return tmp_path


def test_bad_job_files_are_checked(with_job_files: Path) -> None:
    """check-config prints exactly the lines of every bad job file, and exits with 1."""
    done = run("check-config", environ=environ(), cwd=with_job_files)

    files = [(DATA / "jobs" / name).with_suffix(".txt") for name in BAD_JOB_FILES]
    expected = [line for file in files for line in file.read_text("utf-8").splitlines()]
    lines = done.stderr.replace("jobs/bad-", "bad-").splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    mistakes = [line for line in lines if not re.match("warning: |ts=.* level=warn ", line)]
    assert sorted(mistakes) == sorted(expected)


def test_bad_job_files_cost_only_themselves(with_job_files: Path) -> None:
    """With bad job files we start and serve the good one; a gauge is 1 for the bad ones only."""
    text = (with_job_files / "config.yaml").read_text()

    with exporter(text, with_job_files, environ=environ()) as process:
        status, metrics = get(process.url + "/metrics")
        page = scrape(process)

    assert status == 200, metrics
    for name in BAD_JOB_FILES:
        assert page.value("adbpg_exporter_job_file_error", file=f"jobs/{name}") == 1
    assert page.value("adbpg_exporter_job_file_error", file="jobs/good.yaml") is None
    assert page.value("adbpg_exporter_job_files_broken") == len(BAD_JOB_FILES)
    assert page.value("adbpg_exporter_job_files") == len(BAD_JOB_FILES) + 1
    assert page.value("adbpg_job_info", job_id="job-1") == 1
