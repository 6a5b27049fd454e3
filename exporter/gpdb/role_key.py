"""Asks for a role's temporary key, once, in a process of its own: ``python -m`` this module.

The vendor's package is imported here and nowhere else. It reads the environment when imported, adds
handlers to its loggers, starts threads that nobody can stop, and bounds each read, not the whole.
In a process that ends after one answer, and is killed when its time is up, none of that matters.

Standard input has the settings as one JSON object, standard output gets the answer as another.
Nothing of what the vendor's exceptions say is passed on: they quote answers, and URLs with tokens.
"""

import ctypes
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final

import certifi
import requests.adapters
import requests.utils

from exporter.gpdb import failures, proxies
from exporter.gpdb.authorities import Authorities, authorities
from exporter.secret import Secret

Settings = Mapping[str, str]

SESSION_NAME: Final = "adbpg-job-exporter"  # what the audit log shows as the role's user
_PR_SET_PDEATHSIG: Final = 1  # of linux/prctl.h
_MOST_MEMORY: Final = 256 << 20  # bytes; the package takes 50 MiB, the rest is for the answer
_LONGEST: Final = 16_384  # characters of one part of a key

_SOURCES: Final = {
    "default": "none of the vendor's default ways gave a key",
    "oidc_role_arn": "STS gave no key for the OIDC token",
    "ecs_ram_role": "the ECS metadata service gave no key",
    "profile": "the profile gave no key",
    "credentials_uri": "the credentials URI gave no key",
}
_NETWORK: Final = {
    "dns": "the host's name could not be resolved",
    "timeout": "no whole answer in time",
    "tls": "its TLS certificate is not trusted (api.ca_file or SSL_CERT_FILE names authorities)",
}
_VARIABLE = re.compile(r"environment variable (ALIBABA_CLOUD_[A-Z_]+) cannot be empty")
_STATUS = re.compile(r"(?:http_?code)[:=] ?([0-9]{3})\b", re.IGNORECASE)
_TUNNEL = re.compile("Tunnel connection failed: ([0-9]{3})")
_CODE = re.compile(r'"Code" ?: ?"((?:[A-Z][A-Za-z]{1,40}\.?){1,4})"')
_IN_WORDS: Final = {
    "No cached value was found": "the key that came has already ended: check this machine's clock",
    "ConnectionPool(": "no connection, or no answer in time",
    "IMDS credentials is disabled": "ALIBABA_CLOUD_ECS_METADATA_DISABLED is true",
    "failed to get credential from credentials file": "it is not in the file, or there is no file",
    "unsupported credential type": "its type is not one that is known",
}
_LINKS = re.compile(r"\b([A-Za-z]{1,30})CredentialsProvider: ")
_SENSELESS: Final = "the answer is not one that holds a key"


def main() -> None:
    """Answer with ``id``, ``secret``, ``token`` and ``ends``, or with ``error``."""
    settings: dict[str, str] = json.load(sys.stdin)
    # Where the exporter has ended, nobody else is left to end this.
    with suppress(OSError, AttributeError):  # Linux only
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.setitimer(signal.ITIMER_REAL, float(settings["lifetime"]))
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or most > _MOST_MEMORY:
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, most))
    try:
        prepare(os.environ, settings)
        trust(os.environ, settings)
        answer = _key(settings)
    except Exception as error:  # noqa: BLE001  the package lets through what there is
        answer = {"error": f"{_SOURCES[settings['kind']]}: {explain(error)}"}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # threads and exit handlers of the package are not waited for


def prepare(environ: MutableMapping[str, str], settings: Settings) -> None:
    """Set what the vendor's package reads when it is imported."""
    environ.pop("DEBUG", None)  # "sdk" there makes it print headers, tokens among them
    for name in ("HTTP_PROXY", "http_proxy"):
        environ.pop(name, None)  # plain HTTP stays on this machine; a proxy would see the key
    setting = Secret(settings["proxy"]) if settings.get("proxy") else None
    proxy = proxies.configured(setting, environ)
    for name in ("HTTPS_PROXY", "https_proxy"):
        environ.pop(name, None)  # the package looks at no other, and not at NO_PROXY
    if proxy and not requests.utils.should_bypass_proxies(_key_service(environ, settings), None):
        environ["HTTPS_PROXY"] = proxy
    environ.setdefault("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")
    environ.setdefault("ALIBABA_CLOUD_ROLE_SESSION_NAME", SESSION_NAME)


def trust(environ: MutableMapping[str, str], settings: Settings) -> None:
    """Have the vendor's package trust whom the API's client trusts, and nobody else.

    By itself it trusts the system's authorities, those of certifi, and those of requests.
    """
    trusted = authorities(settings.get("ca_file", ""), environ)
    if trusted.are_usual:
        trusted = Authorities(file=certifi.where())
    environ["SSL_CERT_FILE"] = trusted.file or os.devnull
    environ["SSL_CERT_DIR"] = trusted.directory or os.devnull
    certifi.where = lambda: trusted.file
    first, *_ = trusted.directory.split(os.pathsep)
    requests.adapters.DEFAULT_CA_BUNDLE_PATH = trusted.file or first


def _key_service(environ: Mapping[str, str], settings: Settings) -> str:
    """Return the URL of the service that gives the key over HTTPS."""
    if settings.get("kind") == "credentials_uri":
        return settings.get("uri") or environ.get("ALIBABA_CLOUD_CREDENTIALS_URI", "")
    return f"https://{_sts_host(environ, settings)}"


def _sts_host(environ: Mapping[str, str], settings: Settings) -> str:
    region = environ.get("ALIBABA_CLOUD_STS_REGION")
    is_vpc = environ.get("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "").lower() == "true"
    prefix = "sts-vpc" if is_vpc else "sts"
    return settings.get("sts_endpoint") or (
        f"{prefix}.{region}.aliyuncs.com" if region else "sts.aliyuncs.com"
    )


def _key(settings: Settings) -> dict[str, object]:
    found = _provider(settings).get_credentials()
    parts = {
        "id": found.get_access_key_id(),
        "secret": found.get_access_key_secret(),
        "token": found.get_security_token() or "",
    }
    for name, value in parts.items():
        is_text = isinstance(value, str) and value.isascii() and value.isprintable()
        if not is_text or len(value) > _LONGEST or (not value and name != "token"):
            return {"error": f"{_SOURCES[settings['kind']]}: {_SENSELESS}"}
    return {**parts, "ends": found.get_expiration()}


def _provider(settings: Settings) -> Any:
    from alibabacloud_credentials import provider  # noqa: PLC0415  see ``prepare``
    from alibabacloud_credentials.http import HttpOptions  # noqa: PLC0415

    def given(name: str) -> str | None:
        return settings.get(name) or None

    milliseconds = int(float(settings["timeout"]) * 1000)
    options = HttpOptions(connect_timeout=milliseconds, read_timeout=milliseconds)
    ways = {
        "default": provider.DefaultCredentialsProvider,
        "oidc_role_arn": lambda: provider.OIDCRoleArnCredentialsProvider(
            role_arn=given("role_arn"),
            oidc_provider_arn=given("oidc_provider_arn"),
            oidc_token_file_path=given("oidc_token_file"),
            sts_endpoint=given("sts_endpoint"),
            http_options=options,
        ),
        "ecs_ram_role": lambda: provider.EcsRamRoleCredentialsProvider(
            role_name=given("role_name"), http_options=options, async_update_enabled=False
        ),
        "profile": lambda: provider.ProfileCredentialsProvider(
            profile_file=given("profile_file"), profile_name=given("profile")
        ),
        "credentials_uri": lambda: provider.URLCredentialsProvider(
            uri=given("uri"), http_options=options
        ),
    }
    return ways[settings["kind"]]()


def explain(error: BaseException) -> str:
    """Return why there is no key, in words of our own."""
    if isinstance(error, MemoryError):
        return "the answer is far too long"
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return f"file {error.filename}: {error.strerror}"
    if found := _TUNNEL.search(str(error)):
        return f"the proxy answered HTTP {found[1]} to CONNECT"
    if isinstance(error.__context__, OSError):
        return _NETWORK.get(failures.translate(error.__context__).reason, "no connection")
    text = str(error)
    links = _LINKS.split(text)[1:]
    if not links:
        return ", ".join(_facts(text)) or _SENSELESS
    reasons = zip(links[::2], links[1::2], strict=True)
    return "; ".join(
        f"{name} ({', '.join(_facts(why)) or 'nothing there'})" for name, why in reasons
    )


def _facts(text: str) -> Iterator[str]:
    """Yield what is known to hold no secret of what an exception of the package says."""
    if found := _VARIABLE.search(text):
        yield f"{found[1]} is not set, nor its key in the configuration"
    if found := _STATUS.search(text):
        yield f"HTTP {found[1]}"
    if (found := _CODE.search(text)) and found[1] != "Success":
        yield found[1]
    yield from (words for known, words in _IN_WORDS.items() if known in text)


if __name__ == "__main__":
    main()
