"""No record of the package shows a secret when it is printed."""

import dataclasses
import importlib
import pkgutil
import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

import exporter
from exporter.secret import Secret
from tests.planted import assert_absent

PLANTED = "pl4nted-s3cret"
# What fields that may hold a secret are called; a new record has to use one of these names, or
# another one for what is none.
MAY_BE_SECRET = re.compile(
    "pass(word)?|secret|token|form|query|parameters|body|headers|hash|users|values?|node|entries|"
    "text|document|key|uri|url|proxy|environ|auth|credentials"
)
# Fields of such a name that hold none, with the reason.
HARMLESS = {
    "exporter.config.advice.KeyAdvice.text": "our own words",
    "exporter.gpdb.kinds.JobKind": "names of parameters",
    "exporter.simulator.operations": "likewise",
    "exporter.cli.simulated._Upload": "the demo's, made up",
    "exporter.overview._Facts": "what a metrics page shows",
    "exporter.jobs": "ids and paths",
    "exporter.model.JobState.error_text": "what the API says, which people are to read",
    "exporter.model.JobState.status_text": "likewise",
    "exporter.formats": "names of formats",
    "exporter.config.yaml_source.Refused": "our own words",
    "exporter.simulator.verify.Signed.access_key_id": "an id",
    "exporter.web.app.Settings": "paths, and where people reach the page",
    "exporter.polling.budget.TargetBudget.key_version": "a hash",
    "exporter.check.diagnosis.Diagnosis": "our own words, or the API's, redacted",
    "exporter.web.views": "what the page shows",
    "exporter.web.messages.Response": "what everybody gets",
    "exporter.simulator.service.Reply": "what everybody gets",
    "exporter.cli.invocation.Surroundings": "names and paths",
    "exporter.web.rows": "what the page shows, redacted",
    "exporter.web.triage.Remark.text": "our own words",
    "exporter.web.security.settings.TlsSettings": "paths, words of a closed set, and Secrets",
    "exporter.web.security.settings.HttpSettings.headers": "what everybody gets",
    "exporter.web.security.file.WebConfig.headers": "what everybody gets",
    "exporter.config.credentials": "paths that were opened",
    "exporter.config.settings.TargetEntry.namespace_password_file": "a path that was opened",
    "exporter.config.settings.TokenEntry": "a name, the path of a file that was opened, targets",
}


def records() -> Iterator[type]:
    """Every dataclass and every pydantic model that the package defines."""
    for module in pkgutil.walk_packages(exporter.__path__, "exporter."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            is_own = getattr(value, "__module__", "") == module.name
            if isinstance(value, type) and is_own and names_of(value):
                yield value


def names_of(record: type) -> tuple[str, ...]:
    """The names of a record's fields; none for another class."""
    if issubclass(record, BaseModel):
        return (*record.model_fields,)
    if not dataclasses.is_dataclass(record):
        return ()
    return tuple(field.name for field in dataclasses.fields(record))


def kind_of(record: type, name: str) -> str:
    """The type of a field in words, without what is annotated to it."""
    try:
        return str(typing.get_type_hints(record)[name])
    except NameError:  # imported for the types only
        return str(record.__annotations__[name])


def may_be_secret(record: type, field: str) -> bool:
    """Whether a field may hold a secret, by its name and by what is known to be none."""
    name = f"{record.__module__}.{record.__qualname__}.{field}"
    harmless = any(name == known or name.startswith(f"{known}.") for known in HARMLESS)
    return bool(MAY_BE_SECRET.search(field)) and not harmless


def planted(kind: str) -> object:
    """A value with the secret in it, as a field of this type may hold it."""
    secret = Secret(PLANTED) if "Secret" in kind else PLANTED
    if "bytes" in kind and "Mapping" not in kind:
        return PLANTED.encode()
    if re.search("Mapping|dict", kind):
        return {"name": secret}
    return (secret,) if "tuple" in kind else secret


def is_text(kind: str) -> bool:
    """Whether a type may hold a text: no number, function, or record that is tried by itself."""
    return bool(re.search(r"str|bytes|Secret|Mapping\[|dict\[|Node|Scalar", kind)) and (
        "Callable" not in kind
    )


RECORDS = [
    record
    for record in records()
    if any(may_be_secret(record, field) for field in names_of(record))
]


def test_there_are_such_records() -> None:
    """The walk finds what holds a secret for certain."""
    names = {record.__name__ for record in RECORDS}

    assert {"Target", "AccessKey", "SignedRequest", "_Call", "WebConfig", "ApiSettings"} <= names


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.__module__}.{record}")
def test_no_record_shows_a_secret(record: type) -> None:
    """repr, str and format of a record never show what a field of such a name holds."""
    values: dict[str, Any] = {}
    for field in names_of(record):
        kind = kind_of(record, field)
        plants = may_be_secret(record, field) and is_text(kind)
        values[field] = planted(kind) if plants else None
    if issubclass(record, BaseModel):
        made: object = record.model_construct(**values)
    else:
        made = object.__new__(record)
        for name, value in values.items():
            object.__setattr__(made, name, value)

    shown = f"{made!r} {made!s} {made}"

    assert_absent([PLANTED], shown, record.__name__)
