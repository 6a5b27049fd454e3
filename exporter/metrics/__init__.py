"""Every metric, one row each: name, help, labels, and how its samples follow from what was seen.

Pure. The rows feed the collector, docs/metrics.md and the tests; there is no second list.

Rules that hold for all of them: base units and Unix seconds; a value that is not known has no
sample, since a 0 would be taken for a fact; all samples of a scrape share one ``now``; nothing
that the API says in its own words becomes a label.
"""

from exporter.metrics.families import (
    JOB_LABELS,
    CountedFamily,
    JobFamily,
    Sample,
    ScrapeFamily,
    Value,
)
from exporter.metrics.history import (
    COLLECTION_LABELS,
    HISTORY_FAMILIES,
    HistoryFamily,
    HistoryLines,
)
from exporter.metrics.jobs import FAMILIES, job_label_names
from exporter.metrics.own import (
    API_DURATION,
    API_ERRORS,
    API_REQUESTS,
    BUILD_INFO,
    COUNTED_FAMILIES,
    INVALID_FIELDS,
    REGISTRATIONS,
    REGISTRY_ERRORS,
    RELOAD_SUCCESSFUL,
    RELOAD_TIMESTAMP,
    SCRAPE_FAMILIES,
    SHARD,
    SHARDS,
    WEB_RELOAD_SUCCESSFUL,
)

__all__ = [
    "API_DURATION",
    "API_ERRORS",
    "API_REQUESTS",
    "BUILD_INFO",
    "COLLECTION_LABELS",
    "COUNTED_FAMILIES",
    "FAMILIES",
    "HISTORY_FAMILIES",
    "INVALID_FIELDS",
    "JOB_LABELS",
    "REGISTRATIONS",
    "REGISTRY_ERRORS",
    "RELOAD_SUCCESSFUL",
    "RELOAD_TIMESTAMP",
    "SCRAPE_FAMILIES",
    "SHARD",
    "SHARDS",
    "WEB_RELOAD_SUCCESSFUL",
    "CountedFamily",
    "HistoryFamily",
    "HistoryLines",
    "JobFamily",
    "Sample",
    "ScrapeFamily",
    "Value",
    "job_label_names",
]
