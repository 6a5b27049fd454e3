"""What to do about a query that failed, for each reason. Pure.

What the vendor documents is told as it is. What is not documented, such as the answer to a wrong
namespace password or to an unknown job, is told as likely.
"""

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from exporter.config.units import format_duration
from exporter.errors import ApiError, BadAnswer, QueryError
from exporter.gpdb.answers import CLOCK_SKEW_LIMIT
from exporter.gpdb.endpoints import base_url
from exporter.gpdb.kinds import KINDS
from exporter.model import DEFAULT_NAMESPACE, UPSERT_COLLECTION_DATA, Target
from exporter.secret import SecretFile


class Scope(enum.Enum):
    """What a failure is about, so that it is told once."""

    ALL = "all"  # this machine or the access key
    TARGET = "target"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Case:
    """A failure and what is to be known about it.

    Attributes:
        error: of the query.
        target: that was asked.
        provider: of the access key, as ``credentials.provider`` has it.
        request_timeout: seconds that one call may take.
        is_proxied: a proxy is configured, by file or environment.
        redact: takes the known secrets out of the API's words.
    """

    error: QueryError
    target: Target
    provider: str = "environment"
    request_timeout: float = 5.0
    is_proxied: bool = False
    redact: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong, and what to do.

    Attributes:
        scope: whom it is about.
        text: for people; the same for the same fault.
        keys: where it is to be changed: of the target, the first that is given; for ``Scope.ALL``
            one at the top level. None for no place.
        words: the API's own, which may differ from call to call; empty for none.
        text_for_all: what is likelier where every job of a target fails so; empty for the same.
    """

    scope: Scope
    text: str
    keys: tuple[str, ...] = ()
    words: str = ""
    text_for_all: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.words})" if self.words else self.text


_LONGEST_WORDS: Final = 300  # characters of the API's own
_MAY_CONNECT: Final = "that firewall, network policy and VPC let this machine connect there"
_PASSWORD_KEYS: Final = ("namespace_password_file", "namespace_password")
_OWNER_KEYS: Final = ("db_instance_id", "workspace_id")
_ENDPOINT_KEYS: Final = ("endpoint", "region_id")


def advise(case: Case) -> Advice:
    """Return the advice for a failure. There is one for each reason."""
    return _ADVICE[case.error.reason](case)


def ram_policy(target: Target) -> str:
    """Return the smallest RAM policy that allows what we ask of a target, as one line of JSON.

    Resource and action: the vendor's page of GetUpsertCollectionDataJob. It names the resource of
    an instance only, so for a workspace it is every collection of the region.
    """
    owner = target.db_instance_id or "*"
    statement = {
        "Effect": "Allow",
        "Action": f"gpdb:{KINDS[UPSERT_COLLECTION_DATA].action}",
        "Resource": f"acs:gpdb:{target.region_id}:*:collection/{owner}",
    }
    return json.dumps({"Version": "1", "Statement": [statement]}, ensure_ascii=False)


def clock_advice(skew: float) -> str:
    """Return what to do about a clock.

    Args:
        skew: seconds that the API's clock is ahead of ours.
    """
    way = "behind" if skew > 0 else "ahead of"
    seconds = f"{abs(skew):.0f} seconds"
    return (
        f"this machine's clock is {seconds} {way} the API's, which bears 15 minutes at most: "
        "set it, and keep it by NTP"
    )


def _clock_skew(case: Case) -> Advice:
    skew = case.error.clock_skew
    if skew is not None and abs(skew) > CLOCK_SKEW_LIMIT:
        return Advice(Scope.ALL, clock_advice(skew))
    text = "the API does not take the date of our calls: set this machine's clock, best by NTP"
    return Advice(Scope.ALL, text, words=_words(case))


_KEY_PLACES: Final[Mapping[str, str]] = {
    "environment": "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "files": "the files that credentials names",
    "ram": "credentials.ram, and whom the role trusts",
}


def _key_place(case: Case) -> str:
    return _KEY_PLACES.get(case.provider, "credentials")


def _credentials(case: Case) -> Advice:
    password = case.target.namespace_password
    if isinstance(password, SecretFile) and password.path in str(case.error):
        return Advice(Scope.TARGET, f"{case.error}: put the password there", _PASSWORD_KEYS)
    text = f"{case.error}: check {_key_place(case)}, or choose another credentials.provider"
    return Advice(Scope.ALL, text, ("credentials",))


# By the part of Code before its first dot, in lower case; all end in where the key comes from.
_KEY_FAULTS: Final[Mapping[str, str]] = {
    "invalidaccesskeyid": "the API does not know the access key's id, or it is disabled: check",
    "signaturedoesnotmatch": "the access key's secret does not belong to its id: check both in",
    "incompletesignature": "the signature came mutilated: does a proxy on the way change requests? "
    "Else check",
    "missingsecuritytoken": "the access key is a temporary one, and its token is missing: "
    "set ALIBABA_CLOUD_SECURITY_TOKEN or credentials.security_token_file, beside",
    "invalidsecuritytoken": "the token does not belong to the access key, or is none: "
    "take key and token of one answer of STS for",
}
_EXPIRED: Final = "the temporary access key has expired: renew it, with its token, in"


def _auth(case: Case) -> Advice:
    code = _code(case).lower()
    if not code:
        return _stranger(case)
    fault = _KEY_FAULTS.get(code.split(".")[0], "the API refuses the access key: check")
    if "expired" in code:
        fault = _EXPIRED
    text = f"{fault} {_key_place(case)}"
    return Advice(Scope.ALL, text, ("credentials",), _words(case))


def _permission(case: Case) -> Advice:
    if not _code(case):
        return _stranger(case)
    if about := _subject(case):
        return about
    text = "the access key may not do this: attach this RAM policy to its user or role: "
    return Advice(Scope.TARGET, text + ram_policy(case.target), words=_words(case))


def _subject(case: Case) -> Advice | None:
    """Return advice on what the API names in its words; None where it names nothing we know."""
    code = _code(case).lower()
    target = case.target
    if "password" in f"{code} {case.error}".lower():
        namespace = target.namespace or DEFAULT_NAMESPACE
        text = f"likely the namespace password is wrong, or there is no namespace {namespace}"
        return Advice(Scope.TARGET, text, _PASSWORD_KEYS, _words(case))
    if "instance" in code or "region" in code or "workspace" in code:
        owner = target.db_instance_id or target.workspace_id
        text = (
            f"the API does not take {owner} in {target.region_id}: check the id and region_id, "
            "that it is there and runs, and that the access key is of the account that owns it"
        )
        return Advice(Scope.TARGET, text, _OWNER_KEYS, _words(case))
    if "namespace" in code:
        text = "the API does not take the namespace: check its name"
        return Advice(Scope.TARGET, text, ("namespace",), _words(case))
    return None


def _not_found(case: Case) -> Advice:
    if not _code(case):
        return _stranger(case)
    text = (
        "likely there is no such job: check id, collection and target, "
        "and take it out of the configuration if it is past"
    )
    return _subject(case) or Advice(Scope.JOB, text, words=_words(case))


def _bad_request(case: Case) -> Advice:
    if not _code(case):
        return _stranger(case)
    text = "the API does not take a value that was sent: check id, collection and the target's ids"
    return _subject(case) or Advice(Scope.JOB, text, words=_words(case))


def _api_fail(case: Case) -> Advice:
    return _subject(case) or _undocumented("the API says no", _words(case))


def _bad_answer(case: Case) -> Advice:
    if isinstance(case.error, BadAnswer) and case.error.is_of_api:
        return _undocumented(str(case.error), "")
    return _stranger(case)


def _undocumented(what: str, words: str) -> Advice:
    """Return advice on what the API says, without words for it, to what it does not know."""
    what = f"{what}, and the vendor does not document what that means"
    return Advice(
        Scope.JOB,
        f"{what}: likely there is no such job, or the namespace password is wrong",
        _PASSWORD_KEYS,
        words,
        text_for_all=f"{what}: as it is so for every job, likely the namespace password is wrong",
    )


def _stranger(case: Case) -> Advice:
    """Return advice on what does not answer as the API does."""
    text = (
        f"{_host(case)} answers, but not as the API does: check {_what_leads_there(case)}; perhaps "
        "a firewall or a login page on the way answers in its place"
    )
    return Advice(Scope.TARGET, text, _ENDPOINT_KEYS, _words(case))


def _too_large(case: Case) -> Advice:
    limit = f"{case.error} (api.max_response_bytes), far more than the API sends"
    return Advice(Scope.TARGET, f"{limit}: {_stranger(case).text}", _ENDPOINT_KEYS)


def _redirect(case: Case) -> Advice:
    text = (
        f"{_host(case)} answers with a redirect, which is never followed: "
        f"check {_what_leads_there(case)}; perhaps a login page on the way answers in its place"
    )
    return Advice(Scope.TARGET, text, _ENDPOINT_KEYS, _words(case))


def _dns(case: Case) -> Advice:
    text = f"the name {_host(case)} has no address: check {_what_leads_there(case)}, and DNS here"
    if case.target.network == "vpc" and not case.target.endpoint:
        text += "; network: vpc works inside that VPC only"
    return Advice(Scope.TARGET, text, _ENDPOINT_KEYS)


def _connection(case: Case) -> Advice:
    text = (
        f"{_host(case)} refuses, resets or closes the connection: "
        f"check {_what_leads_there(case)}, and {_MAY_CONNECT}"
    )
    return Advice(Scope.TARGET, text, _ENDPOINT_KEYS)


def _timeout(case: Case) -> Advice:
    limit = format_duration(case.request_timeout)
    text = (
        f"{_host(case)} gave no answer within {limit} (api.request_timeout): "
        f"check {_what_leads_there(case)}, and {_MAY_CONNECT}"
    )
    return Advice(Scope.TARGET, text, _ENDPOINT_KEYS)


def _tls(case: Case) -> Advice:
    return Advice(Scope.TARGET, f"TLS with {_host(case)}: {case.error}", _ENDPOINT_KEYS)


def _proxy(case: Case) -> Advice:
    text = (
        f"{case.error}, so {_host(case)} was not reached: check the proxy's user and password, and "
        "that it may connect there; NO_PROXY names hosts that need no proxy"
    )
    return Advice(Scope.TARGET, text, _ENDPOINT_KEYS)


def _throttled(case: Case) -> Advice:
    text = (
        "the API throttles: wait and try again; if it stays so, lower api.calls_per_second, or "
        "see who else calls with this account"
    )
    return Advice(Scope.TARGET, text, words=_words(case))


def _server(case: Case) -> Advice:
    text = "the API fails inside, which nothing here can change: try again later, or ask the vendor"
    return Advice(Scope.TARGET, text, words=_words(case))


def _internal(case: Case) -> Advice:
    text = f"a fault of this program: {case.error}: please report it, with --log.level=debug"
    return Advice(Scope.JOB, text)


_ADVICE: Final[Mapping[str, Callable[[Case], Advice]]] = {
    "api_fail": _api_fail,
    "auth": _auth,
    "bad_answer": _bad_answer,
    "bad_request": _bad_request,
    "clock_skew": _clock_skew,
    "connection": _connection,
    "credentials": _credentials,
    "dns": _dns,
    "internal": _internal,
    "not_found": _not_found,
    "permission": _permission,
    "proxy": _proxy,
    "redirect": _redirect,
    "server": _server,
    "throttled": _throttled,
    "timeout": _timeout,
    "tls": _tls,
    "too_large": _too_large,
}


def _host(case: Case) -> str:
    return urlsplit(base_url(case.target)).netloc


def _what_leads_there(case: Case) -> str:
    setting = "endpoint" if case.target.endpoint else "region_id and network"
    return f"{setting}, the proxy" if case.is_proxied else setting


def _code(case: Case) -> str:
    return case.error.code if isinstance(case.error, ApiError) else ""


def _words(case: Case) -> str:
    """Return what the API says, in one line: cut after it is redacted, never inside a secret."""
    words = case.redact(" ".join(str(case.error).rstrip(": ").split()))
    return words if len(words) <= _LONGEST_WORDS else words[:_LONGEST_WORDS] + "…"
