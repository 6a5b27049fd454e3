"""Patterns of paths: which files match one now, and which folders cannot be listed.

Python's ``glob`` passes over a folder that it cannot list. Here that is reported, since a folder
that is away or forbidden does not say that its files are deleted.
"""

import fnmatch
import glob
import itertools
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

UNTRUSTED: Final = 0  # in place of an inode: the folder's entry says nothing of the file
_ESCAPED = re.compile(r"\[([*?[])\]")


@dataclass(frozen=True, slots=True)
class Found:
    """What a pattern matches at one moment.

    Attributes:
        files: the inode of each by path, as its folder has it: another one is another file. Of
            symlinks, which may lead to folders, it is ``UNTRUSTED``.
        folders: the paths that match, but are folders.
        unreadable: why, by path, for each folder that cannot be listed.
    """

    files: Mapping[str, int]
    folders: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def may_hold(self, path: str) -> bool:
        """Whether a file that is not found may be in a folder that cannot be listed, or behind it.

        A folder that stands where the pattern names a file hides that file, as a mount does.
        """
        return any(path == folder or path.startswith(f"{folder}/") for folder in self.unreadable)


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries of one folder.

    Attributes:
        files: the inode of each by name; ``UNTRUSTED`` for a symlink.
        folders: the names of the folders, without those of symlinks.
        matching: those of the files that match, by path.
    """

    files: Mapping[str, int]
    folders: tuple[str, ...]
    matching: Mapping[str, int] = field(default_factory=dict)


class Pattern:
    """A pattern with ``*``, ``?`` and ``[...]``, of which none matches a slash or a first dot.

    Args:
        text: an absolute path or one from the working directory, as ``glob`` takes it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        *parts, self._last = Path(text).parts
        fixed = [*itertools.takewhile(lambda part: not _has_magic(part), parts)]
        self._fixed = str(Path(*map(_unescaped, fixed)))
        self._folders = parts[len(fixed) :]
        self._before: dict[str, _Entries] = {}
        self._found = Found({})

    def find(self) -> Found:
        """Return what matches now; the same object where that is the same as before."""
        unreadable: dict[str, str] = {}
        folders: list[str] = []
        entries: dict[str, _Entries] = {}
        files: dict[str, int] = {}
        for folder in self._searched(unreadable):
            if not _has_magic(self._last):
                self._look_up(folder, files, folders, unreadable)
            elif listed := self._listed(folder, unreadable):
                entries[folder] = self._matched(folder, listed)
                files |= entries[folder].matching
                folders += [_joined(folder, n) for n in _filtered(listed.folders, self._last)]
        self._before = entries
        found = Found(files, tuple(folders), unreadable)
        if found != self._found:
            self._found = found
        return self._found

    def _searched(self, unreadable: dict[str, str]) -> list[str]:
        """Return the folders in which the pattern's last part is looked for."""
        folders = [self._fixed]
        for part in self._folders:
            if not _has_magic(part):
                folders = [_joined(folder, _unescaped(part)) for folder in folders]
                continue
            folders = [
                inner
                for folder in folders
                if (listed := self._listed(folder, unreadable))
                for inner in _inner(folder, part, listed, unreadable)
            ]
        return folders

    def _listed(self, folder: str, unreadable: dict[str, str]) -> _Entries | None:
        files: dict[str, int] = {}
        folders: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        files[entry.name] = UNTRUSTED
                    elif entry.is_dir():
                        folders.append(entry.name)
                    else:
                        files[entry.name] = entry.inode()
        except OSError as error:
            if not (folder != self._fixed and _says_that_it_is_gone(error)):
                unreadable[folder] = f"cannot be listed: {error.strerror}"
            return None
        return _Entries(files, tuple(sorted(folders)))

    def _matched(self, folder: str, listed: _Entries) -> _Entries:
        before = self._before.get(folder)
        if before is not None and before.files == listed.files:
            return before
        names = sorted(_filtered(listed.files, self._last))
        matching = {_joined(folder, name): listed.files[name] for name in names}
        return _Entries(listed.files, listed.folders, matching)

    def _look_up(
        self, folder: str, files: dict[str, int], folders: list[str], unreadable: dict[str, str]
    ) -> None:
        """Look for a file whose name is known."""
        path = _joined(folder, _unescaped(self._last))
        try:
            os.lstat(path)
        except OSError as error:
            is_gone = _says_that_it_is_gone(error)
            if not is_gone or (folder == self._fixed and not _is_folder(folder)):
                unreadable[folder] = f"cannot be searched: {error.strerror}"
            return
        if not _is_folder(path):
            files[path] = UNTRUSTED
        elif self._folders:
            folders.append(path)
        else:
            unreadable[path] = f"is a folder: expected files, such as {path}/*.yaml"


def _inner(folder: str, part: str, listed: _Entries, unreadable: dict[str, str]) -> Iterator[str]:
    """Yield the folders in a folder that match a part of a pattern."""
    for name in _filtered(listed.folders, part):
        yield _joined(folder, name)
    for name in sorted(_filtered(listed.files, part)):
        path = _joined(folder, name)
        try:
            if listed.files[name] == UNTRUSTED and stat.S_ISDIR(Path(path).stat().st_mode):
                yield path
        except OSError as error:
            unreadable[path] = f"cannot be listed: {error.strerror}"


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except OSError:
        return False


def _says_that_it_is_gone(error: OSError) -> bool:
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def _filtered(names: Iterable[str], part: str) -> list[str]:
    matching = fnmatch.filter(names, part)
    return matching if part.startswith(".") else [n for n in matching if not n.startswith(".")]


def _has_magic(part: str) -> bool:
    return glob.has_magic(_ESCAPED.sub("", part))


def _unescaped(part: str) -> str:
    return _ESCAPED.sub(r"\1", part)


def _joined(folder: str, name: str) -> str:
    if folder == ".":
        return name
    return f"{folder}{name}" if folder.endswith("/") else f"{folder}/{name}"
