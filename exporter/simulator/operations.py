"""The operations that the simulated API knows, one row for each kind of job.

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
    """An operation that returns the state of a job.

    Attributes:
        kind: of the jobs, as the exporter calls it.
        action: the operation's name.
        query: the parameters of the URL.
        form: the parameters of the body; empty for no body.
        namespace_is_mandatory: whether Namespace must be given.
        in_percent: whether Progress is a percentage, and no count of entries.
        statuses: that its jobs can have.
        error_code: whether Job has the field ErrorCode.
        usage: the fields of Usage; empty for no Usage.
        chunks: the fields of ChunkResult, which hold signed URLs once a job has succeeded; empty
            for no ChunkResult.
    """

    kind: str
    action: str
    query: tuple[str, ...]
    form: tuple[str, ...]
    namespace_is_mandatory: bool = False
    in_percent: bool = False
    statuses: tuple[str, ...] = ("Start", "Running", "Cancelling", "Cancelled", "Success", "Failed")
    error_code: bool = False
    usage: tuple[str, ...] = ()
    chunks: tuple[str, ...] = ()


_ROWS = (
    Operation(
        kind="upsert_collection_data",
        action="GetUpsertCollectionDataJob",
        query=("DBInstanceId", "RegionId", "WorkspaceId"),
        form=("Collection", "JobId", "Namespace", "NamespacePassword"),
    ),
    Operation(
        kind="upload_document",
        action="GetUploadDocumentJob",
        query=("DBInstanceId", "RegionId"),
        form=("Collection", "JobId", "Namespace", "NamespacePassword"),
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
    Operation(
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
        namespace_is_mandatory=True,
        in_percent=True,
        statuses=("Running", "Cancelled", "Success", "Failed"),
    ),
    Operation(
        kind="graph_rag",
        action="GetGraphRAGJob",
        query=("Collection", "DBInstanceId", "JobId", "Namespace", "NamespacePassword", "RegionId"),
        form=(),
        in_percent=True,
        statuses=("Pending", "Running", "Success", "Failed"),
        usage=("EmbeddingTokens", "LLMInputTokens", "LLMOutputTokens"),
    ),
)

OPERATIONS: Final[Mapping[str, Operation]] = {row.kind: row for row in _ROWS}
"""All operations, by the kind of job."""

BY_ACTION: Final[Mapping[str, Operation]] = {row.action: row for row in _ROWS}

DEFAULT_KIND: Final = _ROWS[0].kind
"""Of a scenario's jobs."""
