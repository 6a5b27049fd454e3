"""What a kind of job is, its row says alone: a made-up second kind behaves as its row says."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.advice import ADVICE
from exporter.check.diagnosis import ram_policy
from exporter.cli import inspect
from exporter.config import build, load
from exporter.errors import ConfigurationError
from exporter.gpdb.client import sign_request
from exporter.gpdb.credentials import AccessKey
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA, DeadlineRule, JobKind, starters
from exporter.metrics.jobs import FAMILIES
from exporter.model import BEIJING, JobState, JobStatus, Observation, ScrapeResult, Target, Unit
from exporter.polling.record import Record
from exporter.queues import line_up
from exporter.secret import Secret
from exporter.web.rows import Asides, row
from exporter.web.triage import examine

NOW = 1_704_703_984.0


def _with_a_code(job: Mapping[str, object], state: JobState) -> JobState:
    return replace(state, error_text=f"{job['ErrorCode']}: {state.error_text}")


BUILD = JobKind(
    name="build_index",
    action="GetBuildIndexJob",
    started_by=("BuildIndex",),
    ram_level="get",
    ram_resource="*",
    query=("Collection", "DBInstanceId", "JobId", "Namespace", "NamespacePassword", "RegionId"),
    form=(),
    needs_namespace=True,
    statuses={
        "running": JobStatus.RUNNING,
        "success": JobStatus.SUCCESS,
        "failed": JobStatus.FAILED,
    },
    unit=Unit.PERCENT,
    takes_turns=False,
    time_limit=lambda _ref, rule: 2 * rule.grace,
    on_top=_with_a_code,
)
TARGET = Target("rag", "cn-hangzhou", Secret("testpassword"), db_instance_id="gp-1")
REF = TARGET.job("job-1", "document", kind=BUILD.name)
RULE = DeadlineRule(entries_per_second=1000.0, grace=1800.0)
RUNNING = JobState(JobStatus.RUNNING, progress=37, created=NOW - 2000)


@pytest.fixture(autouse=True)
def _second_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, BUILD.name, BUILD)


def _decode(**fields: object) -> JobState:
    job = {"Status": "Running", "Progress": 37, "Error": "x", "ErrorCode": "E1", **fields}
    return BUILD.decode({"Job": job}, REF, BEIJING)


def _observation(ref_number: int = 1, state: JobState = RUNNING) -> Observation:
    ref = replace(REF, job_id=f"job-{ref_number}")
    return Observation(ref, ScrapeResult.FRESH, state, up=True)


def test_all_parameters_go_where_the_row_says() -> None:
    """The password goes into the query, and the namespace is sent though it is the default."""
    assert BUILD.parameters(REF, TARGET) == (
        {
            "Collection": "document",
            "DBInstanceId": "gp-1",
            "JobId": "job-1",
            "Namespace": "public",
            "NamespacePassword": "testpassword",
            "RegionId": "cn-hangzhou",
        },
        {},
    )


def test_a_request_without_a_form_has_no_content_type() -> None:
    """As the SDK sends it: no body, and no word about its type."""
    query, form = BUILD.parameters(REF, TARGET)

    signed = sign_request(
        host="gpdb.aliyuncs.com",
        action=BUILD.action,
        query=query,
        form=form,
        key=AccessKey("LTAI5tEXAMPLE", Secret("secret")),
        date=datetime.fromtimestamp(NOW, UTC),
        nonce="n",
    )

    assert (signed.body, "content-type" in signed.headers) == (b"", False)
    assert "content-type" not in signed.headers["Authorization"]


@pytest.mark.parametrize(("value", "read"), [(0, 0), (100, 100), (101, None), (-1, None)])
def test_percent(value: int, read: int | None) -> None:
    """Progress in percent is a number from 0 to 100."""
    state = _decode(Progress=value)

    assert (state.progress, "Progress" in state.invalid_fields) == (read, read is None)


def test_statuses() -> None:
    """A status that the row has not is unknown, and has no series."""
    assert _decode(Status="Cancelled").status is JobStatus.UNKNOWN

    family = next(each for each in FAMILIES if each.name == "adbpg_job_status")
    assert family.labelled is not None
    labels = [values for values, _ in family.labelled(_observation())]
    assert labels == [("Running",), ("Success",), ("Failed",), ("Unknown",)]


def test_what_comes_on_top() -> None:
    """The row reads what only its answers hold."""
    assert _decode().error_text == "E1: x"


def test_percent_is_no_count_of_entries() -> None:
    """No metric, page or output calls a percentage entries."""
    family = next(each for each in FAMILIES if each.name == "adbpg_job_progress_entries")
    observation = replace(_observation(), progress_per_second=12.0)
    assert family.value is not None
    assert family.value(observation, NOW) is None

    progress = row(examine(observation, NOW), NOW, Asides()).progress
    assert progress is not None
    assert (progress.done, progress.of, progress.rate) == ("37\N{NO-BREAK SPACE}%", "", "")
    assert (progress.value, progress.maximum) == (37, 100)

    assert "Progress    37%\n" in inspect._as_table(REF, RUNNING, NOW)
    fields = json.loads(inspect._as_json(REF, RUNNING))
    assert fields["progress_percent"] == 37
    assert "progress_entries" not in fields


def test_time_limit() -> None:
    """The row says when a job should have ended."""
    record = Record(REF, TARGET)
    record.answer(RUNNING, 100.0)

    observation = record.observation(
        REF, 100.0, max_age=300.0, rule=RULE, round_number=1, offset=NOW - 100.0
    )

    assert observation.deadline_at == NOW - 2000 + 3600


def test_jobs_that_take_no_turns_never_wait() -> None:
    """Where the jobs of a collection run side by side, none waits and none holds others up."""
    others = [_observation(number, replace(RUNNING, progress=0)) for number in (1, 2)]

    assert line_up(others, frozenset()) == {}

    stalled = replace(others[0], progress_changed_at=NOW - 2000)
    texts = [remark.text for remark in examine(stalled, NOW).remarks]
    assert any(text.endswith("not changed for 33 min.") for text in texts)


def test_the_policy_and_the_texts_name_each_kind() -> None:
    """The RAM policy has the actions of the kinds that are there; texts name the operations."""
    policy = json.loads(ram_policy(TARGET, KINDS.values()))
    actions = [each["Action"] for each in policy["Statement"]]
    assert actions == ["gpdb:GetUpsertCollectionDataJob", "gpdb:GetBuildIndexJob"]
    assert policy["Statement"][1]["Resource"] == "*"

    remedy = ADVICE["permission"].in_general(BUILD)[1]
    assert remedy == "Grant its user or role the RAM action gpdb:GetBuildIndexJob."
    assert starters() == "UpsertCollectionDataAsync or BuildIndex"


@pytest.mark.parametrize(
    ("place", "of_job", "why"),
    [
        ("workspace_id: gp-ws-1", "", "is in an instance, and this target is a workspace"),
        (
            "db_instance_id: gp-1",
            ", expected_entries: 5",
            "has no entries: remove expected_entries",
        ),
    ],
)
def test_what_cannot_be(
    place: str,
    of_job: str,
    why: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A configured job that its kind rules out is a problem of the configuration."""
    monkeypatch.setattr(build, "DEFAULT_KIND", BUILD.name)
    file = tmp_path_factory.mktemp("config") / "config.yaml"
    file.write_text(
        "targets:\n"
        f"  - {{name: rag, region_id: cn-hangzhou, {place}, namespace_password: '${{PASSWORD}}',\n"
        f"     jobs: [{{id: job-1, collection: document{of_job}}}]}}\n"
    )

    with pytest.raises(ConfigurationError) as caught:
        load(str(file), {"PASSWORD": "testpassword"})

    (problem,) = caught.value.problems
    assert problem.path == "targets[0].jobs[0]"
    assert problem.message.endswith(why)


def test_every_job_has_a_row() -> None:
    """The kind of a job that nothing names is one of the table."""
    assert KINDS[UPSERT_COLLECTION_DATA].name == UPSERT_COLLECTION_DATA
