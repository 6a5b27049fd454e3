"""Known secrets in a text are masked, in whatever form they got there."""

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from exporter.redaction import Redactor
from exporter.secret import RecentSecrets, Secret, SecretFile

VALUE = 'p&a=s+s%w "o/r?d\\ü'
FORMS = {
    "plain": VALUE,
    "query": quote(VALUE, safe=""),
    "form": quote_plus(VALUE),
    "JSON": json.dumps(VALUE)[1:-1],
    "JSON, not ASCII": json.dumps(VALUE, ensure_ascii=False)[1:-1],
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "hex": VALUE.encode().hex(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_masked(form: str) -> None:
    """A secret is masked plain and encoded, and the text around it stays."""
    redactor = Redactor()
    redactor.watch([Secret(VALUE)])

    assert redactor(f"before {FORMS[form]} after") == "before <secret> after"


def test_short_values_are_left_alone() -> None:
    """A secret of fewer than six characters would be found in ordinary words."""
    redactor = Redactor()
    redactor.watch([Secret("error"), Secret("")])

    assert redactor("an error happened") == "an error happened"


def test_a_rotated_file_is_masked_before_and_after(tmp_path: Path) -> None:
    """After a rotation both the new value and the one before it are masked."""
    path = tmp_path / "password"
    path.write_text("first-password\n")
    secret = SecretFile(str(path))
    redactor = Redactor()
    redactor.watch([secret])
    secret.reveal()
    path.write_text("the-second-password\n")
    secret.reveal()

    assert redactor("first-password the-second-password") == "<secret> <secret>"


def test_a_file_that_was_never_read_is_no_trouble(tmp_path: Path) -> None:
    """A secret's file is not opened for the sake of the log."""
    redactor = Redactor()
    redactor.watch([SecretFile(str(tmp_path / "missing"))])

    assert redactor("a line") == "a line"


def test_secrets_of_an_earlier_configuration_stay_known() -> None:
    """A reload adds secrets and forgets none."""
    redactor = Redactor()
    redactor.watch([Secret("old-password")])
    redactor.watch([Secret("new-password")])

    assert redactor("old-password new-password") == "<secret> <secret>"


def test_after_a_reload_the_new_object_of_a_file_counts(tmp_path: Path) -> None:
    """A reload makes a new object for the same file; what that one reads is masked."""
    path = tmp_path / "password"
    path.write_text("first-password")
    redactor = Redactor()
    redactor.watch([SecretFile(str(path))])
    again = SecretFile(str(path))
    redactor.watch([again])
    again.reveal()

    assert redactor("first-password") == "<secret>"


def test_tokens_that_come_and_go() -> None:
    """Of tokens that are renewed for years the last ones are masked, and nothing piles up."""
    recent, redactor = RecentSecrets(), Redactor()
    redactor.watch([recent, Secret("a-password")])
    for number in range(5000):
        recent.add(Secret(f"token-{number:04}"))
        redactor("a line")

    assert redactor("token-4999 token-4990 a-password") == "<secret> <secret> <secret>"
    assert len(redactor._forms) < 500
