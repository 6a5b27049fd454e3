from dataclasses import FrozenInstanceError, replace
from itertools import product

import pytest

from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import JobRef, JobState, JobStatus, ScrapeResult, Target, WatchList
from exporter.secret import Secret

REF = JobRef(
    "rag-prod",
    "cn-hangzhou",
    "job-1",
    "document",
    "rag",
    "gp-1",
    "ws-1",
    kind=UPSERT_COLLECTION_DATA,
)


def test_statuses_are_spelt_as_the_vendor_spells_them() -> None:
    """Each status that the vendor documents has its spelling, and Unknown stands for the rest."""
    names = [status.value for status in JobStatus]

    assert names == [
        "Pending",
        "Start",
        "Running",
        "Cancelling",
        "Cancelled",
        "Success",
        "Failed",
        "Unknown",
    ]


def test_final_and_active() -> None:
    """A status is final, or active, or Unknown, and never two of these."""
    final = {status for status in JobStatus if status.is_final}
    active = {status for status in JobStatus if status.is_active}

    assert final == {JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED}
    assert active == {
        JobStatus.PENDING,
        JobStatus.START,
        JobStatus.RUNNING,
        JobStatus.CANCELLING,
    }


@pytest.mark.parametrize(
    ("status", "completed", "error_text", "contradicts"),
    [
        (JobStatus.SUCCESS, True, "", False),
        (JobStatus.SUCCESS, None, "", False),
        (JobStatus.SUCCESS, False, "", True),
        (JobStatus.SUCCESS, True, "Failed to connect", True),
        (JobStatus.SUCCESS, False, "Failed to connect", True),  # the vendor's own sample
        (JobStatus.FAILED, True, "Failed to connect", False),
        (JobStatus.FAILED, False, "Failed to connect", True),
        (JobStatus.CANCELLED, False, "", True),
        (JobStatus.RUNNING, True, "", True),
        (JobStatus.RUNNING, False, "a batch was retried", False),
        (JobStatus.START, None, "", False),
        (JobStatus.CANCELLING, True, "", True),
    ],
)
def test_contradictions_are_flagged(
    *, status: JobStatus, completed: bool | None, error_text: str, contradicts: bool
) -> None:
    """A final job that is not completed, an active one that is, a success with an error."""
    state = JobState(status, completed=completed, error_text=error_text)

    assert state.inconsistent is contradicts


@pytest.mark.parametrize(("completed", "error"), list(product((True, False, None), ("", "text"))))
def test_unknown_contradicts_nothing(*, completed: bool | None, error: str) -> None:
    """A status that we do not know cannot contradict anything."""
    state = JobState(JobStatus.UNKNOWN, completed=completed, error_text=error)

    assert not state.inconsistent


def test_identity_is_the_values_of_the_identity_labels() -> None:
    """A job's identity is its id, collection, namespace, instance and workspace, in this order."""
    assert REF.identity == ("job-1", "document", "rag", "gp-1", "ws-1")


@pytest.mark.parametrize(
    "other",
    [
        replace(REF, target="other"),
        replace(REF, region_id="cn-beijing"),
        replace(REF, expected_entries=5),
        replace(REF, labels=(("team", "search"),)),
        replace(REF, source="file"),
    ],
)
def test_what_is_told_of_a_job_does_not_make_it_another(other: JobRef) -> None:
    """Target, region, expectations, labels and source are no part of a job's identity."""
    assert other != REF
    assert other.identity == REF.identity


def test_records_are_frozen() -> None:
    """A record that was handed on cannot be changed by whoever holds it."""
    with pytest.raises(FrozenInstanceError):
        REF.job_id = "another"  # type: ignore[misc]  # that is the point


def test_a_target_does_not_print_its_password() -> None:
    """The text of a target shows no password, nested or not."""
    target = Target("rag-prod", "cn-hangzhou", Secret("hunter2hunter2"))
    watched = WatchList(targets={"rag-prod": target}, jobs=(REF,))

    text = f"{watched} {watched!r} {target}"

    assert "hunter2" not in text


def test_results_are_the_label_values_of_the_contract() -> None:
    """The ways in which a job fares are the values of the label ``result``."""
    assert [result.value for result in ScrapeResult] == [
        "fresh",
        "cached",
        "final",
        "failed",
        "late",
    ]
