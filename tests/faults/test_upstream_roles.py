"""Role credentials: keys that end early, services that give no key, or never answer."""

import re
from pathlib import Path

import pytest

from tests.faults.bench import BUDGET, Scrape, configuration, scrape, target
from tests.faults.clocks import Clocks
from tests.planted import assert_absent
from tests.processes import Process, eventually, exporter
from tests.role_services import SECRETS, Api, Issuer, Switch, credentials_uri, sts_refusal
from tests.upstream import Behaviour, Script, Upstream, drip, hang, message, reset, send

JOBS = [f"job-{number}" for number in range(20)]
PATIENT = 20.0
"""Seconds that a scrape may take which waits for a key: a process starts for it."""
TOLD = "CAISRoleTokenNumber0001"


def watching(url: str, uri: str, key_timeout: str = "10s", call: str = "20s") -> str:
    """Return a configuration of twenty jobs, whose key a URI gives out."""
    ram = {"kind": "credentials_uri", "uri": f"{uri}/{TOLD}", "key_timeout": key_timeout}
    return configuration(
        target("sick", url, JOBS),
        credentials={"provider": "ram", "ram": ram},
        api={"request_timeout": call},
    )


def checked(process: Process, budget: float = PATIENT) -> Scrape:
    """Scrape, in time. No secret of a role is in the page or the log."""
    page = scrape(process, budget)
    assert_absent(SECRETS, page.text + "\n".join(process.log), "the page or the log")
    page.check_time()
    return page


def test_a_role_key_ends_early(tmp_path: Path) -> None:
    """Fault 15: a role's key that the API calls ended is renewed once for all; no job is lost."""
    api, issuer = Api(1), Issuer()
    with Upstream(api) as upstream, Upstream(credentials_uri(issuer)) as service:
        text = watching(upstream.url, service.url)
        with exporter(text, tmp_path, environ={}) as process:
            first = checked(process)
            api.numbers = (2,)
            second = checked(process)

    assert [first.up(job) for job in JOBS] == [1] * 20
    assert [second.up(job) for job in JOBS] == [1] * 20
    assert second.errors() == {}
    assert issuer.count == 2
    assert 1 <= api.refused <= 20
    assert api.seen.count(2) == 20


def test_no_role_key_is_taken(tmp_path: Path) -> None:
    """Fault 15: where no key is taken a second try is all; keys are not asked for on and on."""
    api, issuer = Api(99), Issuer()
    with Upstream(api) as upstream, Upstream(credentials_uri(issuer)) as service:
        text = watching(upstream.url, service.url)
        with exporter(text, tmp_path, environ={}) as process:
            pages = [checked(process) for _ in range(6)]

    assert issuer.count == 2
    assert set(pages[-1].errors()) == {("sick", "auth")}
    # All twenty may have waited for the first key, and for the second; one call finds out at last.
    assert api.refused <= 41
    assert pages[-1].errors() == pages[2].errors()


def test_the_key_service_hangs(tmp_path: Path) -> None:
    """Fault 16: while the service hangs scrapes keep their budget, over a single connection.

    A stop does not wait for it, and leaves no process behind.
    """
    api = Api()
    with Upstream(api) as upstream, Upstream([hang()]) as service:
        text = watching(upstream.url, service.url, key_timeout="1m", call="1s")
        with exporter(text, tmp_path, environ={}) as process:
            process.wait_for_log("listening")
            pages = [checked(process, BUDGET) for _ in range(5)]
            log = list(process.log)
            (asker,) = children(process)
            code = process.stop()
            eventually(lambda: has_ended(asker), "the process that asked is gone, too")

        assert len(service.wires) == 1
    assert code == 0
    assert pages[-1].up("job-0") == 0
    assert {reason for _, reason in pages[-1].errors()} == {"credentials"}
    assert api.seen == []
    assert len(log) <= len(JOBS) + 5


def test_the_key_service_is_given_up(tmp_path: Path) -> None:
    """Fault 16: a service that answers byte by byte is given up, and asked again later."""
    api, issuer, clocks = Api(), Issuer(), Clocks(tmp_path)
    switch = Switch(always(drip(message(b"{" + b" " * 10_000), every=0.2)))
    with Upstream(api) as upstream, Upstream(switch) as service:
        text = watching(upstream.url, service.url, key_timeout="4s")
        with exporter(text, tmp_path, environ=clocks.environ) as process:
            lost = checked(process)
            line = process.wait_for_log("no new role key")
            eventually(lambda: process_count(process) == 1, "the process that asked is gone")
            switch.script = credentials_uri(issuer)
            checked(process)
            at_once = issuer.count

            def is_found() -> bool:
                clocks.jump(f"+{issuer.ahead + 61:.0f}s", process)
                api.ahead = issuer.ahead = issuer.ahead + 61
                return checked(process).up("job-0") == 1

            eventually(is_found, "a key after all")

    assert lost.errors() == {("sick", "credentials"): 20}
    assert "did not answer within 4 s" in line
    assert at_once == 0


def process_count(process: Process) -> int:
    """Return how many processes are of the exporter: itself, and those that it started."""
    return 1 + len(children(process))


def children(process: Process) -> list[int]:
    """Return the ids of the processes that the exporter has started."""
    files = Path(f"/proc/{process.popen.pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def has_ended(number: int) -> bool:
    """Whether a process is gone, or has nobody to tell that it is."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


GARBAGE: dict[str, tuple[Behaviour, str]] = {
    "reset": (reset(), "no connection"),
    "refused": (sts_refusal(TOLD), "HTTP 400, AuthenticationFail.NoPermission"),
    "failing": (send(message(TOLD.encode(), status=503)), "HTTP 503"),
    "HTML": (send(message(f"<html>{TOLD}</html>".encode())), "not one that holds a key"),
    "list": (send(message(b"[]")), "not one that holds a key"),
    "no key": (send(message({"Code": "Success"})), "not one that holds a key"),
    "no text": (
        send(
            message(
                {
                    "Code": "Success",
                    "AccessKeyId": 1,
                    "AccessKeySecret": [TOLD],
                    "SecurityToken": {},
                    "Expiration": "2099-01-01T00:00:00Z",
                }
            )
        ),
        "not one that holds a key",
    ),
    "two lines": (
        send(
            message(
                {
                    "Code": "Success",
                    "AccessKeyId": "id",
                    "AccessKeySecret": "a\nb",
                    "SecurityToken": TOLD,
                    "Expiration": "2099-01-01T00:00:00Z",
                }
            )
        ),
        "not one that holds a key",
    ),
    "ended": (send(message({"Code": "Success", **Issuer(-60.0).issue()})), "has already ended"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the log says of each kind of garbage; under ``good`` whether a key was taken at last."""
    folder = tmp_path_factory.mktemp("garbage")
    clocks, api, issuer = Clocks(folder), Api(), Issuer()
    switch = Switch(always(reset()))
    lines: dict[str, str] = {}
    with Upstream(api) as upstream, Upstream(switch) as service:
        text = watching(upstream.url, service.url, "1m", "60s")
        with exporter(text, folder, "--log.level=debug", environ=clocks.environ) as process:
            for number, (name, (behaviour, _)) in enumerate(GARBAGE.items()):
                switch.script = always(behaviour)
                seen = len(process.log)
                api.ahead = issuer.ahead = number * 70.0
                clocks.jump(f"+{number * 70}s", process)
                checked(process, 60.0)
                lines[name] = after(process, seen)
            switch.script = credentials_uri(issuer)
            api.ahead = issuer.ahead = 7000.0
            clocks.jump("+7000s", process)
            lines["good"] = "up" if checked(process, 60.0).up("job-0") else "down"
    return lines


def always(behaviour: Behaviour) -> Script:
    """Return a script."""
    return lambda _: behaviour


def after(process: Process, seen: int) -> str:
    """Return the log's last line about a key after so many lines, once there is one."""

    def found() -> list[str]:
        return [line for line in process.log[seen:] if "no new role key" in line]

    eventually(lambda: bool(found()), "a line about a key")
    return found()[-1]


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_key(told: dict[str, str], name: str) -> None:
    """Fault 16: whatever comes in place of a key, one line says what it was, in words of ours."""
    line = told[name]

    assert GARBAGE[name][1] in line
    assert re.search('error="the credentials URI gave no key: |error="the role', line)


def test_a_key_after_all(told: dict[str, str]) -> None:
    """Fault 16: the first key that comes is taken, whatever came before."""
    assert told["good"] == "up"
