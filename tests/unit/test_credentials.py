"""The access key is the one of now, and a useless one is refused with its place, not its value."""

from pathlib import Path

import pytest

from exporter.errors import NoCredentials
from exporter.gpdb.credentials import AccessKey, EnvironmentCredentials, FileCredentials
from exporter.secret import Secret, SecretFile

ID = "ALIBABA_CLOUD_ACCESS_KEY_ID"
SECRET = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"
BOTH = {ID: "LTAI5tEXAMPLE", SECRET: "ExampleSecret"}
# Longer than what they replace, so that their files are seen to have changed.
USELESS = [
    "two\nlines of it",
    "two\rlines of it",
    "a tab\tin it",
    "ключ доступа",
    "nul\x00 in it",
    "é in it",
]


def test_environment() -> None:
    """The key is in the variables that all of the vendor's tools read."""
    key = EnvironmentCredentials(BOTH).current()

    assert key == AccessKey("LTAI5tEXAMPLE", Secret("ExampleSecret"), None)


def test_temporary_key() -> None:
    """A security token makes it a temporary key."""
    key = EnvironmentCredentials({**BOTH, TOKEN: "CAISexample/STS+token=="}).current()

    assert key.security_token == Secret("CAISexample/STS+token==")


@pytest.mark.parametrize("token", ["", " ", "\n"])
def test_empty_token(token: str) -> None:
    """A variable that is set to nothing is as good as not set."""
    assert EnvironmentCredentials({**BOTH, TOKEN: token}).current().security_token is None


def test_white_space() -> None:
    """White space around a value, as copying brings it along, is not a part of it."""
    key = EnvironmentCredentials({name: f" {value}\n" for name, value in BOTH.items()}).current()

    assert key == EnvironmentCredentials(BOTH).current()


@pytest.mark.parametrize("missing", [ID, SECRET])
@pytest.mark.parametrize("value", [None, "", " \n"])
def test_missing_variable(missing: str, value: str | None) -> None:
    """A missing or empty variable is named, when the key is needed and not before."""
    environ = {name: text for name, text in {**BOTH, missing: value}.items() if text is not None}
    credentials = EnvironmentCredentials(environ)

    with pytest.raises(NoCredentials) as caught:
        credentials.current()

    assert str(caught.value) == f"the environment variable {missing} is not set"


@pytest.mark.parametrize("variable", [ID, SECRET, TOKEN])
@pytest.mark.parametrize("value", [*USELESS, "\udcff"], ids=ascii)
def test_useless_variable(variable: str, value: str) -> None:
    """A value that no header can carry is refused: the variable is named, the value is not."""
    credentials = EnvironmentCredentials({**BOTH, variable: value})

    with pytest.raises(NoCredentials) as caught:
        credentials.current()

    assert variable in str(caught.value)
    assert value not in str(caught.value)


def test_later_changes_of_the_environment() -> None:
    """The environment is read once: what it becomes later is of no matter."""
    environ = dict(BOTH)
    credentials = EnvironmentCredentials(environ)

    environ.clear()

    assert credentials.current().id == "LTAI5tEXAMPLE"


def test_a_key_shows_its_id_only() -> None:
    """What a key prints as has neither the secret nor the token."""
    shown = repr(EnvironmentCredentials({**BOTH, TOKEN: "CAISexample"}).current())

    assert shown == ("AccessKey(id='LTAI5tEXAMPLE', secret=<secret>, security_token=<secret>)")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The three files of a temporary key."""
    paths = {name: tmp_path / name for name in ("id", "secret", "token")}
    for name, path in paths.items():
        path.write_text(f"{name}-1\n", "utf-8")
    return paths


def credentials_in(files: dict[str, Path]) -> FileCredentials:
    """The credentials that these files hold."""
    key_id, secret, token = (SecretFile(str(path)) for path in files.values())
    return FileCredentials(key_id, secret, token)


def test_files(files: dict[str, Path]) -> None:
    """Each part of the key is the text of its file."""
    key = credentials_in(files).current()

    assert key == AccessKey("id-1", Secret("secret-1"), Secret("token-1"))


def test_files_of_a_lasting_key(files: dict[str, Path]) -> None:
    """Without a file for it there is no token."""
    key_id, secret = SecretFile(str(files["id"])), SecretFile(str(files["secret"]))

    assert FileCredentials(key_id, secret, None).current().security_token is None


@pytest.mark.parametrize("rotated", ["id", "secret", "token"])
def test_rotated_files(files: dict[str, Path], rotated: str) -> None:
    """The next key after a file changed is the new one, and differs from the old one."""
    credentials = credentials_in(files)
    before = credentials.current()
    files[rotated].write_text("a new and longer value", "utf-8")

    after = credentials.current()

    parts = {"id": after.id, "secret": after.secret, "token": after.security_token}
    assert parts[rotated] in {"a new and longer value", Secret("a new and longer value")}
    assert after != before
    assert hash(after) != hash(before)


def test_unchanged_files(files: dict[str, Path]) -> None:
    """While no file changes the key is equal to the one before, and hashes alike."""
    credentials = credentials_in(files)

    one, two = credentials.current(), credentials.current()

    assert one == two
    assert hash(one) == hash(two)


@pytest.mark.parametrize("name", ["id", "secret", "token"])
@pytest.mark.parametrize("content", [None, "", "\n", " \n \n", *USELESS], ids=ascii)
def test_useless_files(files: dict[str, Path], name: str, content: str | None) -> None:
    """A file that is gone, empty or holds no key is named, and its content is not told."""
    credentials = credentials_in(files)
    credentials.current()
    if content is None:
        files[name].unlink()
    else:
        files[name].write_text(content, "utf-8", newline="")

    with pytest.raises(NoCredentials) as caught:
        credentials.current()

    assert str(caught.value).startswith(f"secret file {files[name]}: ")
    assert (content or "").strip() in {"", None} or str(content) not in str(caught.value)
