"""What is wrong where a query of a known target failed, and what to change. Pure.

The texts are those of ``exporter.advice``, with the target's names in them, unless the API's Code
says more. What the vendor documents is said as it is. What is not documented, such as the answer
to a wrong namespace password or to an unknown job, is said as likely.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from exporter.advice import ADVICE, Scope
from exporter.config.units import format_duration
from exporter.errors import (
    ApiError,
    BadAnswer,
    ConnectionFailed,
    NameNotResolved,
    NotFound,
    QueryError,
    TimedOut,
)
from exporter.gpdb.answers import CLOCK_SKEW_LIMIT
from exporter.gpdb.endpoints import CENTRAL_HOST, base_url
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS, MANAGED_POLICY, JobKind
from exporter.model import DEFAULT_NAMESPACE, Target
from exporter.secret import SecretFile


@dataclass(frozen=True, slots=True)
class Case:
    """A failure and what is to be known about it.

    Attributes:
        error: of the query.
        target: of the job.
        collection: of the job that was queried.
        kinds: of the target's jobs.
        provider: of the access key, as ``credentials.provider`` has it.
        request_timeout: seconds that one call may take.
        is_proxied: a proxy is configured, by file or environment.
        central: whether the API answered at its central host, where the target's own has no
            address; None where it was not tried there.
        redact: takes the known secrets out of the API's words.
    """

    error: QueryError
    target: Target
    collection: str = ""
    kinds: tuple[JobKind, ...] = (KINDS[DEFAULT_KIND],)
    provider: str = "environment"
    request_timeout: float = 5.0
    is_proxied: bool = False
    central: bool | None = None
    redact: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, and what to do.

    Attributes:
        scope: what it concerns.
        text: for people; the same for the same fault.
        keys: where it is to be changed: of the target, the first that is given; for ``Scope.ALL``
            one at the top level. None for no place.
        words: what the error says, and the RequestId; they may differ from call to call.
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
_PASSWORD_KEYS: Final = ("namespace_password_file", "namespace_password")
_OWNER_KEYS: Final = ("db_instance_id", "workspace_id")
_ENDPOINT_KEYS: Final = ("endpoint", "region_id")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("bad_answer", "too_large", "redirect", "dns", "connection", "timeout", "proxy"),
        _ENDPOINT_KEYS,
    ),
}
"""Where to change something, by reason; those of _MORE say it themselves."""


def diagnose(case: Case) -> Diagnosis:
    """Return what is wrong. There is something to say for each reason."""
    reason = case.error.reason
    advice = ADVICE[reason]
    names = _names(case)
    what, remedy = (text.format_map(names) for text in (advice.what, advice.remedy))
    in_general = Diagnosis(advice.scope, f"{what}: {remedy}", _KEYS.get(reason, ()))
    more = _MORE.get(reason)
    found = (more and more(case)) or in_general
    return replace(found, words=_words(case, found.text))


def ram_policy(target: Target, kinds: Iterable[JobKind]) -> str:
    """Return the smallest RAM policy that allows what we query of a target, as one line of JSON.

    Args:
        target: whose jobs are queried.
        kinds: of its jobs.
    """
    names = {"region_id": target.region_id, "instance": target.db_instance_id or "*"}
    statements = [
        {
            "Effect": "Allow",
            "Action": kind.ram_action,
            "Resource": kind.ram_resource.format_map(names),
        }
        for kind in kinds
    ]
    return json.dumps({"Version": "1", "Statement": statements}, ensure_ascii=False)


def clock_advice(skew: float) -> str:
    """Return what to do about a clock.

    Args:
        skew: seconds that the API's clock is ahead of ours.
    """
    way = "behind" if skew > 0 else "ahead of"
    seconds = f"{abs(skew):.0f} seconds"
    return (
        f"this machine's clock is {seconds} {way} the API's, which allows 15 minutes at most: "
        "set it, and keep it by NTP"
    )


def _names(case: Case) -> Mapping[str, str]:
    """Return what is put into the texts of ``exporter.advice``."""
    policy = ram_policy(case.target, case.kinds)
    setting = "endpoint" if case.target.endpoint else "region_id and network"
    return {
        "host": urlsplit(base_url(case.target)).netloc,
        "route": f"{setting}, the proxy" if case.is_proxied else setting,
        "limit": f"{format_duration(case.request_timeout)} (api.request_timeout)",
        "key": _KEY_PLACES.get(case.provider, "credentials"),
        "grant": f"attach the managed policy {MANAGED_POLICY} to its user or role, or this one, "
        f"which allows no more than is needed: {policy}",
    }


_KEY_PLACES: Final[Mapping[str, str]] = {
    "environment": "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "files": "the files that credentials names",
    "ram": "credentials.ram, and whom the role trusts",
}


def _clock_skew(case: Case) -> Diagnosis | None:
    skew = case.error.clock_skew
    if skew is None or abs(skew) <= CLOCK_SKEW_LIMIT:
        return None
    return Diagnosis(Scope.ALL, clock_advice(skew))


def _credentials(case: Case) -> Diagnosis:
    password = case.target.namespace_password
    if isinstance(password, SecretFile) and password.path in str(case.error):
        return Diagnosis(Scope.TARGET, f"{case.error}: put the password there", _PASSWORD_KEYS)
    remedy = ADVICE["credentials"].remedy.format_map(_names(case))
    return Diagnosis(Scope.ALL, f"{case.error}: {remedy}", ("credentials",))


# By the part of Code before its first dot, in lower case; all end in where the key comes from.
_KEY_FAULTS: Final[Mapping[str, str]] = {
    "invalidaccesskeyid": "the API does not know the access key's id, or it is disabled: check",
    "signaturedoesnotmatch": "the access key's secret does not belong to its id: check both in",
    "incompletesignature": "the signature is malformed: a proxy on the way may rewrite requests; "
    "else check",
    "missingsecuritytoken": "the access key is a temporary one, and its token is missing: "
    "set ALIBABA_CLOUD_SECURITY_TOKEN or credentials.security_token_file, beside",
    "invalidsecuritytoken": "the token does not belong to the access key, or is none: "
    "take key and token of one answer of STS for",
}
_EXPIRED: Final = "the temporary access key has expired: renew it, with its token, in"


def _auth(case: Case) -> Diagnosis:
    code = _code(case)
    fault = _KEY_FAULTS.get(code.split(".")[0], "the API refuses the access key: check")
    if "expired" in code:
        fault = _EXPIRED
    return Diagnosis(Scope.ALL, f"{fault} {_names(case)['key']}", ("credentials",))


def _not_found(case: Case) -> Diagnosis | None:
    if isinstance(case.error, NotFound) and case.error.what == "job":
        text = (
            "likely there is no such job: check id, collection and target, "
            "and take it out of the configuration if it is past"
        )
        return Diagnosis(Scope.JOB, text)
    return _subject(case)


def _subject(case: Case) -> Diagnosis | None:
    """Return what is wrong with what the API names in its Code; None where it names none of it."""
    code, target = _code(case), case.target
    if "collection" in code:
        text = (
            f"the API does not take the collection {case.collection}: check its name, upper and "
            "lower case too, since some clients write it in lower case when they create it; and "
            "that it is of this namespace"
        )
        return Diagnosis(Scope.JOB, text)
    if "instance" in code or "region" in code or "workspace" in code:
        owner = target.db_instance_id or target.workspace_id
        text = (
            f"the API does not take {owner} in {target.region_id}: check the id and region_id, "
            "that it is there and runs, and that the access key is of the account that owns it"
        )
        return Diagnosis(Scope.TARGET, text, _OWNER_KEYS)
    if "namespace" in code:
        namespace = target.namespace or DEFAULT_NAMESPACE
        text = (
            f"the API does not take the namespace {namespace}: check its name, upper and lower "
            "case too"
        )
        return Diagnosis(Scope.TARGET, text, ("namespace",))
    return None


def _namespace_password(case: Case) -> Diagnosis:
    namespace = case.target.namespace or DEFAULT_NAMESPACE
    text = (
        f"likely the namespace password is wrong, or there is no namespace {namespace}: "
        "compare both with those that created the collection"
    )
    return Diagnosis(Scope.TARGET, text, _PASSWORD_KEYS)


def _api_fail(case: Case) -> Diagnosis:
    if "password" in str(case.error).lower():  # in its words, where there is no Code
        return _namespace_password(case)
    return _subject(case) or _undocumented("the API says no")


def _bad_answer(case: Case) -> Diagnosis | None:
    if isinstance(case.error, BadAnswer) and case.error.is_of_api:
        return _undocumented(str(case.error))
    return None


def _undocumented(what: str) -> Diagnosis:
    """Return what may be meant where the API does not say what it does not know."""
    what = f"{what}, and the vendor does not document what that means"
    return Diagnosis(
        Scope.JOB,
        f"{what}: likely there is no such job, or the namespace password is wrong",
        _PASSWORD_KEYS,
        text_for_all=f"{what}: as it is so for every job, likely the namespace password is wrong",
    )


def _dns(case: Case) -> Diagnosis:
    names, advice = _names(case), ADVICE["dns"]
    text = ": ".join(text.format_map(names) for text in (advice.what, advice.remedy))
    if case.central:
        text = (
            f"the name {names['host']} does not resolve, but {CENTRAL_HOST} answers for this "
            f"target: set endpoint: https://{CENTRAL_HOST}"
        )
    elif case.central is not None:
        text += f"; {CENTRAL_HOST} was tried too, and gave no answer"
    elif case.target.network == "vpc" and not case.target.endpoint:
        text += "; network: vpc works inside that VPC only"
    return Diagnosis(advice.scope, text, _ENDPOINT_KEYS)


def _tls(case: Case) -> Diagnosis:
    text = f"TLS with {_names(case)['host']}: {case.error}"
    return Diagnosis(Scope.TARGET, text, _ENDPOINT_KEYS)


_MORE: Final[Mapping[str, Callable[[Case], Diagnosis | None]]] = {
    "api_fail": _api_fail,
    "auth": _auth,
    "bad_answer": _bad_answer,
    "bad_request": _subject,
    "clock_skew": _clock_skew,
    "credentials": _credentials,
    "dns": _dns,
    "namespace_password": _namespace_password,
    "not_found": _not_found,
    "tls": _tls,
}
"""What says more than the table of advice does, by reason; None where it does not this time."""


def _code(case: Case) -> str:
    return case.error.code.lower() if isinstance(case.error, ApiError) else ""


def _words(case: Case, text: str) -> str:
    """Return what the error says beyond a text, and the RequestId, in one line.

    It is cut after it is redacted, never inside a secret.
    """
    words = case.redact(" ".join(str(case.error).rstrip(": ").split()))
    if words in text or isinstance(case.error, TimedOut | ConnectionFailed | NameNotResolved):
        words = ""
    elif len(words) > _LONGEST_WORDS:
        words = words[:_LONGEST_WORDS] + "…"
    request_id = case.error.request_id and f"RequestId {case.redact(case.error.request_id)}"
    return "; ".join(filter(None, (words, request_id)))
