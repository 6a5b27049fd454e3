"""What a kind of job is, its row says alone: each kind behaves as its row says."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.advice import ADVICE
from exporter.check.diagnosis import ram_policy
from exporter.cli import inspect
from exporter.config import load
from exporter.config.settings import DeadlineSettings
from exporter.errors import ConfigurationError
from exporter.gpdb.client import sign_request
from exporter.gpdb.credentials import AccessKey
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS, starters
from exporter.metrics.jobs import FAMILIES
from exporter.model import (
    BEIJING,
    ErrorClass,
    JobRef,
    JobState,
    JobStatus,
    Observation,
    ScrapeResult,
    Target,
    Usage,
    WatchList,
)
from exporter.polling.record import Record, observe
from exporter.queues import line_up
from exporter.reports import state_as_json
from exporter.secret import Secret
from exporter.simulator.operations import OPERATIONS
from exporter.web.rows import Asides, row
from exporter.web.triage import Group, examine

NOW = 1_704_703_984.0
TARGET = Target("rag", "cn-hangzhou", Secret("testpassword"), db_instance_id="gp-1")
LIMITS = DeadlineSettings()
IN_PERCENT = ("upload_document", "create_index", "graph_rag")
JOB = {"Collection": "document", "JobId": "job-1"}
PASSWORD = {"NamespacePassword": "testpassword"}
PLACE = {"DBInstanceId": "gp-1", "RegionId": "cn-hangzhou"}
ROOT = Path(__file__).parents[2]


def ref(kind: str, **facts: object) -> JobRef:
    """Return a job of a kind."""
    return replace(TARGET.job("job-1", "document", kind=kind), **facts)  # type: ignore[arg-type]


def decode(kind: str, *, usage: object = None, **fields: object) -> JobState:
    """Return what is made of an answer about a job of a kind."""
    job = {"Status": "Running", "Progress": 37, "Completed": False, **fields}
    document = {"Job": job, **({} if usage is None else {"Usage": usage})}
    return KINDS[kind].decode(document, ref(kind), BEIJING)


def running(kind: str, **facts: object) -> Observation:
    """Return a job that is under way."""
    state = JobState(JobStatus.RUNNING, progress=37, created=NOW - 2000)
    return Observation(ref(kind), ScrapeResult.FRESH, replace(state, **facts), up=True)  # type: ignore[arg-type]


def samples(observation: Observation) -> dict[str, float]:
    """Return the samples of a job, by name and the labels that the row adds."""
    return {
        ",".join((family.name.removeprefix("adbpg_job_"), *labels)): value
        for family in FAMILIES
        for labels, value in family.samples(observation, NOW)
    }


@pytest.mark.parametrize(
    ("kind", "query", "form"),
    [
        ("upsert_collection_data", PLACE, JOB | PASSWORD),
        ("upload_document", PLACE, JOB | PASSWORD),
        ("create_index", PLACE | JOB | PASSWORD | {"Namespace": "public"}, {}),
        ("graph_rag", PLACE | JOB | PASSWORD, {}),
    ],
)
def test_parameters(kind: str, query: dict[str, str], form: dict[str, str]) -> None:
    """Each parameter goes into the URL or the body, as the vendor's SDK sends it."""
    assert KINDS[kind].parameters(ref(kind), TARGET) == (query, form)
    assert KINDS[kind].password_is_in_url == ("NamespacePassword" in query)


def test_a_request_without_a_form_has_no_content_type() -> None:
    """As the SDK sends it: no body, and no word about its type."""
    kind = KINDS["create_index"]
    query, form = kind.parameters(ref("create_index"), TARGET)

    signed = sign_request(
        host="gpdb.aliyuncs.com",
        action=kind.action,
        query=query,
        form=form,
        key=AccessKey("LTAI5tEXAMPLE", Secret("secret")),
        date=datetime.fromtimestamp(NOW, UTC),
        nonce="n",
    )

    assert (signed.body, "content-type" in signed.headers) == (b"", False)
    assert "content-type" not in signed.headers["Authorization"]


@pytest.mark.parametrize("kind", IN_PERCENT)
@pytest.mark.parametrize(("value", "read"), [(0, 0), (100, 100), (101, None), (-1, None)])
def test_percent(kind: str, value: int, read: int | None) -> None:
    """A progress in percent is a number from 0 to 100; another one has no sample."""
    state = decode(kind, Progress=value)
    shown = samples(replace(running(kind), state=state))

    assert (state.progress, "Progress" in state.invalid_fields) == (read, read is None)
    assert shown.get("progress_ratio") == (None if read is None else read / 100)
    assert "progress_entries" not in shown


@pytest.mark.parametrize(
    ("progress", "expected", "ratio"), [(50, 200, 0.25), (200, 200, 1), (201, 200, None)]
)
def test_ratio_of_entries(progress: int, expected: int, ratio: float | None) -> None:
    """Of an upload of entries it is the share of those that are expected, up to 1."""
    job = running(DEFAULT_KIND, progress=progress)

    assert samples(job).get("progress_ratio") is None
    known = replace(job, ref=replace(job.ref, expected_entries=expected))
    assert samples(known).get("progress_ratio") == ratio


COMMON = ["Running", "Success", "Failed", "Unknown"]


@pytest.mark.parametrize(
    ("kind", "further"),
    [
        ("upsert_collection_data", ["Start", "Cancelling", "Cancelled"]),
        ("upload_document", ["Pending", "Start", "Cancelling", "Cancelled"]),
        ("create_index", ["Cancelled"]),
        ("graph_rag", ["Pending"]),
    ],
)
def test_statuses(kind: str, further: list[str]) -> None:
    """A job has a series for each status of its kind; any other status is unknown."""
    shown = samples(running(kind))

    assert {name for name in shown if name.startswith("status,")} == {
        f"status,{status}" for status in (*COMMON, *further)
    }
    assert {decode(kind, Status=status).status for status in further} == set(further)
    assert decode(kind, Status="Waiting").status is JobStatus.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "usage", "read", "shown"),
    [
        (
            "upload_document",
            {"EmbeddingTokens": 951, "EmbeddingEntries": "10"},
            Usage(embedding_tokens=951, embedding_entries=10),
            {"embedding_tokens": 951, "embedding_entries": 10},
        ),
        (
            "graph_rag",
            {"EmbeddingTokens": 0, "LLMInputTokens": 7, "LLMOutputTokens": 8},
            Usage(embedding_tokens=0, llm_input_tokens=7, llm_output_tokens=8),
            {"embedding_tokens": 0, "llm_tokens,input": 7, "llm_tokens,output": 8},
        ),
        ("graph_rag", {"LLMInputTokens": "many"}, Usage(), {}),
        ("create_index", {"EmbeddingTokens": 951}, Usage(), {}),
        ("upload_document", None, Usage(), {}),
    ],
)
def test_usage(kind: str, usage: object, read: Usage, shown: dict[str, float]) -> None:
    """What a job consumes is shown where the API says so, and never as a 0 that it did not say."""
    state = decode(kind, usage=usage)

    assert state.usage == read
    assert ("Usage.LLMInputTokens" in state.invalid_fields) == ("many" in str(usage))
    found = samples(replace(running(kind), state=state))
    assert {name: n for name, n in found.items() if "tokens" in name or "embed" in name} == shown


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (Usage(embedding_tokens=951_350, embedding_entries=10), "951,350 embedding tokens"),
        (
            Usage(embedding_tokens=7, llm_input_tokens=1_000, llm_output_tokens=234),
            "7 embedding tokens, 1,234 LLM tokens",
        ),
        (Usage(embedding_tokens=0), ""),
        (Usage(), ""),
    ],
)
def test_usage_on_the_page(usage: Usage, text: str) -> None:
    """The page says how many tokens a job has consumed, where it has consumed any."""
    progress = row(examine(running("graph_rag", usage=usage), NOW), NOW, Asides()).progress

    assert progress is not None
    assert progress.usage == text


@pytest.mark.parametrize(
    ("code", "text", "about"),
    [
        ("Document.ParseFailed", "", ErrorClass.BAD_DATA),
        ("InvalidFileType", "disk is full", ErrorClass.BAD_DATA),
        ("E-1234", "disk is full", ErrorClass.DISK_FULL),
        ("E-1234", "", ErrorClass.OTHER),
        ("", "", None),
    ],
)
def test_error_code(code: str, text: str, about: ErrorClass | None) -> None:
    """An undocumented code is read as words, before the text; its class is one of a closed set."""
    state = decode("upload_document", Status="Failed", ErrorCode=code, Error=text)

    assert (state.error_code, state.error_class) == (code, about)
    assert decode("graph_rag", ErrorCode=code, Error=text).error_code == ""


def test_signed_urls_are_dropped() -> None:
    """ChunkResult, which holds signed URLs, is in nothing that is made of an answer."""
    document = {
        "Job": {"Id": "job-1", "Status": "Success", "Progress": 100},
        "ChunkResult": {"ChunkFileUrl": "https://oss/x?Signature=planted"},
    }

    state = KINDS["upload_document"].decode(document, ref("upload_document"), BEIJING)

    assert "planted" not in repr(state)


def test_an_error_text_ends_nothing() -> None:
    """A job that runs with an error text is under way, and needs nobody."""
    job = running("upload_document", error_text="page 3 skipped", error_class=ErrorClass.OTHER)

    case = examine(job, NOW)

    assert case.group is Group.ACTIVE
    assert [remark.quote for remark in case.remarks] == ["page 3 skipped"]
    assert not job.state.inconsistent  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", IN_PERCENT)
def test_percent_on_the_page_and_in_outputs(kind: str) -> None:
    """No page or output calls a percentage entries."""
    job = replace(running(kind), progress_per_second=12.0)

    progress = row(examine(job, NOW), NOW, Asides()).progress

    assert progress is not None
    assert (progress.done, progress.of, progress.rate) == ("37\N{NO-BREAK SPACE}%", "", "")
    assert (progress.value, progress.maximum) == (37, 100)
    assert job.state
    assert "Progress    37%\n" in inspect._as_table(job.ref, job.state, NOW)
    fields = json.loads(state_as_json(job.ref, job.state))
    assert (fields["kind"], fields["progress_percent"]) == (kind, 37)
    assert "progress_entries" not in fields


@pytest.mark.parametrize(
    ("kind", "facts", "seconds"),
    [
        ("upsert_collection_data", {}, None),
        ("upsert_collection_data", {"expected_entries": 600_000}, 600 + 1800),
        ("upsert_collection_data", {"expected_entries": 600_000, "deadline": 60.0}, 60),
        ("upload_document", {}, 7200),
        ("upload_document", {"deadline": 60.0}, 60),
        ("create_index", {}, None),
        ("create_index", {"deadline": 60.0}, 60),
        ("graph_rag", {}, None),
    ],
)
def test_planned_end(kind: str, facts: dict[str, object], seconds: float | None) -> None:
    """A job should have ended after its own deadline, or after what its kind is known to take."""
    job = ref(kind, **facts)
    record = Record(job, TARGET)
    record.answer(JobState(JobStatus.RUNNING, created=NOW - 2000), 100.0)

    (found,) = observed(record, 100.0)

    assert found.planned_end == (None if seconds is None else NOW - 2000 + seconds)


def observed(record: Record, now: float) -> tuple[Observation, ...]:
    """Return what a scrape says of one job."""
    watched = WatchList(targets={}, jobs=(record.ref,))
    return observe(
        (record,), watched, now, max_age=300.0, limits=LIMITS, round_number=1, offset=NOW - 100.0
    )


def test_a_pending_job_waits_and_its_time_begins_afterwards() -> None:
    """In the API's own queue a job is neither late nor stalled, however long."""
    record = Record(ref("upload_document"), TARGET)
    record.answer(JobState(JobStatus.PENDING, progress=0, created=NOW - 2000), 100.0)

    (pending,) = observed(record, 100.0)
    record.answer(JobState(JobStatus.RUNNING, progress=0, created=NOW - 2000), 130.0)
    (begun,) = observed(record, 130.0)

    assert (pending.waits, pending.turn_at, pending.planned_end) == (True, None, None)
    assert pending.progress_changed_at is None
    assert samples(pending)["waiting"] == 1
    assert (begun.waits, begun.turn_at, begun.planned_end) == (False, NOW, NOW + 7200)


@pytest.mark.parametrize(
    ("kind", "progress", "changed"),
    [
        ("create_index", None, None),
        ("create_index", 0, None),  # instances before V7.0 do not report it
        ("create_index", 1, NOW),
        ("upload_document", 0, NOW),
    ],
)
def test_a_progress_that_is_not_reported_never_stalls(
    kind: str, progress: int | None, changed: float | None
) -> None:
    """Where an instance may report no progress, only one that has moved can stand still."""
    record = Record(ref(kind), TARGET)
    record.answer(JobState(JobStatus.RUNNING, progress=progress, created=NOW - 2000), 100.0)

    (found,) = observed(record, 100.0)

    assert found.progress_changed_at == changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_progress(kind: str) -> None:
    """Where an instance may report none it is no fault of the answer; elsewhere it is."""
    lacks = KINDS[kind].may_lack_progress

    state = decode(kind, Progress=None, CreateTime="2024-01-08 16:52:04", Error="")

    assert state.progress is None
    assert ("Progress" in state.invalid_fields) != lacks


@pytest.mark.parametrize("kind", IN_PERCENT)
def test_jobs_that_take_no_turns_never_wait_for_each_other(kind: str) -> None:
    """Where the jobs of a collection run side by side, none holds others up."""
    jobs = [
        replace(running(kind, progress=0), ref=ref(kind, job_id=f"job-{number}"))
        for number in (1, 2)
    ]

    assert line_up(jobs, frozenset()) == {}
    stalled = replace(jobs[0], progress_changed_at=NOW - 2000)
    texts = [remark.text for remark in examine(stalled, NOW).remarks]
    assert any(text.endswith("not changed for 33 min.") for text in texts)


def test_the_policy_and_the_texts_name_each_kind() -> None:
    """The RAM policy has the actions of the kinds that are there; texts name the operations."""
    policy = json.loads(ram_policy(TARGET, KINDS.values()))

    assert {each["Action"]: each["Resource"] for each in policy["Statement"]} == {
        "gpdb:GetUpsertCollectionDataJob": "acs:gpdb:cn-hangzhou:*:collection/gp-1",
        "gpdb:GetUploadDocumentJob": "acs:gpdb:cn-hangzhou:*:document/gp-1",
        "gpdb:DescribeCreateIndexJob": "acs:gpdb:cn-hangzhou:*:collection/gp-1",
        "gpdb:GetGraphRAGJob": "*",
    }
    remedy = ADVICE["permission"].in_general(KINDS["graph_rag"])[1]
    assert "the RAM action gpdb:GetGraphRAGJob, or the managed policy" in remedy
    assert starters().startswith("UpsertCollectionDataAsync, UploadDocumentAsync, CreateIndex,")


@pytest.mark.parametrize(
    ("place", "of_job", "key", "why"),
    [
        ("workspace_id: gp-ws-1", "kind: upload_document", "kind", "name a target with db_inst"),
        ("workspace_id: gp-ws-1", "kind: graph_rag", "kind", "this target is a workspace"),
        (
            "db_instance_id: gp-1",
            "kind: create_index, expected_entries: 5",
            "expected_entries",
            "remove this key",
        ),
        ("db_instance_id: gp-1", "kind: upload", "kind", "upload_document"),
        ("db_instance_id: gp-1", "deadline: soon", "deadline", "expected a duration"),
    ],
)
def test_what_cannot_be(place: str, of_job: str, key: str, why: str, tmp_path: Path) -> None:
    """A job that its kind rules out is a problem with its place, and says what to do."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(place, of_job, tmp_path)

    (problem,) = caught.value.problems
    assert problem.path == f"targets[0].jobs[0].{key}"
    assert (problem.line, why in problem.message) == (3, True), problem.message


def loaded(place: str, of_job: str, folder: Path) -> tuple[str, ...]:
    """Return the warnings of a configuration with one job."""
    file = folder / "config.yaml"
    file.write_text(
        "targets:\n"
        f"  - {{name: rag, region_id: cn-hangzhou, {place}, namespace_password: '${{PASSWORD}}',\n"
        f"     jobs: [{{id: job-1, collection: document, {of_job}}}]}}\n"
    )
    return tuple(map(str, load(str(file), {"PASSWORD": "testpassword"}).warnings))


@pytest.mark.parametrize("kind", KINDS)
def test_a_password_in_the_url_is_warned_of(kind: str, tmp_path: Path) -> None:
    """Who configures a job whose queries have the password in the URL is told so."""
    warnings = loaded("db_instance_id: gp-1", f"kind: {kind}", tmp_path)

    assert any("docs/credentials.md" in each for each in warnings) == KINDS[kind].password_is_in_url


def test_the_simulator_knows_the_same_kinds() -> None:
    """Its table is written by hand beside ours, to find what is wrong in ours."""
    assert list(OPERATIONS) == list(KINDS)


# The last one stands alone: it imports nothing of the package.
ROOMS = (
    "exporter/gpdb/kinds.py",
    "exporter/simulator/",
    "exporter/pipeline.py",
)


def test_no_other_room_knows_a_kind_by_its_name() -> None:
    """All that differs from kind to kind is in its row."""
    names = [*KINDS, *(kind.action for kind in KINDS.values())]
    named = re.compile(rf"\b({'|'.join(names)})\b")

    files = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "exporter").rglob("*.py")}
    strangers = [
        name
        for name, path in files.items()
        if named.search(path.read_text("utf-8")) and not name.startswith(ROOMS)
    ]

    assert strangers == []
