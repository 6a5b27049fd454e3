"""The JSON Schema of the configuration file, for editors. Made from the settings."""

import json

from exporter.config.kinds import Kind, Schema
from exporter.config.settings import CONFIG_FILE, JOB_FILE
from exporter.config.shapes import Key, Labels, ListOf, Record, Shape, keys_of


def json_schema() -> str:
    """Return the schema of the configuration file, as JSON text."""
    return _text("adbpg-job-exporter configuration", CONFIG_FILE)


def job_file_schema() -> str:
    """Return the schema of a job file, as JSON text."""
    return _text("adbpg-job-exporter job file", JOB_FILE)


def _text(title: str, shape: Shape) -> str:
    # Draft 7 is what the editors' YAML plugins know.
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": title}
    return json.dumps({**head, **_schema(shape)}, indent=2, ensure_ascii=False) + "\n"


def _schema(shape: Shape) -> Schema:
    match shape:
        case Record():
            return _record(shape)
        case ListOf():
            bounds = {"minItems": shape.minimum} if shape.minimum else {}
            return {
                "type": "array" if shape.minimum else ["array", "null"],
                "items": _schema(shape.item),
                **bounds,
                **({"uniqueItems": True} if shape.unique else {}),
            }
        case Labels():
            values = _schema(shape.value)
            return {"type": ["object", "null"], "additionalProperties": values}
        case _:
            return dict(shape.schema)


def _record(shape: Record) -> Schema:
    keys = keys_of(shape.cls)
    required = [name for name, key in keys.items() if key.required]
    schema: Schema = {
        "type": "object" if required else ["object", "null"],
        "additionalProperties": False,
        "properties": {name: _property(key) for name, key in keys.items()},
    }
    if required:
        schema["required"] = required
    if shape.exactly_one:
        schema["allOf"] = [
            {"oneOf": [{"required": [name]} for name in names]} for names in shape.exactly_one
        ]
    return schema


def _property(key: Key) -> Schema:
    schema = _schema(key.shape)
    if isinstance(key.shape, Kind) and key.default not in {None, ""}:
        is_number = key.shape.written == "number"
        schema["default"] = key.default if is_number else key.shape.show(key.default)
    if key.meaning:
        schema["description"] = key.meaning
    return schema
