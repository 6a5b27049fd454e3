"""Which certificate authorities are trusted, by the API's client and for a role's key alike."""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from exporter import files

_MOST: Final = 8 << 20  # bytes of a file; the usual one has 300 kB
_HASHED: Final = re.compile("[0-9a-f]{8}[.][0-9]+")  # what `openssl rehash` names a certificate


@dataclass(frozen=True, slots=True)
class Authorities:
    """Where the trusted certificates are.

    Attributes:
        file: of PEM certificates; empty for none.
        directory: of certificates as ``openssl rehash`` names them, or several with colons
            between them; empty for none.
        file_source: the key or the variable that names the file.
        directory_source: likewise the directory.
    """

    file: str = ""
    directory: str = ""
    file_source: str = ""
    directory_source: str = ""

    @property
    def are_usual(self) -> bool:
        """Whether nothing else is named than those that requests brings."""
        return not (self.file or self.directory)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the key or variable and the message of what cannot be used."""
        if self.file and (why := _file_problem(self.file)):
            yield self.file_source, f"expected the path of a file of PEM certificates: {why}"
        if self.directory and (why := _directory_problem(self.directory)):
            expected = "expected a directory of certificates as `openssl rehash` names them"
            yield self.directory_source, f"{expected}: {why}"


def authorities(ca_file: str, environ: Mapping[str, str]) -> Authorities:
    """Return what is to be trusted in place of the usual authorities; empty for those.

    ``api.ca_file`` goes before ``REQUESTS_CA_BUNDLE``, and that before ``SSL_CERT_FILE`` and
    ``SSL_CERT_DIR``, which go together.

    Args:
        ca_file: the value of ``api.ca_file``.
        environ: the environment.
    """
    if ca_file:
        return Authorities(file=ca_file, file_source="api.ca_file")
    if bundle := environ.get("REQUESTS_CA_BUNDLE", ""):
        if _is_directory(bundle):
            return Authorities(directory=bundle, directory_source="REQUESTS_CA_BUNDLE")
        return Authorities(file=bundle, file_source="REQUESTS_CA_BUNDLE")
    return Authorities(
        file=environ.get("SSL_CERT_FILE", ""),
        directory=environ.get("SSL_CERT_DIR", ""),
        file_source="SSL_CERT_FILE",
        directory_source="SSL_CERT_DIR",
    )


def certificates(path: str) -> str:
    """Return a file's PEM certificates, as OpenSSL takes them for ``cadata``; never empty.

    Only the look at the file is bounded: on a busy machine to parse them takes seconds as well.

    Raises:
        OSError: it cannot be read, or does not answer.
        ValueError: the path holds a NUL.
    """
    _, content = files.read(path, _MOST)
    # No text is "nothing given" to Python's ssl, which would trust the system's authorities.
    return content.decode("ascii", "replace").replace("\ufffd", "?") or "none"


def _is_directory(path: str) -> bool:
    try:
        return files.within(("directory", path), lambda: os.path.isdir(path))  # noqa: PTH112  for any text
    except OSError:
        return False


def _file_problem(path: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificates(path))
    except ssl.SSLError:
        return "it holds none"
    except (OSError, ValueError) as error:  # ValueError: a NUL
        return f"it cannot be read: {getattr(error, 'strerror', None) or 'it is no path'}"
    return ""


def _directory_problem(paths: str) -> str:
    why = "there are none in it"
    for path in paths.split(os.pathsep):
        try:
            names = files.within(("names", path), partial(os.listdir, path))
        except (OSError, ValueError) as error:
            why = f"it cannot be read: {getattr(error, 'strerror', None) or 'it is no path'}"
        else:
            if any(map(_HASHED.fullmatch, names)):
                return ""
    return why
