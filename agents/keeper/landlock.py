"""Landlock and a small seccomp filter: what a process without any privilege can take from itself."""

import ctypes
import os
import platform
import stat
import struct
from collections.abc import Sequence

from agents.keeper import linux

OLDEST = 3
"""The first version (Linux 6.2) under which a file outside cannot be emptied."""

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_TCP = 0b11
_SCOPES = 0b11
"""Abstract sockets, and signals, to whoever is outside (version 6)."""


class Unknown(OSError):
    """This kernel or machine lacks what it needs."""


def version() -> int:
    """Which Landlock the kernel has; 0 for none."""
    try:
        return linux.syscall(_CREATE, None, 0, 1)
    except OSError:
        return 0


def restrict(readable: Sequence[str], writable: Sequence[str], network: bool) -> None:
    """From now on, and for all children: these files alone, no signal to others, no socket but for network.

    Without privileges it needs NO_NEW_PRIVS before.
    """
    known = version()
    if known < OLDEST:
        raise Unknown(f"Landlock {known} is too old")
    files = (1 << (16 if known >= 5 else 15)) - 1
    rules = _rules(known, files, network)
    try:
        for path in readable:
            _add(rules, path, files & _READING)
        for path in writable:
            _add(rules, path, files)
        linux.syscall(_RESTRICT, rules, 0)
    finally:
        os.close(rules)
    _without_sockets(_INTERNET if network else ())


def _rules(known: int, files: int, network: bool) -> int:
    tcp = _TCP if known >= 4 and not network else 0
    scopes = _SCOPES if known >= 6 else 0
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    wanted = ctypes.create_string_buffer(struct.pack("=QQQ", files, tcp, scopes)[:size], size)
    return linux.syscall(_CREATE, ctypes.byref(wanted), size, 0)


def _add(rules: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            access &= _OF_A_FILE
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, place), 12)
        linux.syscall(_ADD, rules, 1, ctypes.byref(rule), 0)
    finally:
        os.close(place)


# --- sockets, which Landlock does not know but for TCP ---

_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""The kernel's name of the machine, and the number of socket(2) there."""
_IO_URING_SETUP = 425
_OTHER_CALLS = 0x40000000
"""From here on the numbers of x32, the same calls once more."""
_INTERNET = (2, 10, 16)
"""AF_INET, AF_INET6 and AF_NETLINK: not AF_UNIX, by whose files the machine's own services are reached."""

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13
_NUMBER, _MACHINE, _FIRST = 0, 4, 16
"""Where they are in `struct seccomp_data`."""
_SET_SECCOMP, _FILTER = 22, 2


def _without_sockets(families: Sequence[int]) -> None:
    """Refuse (EACCES) to make a socket but of these families; io_uring could make one unseen."""
    machine, socket = _MACHINES.get(platform.machine(), (0, 0))
    if not machine:
        raise Unknown(f"no filter is known for {platform.machine()}")
    allowed = [(_EQUAL, len(families) - place, 0, family) for place, family in enumerate(families)]
    program = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 1, 0, _OTHER_CALLS),
        (_EQUAL, 0, 1, _IO_URING_SETUP),
        (_RETURN, 0, 0, _REFUSE),
        (_EQUAL, 1, 0, socket),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST),
        *allowed,
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    lines = ctypes.create_string_buffer(code, len(code))
    wanted = ctypes.create_string_buffer(
        struct.pack("@HP", len(program), ctypes.addressof(lines)), struct.calcsize("@HP")
    )
    linux.prctl(_SET_SECCOMP, _FILTER, ctypes.addressof(wanted))
