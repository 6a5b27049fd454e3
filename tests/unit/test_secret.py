"""A secret cannot be shown by accident, and one in a file is as fresh as its file."""

import copy
import dataclasses
import json
import logging
import os
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.errors import NoCredentials
from exporter.secret import AnySecret, Secret, SecretFile

VALUE = "s3cr3t-välue"


@dataclass(frozen=True, slots=True)
class Holder:
    """A record with a secret in it."""

    name: str
    password: AnySecret


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that holds the secret."""
    file = tmp_path / "password"
    file.write_text(VALUE, "utf-8")
    return file


@pytest.fixture(params=["Secret", "SecretFile"])
def secret(request: pytest.FixtureRequest, path: Path) -> AnySecret:
    """A secret of either kind, that has been revealed before."""
    made: AnySecret = Secret(VALUE) if request.param == "Secret" else SecretFile(str(path))
    assert made.reveal() == VALUE
    return made


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        format,
        "{}".format,
        "{!r}".format,
        "{!s}".format,
        lambda secret: f"{secret}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  loggers format so
        lambda secret: repr([secret, {"key": secret}]),
        lambda secret: repr(Holder("name", secret)),
        lambda secret: json.dumps({"secret": secret}, default=str),
        lambda secret: json.dumps({"secret": secret}, default=repr),
        lambda secret: repr(getattr(secret, "_read", "")),
    ],
)
def test_no_text_shows_it(show: Callable[[object], str], secret: AnySecret) -> None:
    """Whatever makes text of a secret, or of a record with one, does not show it."""
    assert VALUE not in show(secret)


def test_a_mask_stands_in_its_place() -> None:
    """Where a secret would stand, people see that there is one."""
    assert repr(Holder("rag-prod", Secret(VALUE))).endswith(
        "Holder(name='rag-prod', password=<secret>)"
    )


@pytest.mark.parametrize(
    "serialise",
    [
        json.dumps,
        *(lambda s, p=p: pickle.dumps(s, p) for p in range(pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy,
        copy.deepcopy,
        lambda secret: pickle.dumps(Holder("name", secret)),
        lambda secret: dataclasses.asdict(Holder("name", secret)),
    ],
)
def test_no_serialisation_takes_it(
    serialise: Callable[[object], object], secret: AnySecret
) -> None:
    """What would carry a secret elsewhere refuses, and says so without it."""
    with pytest.raises(TypeError) as caught:
        serialise(secret)

    assert VALUE not in str(caught.value)


def test_logging_it(caplog: pytest.LogCaptureFixture, secret: AnySecret) -> None:
    """A log line that is given a secret does not show it."""
    logging.getLogger("test").warning("password %s", secret)

    assert "password" in caplog.text
    assert VALUE not in caplog.text


def test_it_has_no_attributes_to_list() -> None:
    """A debugger's listing of attributes finds no value."""
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


def test_equality() -> None:
    """Secrets are equal when their values are, so that a changed key is noticed."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_files_are_equal_by_path(path: Path) -> None:
    """Two secrets in one file are equal, read or not, and neither looks into it for that."""
    one, two = SecretFile(str(path)), SecretFile(str(path))
    one.reveal()

    assert one == two
    assert hash(one) == hash(two)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"word", "word"),
        (b"word\n", "word"),
        (b"word\r\n", "word"),
        (b"word\n\n", "word\n"),
        (b" word ", " word "),
        (b"two\r\nlines\rof\ntext", "two\r\nlines\rof\ntext"),
        ("密码🔑".encode(), "密码🔑"),
        (b"x" * 16_384, "x" * 16_384),
        (b"x" * 16_384 + b"\n", "x" * 16_384),
    ],
    ids=lambda part: repr(part)[:20],
)
def test_content(path: Path, content: bytes, value: str) -> None:
    """The value is the file's text but for one newline at its end."""
    path.write_bytes(content)

    assert SecretFile(str(path)).reveal() == value


def in_place(path: Path, value: str) -> None:
    """Write over the file."""
    path.write_text(value, "utf-8")


def by_rename(path: Path, value: str) -> None:
    """Write another file, and rename it to this one."""
    other = path.with_suffix(".new")
    other.write_text(value, "utf-8")
    other.rename(path)


def by_rename_with_the_old_times(path: Path, value: str) -> None:
    """Likewise, with the modification time of the old file, as tools that copy all do."""
    stat = path.stat()
    other = path.with_suffix(".new")
    other.write_text(value, "utf-8")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.rename(path)


def by_symlink(path: Path, value: str) -> None:
    """Swap a symbolic link to another directory, as Kubernetes updates its volumes."""
    directory = path.parent / "..data_new"
    directory.mkdir()
    (directory / "password").write_text(value, "utf-8")
    link = path.parent / "..data_tmp"
    link.symlink_to(directory.name)
    link.rename(path.parent / "..data")


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A secret as Kubernetes mounts it: a link through a link to a directory."""
    directory = tmp_path / "..data_old"
    directory.mkdir()
    (directory / "password").write_text(VALUE, "utf-8")
    (tmp_path / "..data").symlink_to(directory.name)
    file = tmp_path / "password"
    file.symlink_to("..data/password")
    return file


@pytest.mark.parametrize("rotate", [in_place, by_rename, by_rename_with_the_old_times])
@pytest.mark.parametrize("rotated", ["a longer one than before", "n3w-s3cr3t-vä"])
def test_a_rotated_file(path: Path, rotate: Callable[[Path, str], None], rotated: str) -> None:
    """The next use of a secret after its file changed sees the new value."""
    secret = SecretFile(str(path))
    assert secret.reveal() == VALUE

    rotate(path, rotated)

    assert secret.reveal() == rotated


def test_a_rotated_volume(mounted: Path) -> None:
    """The swap of a link above the file is a change of the file."""
    secret = SecretFile(str(mounted))
    assert secret.reveal() == VALUE

    by_symlink(mounted, "n3w-s3cr3t-vä")

    assert secret.reveal() == "n3w-s3cr3t-vä"


def test_a_change_that_keeps_time_and_size(path: Path) -> None:
    """A value of the same length with the old modification time is still a change."""
    secret = SecretFile(str(path))
    stat = path.stat()
    assert secret.reveal() == VALUE

    path.write_text(VALUE.swapcase(), "utf-8")
    wait_for_another_change_time(path, stat.st_ctime_ns)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert secret.reveal() == VALUE.swapcase()


def wait_for_another_change_time(path: Path, before: int) -> None:
    """Touch a file until the kernel's clock, which counts in milliseconds, has moved on."""
    while path.stat().st_ctime_ns == before:
        path.touch()


def test_an_unchanged_file_is_not_read_again(path: Path) -> None:
    """While nothing changed, the value comes from memory."""
    path.write_text("x" * 16_384)
    secret = SecretFile(str(path))
    secret.reveal()
    before = bytes_read()

    secret.reveal()

    assert bytes_read() - before < 16_384


def bytes_read() -> int:
    """How many bytes this process has read so far, as the kernel counts them."""
    return int(Path("/proc/self/io").read_text("ascii").split()[1])


def unreadable(path: Path) -> None:
    """Leave a link that leads to itself: no user may read that, not even root."""
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (Path.unlink, "No such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "Is a directory"),
        (unreadable, "Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b""), "expected 1 to 16384 characters"),
        (lambda path: path.write_bytes(b"\n"), "expected 1 to 16384 characters"),
        (lambda path: path.write_bytes(VALUE.encode() * 4096), "expected 1 to 16384 characters"),
        (lambda path: path.write_bytes(VALUE.encode() + b"\xff"), "not UTF-8 text"),
    ],
)
def test_a_useless_file(path: Path, spoil: Callable[[Path], object], why: str) -> None:
    """What is wrong with a file is said with its path and without its content, also later on."""
    secret = SecretFile(str(path))
    assert secret.reveal() == VALUE
    spoil(path)

    with pytest.raises(NoCredentials) as caught:
        secret.reveal()

    assert str(caught.value) == f"secret file {path}: {why}"
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_comes_back(path: Path) -> None:
    """A secret that was gone for a while works again without a restart."""
    secret = SecretFile(str(path))
    path.unlink()
    with pytest.raises(NoCredentials):
        secret.reveal()

    path.write_text("back", "utf-8")

    assert secret.reveal() == "back"
