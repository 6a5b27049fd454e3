"""The Prometheus Operator's own schemas of its resources, made strict."""

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema

CRDS = Path(__file__).parent / "data" / "crds"


@functools.cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    """Return what checks a resource of the Prometheus Operator."""
    schema = json.loads((CRDS / f"{kind.lower()}.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(strict(schema, top=True))


def strict(schema: Any, *, top: bool = False) -> Any:
    """Return a schema that takes no field which it does not name; metadata is Kubernetes' own."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        closed.setdefault("additionalProperties", False)
    if top:
        closed["properties"]["metadata"] = {"type": "object"}
    return closed
