"""A root folder and namespaces of its own for a command, by unshare(2), without any program of the system."""

import contextlib
import os
import signal
from collections.abc import Sequence

from agents.keeper import linux

_BASE, _OLD = "/tmp", "/.old"
_DEVICES = ("null", "zero", "full", "random", "urandom")
KERNEL_FILES = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
"""Of /proc: they belong to uid 0, who needs no capability to write them, and with them rules the machine."""
_SIZE = "mode=755,size=256m"
_CODES = 128
"""What a shell adds to the number of a signal to make a code of it."""


def enter(network: bool) -> None:
    """Into new namespaces, with this user mapped to itself and able to mount there; children get new pids."""
    user, group = os.getuid(), os.getgid()
    kept = 0 if network else linux.NEWNET
    linux.unshare(linux.NEWUSER | linux.NEWNS | linux.NEWPID | linux.NEWIPC | linux.NEWUTS | kept)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def be_first() -> None:
    """Go on as process 1 of the new pids; who called ends as that one ends."""
    first = os.fork()
    if first:
        os._exit(code_of(os.waitpid(first, 0)[1]))
    linux.prctl(linux.SET_PDEATHSIG, signal.SIGKILL)


def serve() -> None:
    """Go on in a child; process 1 buries whoever died and ends with that child, and the kernel all others."""
    begun = os.fork()
    if not begun:
        return
    while True:
        ended, status = os.wait()
        if ended == begun:
            os._exit(code_of(status))


def code_of(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _CODES - code


def new_root(readable: Sequence[str], writable: Sequence[str]) -> None:
    """Let the root be an empty one that holds these paths, a small /tmp, a few devices and the new pids."""
    linux.mount("", "/", flags=linux.REC | linux.PRIVATE)
    linux.mount("tmpfs", _BASE, "tmpfs", linux.NOSUID | linux.NODEV, _SIZE)
    os.mkdir(_BASE + _OLD)
    linux.pivot_root(_BASE, _BASE + _OLD)
    os.chdir("/")
    _devices()
    # Before the old one is gone: the kernel gives no new /proc to who could not see one.
    os.mkdir("/proc")
    linux.mount("proc", "/proc", "proc", linux.NOSUID | linux.NODEV | linux.NOEXEC)
    for name in KERNEL_FILES:
        if os.path.exists(f"/proc/{name}"):
            linux.mount(f"/proc/{name}", f"/proc/{name}", flags=linux.BIND | linux.REC)
            linux.remount(f"/proc/{name}", linux.READ_ONLY)
    os.mkdir("/tmp")
    linux.mount("tmpfs", "/tmp", "tmpfs", linux.NOSUID | linux.NODEV, _SIZE)
    for path in readable:
        _show(path, linux.NOSUID | linux.NODEV | linux.READ_ONLY)
    for path in writable:
        _show(path, linux.NOSUID | linux.NODEV)
    linux.unmount(_OLD)
    os.rmdir(_OLD)
    linux.remount("/", linux.READ_ONLY, inner=False)


def _show(path: str, attributes: int) -> None:
    """The path of the old root, at its place in the new one; one that is not there is left out."""
    old = _OLD + path
    if os.path.islink(old):
        target = os.readlink(old)
        if path.count("/") == 1:  # as /bin to /usr/bin, which is shown itself
            os.symlink(target, path)
            return
        old = _OLD + target if target.startswith("/") else old
    if os.path.isdir(old):
        os.makedirs(path, exist_ok=True)
    elif os.path.exists(old):
        _empty_file(path)
    else:
        return
    linux.mount(old, path, flags=linux.BIND | linux.REC)
    linux.remount(path, attributes)


def _devices() -> None:
    os.makedirs("/dev/shm")
    for name in _DEVICES:
        _empty_file(f"/dev/{name}")
        linux.mount(f"{_OLD}/dev/{name}", f"/dev/{name}", flags=linux.BIND)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        os.symlink(f"/proc/self/fd/{number}", f"/dev/{name}")
    os.symlink("/proc/self/fd", "/dev/fd")
    linux.mount("tmpfs", "/dev/shm", "tmpfs", linux.NOSUID | linux.NODEV | linux.NOEXEC, _SIZE)


def _empty_file(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
