"""Files that hang when they are opened, as on a mount whose server has gone."""

import json
import os
from pathlib import Path

import pytest

from exporter.files import NO_ANSWER
from tests.faults.bench import well
from tests.faults.raw import configuration, vitals
from tests.hanging import hanging, needs_root
from tests.processes import eventually, exporter, run, scrape
from tests.upstream import Upstream

NO_INTERVAL = "scrape: {min_interval: 0s}\n"


def two_targets(api: str, password_file: Path) -> str:
    """Return a configuration in which one of two targets has its password in a file."""
    main = configuration("job", api=api, extra=NO_INTERVAL)
    other = (
        "  - name: other\n    region_id: cn-hangzhou\n    db_instance_id: gp-2\n"
        f"    namespace_password_file: {password_file}\n    endpoint: {api}\n"
        "    jobs:\n      - {id: other, collection: c}\n"
    )
    return main + other


def replace(file: Path, text: str) -> None:
    """Change a file as tools do that never leave it half-written."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text)
    fresh.rename(file)


@needs_root
def test_a_password_file_that_hangs(tmp_path: Path) -> None:
    """Fault 57: it costs its target, in time and as `credentials`, and only while it hangs."""
    file = tmp_path / "password"
    file.write_text("password-1\n")
    with Upstream(well) as api, exporter(two_targets(api.url, file), tmp_path) as it:
        scrape(it)
        replace(file, "password-2\n")  # one that is as it was is not opened again
        with hanging(file):
            first = scrape(it)
            early = vitals(it).threads
            pages = [first, *(scrape(it) for _ in range(20))]
            # Threads of the web server come and go.
            eventually(lambda: vitals(it).threads <= early + 2, "few threads")
            line = it.wait_for_log("reason=credentials")
        eventually(lambda: scrape(it).value("adbpg_job_up", job_id="other") == 1, "up again")

    assert [page.value("adbpg_job_up", job_id="job") for page in pages] == [1] * 21
    assert [page.value("adbpg_job_up", job_id="other") for page in pages] == [0] * 21
    errors = "adbpg_exporter_api_errors_total"
    assert pages[-1].value(errors, target="other", reason="credentials") == 21
    assert f"secret file {file}: {NO_ANSWER}" in line


@needs_root
def test_an_access_key_that_hangs(tmp_path: Path) -> None:
    """Fault 57: pages still come in time, and say `credentials`; then all is as before."""
    files = [tmp_path / name for name in ("access_key_id", "access_key_secret")]
    for file in files:
        file.write_text("value-1\n")
    keys = "".join(f"  {file.name}_file: {file}\n" for file in files)
    extra = f"{NO_INTERVAL}credentials:\n  provider: files\n{keys}"
    with (
        Upstream(well) as api,
        exporter(configuration("job", api=api.url, extra=extra), tmp_path) as it,
    ):
        scrape(it)
        for file in files:
            replace(file, "value-2\n")
        with hanging(*files):
            pages = [scrape(it) for _ in range(5)]
        eventually(lambda: scrape(it).value("adbpg_job_up", job_id="job") == 1, "up again")

    errors = "adbpg_exporter_api_errors_total"
    assert [page.value("adbpg_job_up", job_id="job") for page in pages] == [0] * 5
    assert pages[-1].value(errors, target="main", reason="credentials") == 5


@needs_root
def test_a_query_beside_a_job_file_that_hangs(tmp_path: Path) -> None:
    """Fault 57: the kind of a job is looked for in job files, but not for long."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "a.yaml").write_text("- {target: main, id: x, collection: c}\n")
    with Upstream(well) as api:
        (tmp_path / "config.yaml").write_text(
            configuration("job", api=api.url, extra="job_files: [jobs/*.yaml]\n")
        )
        with hanging(folder / "a.yaml"):
            done = run(
                *("query", "other", "--target=main", "--collection=c", "--output=json"),
                cwd=tmp_path,
            )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "upsert_collection_data"


COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "configuration": (("check-config", "--config.file=file"), "file: cannot be read: "),
    "configuration at the start": (("serve", "--config.file=file"), "file: cannot be read: "),
    "web configuration": (("check-config", "--web.config.file=file"), "file: cannot be read: "),
    "scenario": (("simulate", "--scenario.file=file"), "file: cannot be read: "),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_which_file_hangs(tmp_path: Path, name: str) -> None:
    """Fault 57: a start or a check ends within seconds, and names the file."""
    arguments, expected = COMMANDS[name]
    (tmp_path / "config.yaml").write_text(configuration("job"))
    os.mkfifo(tmp_path / "file")

    done = run(*arguments, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == f"{expected}{NO_ANSWER}\n"


@needs_root
def test_a_check_of_a_job_file_that_hangs(tmp_path: Path) -> None:
    """Fault 57: `check-config` ends, and says that job files do not answer."""
    (tmp_path / "config.yaml").write_text(configuration("job", extra="job_files: [a.yaml]\n"))
    (tmp_path / "a.yaml").write_text("- {target: main, id: x, collection: c}\n")

    with hanging(tmp_path / "a.yaml"):
        done = run("check-config", cwd=tmp_path)

    assert done.returncode == 1
    expected = "config.yaml: job_files: not all job files have answered within 30s"
    assert expected in done.stderr


SECRETS = {
    "namespace_password_file": "",
    "access_key_secret_file": "credentials: {provider: files, access_key_id_file: id, "
    "access_key_secret_file: file}\n",
    "security_token_file": "credentials: {provider: files, access_key_id_file: id, "
    "access_key_secret_file: id, security_token_file: file}\n",
    "oidc_token_file": "credentials: {provider: ram, ram: {kind: oidc_role_arn, "
    "oidc_token_file: file}}\n",
    "ca_file": "api: {ca_file: file}\n",
}


@needs_root
@pytest.mark.parametrize("key", SECRETS)
def test_a_check_says_which_key_hangs(tmp_path: Path, key: str) -> None:
    """Fault 57: `check-config` names the key whose file does not answer, and its place."""
    text = configuration("job", extra=SECRETS[key])
    if key == "namespace_password_file":
        text = text.replace("password: planted-in-line", "password_file: file")
    (tmp_path / "config.yaml").write_text(text)
    (tmp_path / "id").write_text("id")
    (tmp_path / "file").write_text("content")

    with hanging(tmp_path / "file"):
        done = run("check-config", cwd=tmp_path)

    assert done.returncode == 1
    assert f"{key}: expected" in done.stderr
    assert NO_ANSWER in done.stderr


@needs_root
def test_a_mount_of_files(tmp_path: Path) -> None:
    """Fault 57: all files of a configuration share the seconds, so a whole mount costs no more."""
    targets, paths = "", []
    for number in range(40):
        path = tmp_path / f"password-{number}"
        path.write_text("password")
        paths.append(path)
        targets += (
            f"  - {{name: t{number}, region_id: cn-hangzhou, db_instance_id: gp-{number}, "
            f"namespace_password_file: {path.name}}}\n"
        )
    (tmp_path / "config.yaml").write_text(f"targets:\n{targets}")

    with hanging(*paths):
        done = run("check-config", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.count(NO_ANSWER) == 40
