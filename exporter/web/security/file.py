"""From the web configuration file to what the server needs, or to every problem in it."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config import yaml_file, yaml_source
from exporter.config.locations import Location, Report, shown, shown_key
from exporter.config.reader import Reader
from exporter.errors import ConfigurationError, Problem
from exporter.secret import Secret
from exporter.web.security.settings import HEADERS, RateLimit, TlsSettings, WebFile
from exporter.web.security.tls import TlsEndpoint, make_endpoint

_LONGEST_NAME = 256  # characters of a user's name


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A web configuration, checked as a whole and ready to be served with.

    Attributes:
        tls: how TLS is spoken; None for plain HTTP.
        verifies_clients: whether every client must show a certificate.
        has_authority: whether that must be one of an authority that the file names.
        users: bcrypt hashes by name, as they come in a request; none where no password is needed.
        headers: to add to answers.
        rate_limit: how often requests may come.
        probes_without_auth: whether the probes' paths need no password.
        warnings: what is not wrong, but unwise.
    """

    tls: TlsEndpoint | None = None
    verifies_clients: bool = False
    has_authority: bool = False
    users: Mapping[bytes, Secret] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    rate_limit: RateLimit = field(default_factory=RateLimit)
    probes_without_auth: bool = False
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A web configuration file whose text was read; the files that it names are not yet.

    Attributes:
        file: what could be understood.
        report: of what could not.
    """

    file: WebFile
    report: Report

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files that it names."""
        tls = self.file.tls_server_config
        named = (tls.cert_file, tls.key_file, tls.client_ca_file) if tls else ()
        return tuple(filter(None, named))


def load(path: str) -> WebConfig:
    """Return the web configuration in a file. Relative paths in it begin at its directory.

    Raises:
        ConfigurationError: with every problem.
    """
    return build(parse(path))


def parse(path: str) -> Parsed:
    """Return what a web configuration file says; ``build`` decides whether that can be used.

    Raises:
        ConfigurationError: it cannot be read at all.
    """
    report = Report(path)
    root = yaml_file.read(path) or yaml_source.Mapping(1, 1)
    # No environment: a dollar is a part of each hash, and the toolkit replaces none.
    file = Reader(report, WebFile, str(Path(path).parent), None).read(WebFile, Location(root))
    if file is None:
        raise ConfigurationError(report.problems())
    _check_names(file, report)
    return Parsed(file, report)


def build(parsed: Parsed) -> WebConfig:
    """Read the files that a configuration names, and return it ready for use.

    Raises:
        ConfigurationError: with every problem.
    """
    file, report = parsed.file, parsed.report
    tls = file.tls_server_config
    if file.basic_auth_users and tls is None:
        users = file.place.child("basic_auth_users")
        report.warn(users, "without tls_server_config, passwords travel in plain text")
    limit = file.rate_limit
    if limit.interval and not limit.burst:
        report.warn(limit.place.child("burst"), "is 0, so every request is refused")
    if tls and tls.client_auth_type == "RequestClientCert":
        message = "a certificate is not asked for: it would not be verified, and lets in everybody"
        report.warn(tls.place.child("client_auth_type"), message)
    if tls and tls.verifies_given and not tls.has_authority:
        message = "without client_ca_file, any certificate that this system trusts is taken"
        report.warn(tls.place.child("client_auth_type"), message)
    endpoint = make_endpoint(tls, report) if tls else None
    warnings = report.finish()
    return WebConfig(
        tls=endpoint,
        verifies_clients=_verifies(tls),
        has_authority=tls is not None and tls.verifies_given and tls.has_authority,
        users={name.encode(): hashed for name, hashed in file.basic_auth_users.items()},
        headers=tuple(file.http_server_config.headers.items()),
        rate_limit=limit.model_copy(update={"place": Location.NOWHERE}),
        probes_without_auth=file.probes_without_auth,
        warnings=warnings,
    )


def _verifies(tls: TlsSettings | None) -> bool:
    return tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"


def _check_names(file: WebFile, report: Report) -> None:
    """Report users and headers that cannot be."""
    users = file.place.child("basic_auth_users")
    for name in file.basic_auth_users:
        if ":" in name or not name.isprintable() or not 1 <= len(name) <= _LONGEST_NAME:
            message = f"expected a name of 1 to {_LONGEST_NAME} printable characters without ':'"
            report.problem(_named(users, name), message)
    headers = file.http_server_config.place.child("headers")
    for name, value in file.http_server_config.headers.items():
        allowed = HEADERS.get(name)
        if allowed is None:
            report.problem(_named(headers, name), f"cannot be set: {_nearest(name)}")
        elif allowed and value not in allowed:
            message = f"expected {' or '.join(allowed)}, got {shown(value)}"
            report.problem(_named(headers, name), message)


def _named(parent: Location, name: str) -> Location:
    child = parent.child(name).node
    return Location(child, parent, shown_key(name, child) if child else "")


def _nearest(name: str) -> str:
    if near := difflib.get_close_matches(name[:100], HEADERS, n=1):
        return f"did you mean {near[0]}?"
    return f"expected one of {', '.join(HEADERS)}"
