"""Why a query failed and what to do about it: one row for each reason.

The page for people, ``check-config --live`` and docs/runbook.md read this table, each in its way:
the page and the runbook know the reason only, and say ``what`` and ``remedy`` in general words;
the live check knows the target, and puts its names in.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.gpdb.kinds import KINDS, MANAGED_POLICY, JobKind


class Scope(enum.Enum):
    """What a failure concerns, so that it is reported once."""

    ALL = "this machine, the access key or the account"
    TARGET = "the target"
    JOB = "the job"


@dataclass(frozen=True, slots=True)
class Advice:
    """What a reason means, and what to do. Both are clauses, without a full stop.

    Attributes:
        scope: what it concerns.
        what: with ``{names}`` of ``IN_GENERAL``.
        remedy: likewise.
    """

    scope: Scope
    what: str
    remedy: str

    def in_general(self, kind: JobKind | None = None) -> tuple[str, str]:
        """Return two sentences: what it means, and what to do.

        Args:
            kind: of the job that was queried; None for a job of any kind.
        """
        actions = " or ".join(each.ram_action for each in ([kind] if kind else KINDS.values()))
        names = {
            **IN_GENERAL,
            "grant": f"grant its user or role the RAM action {actions}, "
            f"or the managed policy {MANAGED_POLICY}",
        }
        what, remedy = (text.format_map(names) for text in (self.what, self.remedy))
        return f"{what[:1].upper()}{what[1:]}.", f"{remedy[:1].upper()}{remedy[1:]}."


IN_GENERAL: Final[Mapping[str, str]] = {
    "host": "the API's host",
    "route": "the target's endpoint, region_id and network, and any proxy on the way",
    "limit": "api.request_timeout",
    "key": "what the environment, the files or the role give",
}
"""What stands for a name where no target is known; ``grant`` follows from the kind."""

_MAY_CONNECT: Final = "that firewall, network policy and VPC let this machine connect there"
_STRANGER: Final = (
    "check {route}; a firewall, a gateway or a login page on the way may answer in its place"
)

ADVICE: Final[Mapping[str, Advice]] = {
    "throttled": Advice(
        Scope.TARGET,
        "the host throttles our calls",
        "wait, the exporter backs off; if it lasts, lower api.calls_per_second, or find out who "
        "else calls with this account",
    ),
    "auth": Advice(
        Scope.ALL,
        "the API refuses the access key",
        "check that the key is enabled, and that its id, secret and token belong together: {key}",
    ),
    "clock_skew": Advice(
        Scope.ALL,
        "the API does not take the date of our calls, which may be 15 minutes off at most",
        "set this machine's clock, and keep it by NTP",
    ),
    "permission": Advice(
        Scope.TARGET,
        "the access key may not do this",
        "{grant}",
    ),
    "namespace_password": Advice(
        Scope.TARGET,
        "the API does not accept the password of the namespace",
        "check the target's namespace_password, and that it is the one of this namespace",
    ),
    "instance_state": Advice(
        Scope.TARGET,
        "the instance takes no calls for now: it restarts, is changed or is locked",
        "wait, its jobs are shown again once it runs; if it lasts, look at it in the cloud's "
        "console",
    ),
    "account": Advice(
        Scope.ALL,
        "the account may not use the service: it has not opened it, has not paid, or is held by "
        "risk control",
        "look at the account in the cloud's console",
    ),
    "not_found": Advice(
        Scope.JOB,
        "the API does not know the job, or its collection, namespace or instance",
        "compare the ids and names with those that started the job, upper and lower case too, "
        "since some clients write a collection's name in lower case; remove a job that is past",
    ),
    "bad_request": Advice(
        Scope.JOB,
        "the API does not take a value that was sent",
        "check id, collection and the target's ids",
    ),
    "api_fail": Advice(
        Scope.JOB,
        "the API says no, and the vendor does not document what that means",
        "read its words in the log; likely there is no such job, or the namespace password is "
        "wrong",
    ),
    "server": Advice(
        Scope.TARGET,
        "the API fails inside, or a gateway before it does",
        "wait, nothing here can change it; if it lasts, ask the vendor's support, with the "
        "RequestId in the log",
    ),
    "bad_answer": Advice(
        Scope.TARGET,
        "{host} answers, but not as the API does",
        _STRANGER,
    ),
    "too_large": Advice(
        Scope.TARGET,
        "{host} sends more than api.max_response_bytes, which is far more than the API does",
        _STRANGER,
    ),
    "redirect": Advice(
        Scope.TARGET,
        "{host} answers with a redirect, which is never followed",
        _STRANGER,
    ),
    "timeout": Advice(
        Scope.TARGET,
        "{host} gave no whole answer within {limit}",
        "check {route}, and " + _MAY_CONNECT,
    ),
    "connection": Advice(
        Scope.TARGET,
        "{host} refuses, resets or closes the connection",
        "check {route}, and " + _MAY_CONNECT,
    ),
    "dns": Advice(
        Scope.TARGET,
        "the name of {host} has no address",
        "check {route}, and DNS on this machine",
    ),
    "tls": Advice(
        Scope.TARGET,
        "there is no trusted TLS connection with {host}",
        "check {route}, api.ca_file, this machine's date, and any proxy that opens TLS",
    ),
    "proxy": Advice(
        Scope.TARGET,
        "the proxy refused the call, so {host} was not reached",
        "check the proxy's user and password, and that this machine may connect there through it; "
        "NO_PROXY names hosts that need no proxy",
    ),
    "credentials": Advice(
        Scope.ALL,
        "there is no usable access key or namespace password on this side",
        "check {key}, or choose another credentials.provider",
    ),
    "internal": Advice(
        Scope.JOB,
        "the exporter itself has a fault",
        "report it with the line of the log; --log.level=debug says more",
    ),
}
"""By reason; total over ``exporter.errors.REASONS``."""
