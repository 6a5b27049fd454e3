"""The image runs where nothing is allowed: no root, no writing, no shell."""

import stat
from pathlib import Path

import pytest

from exporter import __version__
from tests.faults.bench import configuration, target
from tests.image.buildah import buildah, container
from tests.image.conftest import REVISION
from tests.image.pod import (
    Image,
    enter,
    needs_root,
    number_one,
    run_in_pod,
    started_in_pod,
    terminate,
)
from tests.processes import ACCESS_KEYS, ONE_NAMESPACE, get, scrape, simulator
from tests.role_services import Api, Issuer, credentials_uri
from tests.upstream import Upstream

pytestmark = [pytest.mark.image, needs_root]

SCENARIO = (
    ACCESS_KEYS
    + ONE_NAMESPACE
    + "jobs:\n  - {id: steady, collection: c1, namespace: main, entries: 9000000}\n"
)
PATIENT = 20.0
"""Seconds that a scrape may take which waits for a key: a process starts for it."""
TRY_TO_WRITE = """\
import os
for folder, _, _ in os.walk("/"):
    if folder.startswith(("/proc", "/sys", "/dev")):
        continue
    try:
        open(os.path.join(folder, "written"), "w")
        print(folder)
    except OSError:
        pass
"""
WITHOUT_BYTECODE = """\
import os, sys, exporter.cli, exporter.gpdb.role_key, alibabacloud_credentials.provider
for module in list(sys.modules.values()):
    cached = getattr(module, "__cached__", None)
    if cached and not os.path.exists(cached):
        print(module.__name__)
"""


def _readable(folder: Path) -> Path:
    """Return a folder that the image's user may read."""
    made = folder / "configuration"
    made.mkdir()
    made.chmod(stat.S_IRWXU | stat.S_IROTH | stat.S_IXOTH)
    return made


def test_version_by_buildah(image: Image) -> None:
    """`--version` works as the first thing that anybody tries."""
    with container(image.name) as name:
        said = buildah("run", name, "--", *image.words("Entrypoint"), "--version")

    assert said == f"adbpg-job-exporter {__version__}"


def test_serves_without_any_right(image: Image, tmp_path: Path) -> None:
    """It serves a mounted configuration with no root, no capability and nothing to write to,
    says which commit it is, and ends with 0 when told to stop.
    """  # noqa: D205  one claim
    folder = _readable(tmp_path)
    listen = "--web.listen-address=127.0.0.1:0"
    with simulator(SCENARIO, tmp_path) as api:
        (folder / "config.yaml").write_text(api.configuration())
        with started_in_pod(
            image,
            listen,
            address=r"listening on (\S+)",
            mounts=(f"{folder}:{image.config['WorkingDir']}",),
        ) as it:
            page = scrape(it)
            healthy = get(it.url + "/-/healthy")[0]
            status = Path(f"/proc/{number_one(it)}/status").read_text("ascii").split("\n")
            code = terminate(it)

    assert page.value("adbpg_job_up", job_id="steady") == 1
    assert page.value("adbpg_exporter_build_info", revision=REVISION, version=__version__) == 1
    assert healthy == 200
    kept = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert kept["Uid"].split() == ["10001"] * 4
    assert kept["Gid"].split() == ["10001"] * 4
    assert int(kept["CapEff"], 16) == 0
    assert kept["NoNewPrivs"] == "1"
    assert code == 0


def test_role_credentials(image: Image, tmp_path: Path) -> None:
    """What a role's key needs is in the image: one is got and used, with nothing to write to."""
    folder = _readable(tmp_path)
    with Upstream(Api()) as upstream, Upstream(credentials_uri(Issuer())) as service:
        ram = {"kind": "credentials_uri", "uri": f"{service.url}/key"}
        text = configuration(
            target("t", upstream.url, ["job"]),
            credentials={"provider": "ram", "ram": ram},
            api={"request_timeout": f"{PATIENT:.0f}s"},
        )
        (folder / "config.yaml").write_text(text)
        with started_in_pod(
            image,
            "--web.listen-address=127.0.0.1:0",
            address=r"listening on (\S+)",
            mounts=(f"{folder}:{image.config['WorkingDir']}",),
            environ={},
        ) as it:
            page = scrape(it, X_Prometheus_Scrape_Timeout_Seconds=f"{PATIENT:.0f}")

    assert page.value("adbpg_job_up", job_id="job") == 1


def test_nothing_can_be_written(image: Image) -> None:
    """In a pod with a read-only root, its process finds no folder that it can write to."""
    done = run_in_pod(image, "python3", "-c", TRY_TO_WRITE)

    assert (done.stdout, done.stderr) == ("", "")


def test_demo_without_a_folder(image: Image) -> None:
    """Where nothing can be written the demo says what to mount, and does not start."""
    done = run_in_pod(image, *image.words("Entrypoint"), "demo")

    assert done.returncode == 1
    assert done.stderr == (
        "demo: needs a folder to write its files to: mount one at /tmp, or name it by TMPDIR\n"
    )


def test_every_start_finds_its_bytecode(image: Image) -> None:
    """No start compiles anything, neither the exporter's nor that of what gets a role's key: all
    that is imported was compiled when the image was built.
    """  # noqa: D205  one claim
    done = run_in_pod(image, "python3", "-c", WITHOUT_BYTECODE)

    assert (done.stdout, done.stderr) == ("", "")


def test_health_check(image: Image) -> None:
    """The image's own health check tells a demo that serves from one that does not."""
    check = image.config["Healthcheck"]
    assert isinstance(check, dict)
    kind, *command = check["Test"]
    pattern = r"http://(\S+)/metrics "
    with started_in_pod(
        image, "demo", address=pattern, mounts=("tmpfs:/tmp",), environ={}, network=False
    ) as it:
        serving = enter(image, it, *command)
        with started_in_pod(
            image,
            *("demo", "--web.listen-address=127.0.0.1:10078"),
            address=pattern,
            mounts=("tmpfs:/tmp",),
            environ={},
            network=False,
        ) as elsewhere:
            silent = enter(image, elsewhere, *command)
        code = terminate(it)

    assert kind == "CMD"
    assert (serving, silent) == (0, 1)
    assert code == 0
