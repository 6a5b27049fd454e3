"""The kinds of job that the exporter can watch: one row holds all that differs from kind to kind.

Everything that depends on the kind reads its row: requests, answers, metrics, the page, ``query``,
the live check and the docs. The rows hold facts from the vendor's page of each operation (gpdb
2016-05-03); which parameters go into the query and which into the form is what the vendor's SDK
sends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, Protocol

from exporter.gpdb.decoding import (
    MOST_ENTRIES,
    OnTop,
    Statuses,
    decode_job,
    error_code_on_top,
    nothing_on_top,
    usage_on_top,
)
from exporter.model import DEFAULT_NAMESPACE, JobRef, JobState, JobStatus, Target, Unit


class TimeLimits(Protocol):
    """How long jobs may take, as settings.

    Attributes:
        entries_per_second: how fast an upload of entries is expected to be.
        grace: seconds on top of that.
        documents: seconds that a document may take.
    """

    @property
    def entries_per_second(self) -> float:
        """Above 0."""

    @property
    def grace(self) -> float:
        """From 0."""

    @property
    def documents(self) -> float:
        """Above 0."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JobKind:
    """One kind of job. Equal only to itself.

    Attributes:
        name: the value of the label ``kind``.
        does: what such a job does, as a clause.
        action: the API's operation that returns the state of a job.
        started_by: the operations that start one, and return its id.
        ram_level: the access level that RAM gives the action.
        ram_resource: the least resource that a RAM policy must name, with ``{region_id}`` and
            ``{instance}``, which is ``*`` for a workspace: the vendor names no resource of one.
        query: the names of the parameters that go into the URL.
        form: the names of the parameters that go into the body.
        needs_namespace: whether Namespace is sent where the target gives none, too.
        statuses: what each status of the API, in lower case, is to us; others are Unknown.
        unit: of Progress.
        takes_turns: whether the jobs of one collection run one after the other, by the vendor's
            page of the operation that starts them.
        time_limit: seconds that a job may take from its turn on; None where nothing is known.
        may_lack_progress: whether some instances report no progress, so that a job whose progress
            has never moved is not stalled.
        on_top: adds to a state what only this kind's answers hold; see ``decoding``.
    """

    name: str
    does: str
    action: str
    started_by: tuple[str, ...]
    ram_level: str
    ram_resource: str
    query: tuple[str, ...]
    form: tuple[str, ...]
    needs_namespace: bool
    statuses: Statuses
    unit: Unit
    takes_turns: bool
    time_limit: Callable[[JobRef, TimeLimits], float | None]
    may_lack_progress: bool = False
    on_top: OnTop = nothing_on_top

    @property
    def ram_action(self) -> str:
        """The action as a RAM policy names it."""
        return f"gpdb:{self.action}"

    @property
    def password_is_in_url(self) -> bool:
        """Whether the namespace password goes into the URL, where proxies may log it."""
        return "NamespacePassword" in self.query

    def refusal(self, ref: JobRef) -> tuple[str, str] | None:
        """Return the key at fault and a message where there can be no such job; else None."""
        if ref.workspace_id and "WorkspaceId" not in self.query:
            return "kind", (
                f"{self.name} is a kind of job in an instance, and this target is a workspace: "
                "name a target with db_instance_id"
            )
        if ref.expected_entries is not None and self.unit is not Unit.ENTRIES:
            return "expected_entries", (
                f"a job of kind {self.name} has a percentage and no entries: remove this key, "
                "and give it a deadline if it needs one"
            )
        return None

    def longest(self, ref: JobRef, limits: TimeLimits) -> float | None:
        """Return seconds that a job may take from its turn on; None where nothing is known."""
        return self.time_limit(ref, limits) if ref.deadline is None else ref.deadline

    def parameters(self, ref: JobRef, target: Target) -> tuple[dict[str, str], dict[str, str]]:
        """Return the parameters of the query and those of the form, the password in one of them.

        Args:
            ref: the job to query.
            target: of the job.

        Raises:
            NoCredentials: the namespace password cannot be read.
        """
        namespace = target.namespace or (DEFAULT_NAMESPACE if self.needs_namespace else "")
        values = {
            "Collection": ref.collection,
            "DBInstanceId": ref.db_instance_id,
            "JobId": ref.job_id,
            "Namespace": namespace,
            "NamespacePassword": target.namespace_password.reveal(),
            "RegionId": ref.region_id,
            "WorkspaceId": ref.workspace_id,
        }
        given = {name: value for name, value in values.items() if value}
        query = {name: given[name] for name in self.query if name in given}
        return query, {name: given[name] for name in self.form if name in given}

    def decode(self, document: Mapping[str, object], ref: JobRef, zone: tzinfo) -> JobState:
        """Return the state of a job, from an answer about it.

        Args:
            document: the answer's JSON object.
            ref: the job that was queried.
            zone: in which times without a zone are read.

        Raises:
            BadAnswer: there is no job in it, or another one.
        """
        return decode_job(
            document,
            ref,
            zone,
            statuses=self.statuses,
            most_progress=100 if self.unit is Unit.PERCENT else MOST_ENTRIES,
            may_lack_progress=self.may_lack_progress,
            on_top=self.on_top,
        )


def _by_entries(ref: JobRef, limits: TimeLimits) -> float | None:
    """The vendor's page of UpsertCollectionDataAsync: entries / 1,000 seconds, and 30 minutes."""
    if ref.expected_entries is None:
        return None
    return ref.expected_entries / limits.entries_per_second + limits.grace


def _as_documents(_ref: JobRef, limits: TimeLimits) -> float:
    """The vendor's page of UploadDocumentAsync: "typically does not exceed 2 hours"."""
    return limits.documents


def _unknown(_ref: JobRef, _limits: TimeLimits) -> None:
    """No page of the vendor says how long such a job may take."""


UPSERT_COLLECTION_DATA: Final = "upsert_collection_data"

_IN_INSTANCE = ("DBInstanceId", "RegionId")
_JOB_OF_NAMESPACE = ("Collection", "JobId", "Namespace", "NamespacePassword")

_ROWS = (
    JobKind(
        name=UPSERT_COLLECTION_DATA,
        does="uploads vectors",
        action="GetUpsertCollectionDataJob",
        started_by=("UpsertCollectionDataAsync",),
        ram_level="create",
        ram_resource="acs:gpdb:{region_id}:*:collection/{instance}",
        query=(*_IN_INSTANCE, "WorkspaceId"),
        form=_JOB_OF_NAMESPACE,
        needs_namespace=False,
        statuses={
            "start": JobStatus.START,
            "pending": JobStatus.START,  # as sibling operations say it
            "running": JobStatus.RUNNING,
            "cancelling": JobStatus.CANCELLING,
            "cancelled": JobStatus.CANCELLED,
            "success": JobStatus.SUCCESS,
            "failed": JobStatus.FAILED,
        },
        unit=Unit.ENTRIES,
        takes_turns=True,
        time_limit=_by_entries,
    ),
    JobKind(
        name="upload_document",
        does="uploads a document",
        action="GetUploadDocumentJob",
        started_by=("UploadDocumentAsync",),
        ram_level="create",
        ram_resource="acs:gpdb:{region_id}:*:document/{instance}",
        query=_IN_INSTANCE,
        form=_JOB_OF_NAMESPACE,
        needs_namespace=False,
        statuses={
            "pending": JobStatus.PENDING,
            "start": JobStatus.START,
            "running": JobStatus.RUNNING,
            "cancelling": JobStatus.CANCELLING,
            "cancelled": JobStatus.CANCELLED,
            "success": JobStatus.SUCCESS,
            "failed": JobStatus.FAILED,
        },
        unit=Unit.PERCENT,
        takes_turns=False,
        time_limit=_as_documents,
        on_top=lambda document, state: usage_on_top(document, error_code_on_top(document, state)),
    ),
    JobKind(
        name="create_index",
        does="builds the index of a collection",
        action="DescribeCreateIndexJob",
        started_by=("CreateIndex",),
        ram_level="get",
        ram_resource="acs:gpdb:{region_id}:*:collection/{instance}",
        query=(*_IN_INSTANCE, "WorkspaceId", *_JOB_OF_NAMESPACE),
        form=(),
        needs_namespace=True,
        statuses={
            "running": JobStatus.RUNNING,
            "cancelled": JobStatus.CANCELLED,
            "success": JobStatus.SUCCESS,
            "failed": JobStatus.FAILED,
        },
        unit=Unit.PERCENT,
        takes_turns=False,
        time_limit=_unknown,
        may_lack_progress=True,  # the vendor's page: "Only V7.0 supports the Progress parameter"
    ),
    JobKind(
        name="graph_rag",
        does="builds a knowledge graph",
        action="GetGraphRAGJob",
        started_by=("EnableCollectionGraphRAG", "UpsertChunks"),
        ram_level="get",
        ram_resource="*",
        query=(*_IN_INSTANCE, *_JOB_OF_NAMESPACE),
        form=(),
        needs_namespace=False,
        statuses={
            "pending": JobStatus.PENDING,
            "running": JobStatus.RUNNING,
            "success": JobStatus.SUCCESS,
            "failed": JobStatus.FAILED,
        },
        unit=Unit.PERCENT,
        takes_turns=False,
        time_limit=_unknown,
        on_top=usage_on_top,
    ),
)

KINDS: Mapping[str, JobKind] = {kind.name: kind for kind in _ROWS}
"""All kinds, by name."""

MANAGED_POLICY: Final = "AliyunGPDBReadOnlyAccess"
"""Alibaba Cloud's own RAM policy that allows the queries of all kinds (version 4, 2026)."""

DEFAULT_KIND: Final = UPSERT_COLLECTION_DATA
"""The name of the kind of a job where nothing says which."""


def starters() -> str:
    """Return the operations that start jobs, for texts: ``A``, ``A or B``, ``A, B or C``."""
    names = [name for kind in KINDS.values() for name in kind.started_by]
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
