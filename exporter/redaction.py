"""The last guard of the log: known secrets are replaced in every line, however they got there.

Nothing should bring one there: secrets are a type that prints as ``<secret>``, and the texts of
foreign exceptions are dropped. This is for the day on which something does.
"""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from exporter.secret import MASK, Watched

_PARAMETER = re.compile(r"(NamespacePassword=)[^&\s\"']+", re.IGNORECASE)
"""Of a URL. Some operations have it there, and a text of a library may quote the URL."""
_SHORTEST = 6  # characters; a shorter one would be found in ordinary words
_MOST = 10_000  # secrets that are remembered; reloads bring new ones
_SPARE = 100  # values whose forms are kept a little longer than the values themselves


class Redactor:
    """Knows this process's secrets, and takes them out of texts."""

    def __init__(self) -> None:
        self._secrets: tuple[Watched, ...] = ()
        self._forms: dict[str, tuple[str, ...]] = {}

    def watch(self, secrets: Iterable[Watched]) -> None:
        """Know these secrets too; those of files as they change."""
        fresh = dict.fromkeys(secrets)
        # Of two objects for one file, the new one is the one that will be read.
        kept = [secret for secret in self._secrets if secret not in fresh]
        self._secrets = (*kept, *fresh)[-_MOST:]

    def __call__(self, text: str) -> str:
        """Return the text with each known secret masked, plain or encoded."""
        values = [value for secret in self._secrets for value in secret.seen()]
        if len(self._forms) > 2 * len(values) + _SPARE:  # tokens come and go, the process stays
            self._forms = {value: self._forms_of(value) for value in values}
        for value in values:
            if len(value) >= _SHORTEST:
                for form in self._forms_of(value):
                    text = text.replace(form, MASK)
        return _PARAMETER.sub(rf"\1{MASK}", text)

    def _forms_of(self, value: str) -> tuple[str, ...]:
        forms = self._forms.get(value)
        if forms is None:
            data = value.encode("utf-8", "surrogatepass")
            found = {
                value,
                quote(value, safe="", errors="surrogatepass"),
                quote_plus(value, errors="surrogatepass"),
                json.dumps(value)[1:-1],
                json.dumps(value, ensure_ascii=False)[1:-1],
                repr(value)[1:-1],
                base64.b64encode(data).decode(),
                data.hex(),
            }
            # The longest first: a part of it may be another form.
            forms = tuple(sorted(found, key=len, reverse=True))
            self._forms = {**self._forms, value: forms}
        return forms
