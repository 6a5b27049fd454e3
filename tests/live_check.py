"""Broken set-ups for ``check-config --live``: each names a file of what is then printed.

The simulated API runs in a thread of the test; what it does not do is scripted.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.simulator.command import start_simulator
from exporter.simulator.configuration import exporter_configuration, told_passwords
from exporter.simulator.scenario_file import parse_scenario
from tests.certificates import Authority
from tests.faults.bench import asked_for, job_answer, well
from tests.processes import ACCESS_KEYS, KEY, ONE_NAMESPACE
from tests.upstream import Behaviour, Request, Script, Upstream, hang, message, reset, send

DATA = Path(__file__).parent / "data" / "check"
REQUEST_ID = "7D8B3F0A-26C4-5B1E-9A57-0C3E6D2F4B18"
ENVIRON = {**KEY, "RAG_PASSWORD": "pw-of-rag-namespace"}

TWO_JOBS = """\
jobs:
  - {id: one, collection: c1, namespace: main, entries: 9000000, created: -1h}
  - {id: two, collection: c2, namespace: main, shape: fast, created: -1h}
"""
ONE_JOB = """\
jobs:
  - {id: one, collection: c1, namespace: main, entries: 9000000, created: -1h}
"""
UNKNOWN_JOB = """\
jobs:
  - {id: one, collection: c1, namespace: main, entries: 9000000, created: -1h}
  - {id: past, collection: c1, namespace: main, shape: unknown}
"""
MANY_UNKNOWN_JOBS = """\
jobs:
  - {id: past, collection: c1, namespace: main, shape: unknown, repeat: {every: 1s, times: 12}}
"""
SUFFERING = """\
jobs:
  - {{id: one, collection: c1, namespace: main, created: -1h, fault: {{kind: {}}}}}
  - {{id: two, collection: c2, namespace: main, created: -1h}}
  - {{id: three, collection: c3, namespace: main, created: -1h}}
"""
NO_JOBS = "jobs: []\n"
TEMPORARY_KEY = ACCESS_KEYS.replace("}", ", security_token: tok-tok-tok}")
ANOTHER_KEY = ACCESS_KEYS.replace("LTAI5t", "LTAI5x")
WRONG_PASSWORD = ONE_NAMESPACE.replace("}", ", told_password: pw-of-another}")
TWO_TARGETS = (
    ONE_NAMESPACE
    + """\
  - {name: other, region_id: cn-beijing, workspace_id: gp-ws-test, password: pw-of-other}
"""
)


@dataclass(frozen=True)
class Simulated:
    """A set-up with the simulated API.

    Attributes:
        scenario: of the simulator, but for what stands below.
        jobs: likewise.
        namespaces: likewise.
        keys: likewise.
        edits: what is replaced in the configuration that fits the scenario.
    """

    scenario: str = ""
    jobs: str = TWO_JOBS
    namespaces: str = ONE_NAMESPACE
    keys: str = ACCESS_KEYS
    edits: Mapping[str, str] | None = None


SIMULATED = {
    "good": Simulated(),
    "key-unknown": Simulated(jobs=ONE_JOB, namespaces=TWO_TARGETS, keys=ANOTHER_KEY),
    "key-secret": Simulated(
        jobs=ONE_JOB, keys=ACCESS_KEYS.replace("test-secret", "another-secret")
    ),
    "key-token-missing": Simulated(jobs=ONE_JOB, keys=TEMPORARY_KEY),
    "password": Simulated(namespaces=WRONG_PASSWORD),
    "password-fail": Simulated("wrong_password: fail\n", namespaces=WRONG_PASSWORD),
    "password-no-job": Simulated("wrong_password: no_job\n", namespaces=WRONG_PASSWORD),
    "job-unknown": Simulated(jobs=UNKNOWN_JOB),
    "job-unknown-fail": Simulated("unknown_job: fail\n", jobs=UNKNOWN_JOB),
    "job-unknown-no-job": Simulated("unknown_job: no_job\n", jobs=UNKNOWN_JOB),
    "job-unknown-many": Simulated(jobs=MANY_UNKNOWN_JOBS),
    "instance": Simulated(edits={"gp-bp1test": "gp-bp1tset"}),
    "region": Simulated(edits={"cn-hangzhou": "cn-shanghai"}),
    "namespace": Simulated(edits={'namespace: "rag"': 'namespace: "rga"'}),
    "clock-behind": Simulated("clock_offset: 1h\n", namespaces=TWO_TARGETS),
    "clock-ahead": Simulated("clock_offset: -1h\n"),
    "clock-a-little": Simulated("clock_offset: 3m\n"),
    "time-zone": Simulated("utc_offset: 9h30m\n", edits={"+09:30": "+08:00"}),
    "time-zone-west": Simulated("utc_offset: -5h\n", edits={"-05:00": "-08:00"}),
    "throttled": Simulated(jobs=ONE_JOB.replace("-1h", "-1h, fault: {kind: throttled}")),
    "server": Simulated("server_errors: {probability: 1}\n"),
    "server-one-job": Simulated(jobs=SUFFERING.format("server_error")),
    "garbage": Simulated(jobs=SUFFERING.format("garbage")),
    "api-fail": Simulated(jobs=SUFFERING.format("api_fail")),
    "no-jobs": Simulated(namespaces=TWO_TARGETS),
    "no-jobs-password": Simulated(jobs=NO_JOBS, namespaces=WRONG_PASSWORD),
}


@contextlib.contextmanager
def simulated(broken: Simulated, folder: Path, name: str) -> Iterator[str]:
    """Run the simulator, and write the configuration ``NAME.yaml``; give the simulator's URL."""
    text = broken.scenario + broken.keys + broken.namespaces + broken.jobs
    scenario = parse_scenario(text.encode(), "scenario.yaml")
    simulator = start_simulator(scenario, ("127.0.0.1", 0))
    try:
        for target, password in told_passwords(scenario).items():
            (folder / target).write_text(password, "utf-8")
        told = exporter_configuration(scenario, simulator.url, passwords_in=".")
        for old, new in (broken.edits or {}).items():
            assert old in told
            told = told.replace(old, new)
        (folder / f"{name}.yaml").write_text(told, "utf-8")
        yield simulator.url
    finally:
        simulator.stop()


CONFIGURATION = """\
targets:
  - name: main
    region_id: cn-hangzhou
    db_instance_id: gp-bp1test
    namespace: rag
    namespace_password: ${{RAG_PASSWORD}}
    endpoint: {url}
    jobs:
      - {{id: one, collection: c1}}
"""
SECOND_JOB = "      - {id: two, collection: c2}\n"


def says(status: int, code: str, text: str = "The API's own words.") -> Script:
    """Refuse every call as the API does."""
    body = {"RequestId": REQUEST_ID, "Code": code, "Message": text}
    return lambda _: send(message(body, status=status))


def _always(behaviour: Behaviour) -> Script:
    return lambda _: behaviour


def _only_about(job_id: str, behaviour: Behaviour) -> Script:
    def pick(request: Request) -> Behaviour:
        return behaviour if asked_for(request) == job_id else well(request)

    return pick


PAGE = b"<html><body>Sign in</body></html>"
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e" + " pw-of-rag-namespace" * 90

SCRIPTED: Mapping[str, Script] = {
    "permission": says(403, "Forbidden.RAM", "User not authorized to operate on the resource."),
    "permission-one-word": says(403, "NoPermission"),
    "forbidden-page": _always(send(message(PAGE, status=403))),
    "key-expired": says(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."),
    "key-refused-page": _always(send(message(PAGE, status=401))),
    "signature-mutilated": says(400, "IncompleteSignature"),
    "clock-without-date": says(400, "InvalidTimeStamp.Expired"),
    "not-found-page": _always(send(message(PAGE, status=404))),
    "namespace-code": says(404, "NamespaceName.NotFound"),
    "parameter": says(400, "InvalidParameter", "The parameter is not valid."),
    "bad-request-page": _always(send(message(PAGE, status=400))),
    "redirect": _always(
        send(message(status=302, headers=[("Location", "https://login.example/")]))
    ),
    "login-page": _always(send(message(PAGE))),
    "too-large": _always(send(message(b" " * 300_000))),
    "another-job": _only_about("two", send(message(job_answer("three")))),
    "reset": _always(reset()),
    "hostile-words": says(400, "Some.\x1b[31mCode", HOSTILE),
}
# The second job of a refused key is asked about or not, as the machine is fast or slow.
ASKED_ONE_BY_ONE = ("key-expired", "key-refused-page", "signature-mutilated")
TLS: Mapping[str, Callable[[Authority, Authority], object]] = {
    "tls-expired": lambda known, _: known.server(days=-1),
    "tls-name": lambda known, _: known.server("DNS:gpdb.example"),
    "tls-self-signed": lambda known, _: known.self_signed(),
    "tls-stranger": lambda _, stranger: stranger.server(),
    "tls-old": lambda known, _: known.outdated(),
}


def write(folder: Path, name: str, url: str, head: str = "") -> None:
    """Write the configuration ``NAME.yaml`` for an API at a URL."""
    text = head + CONFIGURATION.format(url=url)
    if name not in ASKED_ONE_BY_ONE:
        text += SECOND_JOB
    (folder / f"{name}.yaml").write_text(text, "utf-8")


def hanging() -> Upstream:
    """Return an API that never answers."""
    return Upstream([hang()])


def masked(text: str) -> str:
    """Return an output with what differs from run to run replaced."""
    text = re.sub(r"RequestId [0-9A-F]{8}(-[0-9A-F]{4,12}){4}", f"RequestId {REQUEST_ID}", text)
    text = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:PORT", text)
    text = re.sub(r"(\d+)(?= seconds (?:behind|ahead))", lambda m: str(round(int(m[1]), -1)), text)
    return re.sub(r"(\d+)(?= minutes in the future)", lambda m: str(round(int(m[1]), -1)), text)


def expected(name: str) -> str:
    """Return what is to be printed, standard error first."""
    return (DATA / f"{name}.txt").read_text("utf-8")
