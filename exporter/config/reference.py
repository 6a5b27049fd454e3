"""The reference of the configuration, in Markdown. Made from the settings."""

import inspect
from collections.abc import Iterator
from typing import Final, get_args

from pydantic.fields import FieldInfo

from exporter.config.kinds import Kind
from exporter.config.reader import (
    Labels,
    ListOf,
    Section,
    annotation_of,
    default_of,
    keys_of,
    section_of,
)
from exporter.config.settings import ConfigFile, JobFileEntry

_INTRODUCTION: Final = """\
# Configuration

The configuration is one YAML file. `config.example.yaml` shows every key; `adbpg-job-exporter
check-config` reports every mistake in yours, each with its line and column.

- Durations are written as in Prometheus: `500ms`, `5s`, `1m30s`. Only `0` needs no unit.
- Sizes are written as `256KiB`; the units are `B`, `KiB`, `MiB` and `GiB`.
- `${NAME}` in a value is replaced from the environment, and `$$` is a dollar. A variable that is
  not set is an error. Keys are taken as they stand.
- Within braces or brackets, write `"${NAME}"` in quotes.
- Text that YAML reads as something else needs quotes: `on`, `0123`, `1.5`, `2024-01-08`.
- Relative paths begin at the directory of the configuration file.
- Ids, namespaces and collections are opaque: any printable text, in any script. A space at either
  end is taken as a part of the text, with a warning.
- Refused: unknown keys, keys given twice, anchors, aliases, merge keys, tags, a second document,
  a file over 4 MiB or of many more than 10,000 jobs, nesting over 20 levels, a value of over 32,768
  characters.
- No message shows a value that may be secret.
"""

_JOB_FILES: Final = """\
## Job files

Each file that matches one of `job_files` is a list of jobs. Patterns are as in a shell; `~` is the
home of the exporter's user. A file that is new, replaced or deleted is noticed at the next scrape.
So is one that is edited in place, where there are at most 2,000 files; of more, 2,000 are looked
at in turn at each scrape. An empty file is an empty list. A `$` has no meaning there.

Write a new version beside the file and rename it into place: a file that is cut off between two
jobs looks whole.

| what is wrong | what stays |
|---|---|
| an entry holds a mistake | the other entries, and of its id the job as it was last good |
| the file is no YAML, or no list | its last good list |
| the file cannot be read, or is a symlink to nothing | its last good list |
| its folder is away or cannot be listed | the last good lists of all its files |
| the file is deleted, and its folder is there | its jobs that have not ended, as `drained` ones |

All mistakes are logged once, `adbpg_exporter_job_file_error` is 1 for the file or the pattern, and
`adbpg_exporter_job_files_readable` is 0 for a pattern whose folder cannot be listed. What comes
and goes is a line in the log. An id or a collection that looks like a template that was never
filled in, such as `${JOB_ID}` or `None`, is watched, with a warning in the log and in
`check-config`.

A job that is also in the configuration is taken from there. Of two files, the first in
alphabetical order counts. Both are logged once, as a warning. Within one file, a job given twice
is a mistake of the second entry.

Of more jobs than `scrape.max_jobs`, those that have not ended are watched first, among them those
that are watched already, then those that ended last. A job that was never queried counts as
one that has not ended.
"""


def markdown() -> str:
    """Return the page: every key with type, default and meaning."""
    parts = [_INTRODUCTION, *_sections(ConfigFile, ""), _JOB_FILES, *_table(JobFileEntry)]
    return "\n".join(parts)


def _sections(section: type[Section], path: str) -> Iterator[str]:
    """Yield the part about a section, then those about the sections in it."""
    yield f"## {f'`{path}`' if path else 'Top level'}\n"
    yield inspect.getdoc(section) or ""
    yield ""
    yield from _table(section)
    for name, key in keys_of(section).items():
        if below := section_of(key):
            here = f"{path}.{name}" if path else name
            yield from _sections(below, f"{here}[]" if annotation_of(key, ListOf) else here)


def _table(section: type[Section]) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, key in keys_of(section).items():
        meaning = key.description or f"See [`{name}`](#{name})."
        yield f"| `{name}` | {_type(key)} | {_default(key)} | {meaning} |"
    yield ""


def _type(key: FieldInfo) -> str:
    kind = annotation_of(key, Kind)
    if kind is not None:
        return kind.name
    if annotation_of(key, Labels):
        return f"mapping of label names to {_kind_of_entries(key)}"
    if annotation_of(key, ListOf):
        return f"list of {'mapping' if section_of(key) else _kind_of_entries(key)}"
    return "mapping"


def _kind_of_entries(key: FieldInfo) -> str:
    """Return the name of the kind that the values of a list or mapping have."""
    values = next(each for each in get_args(key.annotation) if hasattr(each, "__metadata__"))
    return str(next(each.name for each in values.__metadata__ if isinstance(each, Kind)))


def _default(key: FieldInfo) -> str:
    if key.is_required():
        return "required"
    default = default_of(key)
    return f"`{default}`" if default else "none"
