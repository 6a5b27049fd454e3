"""The JSON Schemas of the configuration file and of job files, for editors. Made by pydantic."""

import json
from typing import Final

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from exporter.config.kinds import Schema
from exporter.config.settings import ConfigFile, JobFileEntry

# What the editors' YAML plugins know.
_DIALECT: Final = "http://json-schema.org/draft-07/schema#"


def json_schema() -> str:
    """Return the schema of the configuration file, as JSON text."""
    return _text(
        "adbpg-job-exporter configuration",
        ConfigFile.model_json_schema(schema_generator=_Generator),
    )


def job_file_schema() -> str:
    """Return the schema of a job file, as JSON text."""
    entry = JobFileEntry.model_json_schema(schema_generator=_Generator)
    return _text("adbpg-job-exporter job file", {"type": ["array", "null"], "items": entry})


def _text(title: str, schema: Schema) -> str:
    head = {"$schema": _DIALECT, "title": title}
    return json.dumps({**head, **schema}, indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Leaves defaults to the sections, and titles away: keys are called as they are."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        """Return the schema of a value without its default."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, _schema: object) -> bool:
        """Say that no field has a title."""
        return False
