"""What was seen of the API becomes findings; each reason has its advice."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter import config
from exporter.advice import Scope
from exporter.check.asking import Outcome, Seen
from exporter.check.diagnosis import Case, diagnose, ram_policy
from exporter.check.findings import Examiner, Finding
from exporter.config import Config
from exporter.config.located import Located
from exporter.errors import (
    REASONS,
    ApiError,
    AuthRejected,
    ClockSkewed,
    NameNotResolved,
    NoCredentials,
    QueryError,
    ServerFailed,
    TimedOut,
)
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS
from exporter.model import JobRef, JobState, JobStatus, Target, TargetHealth
from exporter.secret import Secret, SecretFile

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
    seen = Seen(
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
    assert "target main: 2 of 3 jobs: not asked" in found[1].problem.message


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
