"""examples/systemd/: the unit, its configuration, and the hand-over of a job from a pipeline."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.processes import KEY, PATIENCE, run, scrape, simulator, started
from tests.single_target import SCENARIO, with_endpoint

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "systemd"
UNIT = "adbpg-job-exporter.service"
INSTALLED = "/opt/adbpg-job-exporter/bin/adbpg-job-exporter"
MOST_EXPOSED = 15  # tenths; systemd calls less than 20 "ok", and most services are over 90


def unit() -> dict[str, list[str]]:
    """Return the settings of the section Service."""
    settings: dict[str, list[str]] = {}
    section = (FOLDER / UNIT).read_text("utf-8").split("[Service]\n")[1].split("\n[")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings.setdefault(name, []).append(value)
    return settings


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit, with programs that are there: a container may have no /bin/kill."""
    program = shutil.which("true")
    assert program is not None
    text = (FOLDER / UNIT).read_text("utf-8")
    for missing in (INSTALLED, "/bin/kill"):
        assert text.count(missing) == 1
        text = text.replace(missing, program)
    path = tmp_path / UNIT
    path.write_text(text, "utf-8")
    return path


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    assert shutil.which("systemd-analyze"), "systemd-analyze is missing: `make test` installs it"
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_systemd_takes_the_unit(installed: Path) -> None:
    """systemd-analyze finds nothing wrong, not even something that it would ignore."""
    done = analyzed("verify", "--man=no", str(installed))

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_mistake_in_the_unit_would_be_found(installed: Path) -> None:
    """A misspelt setting is noticed."""
    installed.write_text(installed.read_text("utf-8").replace("ProtectHome=", "ProtectHomes="))

    assert "ProtectHomes" in analyzed("verify", "--man=no", str(installed)).stderr


def test_the_unit_is_hardened(installed: Path) -> None:
    """By systemd's own measure there is little that the service may do."""
    flags = ("--offline=true", f"--threshold={MOST_EXPOSED}")

    done = analyzed("security", *flags, str(installed))

    assert done.returncode == 0, done.stdout


def test_credentials_agree() -> None:
    """The configuration reads just the credentials that the unit loads."""
    loaded = {value.partition(":")[0] for value in unit()["LoadCredential"]}
    lines = (FOLDER / "config.yaml").read_text("utf-8").splitlines()

    read = {line.rpartition("/")[2] for line in lines if "CREDENTIALS_DIRECTORY" in line}

    assert read == loaded


def test_a_stop_is_longer_than_the_grace_time() -> None:
    """Systemd waits longer than the exporter gives scrapes under way."""
    (seconds,) = unit()["TimeoutStopSec"]

    assert seconds == "20s"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What systemd tells the service of its credentials."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "access-key-id").write_text(KEY["ALIBABA_CLOUD_ACCESS_KEY_ID"])
    (folder / "access-key-secret").write_text(KEY["ALIBABA_CLOUD_ACCESS_KEY_SECRET"])
    (folder / "rag-password").write_text("pw-of-rag-namespace")
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def written(folder: Path, url: str) -> list[str]:
    """Write the example's configuration, for jobs in a folder; return the unit's arguments."""
    (folder / "jobs").mkdir()
    text = with_endpoint((FOLDER / "config.yaml").read_text("utf-8"), url)
    text = text.replace("/var/lib/adbpg-jobs", str(folder / "jobs"))
    (folder / "config.yaml").write_text(text, "utf-8")
    (command,) = unit()["ExecStart"]
    command = command.replace("/etc/adbpg-job-exporter", str(folder))
    program, *arguments = command.replace("=:10077", "=127.0.0.1:0").split()
    assert program == INSTALLED
    return arguments


def test_it_runs(tmp_path: Path, environ: dict[str, str]) -> None:
    """The unit's command reads its credentials, takes a job of a pipeline, reloads and stops."""
    job = ("--target=rag-prod", "--collection=document", "--id=announced")
    folder = tmp_path / "jobs"

    with simulator(SCENARIO, tmp_path) as api:
        arguments = written(tmp_path, api.process.url)
        with started(*arguments, address=r"listening on (\S+)", environ=environ) as process:
            before = scrape(process)
            done = run("announce", f"--job-file={folder}", *job, "--expected-entries=100000")
            after = scrape(process)
            process.popen.send_signal(signal.SIGHUP)
            process.wait_for_log("configuration reloaded")
            code = process.stop()

    assert (done.returncode, before.names(job_id="announced")) == (0, set())
    assert after.value("adbpg_job_up", job_id="announced") == 1
    assert after.value("adbpg_job_expected_entries", job_id="announced") == 100_000
    assert code == 0
