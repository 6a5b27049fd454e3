"""What was seen of the API becomes findings; each reason has its advice."""

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from exporter import config
from exporter.advice import Scope
from exporter.check.diagnosis import Case, diagnose, ram_policy
from exporter.check.findings import Examiner, Finding
from exporter.check.live_check import LiveCheck, Outcome, Results
from exporter.clock import Clock
from exporter.config import Config
from exporter.config.located import Located
from exporter.errors import (
    REASONS,
    ApiError,
    AuthRejected,
    BadAnswer,
    ClockSkewed,
    ConnectionFailed,
    NameNotResolved,
    NoCredentials,
    NotFound,
    PermissionDenied,
    QueryError,
    ServerFailed,
    TimedOut,
)
from exporter.gpdb.answers import Answer
from exporter.gpdb.endpoints import base_url
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS, JobKind
from exporter.jobs import JobFiles
from exporter.model import JobRef, JobState, JobStatus, Target, TargetHealth
from exporter.secret import Secret, SecretFile
from exporter.wiring import poll_settings, registry_of
from tests.fakes import LIMIT, HandSetClock

NOW = 1_700_000_000.0
TARGET = Target("main", "cn-hangzhou", Secret("pw"), db_instance_id="gp-bp1test")
GOOD = JobState(JobStatus.SUCCESS)
CONFIGURATION = """\
targets:
  - name: main
    region_id: cn-hangzhou
    db_instance_id: gp-bp1test
    namespace_password: ${PASSWORD}
    jobs:
      - {id: one, collection: c1}
      - {id: two, collection: c2}
      - {id: three, collection: c3}
  - name: other
    region_id: cn-hangzhou
    workspace_id: gp-ws-test
    namespace_password: ${PASSWORD}
"""


def leaves(cls: type[QueryError]) -> list[type[QueryError]]:
    """Return the errors that have a reason."""
    below = cls.__subclasses__()
    return [leaf for sub in below for leaf in leaves(sub)] if below else [cls]


@pytest.mark.parametrize("kind", leaves(QueryError), ids=lambda kind: kind.reason)
def test_every_reason_has_advice(kind: type[QueryError]) -> None:
    """Whatever makes a query fail, there is a text that says what to do; without a Code, too."""
    errors = [kind("words")]
    if issubclass(kind, ApiError):
        errors.append(kind("words", code="Some.Code", http_status=400))

    texts = [str(diagnose(Case(error, TARGET))) for error in errors]

    assert kind.reason in REASONS
    assert all(len(text) > 30 for text in texts)


def test_the_policy_names_region_and_instance() -> None:
    """The RAM policy allows the one action, on the collections of the one instance."""
    assert ram_policy(TARGET, [KINDS[DEFAULT_KIND]]) == (
        '{"Version": "1", "Statement": [{"Effect": "Allow", '
        '"Action": "gpdb:GetUpsertCollectionDataJob", '
        '"Resource": "acs:gpdb:cn-hangzhou:*:collection/gp-bp1test"}]}'
    )


def test_the_policy_of_a_workspace() -> None:
    """What the vendor documents names instances: a workspace's policy takes all of the region."""
    workspace = replace(TARGET, db_instance_id="", workspace_id="gp-ws-test")

    assert '"acs:gpdb:cn-hangzhou:*:collection/*"' in ram_policy(workspace, KINDS.values())


@pytest.mark.parametrize(
    ("target", "is_proxied", "told"),
    [
        (TARGET, False, "gpdb.aliyuncs.com has no address: check region_id and network, and DNS"),
        (TARGET, True, "check region_id and network, the proxy, and DNS on this machine"),
        (replace(TARGET, network="vpc"), False, "network: vpc works inside that VPC only"),
        (
            replace(TARGET, endpoint="https://x.example"),
            False,
            "check endpoint, and DNS on this machine",
        ),
    ],
)
def test_what_leads_to_a_host(target: Target, is_proxied: bool, told: str) -> None:  # noqa: FBT001  a parameter of the test
    """The advice names the settings that the host came from."""
    advice = diagnose(Case(NameNotResolved("no"), target, is_proxied=is_proxied))

    assert told in advice.text


def test_the_provider_is_named() -> None:
    """A refused key is to be looked for where the provider reads it."""
    error = AuthRejected("no", code="InvalidAccessKeyId.Inactive", http_status=404)

    places = {
        name: diagnose(Case(error, TARGET, provider=name)).text.split(": check ")[1]
        for name in ("environment", "files", "ram", "another")
    }

    assert places == {
        "environment": "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "files": "the files that credentials names",
        "ram": "credentials.ram, and whom the role trusts",
        "another": "credentials",
    }


def test_a_password_that_cannot_be_read() -> None:
    """A file without a password is a matter of its target, and not of the access key."""
    file = SecretFile("gone/rag")
    with pytest.raises(NoCredentials) as caught:
        file.reveal()

    advice = diagnose(Case(caught.value, replace(TARGET, namespace_password=file)))

    assert advice.scope is Scope.TARGET
    assert advice.keys[0] == "namespace_password_file"
    assert str(advice) == "secret file gone/rag: No such file or directory: put the password there"


@pytest.fixture
def loaded(tmp_path: Path) -> tuple[Config, Located]:
    """The configuration, and where its entries stand."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIGURATION)
    loaded = config.load(str(path), {"PASSWORD": "x"})
    return loaded, Located(str(path), loaded)


def examined(
    loaded: tuple[Config, Located],
    outcomes: Mapping[str, Outcome],
    *,
    health: TargetHealth | None = None,
    cut: str = "",
    zone: str = "",
) -> list[Finding]:
    """Return the findings where these jobs of the first target had these outcomes."""
    settings, located = loaded
    if zone:
        first, *others = settings.targets
        settings = replace(settings, targets=(replace(first, time_zone=ZoneInfo(zone)), *others))
    seen = Results(
        jobs=settings.jobs,
        probes=(),
        outcomes={_job(settings, job_id).identity: each for job_id, each in outcomes.items()},
        health={"main": health or TargetHealth(0.0)},
        at=NOW,
        cut=cut,
    )
    return Examiner(settings, located, seen, is_proxied=False, redact=str).findings()


def _job(settings: Config, job_id: str) -> JobRef:
    return next(job for job in settings.jobs if job.job_id == job_id)


def test_all_good(loaded: tuple[Config, Located]) -> None:
    """Good answers give no finding."""
    assert examined(loaded, dict.fromkeys(("one", "two", "three"), GOOD)) == []


def test_not_asked_after_a_refusal(loaded: tuple[Config, Located]) -> None:
    """Jobs that were spared after a refused key are a note, beside the refusal."""
    refused = AuthRejected("no", code="SignatureDoesNotMatch", http_status=400)

    found = examined(loaded, {"one": refused})

    assert [each.reason for each in found] == ["auth", "not_asked"]
    assert [each.is_fault for each in found] == [True, False]
    assert found[1].job_ids == ("two", "three")
    assert "target main: 2 of 3 jobs: not queried" in found[1].problem.message


def test_not_asked_in_time(loaded: tuple[Config, Located]) -> None:
    """Jobs for which there was no time are a fault: nothing is known of them."""
    found = examined(loaded, {"one": GOOD}, cut="within 1m")

    [late] = found
    assert (late.reason, late.is_fault, late.job_ids) == ("not_asked", True, ("two", "three"))
    assert late.problem.message == "target main: 2 of 3 jobs: no answer within 1m"


def test_one_line_for_one_cause(loaded: tuple[Config, Located]) -> None:
    """Failures of one cause are one finding that counts the jobs; words may differ."""
    outcomes: dict[str, Outcome] = {
        "one": ServerFailed("request 1", code="InternalError", http_status=500),
        "two": ServerFailed("request 2", code="InternalError", http_status=500),
        "three": TimedOut("late"),
    }

    found = examined(loaded, outcomes)

    assert [each.reason for each in found] == ["server", "timeout"]
    assert found[0].problem.message.startswith("target main, 2 of 3 jobs, such as one: ")
    assert found[0].problem.message.endswith("(request 1)")
    assert found[1].problem.message.startswith("target main, job three of collection c3: ")


def test_one_clock(loaded: tuple[Config, Located]) -> None:
    """The clock is told of once, however often it was measured."""
    outcomes: dict[str, Outcome] = {}
    for job_id, skew in (("one", 3600.4), ("two", 3599.4), ("three", 3601.0)):
        error = ClockSkewed("no", code="InvalidTimeStamp.Expired", http_status=400)
        error.clock_skew = skew
        outcomes[job_id] = error

    found = examined(loaded, outcomes, health=TargetHealth(clock_skew=3599.4))

    assert [each.reason for each in found] == ["clock_skew"]
    assert "clock is 3600 seconds behind" in found[0].problem.message


def _running(updated: float) -> JobState:
    return JobState(JobStatus.RUNNING, created=NOW - 9000.0, updated=updated)


@pytest.mark.parametrize(
    ("zone", "ahead", "told"),
    [
        ("", 3600.0, 'likely time_zone: "+09:00" fits'),
        ("", 1790.0, 'likely time_zone: "+08:30" fits'),
        ("Asia/Kathmandu", 2700.0, 'likely time_zone: "+06:30" fits'),
        ("America/New_York", 5 * 3600.0, 'likely time_zone: "+00:00" fits'),
        ("America/New_York", 3 * 3600.0, 'likely time_zone: "-02:00" fits'),
        ("", 9 * 3600.0, "no zone fits"),
    ],
)
def test_time_zone(loaded: tuple[Config, Located], zone: str, ahead: float, told: str) -> None:
    """A job updated in the future tells how far east of the set one the true zone is."""
    outcomes: dict[str, Outcome] = {
        "one": _running(NOW + 100.0 + ahead),
        "two": replace(GOOD, updated=NOW + 99_999.0),
        "three": _running(NOW - 500.0),
    }
    health = TargetHealth(clock_skew=100.0, time_zone_suspect=True)

    found = examined(loaded, outcomes, health=health, zone=zone)

    zones = [each for each in found if each.reason == "time_zone"]
    assert [each.job_ids for each in zones] == [("one",)]
    assert told in zones[0].problem.message
    assert zones[0].problem.path == "targets[0].time_zone"


def test_places_of_a_file_that_was_changed_meanwhile(loaded: tuple[Config, Located]) -> None:
    """Where the file is no longer what was read, findings have no line, but all else."""
    settings, _ = loaded
    located = Located("gone.yaml", settings)

    problem = located.of_job(settings.jobs[1], "what is wrong")

    assert str(problem) == "gone.yaml: targets[0].jobs[1]: what is wrong"


class Hosts:
    """Mimics ``ApiClient`` where only the central host has an address.

    Args:
        central: what it answers there.
        hold: called before it answers there.
        lost: called before a call finds no address, with how many have not before.
    """

    def __init__(
        self,
        central: QueryError,
        *,
        hold: Callable[[], object] = lambda: None,
        lost: Callable[[int], object] = lambda _count: None,
    ) -> None:
        self.asked: list[tuple[str, str]] = []
        self._central = central
        self._hold = hold
        self._lost = lost
        self._count = itertools.count()

    def key_version(self) -> int:
        """See ``ApiClient``."""
        return 1

    def call(self, target: Target, kind: JobKind, ref: JobRef) -> Answer:  # noqa: ARG002
        """See ``ApiClient``."""
        url = base_url(target)
        self.asked.append((url, ref.target))
        if url != "https://gpdb.aliyuncs.com":
            self._lost(next(self._count))
            raise NameNotResolved("no")
        self._hold()
        raise self._central


def asked_live(config: Config, client: Hosts, clock: Clock | None = None) -> Results:
    """Return what is seen of a configuration within a time that is only for hangs."""
    settings = poll_settings(config, registry_of(config, JobFiles(config)), client)
    return LiveCheck(settings, clock=clock or Clock(), progress=lambda _count: None).run(LIMIT)


def in_region(
    config: Config, *, endpoint: str = "", network: Literal["public", "vpc"] = "public"
) -> Config:
    """Return the configuration with all targets in a region that has a host of its own."""
    targets = tuple(
        replace(target, region_id="cn-x", endpoint=endpoint, network=network)
        for target in config.targets
    )
    return replace(config, targets=targets)


@pytest.mark.parametrize(
    ("answer", "is_of_api"),
    [
        (PermissionDenied("no", code="Forbidden.RAM", http_status=403), True),
        (NotFound("no", what="job", code="NoJob", http_status=404), True),
        (BadAnswer("no job in it", is_of_api=True), True),
        (BadAnswer("not JSON"), False),
        (ConnectionFailed("refused"), False),
        (NameNotResolved("no"), False),
    ],
    ids=lambda value: getattr(value, "reason", None),
)
def test_the_central_host_is_tried(
    loaded: tuple[Config, Located],
    answer: QueryError,
    is_of_api: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """Where a region's own host has no address, one call of each target tries the central one, and
    the finding says whether the API answered there.
    """  # noqa: D205  one claim
    config, client = in_region(loaded[0]), Hosts(answer)

    seen = asked_live(config, client)
    found = Examiner(config, loaded[1], seen, is_proxied=False, redact=str).findings()

    central = [target for url, target in client.asked if url == "https://gpdb.aliyuncs.com"]
    assert sorted(central) == ["main", "other"]
    assert seen.central == {"main": is_of_api, "other": is_of_api}
    told = (
        "the name gpdb.cn-x.aliyuncs.com does not resolve, but gpdb.aliyuncs.com answers for this "
        "target: set endpoint: https://gpdb.aliyuncs.com"
        if is_of_api
        else "the name of gpdb.cn-x.aliyuncs.com has no address: check region_id and network, and "
        "DNS on this machine; gpdb.aliyuncs.com was tried too, and gave no answer"
    )
    assert [each.problem.message for each in found] == [
        f"target main: {told}",
        f"target other: {told}",
    ]


@pytest.mark.parametrize(
    ("endpoint", "network"), [("https://gpdb.cn-x.aliyuncs.com", "public"), ("", "vpc")]
)
def test_the_central_host_is_for_the_default_only(
    loaded: tuple[Config, Located], endpoint: str, network: Literal["public", "vpc"]
) -> None:
    """Whoever names a host, or a VPC's, means it: no other is tried."""
    config = in_region(loaded[0], endpoint=endpoint, network=network)
    client = Hosts(PermissionDenied("no", code="Forbidden.RAM", http_status=403))

    seen = asked_live(config, client)

    assert seen.central == {}
    assert len(client.asked) == len(config.jobs) + 1


def test_the_central_host_in_time(loaded: tuple[Config, Located]) -> None:
    """A central host that is silent takes what is left of the whole check's time, and no more."""
    clock, released = HandSetClock(), threading.Event()
    config = in_region(loaded[0])
    last = len(config.jobs)  # counted from 0: one call for each job, and one for a target without
    client = Hosts(
        ConnectionFailed("late"),
        hold=lambda: released.wait(LIMIT),
        lost=lambda count: clock.advance(LIMIT - 0.1) if count == last else None,
    )

    seen = asked_live(config, client, clock.clock())
    released.set()

    assert seen.central == {"main": False, "other": False}
    assert seen.cut == ""
