"""Addresses that cannot be listened on, and one that can only by IPv6."""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.raw import as_another_user, configuration
from tests.processes import KEY, PATIENCE, command, get, plain_environ, started

PRIVILEGED = 80
FIRST_FREE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def refused(folder: Path, address: str, before: Sequence[str] = ()) -> tuple[int, list[str]]:
    """Start on an address that cannot be; return the exit code and the lines about it."""
    (folder / "config.yaml").write_text(configuration("job"))
    done = subprocess.run(
        [*before, *command(f"--web.listen-address={address}")],
        env={**plain_environ(), **KEY},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    return done.returncode, [line for line in lines if "msg=configuration" not in line]


@pytest.mark.parametrize("host", ["127.0.0.1", "", "localhost"])
def test_a_port_in_use(tmp_path: Path, host: str) -> None:
    """Fault 52: a port in use is one line that says what to do, and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, lines = refused(tmp_path, f"{host}:{port}")

    assert code == 1
    (line,) = lines
    assert line.startswith(f"--web.listen-address={host}:{port}: cannot listen on {host}:{port}: ")
    assert line.endswith("the port is in use; stop what listens there, or choose another port")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:10077", "this machine has no such address"),
        ("[2001:db8::1]:10077", "this machine"),
        ("no-such-host.invalid:10077", "the host's name has no address"),
    ],
)
def test_an_address_of_another_machine(tmp_path: Path, address: str, why: str) -> None:
    """Fault 52: an address that this machine has not is one line, and exit code 1."""
    code, lines = refused(tmp_path, address)

    assert code == 1
    (line,) = lines
    assert why in line


@pytest.mark.skipif(
    int(FIRST_FREE.read_text()) <= PRIVILEGED, reason="no port is privileged on this machine"
)
def test_a_privileged_port(tmp_path: Path) -> None:
    """Fault 52: a privileged port is one line that says what to do, and exit code 1."""
    code, lines = refused(tmp_path, f"127.0.0.1:{PRIVILEGED}", as_another_user())

    assert code == 1
    (line,) = lines
    assert "permission denied; ports under 1024 are privileged, choose a higher one" in line


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine does not speak IPv6")
def test_ipv6_only(tmp_path: Path) -> None:
    """Fault 52: on an IPv6 address it serves IPv6, and nobody else's IPv4."""
    (tmp_path / "config.yaml").write_text(configuration("job"))
    flag = "--web.listen-address=[::1]:0"

    with started(flag, address=r"listening on (\S+)", cwd=tmp_path) as it:
        port = int(it.url.rpartition(":")[2])

        assert get(f"http://[::1]:{port}/-/healthy") == (200, "Healthy.\n")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()


def test_all_addresses(tmp_path: Path) -> None:
    """Fault 52: without a host it serves IPv4, and IPv6 where the machine speaks it."""
    (tmp_path / "config.yaml").write_text(configuration("job"))

    with started("--web.listen-address=:0", address=r"listening on (\S+)", cwd=tmp_path) as it:
        port = int(it.url.rpartition(":")[2])
        hosts = ["127.0.0.1", *(["[::1]"] if socket.has_dualstack_ipv6() else [])]

        assert [get(f"http://{host}:{port}/-/healthy")[0] for host in hosts] == [200] * len(hosts)
