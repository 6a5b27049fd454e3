import glob
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.jobs.patterns import UNTRUSTED, Pattern
from tests.rights import without_override

NAMES = ("a.yaml", "b.yaml", ".hidden.yaml", "c.txt", "[x].yaml", "sub/d.yaml", "sub/.e/f.yaml")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files, hidden ones and folders."""
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.yaml", "?.yaml", "[ab].yaml", "[!a].yaml", ".*", ".h*.yaml", "*", "a.yaml"),
        *("nothing.yaml", "*/d.yaml", "*/*.yaml", "s*/*", "loop/*.yaml", "loop/sub/*"),
        *("[[]x].yaml", "sub/../*.yaml", "*/nothing.yaml", "**", "sub/**"),
    ],
)
def test_it_matches_as_glob_does(pattern: str, tree: Path) -> None:
    """A pattern finds the files that Python's glob finds, by the same paths."""
    text = f"{glob.escape(str(tree))}/{pattern}"

    found = Pattern(text).find()
    files = [path for path in found.files if Path(path).is_file()]

    assert sorted(files) == sorted(p for p in glob.glob(text) if Path(p).is_file())  # noqa: PTH207
    assert not found.unreadable


def test_relative_patterns(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths begin as the pattern does."""
    monkeypatch.chdir(tree)

    assert {*Pattern("sub/*.yaml").find().files} == {"sub/d.yaml"}
    assert "a.yaml" in Pattern("*.yaml").find().files


def test_the_same_folder_is_the_same_answer(tree: Path) -> None:
    """While nothing changes the answer is one object; a replaced file is another inode."""
    pattern = Pattern(f"{tree}/*.yaml")
    first = pattern.find()
    same = pattern.find()
    (tree / "fresh").write_text("x")
    (tree / "fresh").rename(tree / "a.yaml")
    after = pattern.find()
    a, link = str(tree / "a.yaml"), str(tree / "link.yaml")

    assert same is first
    assert after.files[a] != first.files[a]
    assert after.files[a] == Path(a).stat().st_ino
    assert after.files[link] == UNTRUSTED


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    """Give a folder other rights for a while, and take root's from this thread."""
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        with without_override():
            yield
    finally:
        path.chmod(before)


@pytest.mark.parametrize(
    ("pattern", "folder", "why"),
    [
        ("away/*.yaml", "away", "cannot be listed: No such file"),
        ("away/deep/*.yaml", "away/deep", "cannot be listed: No such file"),
        ("away/*/a.yaml", "away", "cannot be listed: No such file"),
        ("away/a.yaml", "away", "cannot be searched: No such file"),
        ("a.yaml/*.yaml", "a.yaml", "cannot be listed: Not a directory"),
        ("a.yaml/b.yaml", "a.yaml", "cannot be searched: Not a directory"),
        ("sub", "sub", "is a folder: expected files, such as"),
        ("d*/x.yaml", "dangling", "cannot be listed: No such file"),
    ],
)
def test_what_cannot_be_told(pattern: str, folder: str, why: str, tree: Path) -> None:
    """A folder that is away or is none says nothing of its files, and is reported."""
    (tree / "dangling").symlink_to("nowhere")

    found = Pattern(f"{tree}/{pattern}").find()

    assert [*found.unreadable] == [str(tree / folder)]
    assert found.unreadable[str(tree / folder)].startswith(why)
    assert found.may_hold(str(tree / folder / "any.yaml"))
    assert not found.may_hold(str(tree / f"{folder}-other" / "any.yaml"))


@pytest.mark.parametrize("pattern", ["sub/*.yaml", "*/*.yaml", "s*/d.yaml", "sub/d.yaml"])
def test_a_folder_that_is_forbidden(pattern: str, tree: Path) -> None:
    """A folder in the middle that cannot be read is reported, whatever else matches."""
    with mode(tree / "sub", 0):
        found = Pattern(f"{tree}/{pattern}").find()

    assert str(tree / "sub") in found.unreadable
    assert "Permission denied" in found.unreadable[str(tree / "sub")]


def test_what_is_gone_behind_a_wildcard(tree: Path) -> None:
    """A folder that its parent no longer lists is deleted, and its files with it."""
    pattern = Pattern(f"{tree}/*/*.yaml")
    before = pattern.find()
    (tree / "sub").rename(tree.parent / "sub")
    (tree / "loop").unlink()
    after = pattern.find()

    assert str(tree / "sub/d.yaml") in before.files
    assert (dict(after.files), dict(after.unreadable)) == ({}, {})
