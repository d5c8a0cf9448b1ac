"""A project's workspace folder: its files are reached inside it alone, never through links."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Literal, Protocol

from flask import current_app

from models.errors import Conflict, Invalid

LARGEST = 1 << 20
"""Bytes of a file that is read or written."""

MOST = 5_000
"""Names in a folder that are told."""

_REASONS = {
    errno.ELOOP: "leads through a link",
    errno.EXDEV: "leads to another file system",
    errno.ENOTDIR: "leads through something that is no folder",
    errno.EISDIR: "is a folder",
    errno.ENXIO: "is no plain file",
    errno.ENAMETOOLONG: "is longer than the file system can have",
    errno.EACCES: "may not be reached by Team Room",
}
_BESIDE = re.compile(r"\.teamroom-[0-9a-f]{16}\.part")


class Opener(Protocol):
    """Opens one name in an open folder, through no link and to no other file system."""

    def __call__(self, name: str, flags: int, mode: int, folder: int) -> int: ...


class Unsure(Exception):
    """The file is in its place, but the disk did not confirm it."""


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Present:
    content: bytes
    mode: int


@dataclass(frozen=True)
class Entry:
    """Of a folder: a plain file with its bytes, a folder, or anything else, which is not followed."""

    name: str
    kind: Literal["file", "folder", "other"]
    size: int = 0
    mode: int = 0
    """Who may read and write it, as `chmod` says it."""


class Workspace:
    """Paths are relative, with `/`; each part is opened in the folder before it, so a swapped one is seen."""

    def __init__(self, root: Path, opener: Opener | None = None) -> None:
        self._root = root
        self._opener = opener or best_opener()

    @classmethod
    def of(cls, project_key: str) -> Workspace:
        """The project's, below the folder that WORKSPACES_FOLDER names; made with its first file."""
        return cls(Path(current_app.config["WORKSPACES_FOLDER"]) / project_key)

    def ready(self) -> Path:
        """The folder itself, made when it is not there: where commands are run."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._root

    def entries(self, path: str = "") -> list[Entry]:
        """What is in a folder, by name, at most MOST; the workspace itself is `""`. Nothing where none is.

        Invalid for what is no folder in it.
        """
        try:
            names = _parts(path) if path else []
            with _explained(), self._folder(names, make=False) as folder, os.scandir(folder) as found:
                return sorted(map(_entry, islice(found, MOST)), key=attrgetter("name"))
        except FileNotFoundError:
            return []

    def read(self, path: str) -> bytes | None:
        """What the file says now; None when there is none. Invalid for what is not read here."""
        present = self.present(path)
        return present.content if present else None

    def present(self, path: str) -> Present | None:
        """The same, with the file's mode."""
        *folders, name = _parts(path)
        try:
            with _explained(), self._folder(folders, make=False) as folder:
                return self._present(name, folder)
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes, base: str | None) -> bool:
        """Let the file be `content`, if its digest is still `base`, or if there is none and base is None.

        False when it is that already. Raises Invalid for what is not written here, Conflict when it is not
        the base, OSError when nothing was written, and Unsure.
        """
        *folders, name = _parts(path)
        if len(content) > LARGEST:
            raise _invalid(f"would be longer than {LARGEST:,} bytes")
        try:
            with _explained(), self._folder(folders, make=base is None) as folder:
                return self._write(name, folder, content, base)
        except FileNotFoundError:
            raise Conflict("the file that was to be changed is not there any more") from None

    def _write(self, name: str, folder: int, content: bytes, base: str | None) -> bool:
        # Of two writers the second sees what the first one wrote; the lock goes with the descriptor.
        fcntl.flock(folder, fcntl.LOCK_EX)
        _clear(folder)
        present = self._present(name, folder)
        now = digest_of(present.content) if present else None
        if now == digest_of(content):
            return False
        if now != base:
            raise Conflict(
                "the file is not the one that was to be changed" if base else "there is such a file by now"
            )
        self._replace(name, folder, content, present)
        return True

    def _replace(self, name: str, folder: int, content: bytes, present: Present | None) -> None:
        """Whole or not at all: written beside it, and then moved to its place."""
        beside = f".teamroom-{secrets.token_hex(8)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            with open(self._opener(beside, flags, 0o600, folder), "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), present.mode if present else 0o644)
                os.fsync(file.fileno())
            if present is None:
                _name_it(beside, name, folder)
            else:
                os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        except FileExistsError:
            raise Conflict("there is such a file by now") from None
        finally:
            with suppress(OSError):
                os.unlink(beside, dir_fd=folder)
        try:
            os.fsync(folder)
        except OSError as error:
            raise Unsure(error.strerror) from None

    def _present(self, name: str, folder: int) -> Present | None:
        """The plain file of this name, read through the one descriptor that was looked at."""
        try:
            # Before it is opened: opening a device does something to it.
            _must_be_plain(os.stat(name, dir_fd=folder, follow_symlinks=False))
        except FileNotFoundError:
            return None
        with open(self._opener(name, os.O_RDONLY | os.O_NONBLOCK, 0, folder), "rb") as file:
            status = os.fstat(file.fileno())
            _must_be_plain(status)
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise _invalid(f"is longer than {LARGEST:,} bytes")
        return Present(content, stat.S_IMODE(status.st_mode) & 0o777)

    @contextmanager
    def _folder(self, names: Sequence[str], make: bool) -> Iterator[int]:
        """The folder of these names, one inside the other, open; FileNotFoundError when it is not there."""
        if make:
            self.ready()
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for name in names:
                inner = self._inner(name, folder, make)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _inner(self, name: str, folder: int, make: bool) -> int:
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=folder)
                os.fsync(folder)
        return self._opener(name, os.O_RDONLY | os.O_DIRECTORY, 0, folder)


def _parts(path: str) -> list[str]:
    """The names of a path; Invalid for one that could lead out, however it was let in before."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise _invalid("must lead into the workspace, without empty parts, . and ..")
    if any(_BESIDE.fullmatch(part) for part in parts):
        raise _invalid("has a name that Team Room keeps for files which it is writing")
    return parts


def _entry(found: os.DirEntry[str]) -> Entry:
    with suppress(FileNotFoundError):  # it may be gone meanwhile
        status = found.stat(follow_symlinks=False)
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            return Entry(found.name, "folder", mode=mode)
        if stat.S_ISREG(status.st_mode):
            return Entry(found.name, "file", status.st_size, mode)
    return Entry(found.name, "other")


def _clear(folder: int) -> None:
    """Take away what a killed writer left beside its file; whoever has the lock is the only one."""
    for name in filter(_BESIDE.fullmatch, os.listdir(folder)):
        if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)


def _must_be_plain(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _invalid("is a folder" if stat.S_ISDIR(status.st_mode) else "is no plain file")
    if status.st_nlink != 1:
        raise _invalid("has a second name, perhaps outside (a hard link)")
    if status.st_size > LARGEST:
        raise _invalid(f"is longer than {LARGEST:,} bytes")


def _invalid(why: str) -> Invalid:
    return Invalid(f"the path {why}", fields={"path": [why]})


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _REASONS:
            raise _invalid(_REASONS[error.errno]) from None
        raise


# --- the two ways to open ---


class _How(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_OPENAT2 = 437
"""The same number on every architecture that Linux calls by the common table."""
_RESOLVE = 0x01 | 0x02 | 0x04 | 0x08
"""NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH."""
_libc = ctypes.CDLL(None, use_errno=True)


def by_kernel(name: str, flags: int, mode: int, folder: int) -> int:
    """By openat2 (Linux 5.6), which refuses whatever leads elsewhere while it looks."""
    how = _How(flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, _RESOLVE)
    opened: int = _libc.syscall(
        ctypes.c_long(_OPENAT2),
        ctypes.c_long(folder),
        ctypes.c_char_p(os.fsencode(name)),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    if opened < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return opened


def by_walking(name: str, flags: int, mode: int, folder: int) -> int:
    """By openat, where the kernel or a sandbox does not know the other: one name at a time, never a link."""
    opened = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    if os.fstat(opened).st_dev != os.fstat(folder).st_dev:
        os.close(opened)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
    return opened


# --- and to give a new file its name ---

_NOREPLACE = 0x01
_UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.EPERM)
"""What a kernel, a file system or a sandbox says that does not know renameat2."""


def _name_it(beside: str, name: str, folder: int) -> None:
    """Unlike renaming, FileExistsError when somebody else made a file of the name meanwhile."""
    if (number := _renamed(beside, name, folder)) in _UNKNOWN:
        # Who is killed between this and the unlinking leaves it with two names, until the next one clears up.
        os.link(beside, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    elif number:
        raise OSError(number, os.strerror(number), name)


def _renamed(beside: str, name: str, folder: int) -> int:
    """By renameat2, which never leaves a file with two names; the error's number, or 0."""
    rename = getattr(_libc, "renameat2", None)
    if rename is None:
        return errno.ENOSYS
    old, new = ctypes.c_char_p(os.fsencode(beside)), ctypes.c_char_p(os.fsencode(name))
    done: int = rename(folder, old, folder, new, ctypes.c_uint(_NOREPLACE))
    return ctypes.get_errno() if done else 0


@cache
def best_opener() -> Opener:
    if sys.platform != "linux":
        return by_walking
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(by_kernel(".", os.O_RDONLY | os.O_DIRECTORY, 0, root))
    except OSError:
        return by_walking
    finally:
        os.close(root)
    return by_kernel
