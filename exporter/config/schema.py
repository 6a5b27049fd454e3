"""The JSON Schemas of the configuration file and of job files, for editors. Made by pydantic."""

import json
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from exporter.config.kinds import Schema
from exporter.config.reader import Section
from exporter.config.settings import ConfigFile, JobFileEntry

# What the editors' YAML plugins know.
_DIALECT: Final = "http://json-schema.org/draft-07/schema#"


def json_schema() -> str:
    """Return the schema of the configuration file, as JSON text."""
    return _text("adbpg-job-exporter configuration", _schema(ConfigFile))


def job_file_schema() -> str:
    """Return the schema of a job file, as JSON text."""
    entries = {"type": ["array", "null"], "items": _schema(JobFileEntry)}
    return _text("adbpg-job-exporter job file", entries)


def _schema(section: type[Section]) -> Schema:
    schema = section.model_json_schema(schema_generator=_Generator)
    sections = schema.pop("$defs", {})
    return {key: _written_out(value, sections) for key, value in schema.items()}


def _written_out(schema: Any, sections: Schema) -> Any:
    """Return a schema with each section where it stands, for readers that know no reference."""
    if isinstance(schema, list):
        return [_written_out(each, sections) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _written_out(sections[schema["$ref"].rpartition("/")[2]], sections)
    return {key: _written_out(value, sections) for key, value in schema.items()}


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
