"""examples/pipeline/: each starts a job, hands it over, and ends as the job does."""

import importlib.util
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import kubernetes_validate
import pytest
import yaml

from exporter.secret import Secret
from exporter.simulator.scenario import AccessKey, Job, Namespace, Scenario, Shape
from exporter.simulator.server import Simulator
from tests.namespaces import needs_root
from tests.processes import KEY, PATIENCE, Process, exporter, plain_environ, run, scrape
from tests.sdk_wire import sdk_client

# The SDK's core asks datetime.utcnow() for the date; Python 3.12 and later warn about it.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "pipeline"
KEY_ID, KEY_SECRET = KEY["ALIBABA_CLOUD_ACCESS_KEY_ID"], KEY["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]
TOKEN, PASSWORD = "planted-token-of-nightly", "pw-of-rag-namespace"
SCENARIO = Scenario(
    access_keys=(AccessKey(KEY_ID, Secret(KEY_SECRET)),),
    namespaces=(
        Namespace(
            "rag-prod", "cn-hangzhou", Secret(PASSWORD), db_instance_id="gp-1", namespace="rag"
        ),
    ),
    jobs=(),
    started=(
        Job("", "good", "", entries=2000),
        Job("", "bad", "", Shape.FAILED, after=1.0, error="Line 7 is no JSON."),
    ),
)
# The shell's scripts by their file, and how a test finds each.
SCRIPTS = {
    "upload.sh": lambda text: text,
    "kubernetes-job.yaml": lambda text: yaml.safe_load(text)["spec"]["template"]["spec"][
        "containers"
    ][0]["args"][0],
    "argo-workflow.yaml": lambda text: yaml.safe_load(text)["spec"]["templates"][2]["script"][
        "source"
    ],
}


class World(NamedTuple):
    """A simulated API, an exporter that watches it, and the environment of a pipeline."""

    api: Simulator
    exporter: Process
    environ: dict[str, str]
    folder: Path

    def start(self, collection: str) -> str:
        """Start an upload as upload.py does; return the job's id."""
        client = sdk_client(self.api.url.removeprefix("http://"), KEY_ID, KEY_SECRET)
        return str(loaded("upload").upload(client, collection, "https://bucket.example/data"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All of it, with the programs of this source on the path."""
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "token").write_text(TOKEN)
    (folder / "data.jsonl").write_text("{}\n" * 2000)
    with Simulator(SCENARIO) as api:
        text = (
            "scrape: {min_interval: 0s}\n"
            "registration:\n  tokens: [{name: n, token_file: token, targets: [rag-prod]}]\n"
            "targets:\n  - name: rag-prod\n    region_id: cn-hangzhou\n    db_instance_id: gp-1\n"
            f"    namespace: rag\n    namespace_password: {PASSWORD}\n    endpoint: {api.url}\n"
        )
        with exporter(text, folder) as process:
            environ = {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "EXPORTER_URL": process.url,
                "EXPORTER_TOKEN_FILE": str(folder / "token"),
                "REGION_ID": "cn-hangzhou",
                "DB_INSTANCE_ID": "gp-1",
                "RAG_PASSWORD": PASSWORD,
                "FILE_URL": "https://bucket.example/data",
                **KEY,
            }
            yield World(api, process, environ, folder)


@pytest.fixture(autouse=True)
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example runs in the environment and the folder of the pipeline."""
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.folder)
    monkeypatch.syspath_prepend(str(FOLDER))


def loaded(name: str) -> ModuleType:
    """Load one of the examples anew."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("collection", "code"), [("good", 0), ("bad", 1)])
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, collection: str, code: int
) -> None:
    """The lines for a shell hand the job over, and end with its outcome."""
    job_id = world.start(collection)
    script = SCRIPTS[name]((FOLDER / name).read_text("utf-8"))
    script = script.replace("/etc/adbpg/config/config.yaml", str(world.folder / "config.yaml"))
    monkeypatch.setenv("START_UPLOAD", f"echo {job_id}")
    monkeypatch.setenv("JOB_ID", job_id)
    monkeypatch.setenv("COLLECTION", collection)

    done = subprocess.run(
        ["sh", "-euc", script], capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert done.returncode == code, done.stderr
    assert ("Line 7 is no JSON." in done.stderr) == bool(code)
    assert scrape(world.exporter).value("adbpg_job_up", job_id=job_id) == 1


def test_kubernetes_takes_the_job() -> None:
    """The manifest has no field misspelt."""
    job = yaml.safe_load((FOLDER / "kubernetes-job.yaml").read_text("utf-8"))

    kubernetes_validate.validate(job, "1.33", strict=True)


def test_an_upload_by_the_sdk(world: World) -> None:
    """upload.py starts a job that the exporter watches from its next page on."""
    job_id = world.start("good")

    assert scrape(world.exporter).value("adbpg_job_up", job_id=job_id) == 1


def test_a_function(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler returns the id of a job that ends well, and raises the API's error text."""
    client = sdk_client(world.api.url.removeprefix("http://"), KEY_ID, KEY_SECRET)
    module = loaded("function_compute")
    monkeypatch.setattr(module, "main_client", lambda: client)
    event = json.dumps({"file_url": "https://bucket.example/data"}).encode()

    monkeypatch.setenv("COLLECTION", "good")
    job_id = module.handler(event, None)
    monkeypatch.setenv("COLLECTION", "bad")
    with pytest.raises(RuntimeError, match="Line 7 is no JSON"):
        module.handler(event, None)

    assert scrape(world.exporter).value("adbpg_job_up", job_id=job_id) == 1


def test_tasks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks of Airflow, one after the other: the second fails where the job does."""
    client = sdk_client(world.api.url.removeprefix("http://"), KEY_ID, KEY_SECRET)
    sdk: Any = ModuleType("airflow.sdk")
    sdk.task = lambda **_: lambda function: function
    sdk.dag = lambda **_: lambda _: lambda: None
    monkeypatch.setitem(sys.modules, "airflow", ModuleType("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
    upload = loaded("upload")
    monkeypatch.setattr(upload, "main_client", lambda: client)
    monkeypatch.setitem(sys.modules, "upload", upload)
    module = loaded("airflow_dag")

    monkeypatch.setenv("COLLECTION", "good")
    module.wait(module.start())
    monkeypatch.setenv("COLLECTION", "bad")
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        module.wait(module.start())


def test_the_lines_for_a_shell(tmp_path: Path) -> None:
    """What docs/deployment.md shows for a shell leaves one good job file, and nothing else."""
    (tmp_path / "config.yaml").write_text(
        "targets:\n  - {name: rag-prod, region_id: cn-hangzhou, db_instance_id: gp-1, "
        'namespace_password: "${RAG_PASSWORD}"}\njob_files: ["jobs/*.yaml"]\n'
    )
    folder = tmp_path / "jobs"
    folder.mkdir()
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    _, _, after = page.partition("In a shell:\n\n")
    script = after.partition("\n\n")[0].replace("/var/lib/adbpg-jobs", str(folder))

    subprocess.run(["sh", "-euc", script], env={"JOB_ID": "5e1-0"}, check=True, timeout=PATIENCE)

    assert [file.name for file in folder.iterdir()] == ["job-5e1-0.yaml"]
    done = run("check-config", environ={**KEY, "RAG_PASSWORD": "x"}, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "config.yaml: good: 1 target, 1 job\n"


# Python and the package may lie where only root may read: another user begins after the imports.
AS_ANOTHER_USER = """\
import os, sys
from exporter.cli import announce
from exporter.cli.main import main
user = int(sys.argv[1])
os.setgroups([]), os.setgid(user), os.setuid(user)
sys.exit(main(sys.argv[2:]))
"""
PIPELINE, STRANGER = 61_001, 61_002  # ids of users that nobody has


def announced(folder: Path, user: int) -> subprocess.CompletedProcess[str]:
    """Announce a job by a job file, as another user."""
    flags = ("--target=main", "--collection=c", "--id=job-1")
    command = (str(user), "announce", f"--job-file={folder}", *flags)
    return subprocess.run(
        [sys.executable, "-c", AS_ANOTHER_USER, *command],
        env={**plain_environ(), "PYTHONPATH": str(ROOT)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@needs_root
def test_the_folder_that_the_page_makes() -> None:
    """Of the folder in docs/deployment.md, members of its group may write, and all may read."""
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    (command,) = re.findall(
        "^    (install .*-g adbpg-jobs /var/lib/adbpg-jobs)$", page, re.MULTILINE
    )
    (kept,) = re.findall("^    d /var/lib/adbpg-jobs ([0-9]+) root adbpg-jobs", page, re.MULTILINE)
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "jobs"
        script = command.replace("/var/lib/adbpg-jobs", str(folder))
        script = script.replace("-g adbpg-jobs", f"-g {PIPELINE}")

        subprocess.run(["sh", "-euc", script], check=True, timeout=PATIENCE)
        member, stranger = announced(folder, PIPELINE), announced(folder, STRANGER)

        assert f"{stat.S_IMODE(folder.stat().st_mode):o}" == kept
        assert member.returncode == 0, member.stderr
        (path,) = folder.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH
        assert stranger.returncode == 1
        assert "this user may not write there: docs/deployment.md says how" in stranger.stderr
