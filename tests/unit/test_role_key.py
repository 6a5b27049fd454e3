"""The process that asks for a role's key: what it sets before, and what it says of failures."""

import socket
from pathlib import Path

import pytest
import requests
from alibabacloud_credentials.exceptions import CredentialException
from Tea.exceptions import RetryError

from exporter.gpdb.role_key import explain, prepare

SECRET = "eyJhbGciOi.planted"
SENSELESS = "the answer is not one that holds a key"
CHAIN = (
    "EnvironmentVariable (nothing there); OIDCRoleArn (HTTP 403, NoPermission); "
    "EcsRamRole (no connection, or no answer in time)"
)


def retried(error: OSError) -> RetryError:
    """Return what the vendor's core makes of a failure of the network."""
    try:
        try:
            raise error
        except OSError as caught:
            raise RetryError(f"url: /?OIDCToken={SECRET} {caught}")  # noqa: B904  as the core does
    except RetryError as made:
        return made


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            CredentialException(
                "error refreshing credentials from oidc_role_arn, http_code: 400, result: "
                f'{{"Code":"AuthenticationFail.OIDCToken.Expired","Message":"{SECRET}"}}'
            ),
            "HTTP 400, AuthenticationFail.OIDCToken.Expired",
        ),
        (
            CredentialException(
                f"error refreshing credentials from http://h/{SECRET},  http_code=503, result: "
            ),
            "HTTP 503",
        ),
        (CredentialException("Failed to get token. HttpCode=404"), "HTTP 404"),
        (CredentialException(f'result: {{"Code": "{SECRET}"}}'), SENSELESS),
        (CredentialException(f"retrieving credentials from u result: {SECRET}"), SENSELESS),
        (
            CredentialException("No cached value was found."),
            "the key that came has already ended: check this machine's clock",
        ),
        (
            ValueError("uri or environment variable ALIBABA_CLOUD_CREDENTIALS_URI cannot be empty"),
            "ALIBABA_CLOUD_CREDENTIALS_URI is not set, nor its key in the configuration",
        ),
        (ValueError(f"not JSON: {SECRET}"), SENSELESS),
        (AttributeError("'list' object has no attribute 'get'"), SENSELESS),
        (MemoryError(), "the answer is far too long"),
        (
            FileNotFoundError(2, "No such file or directory", "/run/token"),
            "file /run/token: No such file or directory",
        ),
        (retried(requests.exceptions.ReadTimeout(SECRET)), "no whole answer in time"),
        (retried(requests.exceptions.ConnectionError(SECRET)), "no connection"),
        (
            retried(requests.exceptions.ConnectionError(socket.gaierror(-2, SECRET))),
            "the host's name could not be resolved",
        ),
        (
            retried(requests.exceptions.SSLError(SECRET)),
            "its TLS certificate is not trusted (api.ca_file or SSL_CERT_FILE names authorities)",
        ),
        (
            CredentialException(
                "unable to load credentials from any of the providers in the chain: "
                "['EnvironmentVariableCredentialsProvider: Environment variable accessKeyId', "
                "'OIDCRoleArnCredentialsProvider: http_code: 403, result: "
                f'{{"Code":"NoPermission","Message":"{SECRET}"}}\', '
                f"\"EcsRamRoleCredentialsProvider: HTTPConnectionPool(host='{SECRET}'\"]"
            ),
            CHAIN,
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else type(value).__name__,
)
def test_what_is_said_of_a_failure(error: Exception, words: str) -> None:
    """What helps is told: status, code, variable, file. What the exception quotes is not."""
    assert explain(error) == words


def test_environment() -> None:
    """Printing of headers is off, the old metadata protocol too; plain HTTP takes no proxy."""
    environ = {
        "DEBUG": "sdk",
        "HTTP_PROXY": "http://proxy:3128",
        "http_proxy": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
    }

    prepare(environ, {})

    assert environ == {
        "HTTPS_PROXY": "http://proxy:3128",
        "ALIBABA_CLOUD_IMDSV1_DISABLED": "true",
        "ALIBABA_CLOUD_ROLE_SESSION_NAME": "adbpg-job-exporter",
    }


def test_what_the_user_set_stands() -> None:
    """The vendor's own variables decide where they are set."""
    own = {
        "ALIBABA_CLOUD_IMDSV1_DISABLED": "false",
        "ALIBABA_CLOUD_ROLE_SESSION_NAME": "mine",
    }
    environ = dict(own)

    prepare(environ, {})

    assert environ == own


def test_proxy_of_the_configuration() -> None:
    """The proxy for calls of the API is that for calls of STS."""
    environ = {"HTTPS_PROXY": "http://other:3128"}

    prepare(environ, {"proxy": "http://proxy:3128"})

    assert environ["HTTPS_PROXY"] == "http://proxy:3128"


@pytest.mark.parametrize(
    ("exempt", "variables", "settings"),
    [
        ("sts.aliyuncs.com", {}, {}),
        (".aliyuncs.com", {"ALIBABA_CLOUD_STS_REGION": "cn-beijing"}, {}),
        (
            "sts-vpc.cn-beijing.aliyuncs.com",
            {
                "ALIBABA_CLOUD_STS_REGION": "cn-beijing",
                "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true",
            },
            {},
        ),
        ("sts.internal", {}, {"sts_endpoint": "sts.internal"}),
    ],
)
def test_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
    exempt: str,
    variables: dict[str, str],
    settings: dict[str, str],
) -> None:
    """A host of STS that NO_PROXY names is asked without the proxy."""
    monkeypatch.setenv("no_proxy", exempt)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    environ = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": exempt, **variables}

    prepare(environ, settings)

    assert "HTTPS_PROXY" not in environ


def test_no_proxy_goes_before_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that needs no proxy takes that of the configuration neither."""
    monkeypatch.setenv("no_proxy", "sts.aliyuncs.com")
    environ = {"https_proxy": "http://other:3128"}

    prepare(environ, {"proxy": "http://proxy:3128"})

    assert not {name for name in environ if name.lower() == "https_proxy"}


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_without_a_scheme(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables mean for the vendor's package what they mean for the API's client."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    environ = {name: "proxy:3128"}

    prepare(environ, {})

    assert environ["HTTPS_PROXY"] == "http://proxy:3128"


def test_a_proxy_that_refuses() -> None:
    """Its status is told, and nothing else of what the library says."""
    error = Exception("... Tunnel connection failed: 407 Proxy user:secret ...")

    assert explain(error) == "the proxy answered HTTP 407 to CONNECT"


def test_the_package_is_where_it_is_looked_for() -> None:
    """The pinned release has the classes, parameters and texts that are relied on."""
    import alibabacloud_credentials.provider as package  # noqa: PLC0415  adds handlers

    source = "".join(file.read_text("utf-8") for file in Path(package.__file__).parent.glob("*.py"))

    for relied_on in (
        "environment variable ALIBABA_CLOUD_ROLE_ARN cannot be empty",
        "No cached value was found",
        "IMDS credentials is disabled",
        "failed to get credential from credentials file",
        "unsupported credential type",
        "async_update_enabled: bool",
        "http_code",
        "HttpCode=",
    ):
        assert relied_on in source, relied_on
