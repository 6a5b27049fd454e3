"""The proxy is what api.proxy or the usual variables name, in every way that they are written."""

import pytest

from exporter.gpdb.proxies import configured, secrets, variable
from exporter.secret import Secret

PASSWORD = "proxy-p4ssw0rd"


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("proxy", "http://proxy"),
        ("10.0.0.1:3128", "http://10.0.0.1:3128"),
        ("[::1]:3128", "http://[::1]:3128"),
        ("user:secret@proxy:3128", "http://user:secret@proxy:3128"),
        ("http://user:a%40b@proxy:3128/", "http://user:a%40b@proxy:3128/"),
        ("HTTP://proxy:3128", "http://proxy:3128"),
        ("https://proxy:3129", "https://proxy:3129"),
        (" proxy:3128\n", "http://proxy:3128"),
    ],
)
def test_ways_to_write_a_proxy(value: str, url: str) -> None:
    """A variable may leave the scheme out, as curl and requests allow."""
    assert configured(None, {"https_proxy": value}) == url


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://proxy:1080", "got socks5://: only HTTP proxies can be used"),
        ("SOCKS5H://u:{}@proxy:1080", "got socks5h://: only HTTP proxies can be used"),
        ("ftp://proxy", "got ftp://: only HTTP proxies can be used"),
        ("u:{}://proxy", "got another scheme: only HTTP proxies can be used"),
        ("http://", "got something else"),
        ("http:/proxy:3128", "got something else"),
        ("http://user:{}@:3128", "got something else"),
        ("proxy:port", "got something else"),
        ("proxy:0", "got something else"),
        ("proxy:99999", "got something else"),
        ("proxy:3128/path{}", "got something else"),
        ("pro xy:3128", "got something else"),
        ("proxy:3128\x00{}", "got something else"),
        ("http://[::1", "got something else"),
        ("u:{}@prox\u00fc", "got something else"),
    ],
)
def test_what_is_no_proxy(value: str, words: str) -> None:
    """The message says what was expected, and shows neither user nor password."""
    with pytest.raises(ValueError, match="expected http://host:port or") as caught:
        configured(None, {"https_proxy": value.replace("{}", PASSWORD)})

    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, ""),
        ({"http_proxy": "a", "HTTP_PROXY": "b"}, ""),
        ({"HTTPS_PROXY": "a"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "a", "https_proxy": "b"}, "https_proxy"),
        ({"ALL_PROXY": "a", "HTTPS_PROXY": "b"}, "HTTPS_PROXY"),
        ({"ALL_PROXY": "a", "all_proxy": "b"}, "all_proxy"),
        ({"HTTPS_PROXY": "a", "https_proxy": ""}, ""),
        ({"https_proxy": "", "ALL_PROXY": "a"}, "ALL_PROXY"),
    ],
)
def test_which_variable_counts(environ: dict[str, str], name: str) -> None:
    """Lower case goes before upper case, and the one for HTTPS before the one for all."""
    assert variable(environ) == name


def test_the_setting_goes_before_the_variables() -> None:
    """With api.proxy no variable is even looked at."""
    setting = Secret("http://setting:3128")

    assert configured(setting, {"https_proxy": "socks5://other"}) == "http://setting:3128"


def test_what_of_a_proxy_is_secret() -> None:
    """The whole URL, and its password as it is written and as it is meant."""
    known = {secret.reveal() for secret in secrets("http://user:a%40b@proxy:3128")}

    assert known == {"http://user:a%40b@proxy:3128", "a%40b", "a@b"}
    assert secrets("") == ()
