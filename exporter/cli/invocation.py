"""The command by which a person queries a job, as it works for this very process.

Who reads the page sits elsewhere: outside of the pod or the container, or in a shell that has not
the service's credentials. So the page prints the whole way there.
"""

import os
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import exporter

_CONTAINER_ID = re.compile(r"[/-]containers/([0-9a-f]{12})[0-9a-f]{52}/")
_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_UNIT = re.compile(r"^0::.*/([^/]+\.service)(?:/|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process can find out about how it was started.

    Attributes:
        program: the words that start this program again, in the same environment.
        source: the folder that Python must look into for this package; empty if it does so anyway.
        pod: where this is the process that a pod was made for; else empty.
        namespace: of the pod; empty if it is not known.
        engine: ``docker`` or ``podman``, where this is the process that a container of theirs was
            made for; else empty.
        container: its id, or its hostname if that is not known.
        unit: of systemd, where that started this process; else empty.
        credentials_directory: that systemd made for it; empty for none.
    """

    program: tuple[str, ...]
    source: str = ""
    pod: str = ""
    namespace: str = ""
    engine: str = ""
    container: str = ""
    unit: str = ""
    credentials_directory: str = ""

    @classmethod
    def observe(cls, environ: Mapping[str, str]) -> "Surroundings":
        """Look at this process."""
        by_module = Path(sys.argv[0]).name == "__main__.py"
        folder = Path(exporter.__file__).absolute().parents[1]
        installed = folder.name in ("site-packages", "dist-packages")
        # Who started this process from a shell inside has that shell still. A shell has a session
        # of its own; what a container was made for is in that of its first process, 1 or not of
        # this container, as in a pod that shares its processes.
        is_main = os.getpid() == 1 or os.getppid() == 0 or os.getsid(0) == 1
        in_pod = is_main and "KUBERNETES_SERVICE_HOST" in environ
        mounts = _CONTAINER_ID.search(_read("/proc/self/mountinfo"))
        return cls(
            (sys.executable, "-m", "exporter") if by_module else (str(_absolute(sys.argv[0])),),
            source=str(folder) if by_module and not installed else "",
            pod=environ.get("POD_NAME") or socket.gethostname() if in_pod else "",
            namespace=environ.get("POD_NAMESPACE") or _read(_NAMESPACE).strip(),
            engine=_engine(environ) if is_main else "",
            container=mounts[1] if mounts else socket.gethostname(),
            unit=_unit(environ),
            credentials_directory=environ.get("CREDENTIALS_DIRECTORY", ""),
        )

    def query_command(self, config_file: str) -> tuple[str, ...]:
        """Return the words of ``query`` and its flags, without those of the job."""
        command = (*self.program, "query", f"--config.file={_absolute(config_file)}")
        if self.pod:
            namespace = ("-n", self.namespace) if self.namespace else ()
            return ("kubectl", *namespace, "exec", self.pod, "--", *command)
        if self.engine:
            return (self.engine, "exec", self.container, *command)
        needed = {"PYTHONPATH": self.source}
        if self.unit:
            # The superuser may read the service's credentials while it runs.
            needed["CREDENTIALS_DIRECTORY"] = self.credentials_directory
        settings = tuple(f"{name}={value}" for name, value in needed.items() if value)
        sudo = ("sudo",) if self.unit else ()
        return (*sudo, *(("env", *settings) if settings else ()), *command)


def _absolute(path: str) -> Path:
    return Path(path).absolute()


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def _engine(environ: Mapping[str, str]) -> str:
    if Path("/run/.containerenv").exists() or environ.get("container") == "podman":
        return "podman"
    return "docker" if Path("/.dockerenv").exists() else ""


def _unit(environ: Mapping[str, str]) -> str:
    """Return the unit, if systemd started this process itself.

    What a person starts in a terminal inherits INVOCATION_ID too, from the terminal's own unit.
    """
    by_systemd = environ.get("SYSTEMD_EXEC_PID", str(os.getpid()) if os.getppid() == 1 else "")
    if "INVOCATION_ID" not in environ or by_systemd != str(os.getpid()):
        return ""
    found = _UNIT.search(_read("/proc/self/cgroup"))
    return found[1] if found else "adbpg-job-exporter.service"
