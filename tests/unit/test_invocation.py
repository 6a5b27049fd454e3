import os
from pathlib import Path

import pytest

from exporter.cli.invocation import Surroundings

PROGRAM = ("/opt/adbpg-job-exporter/bin/adbpg-job-exporter",)
MODULE = ("/usr/bin/python3", "-m", "exporter")
UNIT = "adbpg-job-exporter.service"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (Surroundings(PROGRAM), PROGRAM),
        (
            Surroundings(MODULE, source="/home/me/src"),
            ("env", "PYTHONPATH=/home/me/src", *MODULE),
        ),
        (
            Surroundings(MODULE, engine="docker", container="c0ffee"),
            ("docker", "exec", "c0ffee", *MODULE),
        ),
        (
            Surroundings(MODULE, engine="podman", container="0123456789ab"),
            ("podman", "exec", "0123456789ab", *MODULE),
        ),
        (
            Surroundings(MODULE, pod="pod-1", engine="docker", namespace="ops"),
            ("kubectl", "-n", "ops", "exec", "pod-1", "--", *MODULE),
        ),
        (
            Surroundings(MODULE, pod="pod-2"),
            ("kubectl", "exec", "pod-2", "--", *MODULE),
        ),
        (
            Surroundings(PROGRAM, unit=UNIT, credentials_directory=f"/run/credentials/{UNIT}"),
            ("sudo", "env", f"CREDENTIALS_DIRECTORY=/run/credentials/{UNIT}", *PROGRAM),
        ),
        (Surroundings(PROGRAM, unit=UNIT), ("sudo", *PROGRAM)),
    ],
    ids=[
        "installed",
        "from source",
        "docker",
        "podman",
        "pod",
        "pod of a namespace that is not known",
        "systemd with credentials",
        "systemd",
    ],
)
def test_the_command_leads_from_where_people_are(
    there: Surroundings, words: tuple[str, ...]
) -> None:
    """Into the pod or the container, or with the service's credentials; without any shell."""
    command = there.query_command("/etc/config.yaml")

    assert command == (*words, "query", "--config.file=/etc/config.yaml")


def test_the_configuration_is_named_from_the_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who reads the page need not know in which directory the exporter runs."""
    monkeypatch.chdir(tmp_path)

    (*_, flag) = Surroundings(PROGRAM).query_command("config.yaml")

    assert flag == f"--config.file={tmp_path}/config.yaml"


def test_a_terminals_unit_is_none_of_ours() -> None:
    """INVOCATION_ID is inherited; only who was started by systemd itself needs its credentials."""
    inherited = {"INVOCATION_ID": "x", "SYSTEMD_EXEC_PID": str(os.getppid())}
    own = {"INVOCATION_ID": "x", "SYSTEMD_EXEC_PID": str(os.getpid())}

    assert Surroundings.observe(inherited).unit == ""
    assert Surroundings.observe(own).unit.endswith(".service")


def test_who_started_it_in_a_shell_inside_has_that_shell() -> None:
    """In a container for development the command is for its own shell, not for the host's."""
    there = Surroundings.observe({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "container": "podman"})

    assert (there.pod, there.engine) == ("", "")
