"""The operations of the simulated API: those that return the state of a job, and that start it.

The rows are written down a second time on purpose, beside ``exporter.gpdb.kinds``: who checks the
exporter's requests must not take over its mistakes. The names and which of them are mandatory: the
vendor's page of each operation. Which of them go into the query and which into the form: the
official SDK on the wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: what all have in common.

    Attributes:
        kind: of the jobs, as the exporter calls it.
        action: the operation's name.
        query: the parameters of the URL.
        form: the parameters of the body; empty for no body.
        mandatory: of both, what must be given beside the region, the instance, the collection and
            the namespace's password.
    """

    kind: str
    action: str
    query: tuple[str, ...]
    form: tuple[str, ...]
    mandatory: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateOperation(Operation):
    """An operation that returns the state of a job.

    Attributes:
        in_percent: whether Progress is a percentage, and no count of entries.
        statuses: that its jobs can have.
        error_code: whether Job has the field ErrorCode.
        usage: the fields of Usage; empty for no Usage.
        chunks: the fields of ChunkResult, which hold signed URLs once a job has succeeded; empty
            for no ChunkResult.
    """

    in_percent: bool = False
    statuses: tuple[str, ...] = ("Start", "Running", "Cancelling", "Cancelled", "Success", "Failed")
    error_code: bool = False
    usage: tuple[str, ...] = ()
    chunks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StartOperation(Operation):
    """An operation that starts a job, and returns its id.

    Attributes:
        needs_a_job: whether it starts one only where the collection has one of this kind already,
            as chunks go into the graph only where there is one. Otherwise it returns no id.
    """

    needs_a_job: bool = False


_ROWS = (
    StateOperation(
        kind="upsert_collection_data",
        action="GetUpsertCollectionDataJob",
        query=("DBInstanceId", "RegionId", "WorkspaceId"),
        form=("Collection", "JobId", "Namespace", "NamespacePassword"),
        mandatory=("JobId",),
    ),
    StateOperation(
        kind="upload_document",
        action="GetUploadDocumentJob",
        query=("DBInstanceId", "RegionId"),
        form=("Collection", "JobId", "Namespace", "NamespacePassword"),
        mandatory=("JobId",),
        in_percent=True,
        statuses=(
            "Pending",
            "Start",
            "Running",
            "Cancelling",
            "Cancelled",
            "Success",
            "Failed",
        ),
        error_code=True,
        usage=("EmbeddingTokens", "EmbeddingEntries"),
        chunks=("ChunkFileUrl", "PlainChunkFileUrl"),
    ),
    StateOperation(
        kind="create_index",
        action="DescribeCreateIndexJob",
        query=(
            "Collection",
            "DBInstanceId",
            "JobId",
            "Namespace",
            "NamespacePassword",
            "RegionId",
            "WorkspaceId",
        ),
        form=(),
        mandatory=("JobId", "Namespace"),
        in_percent=True,
        statuses=("Running", "Cancelled", "Success", "Failed"),
    ),
    StateOperation(
        kind="graph_rag",
        action="GetGraphRAGJob",
        query=("Collection", "DBInstanceId", "JobId", "Namespace", "NamespacePassword", "RegionId"),
        form=(),
        mandatory=("JobId",),
        in_percent=True,
        statuses=("Pending", "Running", "Success", "Failed"),
        usage=("EmbeddingTokens", "LLMInputTokens", "LLMOutputTokens"),
    ),
)

_NAMESPACE = ("Namespace", "NamespacePassword")

_STARTERS = (
    StartOperation(
        kind="upsert_collection_data",
        action="UpsertCollectionDataAsync",
        query=("DBInstanceId", "RegionId", "WorkspaceId"),
        form=("Collection", "FileUrl", *_NAMESPACE),
        mandatory=("FileUrl",),
    ),
    StartOperation(
        kind="upload_document",
        action="UploadDocumentAsync",
        query=("DBInstanceId", "RegionId"),
        form=("Collection", "FileName", "FileUrl", *_NAMESPACE),
        mandatory=("FileName", "FileUrl"),
    ),
    StartOperation(
        kind="create_index",
        action="CreateIndex",
        query=("Collection", "DBInstanceId", *_NAMESPACE, "RegionId", "WorkspaceId"),
        form=(),
        mandatory=("Namespace",),
    ),
    StartOperation(
        kind="graph_rag",
        action="EnableCollectionGraphRAG",
        query=(
            "Collection",
            "DBInstanceId",
            "EntityTypes",
            "ManagerAccount",
            "ManagerAccountPassword",
            *_NAMESPACE,
            "RegionId",
            "RelationshipTypes",
        ),
        form=(),
        mandatory=("EntityTypes", "ManagerAccount", "ManagerAccountPassword", "RelationshipTypes"),
    ),
    StartOperation(
        kind="graph_rag",
        action="UpsertChunks",
        query=("Collection", "DBInstanceId", *_NAMESPACE, "RegionId"),
        form=("TextChunks",),
        needs_a_job=True,
    ),
)

OPERATIONS: Final[Mapping[str, StateOperation]] = {row.kind: row for row in _ROWS}
"""The operations that return the state of a job, by its kind."""

BY_ACTION: Final[Mapping[str, Operation]] = {row.action: row for row in (*_ROWS, *_STARTERS)}

DEFAULT_KIND: Final = _ROWS[0].kind
"""Of a scenario's jobs."""
